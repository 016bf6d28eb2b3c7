import { assertBytes, concatBytes, u64be } from '@bletchley/bytes'
import { engine } from '#engine'

/** Ethereum's Keccak-256 (not SHA3-256) over all `parts` in a row: 32 bytes. */
export function keccak256(...parts: Uint8Array[]): Uint8Array {
  for (const part of parts) assertBytes(part, 'part')
  return engine.keccak256(parts)
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
  const parts: Uint8Array[] = []
  for (const item of items) {
    assertBytes(item, 'item')
    parts.push(u64be(BigInt(item.length)), item)
  }
  return concatBytes(...parts)
}
