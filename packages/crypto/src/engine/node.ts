import { createCipheriv, createDecipheriv, createHash, randomBytes, randomFillSync } from 'node:crypto'
import { createRequire } from 'node:module'
import type { Pieces } from '@bletchley/bytes'
import { createKeccak, type IHasher } from 'hash-wasm'
import { type Engine, pieceBytes } from './engine.ts'

const require = createRequire(import.meta.url)
const algorithm = 'aes-256-gcm'
const tagLength = 16
const ivLength = 12

/** What is used of the native binding of libsecp256k1 (package `secp256k1`, which carries no types). */
interface NativeSecp256k1 {
  contextRandomize(seed: Uint8Array): void
  privateKeyVerify(secret: Uint8Array): boolean
  publicKeyCreate(secret: Uint8Array, compressed: boolean): Uint8Array
  publicKeyConvert(sec1: Uint8Array, compressed: boolean): Uint8Array
  ecdsaSign(digest: Uint8Array, secret: Uint8Array): { signature: Uint8Array; recid: number }
  ecdsaRecover(compact: Uint8Array, recoveryId: number, digest: Uint8Array, compressed: boolean): Uint8Array
  ecdh(sec1: Uint8Array, secret: Uint8Array): Uint8Array
}

/**
 * `bindings.js` is the native build and nothing else: the main entry of the package would fall back to `elliptic`
 * without a word, which is slower and has a worse record than noble.
 */
function loadNative(): NativeSecp256k1 | undefined {
  let native: NativeSecp256k1
  try {
    native = require('secp256k1/bindings.js')
  } catch {
    return undefined // No binary for this platform: the portable functions give the same bytes.
  }
  native.contextRandomize(randomBytes(32)) // Blinds the scalar multiplications against side channels.
  return native
}

function curveFunctions(native: NativeSecp256k1) {
  return {
    isSecretKey: (secret: Uint8Array) => native.privateKeyVerify(secret),
    derivePublicKey: (secret: Uint8Array) => native.publicKeyCreate(secret, false).slice(1),
    decodePoint: (sec1: Uint8Array) => native.publicKeyConvert(sec1, false).slice(1),
    ecdh: (secret: Uint8Array, sec1: Uint8Array) => native.ecdh(sec1, secret),
    signDigest: (secret: Uint8Array, digest: Uint8Array) => {
      const { signature, recid } = native.ecdsaSign(digest, secret)
      return { compact: signature, recoveryId: recid }
    },
    recoverPublicKey: (compact: Uint8Array, recoveryId: number, digest: Uint8Array) =>
      native.ecdsaRecover(compact, recoveryId, digest, false).slice(1),
  }
}

function keccakFunctions(keccak: IHasher) {
  return {
    keccak256: (parts: readonly Uint8Array[]) => {
      keccak.init()
      for (const part of parts) keccak.update(part)
      return keccak.digest('binary')
    },

    *keccak256InPieces(parts: readonly Uint8Array[]): Pieces<Uint8Array> {
      keccak.init()
      for (const part of parts) {
        for (let at = 0; at < part.length; at += pieceBytes) {
          keccak.update(part.subarray(at, at + pieceBytes))
          const state = keccak.save()
          yield
          keccak.load(state)
        }
      }
      return keccak.digest('binary')
    },
  }
}

const native = loadNative()

/** Whether libsecp256k1 itself does the curve arithmetic. */
export const isNative = native !== undefined

/**
 * Node's OpenSSL has no Keccak; in WebAssembly it is some ten times faster than in JavaScript. Absent where the process may not
 * have as much address space as the engine reserves for that (ulimit -v): the portable function gives the same bytes, and
 * the command can at least say what is wrong.
 */
const keccak = await createKeccak(256).catch((): undefined => undefined)

/** Random bytes that were drawn and not given out yet: to draw some costs as much for one byte as for a thousand. */
const pool = new Uint8Array(8192)
let unused = 0

/** What is given out is wiped: nobody who reads the pool later learns what it was. */
function randomBytesFromPool(length: number): Uint8Array {
  if (length > pool.length / 16) return randomFillSync(new Uint8Array(length))
  if (length > unused) {
    randomFillSync(pool)
    unused = pool.length
  }
  const bytes = pool.slice(unused - length, unused)
  pool.fill(0, unused - length, unused)
  unused -= length
  return bytes
}

async function portable(): Promise<Engine> {
  return (await import('./portable.ts')).engine
}

async function portableCurve(): Promise<Omit<Engine, keyof ReturnType<typeof keccakFunctions>>> {
  const { keccak256: _, keccak256InPieces: __, ...others } = await portable()
  return others
}

/** OpenSSL and libsecp256k1, where the platform has them. */
export const engine: Engine = {
  ...(keccak === undefined ? await portable() : keccakFunctions(keccak)),
  ...(native === undefined ? await portableCurve() : curveFunctions(native)),

  sha256: (parts) => {
    const hash = createHash('sha256')
    for (const part of parts) hash.update(part)
    return new Uint8Array(hash.digest())
  },

  randomBytes: randomBytesFromPool,

  sealAesGcm: (key, iv, plaintext) => {
    const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagLength })
    const blob = new Uint8Array(plaintext.length + tagLength + ivLength)
    blob.set(cipher.update(plaintext))
    cipher.final() // GCM is a stream mode: nothing is left to write.
    blob.set(cipher.getAuthTag(), plaintext.length)
    blob.set(iv, plaintext.length + tagLength)
    return blob
  },

  openAesGcm: (key, blob) => {
    const ivOffset = blob.length - ivLength
    const tagOffset = ivOffset - tagLength
    const decipher = createDecipheriv(algorithm, key, blob.subarray(ivOffset), { authTagLength: tagLength })
    decipher.setAuthTag(blob.subarray(tagOffset, ivOffset))
    const plaintext = new Uint8Array(decipher.update(blob.subarray(0, tagOffset)))
    decipher.final()
    return plaintext
  },
}
