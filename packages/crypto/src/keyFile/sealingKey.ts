import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { concatBytes, utf8ToBytes } from '@bletchley/bytes'
import { Secret } from '../secret.ts'

export const keyLength = 32
const tagLength = 16
const ivLength = 12
const algorithm = 'aes-256-gcm'

export const sealedVersion = 1
export const sealedMagic = utf8ToBytes('BLETCHLEY SEALED\n')
export const sealedHeader = concatBytes(sealedMagic, Uint8Array.of(sealedVersion))
/** A sealed file that holds nothing. */
export const minSealedBytes = sealedHeader.length + tagLength + ivLength

/**
 * The key of all sealed files of one data folder: 32 bytes that do not print. `openSealingKey` is the way to one.
 *
 * While a rotation is under way, or was broken off, it knows the key before it, which some files are still sealed with.
 */
export class SealingKey extends Secret {
  readonly previous: SealingKey | undefined

  constructor(key: Uint8Array, previous?: SealingKey) {
    super(key)
    if (key.length !== keyLength) throw new RangeError(`A sealing key has ${keyLength} bytes, got ${key.length}`)
    this.previous = previous
  }

  static random(previous?: SealingKey): SealingKey {
    return new SealingKey(randomBytes(keyLength), previous)
  }

  /** The content of a sealed file that holds `secret`. */
  seal(purpose: string, secret: Uint8Array): Uint8Array {
    const iv = randomBytes(ivLength)
    const cipher = createCipheriv(algorithm, this.bytes, iv, { authTagLength: tagLength })
    cipher.setAAD(concatBytes(sealedHeader, utf8ToBytes(purpose)))
    const ciphertext = cipher.update(secret)
    cipher.final()
    return concatBytes(sealedHeader, ciphertext, cipher.getAuthTag(), iv)
  }

  /** What a sealed file of at least header, tag and iv holds; undefined if key, purpose or any byte is another. */
  unseal(purpose: string, content: Uint8Array): Uint8Array | undefined {
    return this.unsealWithThis(purpose, content) ?? this.previous?.unseal(purpose, content)
  }

  /** As `unseal`, with this key and not the one before it. */
  unsealWithThis(purpose: string, content: Uint8Array): Uint8Array | undefined {
    const ivOffset = content.length - ivLength
    const tagOffset = ivOffset - tagLength
    const decipher = createDecipheriv(algorithm, this.bytes, content.subarray(ivOffset), { authTagLength: tagLength })
    decipher.setAAD(concatBytes(content.subarray(0, sealedHeader.length), utf8ToBytes(purpose)))
    decipher.setAuthTag(content.subarray(tagOffset, ivOffset))
    const secret = new Uint8Array(decipher.update(content.subarray(sealedHeader.length, tagOffset)))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    return secret
  }
}
