export {
  type AbiFunction,
  type AbiParameter,
  type ContractAbi,
  parseJsonAbi,
  signatureOf,
  toJsonAbi,
} from './abi.ts'
export {
  type BuildManifest,
  buildContract,
  buildFiles,
  buildFolder,
  type CodeIdentity,
  type ContractBuild,
  findContracts,
  readBuild,
} from './build.ts'
export { clientSource } from './clientSource.ts'
export type { CompiledContract, CompileOptions } from './compile.ts'
export { CompileError } from './compileError.ts'
export { ethereumBinding } from './ethereumBinding.ts'
export {
  compareGas,
  type GasChange,
  type GasComparison,
  type GasOfFunction,
  type GasSnapshot,
  readGasLog,
} from './gas.ts'
export { compileContract } from './lazyCompiler.ts'
export { createProject, linkPackages } from './project.ts'
export { gasLogVariable } from './testing/gasLog.ts'
