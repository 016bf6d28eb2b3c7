export { type Answer, type CallOptions, CoreClient, type CoreMethods, type FailedTask } from './coreClient.ts'
export { computeFunction, deployContract, type TaskEnd, type UserCall } from './userTasks.ts'
