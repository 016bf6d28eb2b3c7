import { constructorError } from '../errors.ts'
import { moduleLimits } from '../limits.ts'
import { type CheckedModule, checkModule } from '../prepare.ts'
import { decodeModule } from '../wasm/decode.ts'
import { encodeModule } from '../wasm/encode.ts'
import { type DecodedModule, importedFunctionTypes } from '../wasm/module.ts'
import { Op } from '../wasm/opcodes.ts'
import { externalizeMemory } from './externalMemory.ts'
import { prune } from './prune.ts'

/** Pre-code taken apart: what runs at deployment, and what is stored for every computation after it. */
export interface Deployable {
  exeCode: Uint8Array
  constructorModule: CheckedModule
}

/**
 * Splits pre-code into its constructor, rooted at export `deploy`, and its exeCode, rooted at `call`.
 *
 * Unlike the reference, exeCode is not embedded in the constructor's memory, where it overlaps what newer linkers and
 * allocators put there. @see spec/runtime.md 4, "simpler equivalent"
 *
 * @throws ModuleError
 */
export function prepareDeployment(preCode: Uint8Array): Deployable {
  const module = decodeModule(preCode)
  if (module.start !== undefined) throw constructorError('start function is not allowed')
  if (module.exports.length === 0) throw constructorError('no exports')
  const external = externalizeMemory(module)
  const withConstructor = ensureConstructor(external)
  const exeCode = encodeModule(prune(external, 'call'))
  // The imported memory may make it longer than its pre-code.
  if (exeCode.length > moduleLimits.moduleBytes.value) throw constructorError(moduleLimits.moduleBytes.text)
  return {
    exeCode,
    constructorModule: checkModule(prune(withConstructor, 'deploy'), 'deploy'),
  }
}

/** A contract without export `deploy` has an empty constructor. */
function ensureConstructor(module: DecodedModule): DecodedModule {
  const entry = module.exports.find(({ name }) => name === 'deploy')
  if (entry === undefined) {
    return {
      ...module,
      types: [...module.types, { params: new Uint8Array(), result: undefined }],
      functions: [...module.functions, module.types.length],
      exports: [
        { name: 'deploy', kind: 'function', index: importedFunctionTypes(module).length + module.functions.length },
      ],
      bodies: [...module.bodies, { locals: [], code: Uint8Array.of(Op.end) }],
      references: [...module.references, []],
    }
  }
  if (entry.kind !== 'function') throw constructorError('export deploy is not a function')
  const type = module.types[[...importedFunctionTypes(module), ...module.functions][entry.index] ?? -1]
  if (type === undefined || type.params.length > 0 || type.result !== undefined) {
    throw constructorError('export deploy does not have the type () -> ()')
  }
  return module
}
