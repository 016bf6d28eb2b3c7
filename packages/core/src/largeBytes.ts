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
export async function copyWithPauses(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes.length <= copiedBytes) return new Uint8Array(bytes)
  const pacer = new Pacer()
  const copy = new Uint8Array(bytes.length)
  for (let at = 0; at < bytes.length; at += copiedBytes) {
    copy.set(bytes.subarray(at, at + copiedBytes), at)
    await pacer.pause()
  }
  return copy
}
