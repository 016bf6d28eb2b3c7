export { CompileError } from '../compileError.ts'
export {
  type CallDelta,
  CallFailed,
  type CallOptions,
  type CallResult,
  type ContractFunctions,
  type TestContract,
} from './testContract.ts'
export { type NetworkOptions, type Snapshot, TestNetwork } from './testNetwork.ts'
export type { StateJson, TestState } from './testState.ts'
export type { Hex, TestUser } from './testUser.ts'
