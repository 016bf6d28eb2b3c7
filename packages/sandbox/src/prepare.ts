import { ModuleError, validationError } from './errors.ts'
import { resolveImports } from './imports.ts'
import { type Limit, moduleLimits } from './limits.ts'
import { analyseFunctions, type FunctionAnalysis } from './meter/analysis.ts'
import { instrument } from './meter/instrument.ts'
import type { ProfiledFunctions } from './profile.ts'
import { checkSegments } from './segments.ts'
import { encodeModule } from './wasm/encode.ts'
import { declaredMemories, importedFunctionTypes, type Limits, type WasmModule } from './wasm/module.ts'
import { checkMvpRules } from './wasm/mvpRules.ts'

/** A contract that is checked, metered and compiled. It may serve any number of runs, one after the other or not. */
export class PreparedModule {
  readonly compiled: WebAssembly.Module
  /** Pages of the memory to create, or undefined if the contract has none. */
  readonly memory: Limits | undefined
  /** The functions that count what they pay, if the contract is prepared for profiling. */
  readonly profiled: ProfiledFunctions | undefined

  constructor(compiled: WebAssembly.Module, memory: Limits | undefined, profiled?: ProfiledFunctions) {
    this.compiled = compiled
    this.memory = memory
    this.profiled = profiled
  }
}

export interface PrepareOptions {
  /** Makes the runs tell where their gas went. They pay the same, and take somewhat longer. */
  profiled?: boolean
}

/** A module that may run: everything that is wrong with one has been found before. */
export interface CheckedModule {
  module: WasmModule
  /** Function index of the entry, which has no parameters. */
  entry: number
  /** One per defined function. */
  analyses: readonly FunctionAnalysis[]
}

/**
 * Checks a module in the reference's order. What is left to be done with it, metering and compiling, cannot fail.
 *
 * @param entry name of the exported function that a run calls
 * @throws ModuleError with the texts of spec/runtime.md 1.6
 */
export function checkModule(module: WasmModule, entry: string): CheckedModule {
  if (module.memories.length > 0) {
    throw unacceptable('Malformed wasm module: internal memory')
  }
  validate(module)
  requireWithin(
    moduleLimits.codeBytes,
    sum(module.bodies, ({ code }) => code.length),
  )
  const analyses = analyseFunctions(module)
  checkLimits(module, analyses)
  resolveImports(module)
  checkSegments(module)
  if (module.start !== undefined) throw unacceptable('start function is not allowed')
  return { module, entry: requireEntry(module, entry), analyses }
}

/** Adds metering and limits to a module, and compiles it. */
export function compileModule(checked: CheckedModule, { profiled = false }: PrepareOptions = {}): PreparedModule {
  const { module } = checked
  const functions = { imported: importedFunctionTypes(module).length, defined: module.functions.length }
  return new PreparedModule(
    compile(instrumentedBytes(checked, profiled)),
    declaredMemories(module)[0],
    profiled ? functions : undefined,
  )
}

/** What the engine gets to compile, see `compileModule`. */
export function instrumentedBytes(
  { module, entry, analyses }: CheckedModule,
  profiled: boolean,
): Uint8Array<ArrayBuffer> {
  return encodeModule(instrument(module, entry, analyses, profiled))
}

/** What the contract itself says must be valid before anything is added, or it could refer to the additions. */
function validate(module: WasmModule): void {
  checkMvpRules(module)
  const bytes = encodeModule(module)
  if (WebAssembly.validate(bytes)) return
  // The reason is in the words of this engine, and so is not for the text of a task.
  throw validationError('module is not valid', reasonOfCompiler(bytes))
}

/** What the engine has against a module that is not valid: compiling it is the only way to learn that. */
function reasonOfCompiler(bytes: Uint8Array<ArrayBuffer>): Error | undefined {
  try {
    new WebAssembly.Module(bytes)
    return undefined
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return error
    throw error
  }
}

/** What the decoder has not bounded already. */
function checkLimits(module: WasmModule, analyses: readonly FunctionAnalysis[]): void {
  const limits = moduleLimits
  for (const table of module.tables) requireWithin(limits.tableEntries, table.initial)
  requireWithin(
    limits.elements,
    sum(module.elements, ({ members }) => members.length),
  )
  requireWithin(
    limits.dataBytes,
    sum(module.data, ({ bytes }) => bytes.length),
  )
  const imported = importedFunctionTypes(module).length
  for (const [index, { locals, blocks, transfers }] of analyses.entries()) {
    const owner = `function ${imported + index} has `
    requireWithin(limits.functionBytes, module.bodies[index]!.code.length, owner)
    requireWithin(limits.locals, locals, owner)
    requireWithin(limits.blocks, blocks, owner)
    requireWithin(limits.transfers, transfers, owner)
    requireWithin(limits.localsTimesBlocks, locals * blocks, owner)
  }
  requireWithin(
    limits.moduleBlocks,
    sum(analyses, ({ blocks }) => blocks),
  )
  requireWithin(
    limits.moduleTransfers,
    sum(analyses, ({ transfers }) => transfers),
  )
  requireWithin(
    limits.moduleSlowInstructions,
    sum(analyses, ({ slowInstructions }) => slowInstructions),
  )
  requireWithin(
    limits.moduleLocals,
    sum(analyses, ({ locals }) => locals),
  )
  requireWithin(
    limits.moduleLocalsTimesBlocks,
    sum(analyses, ({ locals, blocks }) => locals * blocks),
  )
  requireWithin(
    limits.moduleLocalsTimesTransfers,
    sum(analyses, ({ locals, transfers }) => locals * transfers),
  )
}

function requireWithin({ value, text }: Limit, count: number, owner = ''): void {
  if (count > value) throw unacceptable(owner + text)
}

function sum<T>(items: readonly T[], countOf: (item: T) => number): number {
  return items.reduce((total, item) => total + countOf(item), 0)
}

function unacceptable(detail: string): ModuleError {
  return new ModuleError('creation of WASM module', detail)
}

function requireEntry(module: WasmModule, name: string): number {
  const entry = module.exports.find((candidate) => candidate.name === name)
  if (entry === undefined) throw new ModuleError('WASM code', `Function: Module doesn't have export ${name}`)
  if (entry.kind !== 'function') {
    throw new ModuleError('WASM code', `Function: Export ${name} is not a function, but ${entry.kind}`)
  }
  const typeIndex = [...importedFunctionTypes(module), ...module.functions][entry.index]!
  if (module.types[typeIndex]!.params.length > 0) throw new ModuleError('WASM code', 'unexpected signature')
  return entry.index
}

function compile(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes)
  } catch (error) {
    // The module was valid before; what the engine refuses now is the size that metering gave it.
    if (error instanceof WebAssembly.CompileError) {
      throw new ModuleError('injecting gas counter', 'module becomes too large', error)
    }
    throw error
  }
}
