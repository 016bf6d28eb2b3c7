import { prepareDeployment } from './deployment/constructor.ts'
import { ModuleError } from './errors.ts'
import { checkModule } from './prepare.ts'
import { decodeModule } from './wasm/decode.ts'
import { functionNames } from './wasm/functionNames.ts'
import {
  declaredMemories,
  type ExternalKind,
  importedFunctionTypes,
  type Limits,
  type WasmModule,
} from './wasm/module.ts'

/** Whether a module would be taken, and if not, what a task with it would fail with; more, where the engine says more. */
export type Acceptance = { accepted: true } | { accepted: false; reason: string }

export interface FunctionDescription {
  /** In the index space of functions, where the imported ones come first. */
  index: number
  /** From the custom section `name`; undefined if the compiler left none. */
  name: string | undefined
  exportedAs: string[]
  /** Bytes of its instructions. */
  size: number
}

export interface ModuleDescription {
  /** Bytes. */
  size: number
  imports: { module: string; field: string; kind: ExternalKind }[]
  exports: { name: string; kind: ExternalKind }[]
  /** Pages of 64 KiB; undefined if the module has no memory. */
  memory: (Limits & { origin: 'own' | 'imported' }) | undefined
  /** Those that the module defines, by index. */
  functions: FunctionDescription[]
  /** Bytes of the data segments. */
  dataSize: number
  /** As pre-code of a deployment. `exeCode` is what would be stored, and whether computations would take it. */
  deploy: { accepted: true; exeCode: Uint8Array; compute: Acceptance } | { accepted: false; reason: string }
  /** As exeCode of a computation. */
  compute: Acceptance
}

/** What a module is made of and whether the sandbox takes it. Bytes that are no module at all give only the reason. */
export function describeModule(bytes: Uint8Array): ModuleDescription | { size: number; undecodable: string } {
  let module: WasmModule
  try {
    module = decodeModule(bytes)
  } catch (error) {
    return { size: bytes.length, undecodable: refusalText(error) }
  }
  const memory = declaredMemories(module)[0]
  return {
    size: bytes.length,
    imports: module.imports.map(({ module: from, field, kind }) => ({ module: from, field, kind })),
    exports: module.exports.map(({ name, kind }) => ({ name, kind })),
    memory: memory && { ...memory, origin: module.memories.length > 0 ? 'own' : 'imported' },
    functions: describeFunctions(module, functionNames(bytes)),
    dataSize: module.data.reduce((size, segment) => size + segment.bytes.length, 0),
    deploy: describeDeployment(bytes),
    compute: computeAcceptance(bytes),
  }
}

function describeFunctions(module: WasmModule, names: ReadonlyMap<number, string>): FunctionDescription[] {
  const exportedAs = new Map<number, string[]>()
  for (const { kind, name, index } of module.exports) {
    if (kind === 'function') exportedAs.set(index, [...(exportedAs.get(index) ?? []), name])
  }
  const imported = importedFunctionTypes(module).length
  return module.bodies.map(({ code }, position) => {
    const index = imported + position
    return { index, name: names.get(index), exportedAs: exportedAs.get(index) ?? [], size: code.length }
  })
}

function describeDeployment(bytes: Uint8Array): ModuleDescription['deploy'] {
  try {
    const { exeCode } = prepareDeployment(bytes)
    return { accepted: true, exeCode, compute: computeAcceptance(exeCode) }
  } catch (error) {
    return { accepted: false, reason: refusalText(error) }
  }
}

function computeAcceptance(bytes: Uint8Array): Acceptance {
  try {
    checkModule(decodeModule(bytes), 'call')
    return { accepted: true }
  } catch (error) {
    return { accepted: false, reason: refusalText(error) }
  }
}

/** The text of a refusal; anything else is a defect of ours and goes on. */
function refusalText(error: unknown): string {
  if (!(error instanceof ModuleError)) throw error
  const { message, cause } = error
  return cause instanceof Error ? `${message} (${cause.message.replace(/^WebAssembly\.Module\(\): /, '')})` : message
}
