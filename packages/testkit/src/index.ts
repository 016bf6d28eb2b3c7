export { CommandProcess, type ProcessEnd, type ProcessOptions, runCommand } from './commandProcess.ts'
export { type CoreProcess, type CoreProcessOptions, startCoreProcess } from './coreProcess.ts'
export { temporaryFolder } from './temporaryFolder.ts'
export { TestPrincipal } from './testPrincipal.ts'
