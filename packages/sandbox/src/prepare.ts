import { ModuleError, validationError } from './errors.ts'
import { resolveImports } from './imports.ts'
import {
  maxLocals,
  maxLocalsTimesBlocks,
  maxModuleLocalsTimesBlocks,
  maxModuleLocalsTimesTransfers,
  maxTableEntries,
} from './limits.ts'
import { analyseFunctions, type FunctionAnalysis } from './meter/analysis.ts'
import { instrument } from './meter/instrument.ts'
import { checkSegments } from './segments.ts'
import { encodeModule } from './wasm/encode.ts'
import { declaredMemories, importedFunctionTypes, type Limits, type WasmModule } from './wasm/module.ts'
import { checkMvpRules } from './wasm/mvpRules.ts'

/** A contract that is checked, metered and compiled. It may serve any number of runs, one after the other or not. */
export class PreparedModule {
  readonly compiled: WebAssembly.Module
  /** Pages of the memory to create, or undefined if the contract has none. */
  readonly memory: Limits | undefined

  constructor(compiled: WebAssembly.Module, memory: Limits | undefined) {
    this.compiled = compiled
    this.memory = memory
  }
}

/**
 * Checks a module in the reference's order, adds metering and limits, and compiles it.
 *
 * @param entry name of the exported function that a run calls
 * @throws ModuleError with the texts of spec/runtime.md 1.6
 */
export function prepareModule(module: WasmModule, entry: string): PreparedModule {
  if (module.memories.length > 0) {
    throw unacceptable('Malformed wasm module: internal memory')
  }
  validate(module)
  const analyses = analyseFunctions(module)
  checkLimits(module, analyses)
  resolveImports(module)
  checkSegments(module)
  if (module.start !== undefined) throw unacceptable('start function is not allowed')
  const instrumented = instrument(module, requireEntry(module, entry), analyses)
  return new PreparedModule(compile(encodeModule(instrumented)), declaredMemories(module)[0])
}

/** What the contract itself says must be valid before anything is added, or it could refer to the additions. */
function validate(module: WasmModule): void {
  checkMvpRules(module)
  const bytes = encodeModule(module)
  if (WebAssembly.validate(bytes)) return
  try {
    // Compiling is the only way to learn the reason.
    new WebAssembly.Module(bytes)
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) throw validationError(compilerReason(error))
    throw error
  }
  throw validationError('module is not valid')
}

function compilerReason(error: Error): string {
  return error.message.replace(/^WebAssembly\.Module\(\): /, '')
}

function checkLimits(module: WasmModule, analyses: readonly FunctionAnalysis[]): void {
  if (module.tables.some((table) => table.initial > maxTableEntries)) {
    throw unacceptable(`table has more than ${maxTableEntries} entries`)
  }
  const imported = importedFunctionTypes(module).length
  let blockSum = 0
  let transferSum = 0
  for (const [index, { locals, blocks, transfers }] of analyses.entries()) {
    if (locals > maxLocals) throw unacceptable(`function ${imported + index} has more than ${maxLocals} locals`)
    if (locals * blocks > maxLocalsTimesBlocks) {
      throw unacceptable(`function ${imported + index} has too many locals and blocks`)
    }
    blockSum += locals * blocks
    transferSum += locals * transfers
  }
  if (blockSum > maxModuleLocalsTimesBlocks) throw unacceptable('module has too many locals and blocks')
  if (transferSum > maxModuleLocalsTimesTransfers) {
    throw unacceptable('module has too many locals, branches and calls')
  }
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
      throw new ModuleError('injecting gas counter', compilerReason(error))
    }
    throw error
  }
}
