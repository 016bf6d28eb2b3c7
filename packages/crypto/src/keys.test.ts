import { inspect } from 'node:util'
import { bytesToHex, concatBytes, hexToBytes } from '@bletchley/bytes'
import { describe, expect, it } from 'vitest'
import { addressOf, ecdh, generateKeyPair, keyPairFromSecret, parsePublicKey, SecretKey } from './keys.ts'

const secret = hexToBytes('cdbd854f10463bf67be34240f4bcbc93e9fcd5852c9dad8d325d28822c632bcd')
const order = hexToBytes('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
const { publicKey } = keyPairFromSecret(secret)
const x = publicKey.slice(0, 32)
const compressed = concatBytes(Uint8Array.of(2 + (publicKey[63]! & 1)), x)
const uncompressed = concatBytes(Uint8Array.of(4), publicKey)

describe('SecretKey', () => {
  it('never shows its bytes', () => {
    const { secretKey } = keyPairFromSecret(secret)
    const shown = [
      JSON.stringify({ secretKey }),
      String(secretKey),
      inspect({ secretKey }, { depth: 10, showHidden: true }),
      JSON.stringify(Object.entries(secretKey)),
    ].join()
    expect(shown).toContain('[secret]')
    expect(shown).not.toContain('cdbd')
    expect(shown).not.toContain('205') // The first byte in decimal.
  })

  it('cannot be changed from outside', () => {
    const bytes = secret.slice()
    const secretKey = new SecretKey(bytes)
    bytes.fill(1)
    secretKey.bytes.fill(1)
    expect(secretKey.bytes).toEqual(secret)
  })

  it.each([
    ['zero', new Uint8Array(32)],
    ['the order', order],
    ['all ones', new Uint8Array(32).fill(255)],
    ['31 bytes', new Uint8Array(31).fill(1)],
    ['33 bytes', new Uint8Array(33).fill(1)],
    ['nothing', new Uint8Array()],
  ])('refuses %s', (_, bytes) => {
    expect(() => new SecretKey(bytes)).toThrow(expect.objectContaining({ code: 'invalid_key' }))
    expect(() => keyPairFromSecret(bytes)).toThrow(expect.objectContaining({ code: 'invalid_key' }))
  })
})

describe('parsePublicKey', () => {
  it.each([
    ['64 bytes', publicKey],
    ['65 bytes', uncompressed],
    ['33 bytes', compressed],
    ['a Node Buffer', Buffer.from(publicKey)],
    ['a view into a larger array', concatBytes(Uint8Array.of(7), publicKey).subarray(1)],
  ])('takes %s', (_, bytes) => {
    const parsed = parsePublicKey(bytes)
    expect(parsed).toEqual(publicKey)
    expect(parsed).not.toBe(bytes)
  })

  it.each([
    ['nothing', new Uint8Array()],
    ['zeros', new Uint8Array(64)],
    ['ones', new Uint8Array(64).fill(255)],
    ['a wrong y', Uint8Array.from(publicKey, (byte, i) => (i === 63 ? byte ^ 1 : byte))],
    ['63 bytes', publicKey.slice(1)],
    ['65 bytes without 04', concatBytes(Uint8Array.of(5), publicKey)],
    ['the hybrid form', concatBytes(Uint8Array.of(6 + (publicKey[63]! & 1)), publicKey)],
    ['33 bytes with 04', concatBytes(Uint8Array.of(4), x)],
    ['an x that no point has', concatBytes(Uint8Array.of(2), new Uint8Array(31), Uint8Array.of(5))],
    ['66 bytes', new Uint8Array(66)],
  ])('refuses %s', (_, bytes) => {
    expect(() => parsePublicKey(bytes)).toThrow(expect.objectContaining({ code: 'invalid_key' }))
  })
})

describe('key pairs', () => {
  it('are different each time, and agree on a shared key', () => {
    const one = generateKeyPair()
    const other = generateKeyPair()
    expect(one.publicKey).not.toEqual(other.publicKey)
    expect(ecdh(one.secretKey, other.publicKey)).toEqual(ecdh(other.secretKey, one.publicKey))
    expect(parsePublicKey(one.publicKey)).toEqual(one.publicKey)
  })

  it('share nothing with a point off the curve, or one of another form', () => {
    const { secretKey } = generateKeyPair()
    for (const bytes of [new Uint8Array(64), compressed, uncompressed]) {
      expect(() => ecdh(secretKey, bytes)).toThrow(expect.objectContaining({ code: 'invalid_key' }))
    }
  })

  it('have the address of the recorded key', () => {
    expect(bytesToHex(addressOf(publicKey))).toBe('565bb98965acd6dd393e0327646b9e998b1b43e0')
    expect(() => addressOf(uncompressed)).toThrow(RangeError)
  })
})
