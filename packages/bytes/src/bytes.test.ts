import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesToHex, bytesToUtf8, concatBytes, equalBytes, hexToBytes, u64be, utf8ToBytes } from './index.ts'

const bytes = fc.uint8Array({ maxLength: 100 })

describe('hexadecimal', () => {
  it('survives the round trip in both letter cases', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const hex = bytesToHex(value)
        expect(hex).toMatch(/^([0-9a-f]{2})*$/)
        expect(hexToBytes(hex)).toEqual(value)
        expect(hexToBytes(hex.toUpperCase())).toEqual(value)
      }),
    )
  })

  it.each(['0', '0x00', 'zz', '0g', 'g0', ' 00', '00 ', '0\n', '٠٠', '\u0130\u0130', '@a', '`a', '/0', ':0'])(
    'refuses %j without quoting it',
    (text) => {
      expect(() => hexToBytes(text)).toThrow(RangeError)
      expect(() => hexToBytes(`5ec2e7${text}`)).toThrow(/^(?!.*5ec2e7)/)
    },
  )

  it('takes exactly the strings that a regular expression would', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'09afAFgG/:@`xX '), maxLength: 6 }), (text) => {
        const valid = /^([0-9a-f]{2})*$/i.test(text)
        if (valid) expect(bytesToHex(hexToBytes(text))).toBe(text.toLowerCase())
        else expect(() => hexToBytes(text)).toThrow(RangeError)
      }),
    )
  })
})

describe('UTF-8', () => {
  it('keeps every well-formed text, also with a byte order mark', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(bytesToUtf8(utf8ToBytes(text))).toBe(text)
      }),
    )
    expect(bytesToUtf8(utf8ToBytes('\ufeffa'))).toBe('\ufeffa')
  })

  it.each(['ff', 'c0af', 'eda080', 'e282', 'f8888080'])('refuses %s', (hex) => {
    expect(() => bytesToUtf8(hexToBytes(hex))).toThrow(TypeError)
  })
})

describe('comparing and joining', () => {
  it('finds equal what is equal, and every changed byte', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, change) => {
        expect(equalBytes(value, value.slice())).toBe(true)
        expect(equalBytes(value, concatBytes(value, Uint8Array.of(0)))).toBe(false)
        if (value.length === 0) return
        const other = value.slice()
        other[at % value.length]! ^= change
        expect(equalBytes(value, other)).toBe(false)
      }),
    )
  })

  it('joins in order into a fresh array', () => {
    const part = Uint8Array.of(1)
    const joined = concatBytes(part, new Uint8Array(), Uint8Array.of(2, 3))
    part[0] = 9
    expect(joined).toEqual(Uint8Array.of(1, 2, 3))
  })
})

describe('u64be', () => {
  it.each([
    [0n, '0000000000000000'],
    [100_000n, '00000000000186a0'],
    [2n ** 53n + 1n, '0020000000000001'],
    [2n ** 64n - 1n, 'ffffffffffffffff'],
  ])('writes %d', (value, hex) => expect(bytesToHex(u64be(value))).toBe(hex))

  it.each([-1n, 2n ** 64n])('refuses %d', (value) => expect(() => u64be(value)).toThrow(RangeError))
})
