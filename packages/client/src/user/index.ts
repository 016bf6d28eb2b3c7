export { Secret } from '@bletchley/crypto'
export {
  type AbiValue,
  type Callable,
  decodeOutput,
  decodeResult,
  encodeArguments,
  exactArguments,
  isAbiName,
  parseArguments,
  parseCallable,
} from './abi.ts'
export type { BytesLike, GasLike } from './fields.ts'
export {
  type ComputeResult,
  type DeployResult,
  type FailedTaskResult,
  type OpenedCompute,
  type OpenedDeploy,
  type OpenedEthereumCall,
  type OpenedFailure,
  openComputeResult,
  openDeployResult,
  openFailedTask,
  type Verified,
} from './result.ts'
export {
  type ComputeTask,
  createTask,
  createUserKeys,
  type DeployInput,
  type DeployTask,
  type EncryptedCall,
  prepareCompute,
  prepareDeploy,
  type TaskContext,
  type UserKeys,
  verifyWorkerKey,
} from './task.ts'
export { UserError, type UserErrorCode } from './userError.ts'
