import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decrypt, encrypt } from './aesGcm.ts'

const key = new Uint8Array(32).fill(3)
const plaintext = fc.uint8Array({ maxLength: 300 })

describe('encrypt and decrypt', () => {
  it('are inverse, with 28 bytes more and a fresh iv each time', () => {
    fc.assert(
      fc.property(plaintext, (text) => {
        const blob = encrypt(key, text)
        expect(blob).toHaveLength(text.length + 28)
        expect(decrypt(key, blob)).toEqual(text)
        expect(encrypt(key, text).slice(-12)).not.toEqual(blob.slice(-12))
      }),
    )
  })

  it('notice every changed byte, every missing byte, and another key', () => {
    const blob = encrypt(key, Uint8Array.of(1, 2, 3, 4, 5))
    const failed = expect.objectContaining({ code: 'decryption_failed' })
    for (let i = 0; i < blob.length; i++) {
      const altered = Uint8Array.from(blob, (byte, at) => (at === i ? byte ^ 0x80 : byte))
      expect(() => decrypt(key, altered), `byte ${i}`).toThrow(failed)
    }
    for (let length = 12; length < blob.length; length++) {
      expect(() => decrypt(key, blob.slice(0, length)), `${length} bytes`).toThrow(failed)
    }
    expect(() => decrypt(new Uint8Array(32), blob)).toThrow(failed)
  })

  it.each([0, 1, 11])('call %d bytes no encryption at all', (length) => {
    expect(() => decrypt(key, new Uint8Array(length))).toThrow(expect.objectContaining({ code: 'improper_encryption' }))
  })

  it('refuse keys and ivs of wrong length', () => {
    expect(() => encrypt(new Uint8Array(16), key)).toThrow(RangeError)
    expect(() => decrypt(new Uint8Array(31), new Uint8Array(28))).toThrow(RangeError)
    expect(() => encrypt(key, key, new Uint8Array(16))).toThrow(RangeError)
  })
})
