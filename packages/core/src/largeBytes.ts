import { keccak256, keccak256InPieces } from '@bletchley/crypto'
import { Pacer, paced } from '@bletchley/store'

/** What is copied between two looks at the time; fresh memory costs most of it. */
const copiedBytes = 256 * 1024

/** keccak256 over parts of any size in a row, with pauses for others. They must not change meanwhile. */
export async function hashWithPauses(...parts: Uint8Array[]): Promise<Uint8Array> {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return length <= copiedBytes ? keccak256(...parts) : paced(keccak256InPieces(...parts))
}

/** A copy of its own, made with pauses for others. */
export function copyWithPauses(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return joinWithPauses(bytes)
}

/** Parts in a row, in memory of their own, with pauses for others. They must not change meanwhile. */
export async function joinWithPauses(...parts: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  const pacer = joined.length > copiedBytes ? new Pacer() : undefined
  let end = 0
  for (const part of parts) {
    for (let at = 0; at < part.length; at += copiedBytes) {
      joined.set(part.subarray(at, at + copiedBytes), end + at)
      await pacer?.pause()
    }
    end += part.length
  }
  return joined
}
