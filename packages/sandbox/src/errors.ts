/** The step that the display text of a refused or failed task names. */
export type Step =
  | 'deserialization into WASM module'
  | 'creation of WASM module'
  | 'injecting gas counter'
  | 'building the constructor'
  | 'WASM code'

export const gasLimitViolated = 'Invocation resulted in gas limit violated'

/** The text that a failed task encrypts to the user. @see spec/runtime.md 1.6, 7.1 */
export function displayText(step: Step, detail: string): string {
  return `Error in execution of ${step}: ${detail}`
}

/**
 * A module cannot be accepted. `message` is the display text of the failed task, the same on every worker; `cause`, if
 * there is one, is what this engine says.
 */
export class ModuleError extends Error {
  override readonly name = 'ModuleError'

  constructor(step: Step, detail: string, cause?: Error) {
    super(displayText(step, detail), { cause })
  }
}

/** A contract did something at run time that ends its run. `message` is the detail after `WASM code: `. */
export class ContractFault extends Error {
  override readonly name = 'ContractFault'
}

export function decodeError(detail: string): ModuleError {
  return new ModuleError('deserialization into WASM module', detail)
}

export function validationError(detail: string, cause?: Error): ModuleError {
  return new ModuleError('WASM code', `Validation: ${detail}`, cause)
}

export function instantiationError(detail: string): ModuleError {
  return new ModuleError('WASM code', `Instantiation: ${detail}`)
}

export function constructorError(detail: string): ModuleError {
  return new ModuleError('building the constructor', detail)
}

/** An access to linear memory outside `[0, size)`; sizes and addresses in bytes. */
export function regionText(start: number, length: number, size: number): string {
  return `Memory: trying to access region [${start}..${start + length}] in memory [0..${size}]`
}
