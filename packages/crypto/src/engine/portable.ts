import { gcm } from '@noble/ciphers/aes.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { type Engine, pieceBytes } from './engine.ts'

/** The most that one call of `getRandomValues` gives (Web Cryptography API). */
const maxRandomChunk = 65_536
const ivLength = 12

/** Pure JavaScript; runs everywhere. */
export const engine: Engine = {
  sha256: (parts) => {
    const hash = sha256.create()
    for (const part of parts) hash.update(part)
    return hash.digest()
  },

  keccak256: (parts) => {
    const hash = keccak_256.create()
    for (const part of parts) hash.update(part)
    return hash.digest()
  },

  *keccak256InPieces(parts) {
    const hash = keccak_256.create()
    for (const part of parts) {
      for (let at = 0; at < part.length; at += pieceBytes) {
        hash.update(part.subarray(at, at + pieceBytes))
        yield
      }
    }
    return hash.digest()
  },

  randomBytes: (length) => {
    const bytes = new Uint8Array(length)
    for (let offset = 0; offset < length; offset += maxRandomChunk) {
      globalThis.crypto.getRandomValues(bytes.subarray(offset, offset + maxRandomChunk))
    }
    return bytes
  },

  sealAesGcm: (key, iv, plaintext) => {
    const sealed = gcm(key, iv).encrypt(plaintext)
    const blob = new Uint8Array(sealed.length + ivLength)
    blob.set(sealed)
    blob.set(iv, sealed.length)
    return blob
  },

  openAesGcm: (key, blob) => {
    const sealedLength = blob.length - ivLength
    return gcm(key, blob.subarray(sealedLength)).decrypt(blob.subarray(0, sealedLength))
  },

  isSecretKey: (secret) => secp256k1.utils.isValidSecretKey(secret),

  derivePublicKey: (secret) => secp256k1.getPublicKey(secret, false).slice(1),

  decodePoint: (sec1) => secp256k1.Point.fromBytes(sec1).toBytes(false).slice(1),

  ecdh: (secret, sec1) => sha256(secp256k1.getSharedSecret(secret, sec1, true)),

  signDigest: (secret, digest) => {
    // noble puts the recovery id first: recid || r || s.
    const recovered = secp256k1.sign(digest, secret, { prehash: false, lowS: true, format: 'recovered' })
    return { compact: recovered.slice(1), recoveryId: recovered[0]! }
  },

  recoverPublicKey: (compact, recoveryId, digest) =>
    secp256k1.Signature.fromBytes(compact, 'compact')
      .addRecoveryBit(recoveryId)
      .recoverPublicKey(digest)
      .toBytes(false)
      .slice(1),
}
