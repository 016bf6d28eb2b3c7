import { prepareRuntime } from './contract.ts'
import { prepareDeployment } from './deployment/constructor.ts'
import { ModuleError } from './errors.ts'
import { decodeModule } from './wasm/decode.ts'
import { declaredMemories, type ExternalKind, type Limits, type WasmModule } from './wasm/module.ts'

/** Whether a module would be taken, and if not, the display text that a task with it would fail with. */
export type Acceptance = { accepted: true } | { accepted: false; reason: string }

export interface ModuleDescription {
  /** Bytes. */
  size: number
  imports: { module: string; field: string; kind: ExternalKind }[]
  exports: { name: string; kind: ExternalKind }[]
  /** Pages of 64 KiB; undefined if the module has no memory. */
  memory: (Limits & { origin: 'own' | 'imported' }) | undefined
  /** Functions that the module defines, imports not counted. */
  functionCount: number
  /** As pre-code of a deployment. `exeCode` is what would be stored, and whether computations would take it. */
  deploy: { accepted: true; exeCode: { size: number; compute: Acceptance } } | { accepted: false; reason: string }
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
    functionCount: module.functions.length,
    deploy: describeDeployment(bytes),
    compute: computeAcceptance(bytes),
  }
}

function describeDeployment(bytes: Uint8Array): ModuleDescription['deploy'] {
  try {
    const { exeCode } = prepareDeployment(bytes)
    return { accepted: true, exeCode: { size: exeCode.length, compute: computeAcceptance(exeCode) } }
  } catch (error) {
    return { accepted: false, reason: refusalText(error) }
  }
}

function computeAcceptance(bytes: Uint8Array): Acceptance {
  const prepared = prepareRuntime(bytes)
  return prepared.kind === 'ready' ? { accepted: true } : { accepted: false, reason: prepared.message }
}

/** The text of a refusal; anything else is a defect of ours and goes on. */
function refusalText(error: unknown): string {
  if (error instanceof ModuleError) return error.message
  throw error
}
