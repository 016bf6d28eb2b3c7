import { assertBytes, type Pieces } from '@bletchley/bytes'
import { engine } from '#engine'
import { CryptoError } from './cryptoError.ts'
import { keccak256InPieces, lengthPrefixed } from './hashes.ts'
import { addressOf, type SecretKey } from './keys.ts'

const signatureLength = 65
/** Ethereum's offset of the recovery id. */
const recoveryOffset = 27

/**
 * Signs `keccak256(message)`, deterministically (RFC 6979, low s) and without Ethereum's text prefix.
 *
 * @returns r(32) || s(32) || v(1), v = 27 + recovery id
 * @see spec/crypto.md 2.2
 */
export function sign(secretKey: SecretKey, message: Uint8Array): Uint8Array {
  assertBytes(message, 'message')
  return signDigest(secretKey, engine.keccak256([message]))
}

/** As {@link sign}, but for stops in which others can have their turn. */
export function* signInPieces(secretKey: SecretKey, message: Uint8Array): Pieces<Uint8Array> {
  return signDigest(secretKey, yield* keccak256InPieces(message))
}

function signDigest(secretKey: SecretKey, digest: Uint8Array): Uint8Array {
  const { compact, recoveryId } = engine.signDigest(secretKey.bytes, digest)
  const signature = new Uint8Array(signatureLength)
  signature.set(compact)
  signature[64] = recoveryOffset + recoveryId
  return signature
}

/** Signs a list of byte strings: `sign(secretKey, lengthPrefixed(items))`. */
export function signItems(secretKey: SecretKey, items: readonly Uint8Array[]): Uint8Array {
  return sign(secretKey, lengthPrefixed(items))
}

/**
 * The address of whoever signed `message`.
 *
 * Like Ethereum's ecrecover it also takes a high s, so one message has more than one valid signature: never use a
 * signature as an identifier. For bytes that nobody signed it gives some address that nobody owns.
 *
 * @param signature r || s || v, 65 bytes, v within 27 .. 30
 * @returns 20 bytes
 * @throws CryptoError invalid_signature if it has another form or leads to no key
 */
export function recoverAddress(message: Uint8Array, signature: Uint8Array): Uint8Array {
  assertBytes(message, 'message')
  assertBytes(signature, 'signature')
  if (signature.length !== signatureLength) {
    throw new CryptoError('invalid_signature', `A signature is 65 bytes r || s || v, got ${signature.length}`)
  }
  const recoveryId = signature[64]! - recoveryOffset
  if (recoveryId < 0 || recoveryId > 3) {
    throw new CryptoError('invalid_signature', 'The last byte of a signature is 27 + recovery id, within 27 .. 30')
  }
  let publicKey: Uint8Array
  try {
    publicKey = engine.recoverPublicKey(signature.slice(0, 64), recoveryId, engine.keccak256([message]))
  } catch {
    throw new CryptoError('invalid_signature', 'No public key belongs to this signature')
  }
  return addressOf(publicKey)
}
