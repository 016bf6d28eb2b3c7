import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto'
import { poly1305 } from '@noble/ciphers/_poly1305.js'
import { hsalsa, salsa20 } from '@noble/ciphers/salsa.js'

// The boxes of NaCl: X25519, HSalsa20, XSalsa20 and Poly1305. A sealed text is the tag, and then as many bytes as the text has.

export const keyBytes = 32
export const tagBytes = 16
/** Of the key stream, which are the key of the tag. */
const authKeyBytes = 32

/** What stands before a raw key in the encodings that Node reads. */
const secretPrefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
const publicPrefix = Buffer.from('302a300506032b656e032100', 'hex')

const sigma = words(Buffer.from('expand 32-byte k'))
const zeros = new Uint8Array(authKeyBytes)

export interface BoxKeys {
  readonly secret: KeyObject
  readonly publicKey: Uint8Array
}

/** @param secretKey 32 bytes */
export function boxKeys(secretKey: Uint8Array): BoxKeys {
  const der = Buffer.concat([secretPrefix, secretKey])
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  return { secret, publicKey: rawPublicKey(createPublicKey(secret)) }
}

export function newBoxKeys(): BoxKeys {
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  return { secret: privateKey, publicKey: rawPublicKey(publicKey) }
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return key.export({ format: 'der', type: 'spki' }).subarray(publicPrefix.length)
}

/** The key that two share; undefined if the public key is of those that share nothing secret. */
export function sharedKey({ secret }: BoxKeys, publicKey: Uint8Array): Uint8Array | undefined {
  const der = Buffer.concat([publicPrefix, publicKey])
  try {
    const shared = diffieHellman({
      privateKey: secret,
      publicKey: createPublicKey({ key: der, format: 'der', type: 'spki' }),
    })
    return derivedKey(shared, new Uint8Array(16))
  } catch {
    return undefined
  }
}

/** The key of XSalsa20 for all nonces that begin with these 16 bytes. */
export function derivedKey(key: Uint8Array, prefix: Uint8Array): Uint8Array {
  const derived = new Uint32Array(8)
  hsalsa(sigma, words(key), words(prefix), derived)
  return new Uint8Array(derived.buffer)
}

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(Uint8Array.from(bytes).buffer)
}

/** @param nonce 24 bytes */
export function seal(key: Uint8Array, nonce: Uint8Array, text: Uint8Array): Buffer {
  const cipher = new BoxCipher(derivedKey(key, nonce.subarray(0, 16)), nonce.subarray(16))
  const stream = Buffer.alloc(authKeyBytes + text.length)
  stream.set(text, authKeyBytes)
  cipher.apply(stream, 0)
  cipher.authenticate(stream.subarray(authKeyBytes))
  stream.set(cipher.tag(), tagBytes)
  return stream.subarray(tagBytes)
}

/** @returns undefined if the text was not sealed with that key and nonce */
export function open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  if (sealed.length < tagBytes) return undefined
  const cipher = new BoxCipher(derivedKey(key, nonce.subarray(0, 16)), nonce.subarray(16))
  const stream = Buffer.alloc(authKeyBytes - tagBytes + sealed.length)
  stream.set(sealed, tagBytes)
  cipher.authenticate(stream.subarray(authKeyBytes))
  if (!cipher.isTag(sealed.subarray(0, tagBytes))) return undefined
  cipher.apply(stream, 0)
  return stream.subarray(authKeyBytes)
}

/** Seals or opens one text in pieces. The text begins at byte 32 of the key stream. */
export class BoxCipher {
  readonly #key: Uint8Array
  readonly #nonce: Uint8Array
  readonly #mac: ReturnType<typeof poly1305.create>

  /**
   * @param key   derived from the nonce's first 16 bytes
   * @param nonce the other 8
   */
  constructor(key: Uint8Array, nonce: Uint8Array) {
    this.#key = key
    this.#nonce = nonce
    this.#mac = poly1305.create(salsa20(key, nonce, zeros))
  }

  /** Encrypts or decrypts where it lies. @param offset in the key stream, a multiple of 64 */
  apply(piece: Uint8Array, offset: number): void {
    salsa20(this.#key, this.#nonce, piece, piece, offset / 64)
  }

  /** The next bytes of the encrypted text. */
  authenticate(piece: Uint8Array): void {
    this.#mac.update(piece)
  }

  /** Of all that was authenticated; nothing can be added then. */
  tag(): Uint8Array {
    return this.#mac.digest()
  }

  isTag(tag: Uint8Array): boolean {
    return timingSafeEqual(this.tag(), tag)
  }
}
