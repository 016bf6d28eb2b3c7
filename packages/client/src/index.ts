export {
  type Answer,
  type CallOptions,
  type ClientCurve,
  type ClientOptions,
  CoreClient,
  type CoreMethods,
  type FailedTask,
} from './coreClient.ts'
export {
  type Computed,
  type ContractOptions,
  type DeployOptions,
  SecretContract,
  TaskFailed,
} from './secretContract.ts'
export { computeFunction, deployContract, type TaskEnd, type UserCall } from './userTasks.ts'
