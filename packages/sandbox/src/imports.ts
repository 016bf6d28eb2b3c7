import { instantiationError } from './errors.ts'
import type { HostFunction } from './host/environment.ts'
import { hostFunctions } from './host/registry.ts'
import { moduleLimits } from './limits.ts'
import type { FunctionType, Limits, WasmModule } from './wasm/module.ts'
import { ValueType } from './wasm/opcodes.ts'

/**
 * Checks every import of a module, in declaration order.
 *
 * @throws ModuleError with the texts of spec/runtime.md 1.6
 */
export function resolveImports(module: WasmModule): void {
  for (const entry of module.imports) {
    const { field } = entry
    if (entry.module !== 'env') throw instantiationError(`Module ${entry.module} not found`)
    if (entry.kind === 'memory') checkMemory(field, entry.limits)
    else if (entry.kind === 'function') checkFunction(field, module.types[entry.type]!)
    else throw instantiationError(`Export ${field} not found`)
  }
}

function checkMemory(field: string, { initial, maximum }: Limits): void {
  if (field !== 'memory') throw instantiationError('Memory imported under unknown name')
  const { value, text } = moduleLimits.memoryPages
  if (initial > value || maximum === undefined || maximum > value) throw instantiationError(text)
}

function checkFunction(field: string, declared: FunctionType): void {
  const host = hostFunctions.get(field)
  if (host === undefined) throw instantiationError(`Export ${field} not found`)
  const actual = hostFunctionType(host)
  const expected = describeType(declared)
  if (expected !== describeType(actual)) {
    throw instantiationError(
      `Expected function with type ${expected}, but actual type is ${describeType(actual)} for entry ${field}`,
    )
  }
}

function hostFunctionType({ parameters, returnsValue }: HostFunction): FunctionType {
  return {
    params: new Uint8Array(parameters).fill(ValueType.i32),
    result: returnsValue ? ValueType.i32 : undefined,
  }
}

const valueTypeNames = new Map<number, string>([
  [ValueType.i32, 'I32'],
  [ValueType.i64, 'I64'],
  [ValueType.f32, 'F32'],
  [ValueType.f64, 'F64'],
])

/** A signature as the reference prints it. */
function describeType({ params, result }: FunctionType): string {
  const names = Array.from(params, (type) => valueTypeNames.get(type))
  const returned = result === undefined ? 'None' : `Some(${valueTypeNames.get(result)})`
  return `Signature { params: [${names.join(', ')}], return_type: ${returned} }`
}
