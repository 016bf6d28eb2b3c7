export {
  type Core,
  type CoreLimits,
  type CoreOptions,
  type CurveOptions,
  defaultCoreLimits,
  startCore,
} from './core.ts'
export type { Simulated, StateChange } from './engine/simulator.ts'
export type { RefusalReason } from './server/refusals.ts'
export type { RouterCounts } from './server/router.ts'
export { type SimulatedCall, type SimulateOptions, simulate } from './simulate.ts'
