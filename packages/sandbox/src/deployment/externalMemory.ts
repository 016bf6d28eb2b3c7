import { constructorError } from '../errors.ts'
import { deployedMemory } from '../limits.ts'
import type { DecodedModule } from '../wasm/module.ts'

/**
 * The same module with its memory imported as `env.memory`, last of all imports, with the pages every contract gets.
 *
 * Takes both forms that compilers emit: a memory of the module's own, or one imported as `env.memory` already.
 *
 * @throws ModuleError if the module has no memory, more than one, or one under another name
 * @see spec/runtime.md 1.2, 4
 */
export function externalizeMemory(module: DecodedModule): DecodedModule {
  const imported = module.imports.filter((entry) => entry.kind === 'memory')
  if (imported.length + module.memories.length > 1) throw constructorError('more than one memory')
  if (imported.length + module.memories.length === 0) throw constructorError('no memory')
  const foreign = imported.find((entry) => entry.module !== 'env' || entry.field !== 'memory')
  if (foreign !== undefined) throw constructorError('the only memory that can be imported is env.memory')
  return {
    ...module,
    memories: [],
    imports: [
      ...module.imports.filter((entry) => entry.kind !== 'memory'),
      { module: 'env', field: 'memory', kind: 'memory', limits: deployedMemory },
    ],
  }
}
