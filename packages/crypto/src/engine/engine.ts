import type { Pieces } from '@bletchley/bytes'

/** What is hashed or written between two stops: half a millisecond's work, to hash it in WebAssembly. */
export const pieceBytes = 64 * 1024

/**
 * The primitives that exist twice: native ones in Node, pure JavaScript elsewhere. Both give the same bytes.
 *
 * Callers have checked kinds and lengths; an engine checks only what needs the mathematics, and throws a plain
 * `Error` without detail, which the public functions translate.
 */
export interface Engine {
  sha256(parts: readonly Uint8Array[]): Uint8Array
  keccak256(parts: readonly Uint8Array[]): Uint8Array
  /** The same with stops, between which others may hash as well. */
  keccak256InPieces(parts: readonly Uint8Array[]): Pieces<Uint8Array>
  randomBytes(length: number): Uint8Array
  /** AES-256-GCM; `key` 32 bytes, `iv` 12 bytes. Returns ciphertext || tag(16) || iv(12). */
  sealAesGcm(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** Opens such a blob of at least 28 bytes. Throws if the tag is wrong. */
  openAesGcm(key: Uint8Array, blob: Uint8Array): Uint8Array
  /** Whether 32 bytes are a scalar k with 0 < k < n. */
  isSecretKey(secret: Uint8Array): boolean
  /** x || y of a valid secret key, 64 bytes. */
  derivePublicKey(secret: Uint8Array): Uint8Array
  /** x || y of a SEC1 point of 33 or 65 bytes. Throws if it is not on the curve. */
  decodePoint(sec1: Uint8Array): Uint8Array
  /** sha256 of the compressed shared point. `sec1` has 65 bytes. Throws if it is not on the curve. */
  ecdh(secret: Uint8Array, sec1: Uint8Array): Uint8Array
  /** RFC 6979 nonce, low s. Returns r || s, and the recovery id that fits. */
  signDigest(secret: Uint8Array, digest: Uint8Array): { compact: Uint8Array; recoveryId: number }
  /** x || y of the key that made the signature; recovery id 0 .. 3. Throws if there is none. */
  recoverPublicKey(compact: Uint8Array, recoveryId: number, digest: Uint8Array): Uint8Array
}
