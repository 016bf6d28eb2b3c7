import type { EthereumCall } from './host/environment.ts'

/**
 * How a task ended. A failure is the contract's or the user's doing: it is signed and billed.
 *
 * `message` is the full display text; `usedGas` is what the task is billed.
 */
export type Outcome = (
  | { kind: 'success'; output: Uint8Array; usedGas: bigint; ethereum: EthereumCall }
  | { kind: 'failure'; message: string; usedGas: bigint }
) & {
  /** Where the gas went, if the contract was prepared for that and has run. */
  profile?: GasProfile
}

/**
 * Where the gas of one run went.
 *
 * What the task is billed is the sum of all gas here, less `refund`. A charge that did not fit is no part of what it was
 * for: what was left then is `lost`.
 */
export interface GasProfile {
  /**
   * What the instructions of each function cost, without those of the functions that it called; by function index of the
   * code that ran, imports counted. Functions that cost nothing are left out.
   */
  functions: { index: number; gas: bigint }[]
  /** What `memory.grow` cost beyond its instruction. */
  memoryGrow: bigint
  /** `write_state`, key by key in the order of their first writes. `refunded` is what was noted, see `refund`. */
  stateWrites: { key: string; writes: number; charged: bigint; refunded: bigint }[]
  /** What the contract charged itself through `gas`. */
  gasCalls: bigint
  /** What every task of its kind pays. */
  flat: bigint
  /** The rest of the limit that a task without gas loses. */
  lost: bigint
  /** What was taken off the bill: only from that of a success, and never more than there was. */
  refund: bigint
  /** Calls of host functions that were begun, and the bytes that they copied from and to linear memory. */
  hostCalls: { name: string; calls: number; bytes: number }[]
}
