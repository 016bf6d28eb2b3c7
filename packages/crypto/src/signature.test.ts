import { concatBytes, utf8ToBytes } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lengthPrefixed } from './hashes.ts'
import { addressOf, keyPairFromSecret } from './keys.ts'
import { recoverAddress, sign, signItems } from './signature.ts'

const { secretKey, publicKey } = keyPairFromSecret(new Uint8Array(32).fill(7))
const address = addressOf(publicKey)
const message = utf8ToBytes('a message')
const signature = sign(secretKey, message)

describe('sign and recoverAddress', () => {
  it('agree for any message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(recoverAddress(bytes, sign(secretKey, bytes))).toEqual(address)
      }),
    )
  })

  it('sign a list by its length-prefixed form, which no other list has', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 5 }), (items) => {
        expect(recoverAddress(lengthPrefixed(items), signItems(secretKey, items))).toEqual(address)
        const moved = lengthPrefixed([concatBytes(...items)])
        if (items.length !== 1) expect(moved).not.toEqual(lengthPrefixed(items))
      }),
      { numRuns: 50 },
    )
  })

  it('lead elsewhere once any byte of message or signature is changed', () => {
    const recovered = (bytes: Uint8Array, altered: Uint8Array) => {
      try {
        return recoverAddress(bytes, altered)
      } catch {
        return undefined
      }
    }
    for (let i = 0; i < signature.length; i++) {
      const altered = Uint8Array.from(signature, (byte, at) => (at === i ? byte ^ 1 : byte))
      expect(recovered(message, altered), `signature byte ${i}`).not.toEqual(address)
    }
    for (let i = 0; i < message.length; i++) {
      const altered = Uint8Array.from(message, (byte, at) => (at === i ? byte ^ 1 : byte))
      expect(recovered(altered, signature), `message byte ${i}`).not.toEqual(address)
    }
  })

  it.each([0, 1, 26, 31, 255])('refuse the last byte %d', (v) => {
    const altered = concatBytes(signature.slice(0, 64), Uint8Array.of(v))
    expect(() => recoverAddress(message, altered)).toThrow(expect.objectContaining({ code: 'invalid_signature' }))
  })

  it.each([
    ['nothing', new Uint8Array()],
    ['64 bytes', signature.slice(0, 64)],
    ['66 bytes', concatBytes(signature, Uint8Array.of(0))],
    ['r = s = 0', concatBytes(new Uint8Array(64), Uint8Array.of(27))],
    ['r = s = 2^256 - 1', concatBytes(new Uint8Array(64).fill(255), Uint8Array.of(28))],
  ])('refuse %s', (_, bytes) => {
    expect(() => recoverAddress(message, bytes)).toThrow(expect.objectContaining({ code: 'invalid_signature' }))
  })
})
