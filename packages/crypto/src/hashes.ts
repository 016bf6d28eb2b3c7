import { assertBytes, concatBytes, type Pieces, u64be } from '@bletchley/bytes'
import { engine } from '#engine'

/** Ethereum's Keccak-256 (not SHA3-256) over all `parts` in a row: 32 bytes. */
export function keccak256(...parts: Uint8Array[]): Uint8Array {
  for (const part of parts) assertBytes(part, 'part')
  return engine.keccak256(parts)
}

/**
 * As {@link keccak256}, but for stops in which others can have their turn.
 *
 * @param parts must not change meanwhile
 */
export function* keccak256InPieces(...parts: Uint8Array[]): Pieces<Uint8Array> {
  for (const part of parts) assertBytes(part, 'part')
  return yield* engine.keccak256InPieces(parts)
}

/** SHA-256 over all `parts` in a row: 32 bytes. The protocol needs it only inside ECDH. */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  for (const part of parts) assertBytes(part, 'part')
  return engine.sha256(parts)
}

/**
 * Joins items so that no two lists give the same bytes: each is preceded by its length.
 *
 * `u64be(length) || item` per item; no count, no terminator. Enigma calls it `prepare_hash_multiple`.
 *
 * @see spec/crypto.md 2.3
 */
export function lengthPrefixed(items: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...lengthPrefixedParts(items))
}

/** What {@link lengthPrefixed} joins, for whoever hashes it: large items are not copied. */
export function lengthPrefixedParts(items: readonly Uint8Array[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (const item of items) {
    assertBytes(item, 'item')
    parts.push(u64be(BigInt(item.length)), item)
  }
  return parts
}
