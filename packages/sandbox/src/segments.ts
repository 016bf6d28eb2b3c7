import { instantiationError, ModuleError, regionText } from './errors.ts'
import { type ConstantExpression, declaredMemories, declaredTables, type WasmModule } from './wasm/module.ts'

const pageBytes = 65_536

/**
 * Checks that all element segments, then all data segments, fit. Imported globals do not exist, so every offset is a
 * constant and nothing is left to find out at instantiation.
 *
 * @throws ModuleError
 */
export function checkSegments(module: WasmModule): void {
  const entries = declaredTables(module)[0]?.initial ?? 0
  for (const { offset, members } of module.elements) {
    if (offsetOf(offset) + members.length > entries) throw instantiationError('elements segment does not fit')
  }
  const size = (declaredMemories(module)[0]?.initial ?? 0) * pageBytes
  for (const { offset, bytes } of module.data) {
    const start = offsetOf(offset)
    if (start + bytes.length > size) throw new ModuleError('WASM code', regionText(start, bytes.length, size))
  }
}

/** The offset of a segment of a valid module without global imports, as an unsigned number. */
function offsetOf(offset: ConstantExpression): number {
  return (offset.kind === 'constant' ? offset.value! : 0) >>> 0
}
