import { assertBytes, concatBytes } from '@bletchley/bytes'
import { engine } from '#engine'
import { CryptoError } from './cryptoError.ts'
import { Secret } from './secret.ts'

const secretKeyLength = 32
export const publicKeyLength = 64
export const addressLength = 20
const uncompressedPrefix = Uint8Array.of(4)

/** A secp256k1 secret key: 32 bytes that do not print. */
export class SecretKey extends Secret {
  /**
   * @param bytes 32 bytes, 0 < k < n; copied
   * @throws CryptoError invalid_key
   */
  constructor(bytes: Uint8Array) {
    super(bytes)
    if (bytes.length !== secretKeyLength || !engine.isSecretKey(bytes)) {
      throw new CryptoError('invalid_key', 'A secret key is 32 bytes, above zero and below the order of the curve')
    }
  }
}

export interface KeyPair {
  secretKey: SecretKey
  /** x || y, 64 bytes. */
  publicKey: Uint8Array
}

/** A fresh random key pair. */
export function generateKeyPair(): KeyPair {
  let secret = engine.randomBytes(secretKeyLength)
  while (!engine.isSecretKey(secret)) secret = engine.randomBytes(secretKeyLength)
  return keyPairFromSecret(secret)
}

/**
 * The key pair of a secret key.
 *
 * @param secret 32 bytes, secret; copied
 * @throws CryptoError invalid_key
 */
export function keyPairFromSecret(secret: Uint8Array): KeyPair {
  const secretKey = new SecretKey(secret)
  return { secretKey, publicKey: engine.derivePublicKey(secretKey.bytes) }
}

/**
 * Brings a public key of any usual form to the form of the wire, x || y.
 *
 * @param bytes 64 bytes x || y, 65 bytes 04 || x || y, or 33 bytes compressed
 * @returns 64 bytes, fresh
 * @throws CryptoError invalid_key for any other form, or a point that is not on the curve
 */
export function parsePublicKey(bytes: Uint8Array): Uint8Array {
  assertBytes(bytes, 'public key')
  let sec1: Uint8Array
  if (bytes.length === publicKeyLength) sec1 = toSec1(bytes)
  // SEC1's hybrid forms 06 and 07 are left out: nobody sends them.
  else if (bytes.length === 33 || (bytes.length === 65 && bytes[0] === 4)) sec1 = bytes
  else {
    throw new CryptoError('invalid_key', 'A public key is 64 bytes x || y, 65 bytes with 04 first, or 33 compressed')
  }
  return onCurve(() => engine.decodePoint(sec1))
}

/** The Ethereum-style address of a public key: the last 20 bytes of `keccak256(x || y)`. */
export function addressOf(publicKey: Uint8Array): Uint8Array {
  assertBytes(publicKey, 'public key', publicKeyLength)
  return engine.keccak256([publicKey]).slice(-addressLength)
}

/**
 * The key that two parties share: `sha256(02 or 03 || x)` of the common point.
 *
 * @param publicKey the other side's, 64 bytes x || y
 * @returns 32 bytes, secret
 * @throws CryptoError invalid_key if `publicKey` is not 64 bytes or not on the curve
 * @see spec/crypto.md 2.1
 */
export function ecdh(secretKey: SecretKey, publicKey: Uint8Array): Uint8Array {
  assertBytes(publicKey, 'public key')
  if (publicKey.length !== publicKeyLength) {
    throw new CryptoError('invalid_key', `A public key is 64 bytes x || y, got ${publicKey.length}`)
  }
  return onCurve(() => engine.ecdh(secretKey.bytes, toSec1(publicKey)))
}

function toSec1(publicKey: Uint8Array): Uint8Array {
  return concatBytes(uncompressedPrefix, publicKey)
}

function onCurve<T>(compute: () => T): T {
  try {
    return compute()
  } catch {
    throw new CryptoError('invalid_key', 'The public key is not a point of secp256k1')
  }
}
