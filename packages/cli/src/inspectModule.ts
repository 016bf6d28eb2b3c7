import { bytesToHex } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { type Acceptance, describeModule, type FunctionDescription } from '@bletchley/sandbox'

/** Functions that are listed, the largest first. */
const listedFunctions = 10

export interface InspectedModule {
  /** False if a deployment or the computations behind it would refuse the code. */
  accepted: boolean
  /** For `print`. */
  shown: object
}

/** What a WebAssembly file is made of, what its deployment costs, and whether a worker takes it. */
export function inspectModule(file: string, bytes: Uint8Array): InspectedModule {
  const description = describeModule(bytes)
  const head = { file, size: bytes.length, hash: bytesToHex(keccak256(bytes)) }
  if ('undecodable' in description) {
    const { undecodable } = description
    return { accepted: false, shown: { ...head, error: undecodable, ...(isNewer(undecodable) && { hint: newerHint }) } }
  }
  const { imports, exports, memory, functions, dataSize, deploy, compute } = description
  // Code is computed as what its deployment makes of it; only code whose memory is imported can have been deployed before.
  const computes = deploy.accepted ? deploy.compute : memory?.origin === 'imported' ? compute : undefined
  return {
    accepted: deploy.accepted && deploy.compute.accepted,
    shown: {
      ...head,
      functions: functions.length,
      largest: functions
        .toSorted((a, b) => b.size - a.size || a.index - b.index)
        .slice(0, listedFunctions)
        .map((each) => ({ size: each.size, name: nameOf(each) })),
      data: dataSize,
      memory: memory && `${memory.origin}, ${memory.initial} to ${memory.maximum ?? 'unlimited'} pages`,
      imports: imports.map(({ module, field, kind }) => `${kind} ${module}.${field}`),
      exports: exports.map(({ name, kind }) => `${kind} ${name}`),
      deploy: deploy.accepted ? `accepted, ${deploy.exeCode.length} bytes of exeCode` : deploy.reason,
      ...(deploy.accepted && {
        // A byte of exeCode costs one gas (docs/contracts.md).
        codeGas: deploy.exeCode.length,
        codeHash: bytesToHex(keccak256(deploy.exeCode)),
      }),
      ...(computes && { compute: outcome(computes) }),
    },
  }
}

const newerHint =
  'the code uses WebAssembly that is newer than workers; in Rust -C target-cpu=mvp keeps it out, and from 1.82 on the target wasm32v1-none, whose libraries have none of it either'

/** Whether the words of a worker are those for code of a newer version of WebAssembly, such as compilers make by default. */
function isNewer(reason: string): boolean {
  return /Unknown (opcode|value type|table element type) |Invalid reserved byte /.test(reason)
}

function nameOf({ index, name, exportedAs }: FunctionDescription): string {
  const exported = exportedAs.length > 0 ? ` (export ${exportedAs.join(', ')})` : ''
  return `${name ?? `function ${index}`}${exported}`
}

function outcome(acceptance: Acceptance): string {
  return acceptance.accepted ? 'accepted' : acceptance.reason
}
