import { validationError } from '../errors.ts'
import {
  type ConstantExpression,
  declaredMemories,
  declaredTables,
  importedGlobals,
  type WasmModule,
} from './module.ts'

/**
 * Rules of the first version of WebAssembly that engines have relaxed since, and that the decoder cannot see. What
 * remains is left to the engine's own validation.
 *
 * @throws ModuleError
 */
export function checkMvpRules(module: WasmModule): void {
  if (declaredTables(module).length > 1) throw validationError('more than one table')
  if (declaredMemories(module).length > 1) throw validationError('more than one memory')
  const imported = importedGlobals(module)
  if (imported.some((global) => global.mutable)) throw validationError('trying to import mutable global')
  const globals = [...imported, ...module.globals]
  for (const { kind, index, name } of module.exports) {
    if (kind === 'global' && globals[index]?.mutable) throw validationError(`trying to export mutable global ${name}`)
  }
  const initialisers = [
    ...module.globals.map((global) => global.init),
    ...module.elements.map((segment) => segment.offset),
    ...module.data.map((segment) => segment.offset),
  ]
  for (const init of initialisers) checkInitialiser(init, imported.length)
}

function checkInitialiser(init: ConstantExpression, importedCount: number): void {
  if (init.kind === 'global' && init.index >= importedCount) {
    throw validationError(`initialiser reads global ${init.index}, which is not imported`)
  }
}
