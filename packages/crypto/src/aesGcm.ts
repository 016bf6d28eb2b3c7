import { assertBytes } from '@bletchley/bytes'
import { engine } from '#engine'
import { CryptoError } from './cryptoError.ts'

const symmetricKeyLength = 32
const ivLength = 12
/** What encryption adds to a plaintext: tag(16) || iv(12). */
const encryptionOverhead = 28

/**
 * Encrypts with AES-256-GCM, without associated data.
 *
 * @param key 32 bytes, secret
 * @param iv  12 bytes, never twice with one key; drawn at random if absent, as it should be outside of tests
 * @returns ciphertext || tag(16) || iv(12)
 * @see spec/crypto.md 2.4
 */
export function encrypt(key: Uint8Array, plaintext: Uint8Array, iv?: Uint8Array): Uint8Array {
  assertBytes(key, 'key', symmetricKeyLength)
  assertBytes(plaintext, 'plaintext')
  if (iv !== undefined) assertBytes(iv, 'iv', ivLength)
  return engine.sealAesGcm(key, iv ?? engine.randomBytes(ivLength), plaintext)
}

/**
 * Opens what `encrypt` made.
 *
 * @param key  32 bytes, secret
 * @param blob ciphertext || tag(16) || iv(12)
 * @returns the plaintext, fresh
 * @throws CryptoError improper_encryption below 12 bytes; decryption_failed if the key or any byte is wrong
 */
export function decrypt(key: Uint8Array, blob: Uint8Array): Uint8Array {
  assertBytes(key, 'key', symmetricKeyLength)
  assertBytes(blob, 'blob')
  if (blob.length < ivLength) throw new CryptoError('improper_encryption', 'The blob is too short to hold an iv')
  if (blob.length >= encryptionOverhead) {
    try {
      return engine.openAesGcm(key, blob)
    } catch {
      // The one reason is a wrong tag, whether from a wrong key or from changed bytes.
    }
  }
  throw new CryptoError('decryption_failed', 'The key does not open this blob')
}
