import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  assertBytes,
  bytesToHex,
  bytesToUtf8,
  compareBytes,
  concatBytes,
  equalBytes,
  HexParts,
  hexToBytes,
  parseHex,
  parseUtf8,
  u32At,
  u32be,
  u64At,
  u64be,
  utf8ToBytes,
} from './index.ts'

const bytes = fc.uint8Array({ maxLength: 100 })

describe('hexadecimal', () => {
  it('comes in parts of any length, and means the same', () => {
    const digit = fc.constantFrom(...'0123456789abcdefABCDEF')
    const part = fc.oneof(
      { weight: 8, arbitrary: fc.array(digit, { maxLength: 5 }).map((digits) => digits.join('')) },
      fc.constantFrom('0x', '0X', '0', 'x', 'g', ' ', '\u00e9'),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const hex = new HexParts()
        for (const text of parts) hex.add(text)
        expect(hex.finish()).toEqual(parseHex(parts.join('')))
      }),
      { numRuns: 2000 },
    )
  })

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

  it('names the first character that is no digit', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), (value, nat) => {
        fc.pre(value.length > 0)
        const hex = bytesToHex(value)
        const at = nat % hex.length
        expect(() => hexToBytes(`${hex.slice(0, at)}g${hex.slice(at + 1)}`)).toThrow(new RegExp(` at position ${at}$`))
      }),
    )
  })

  it('is parsed with and without 0x, and is nothing if anything else is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'09afAFgG/:@`xX '), maxLength: 7 }), (text) => {
        const digits = /^(?:0x)?((?:[0-9a-f]{2})*)$/i.exec(text)?.[1]
        expect(parseHex(text)).toEqual(digits === undefined ? undefined : hexToBytes(digits))
      }),
      { numRuns: 1000 },
    )
    expect(parseHex('0x00fF')).toEqual(Uint8Array.of(0, 255))
    expect(parseHex('0X')).toEqual(new Uint8Array())
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
    expect(parseUtf8(hexToBytes(hex))).toBeUndefined()
  })

  it('is parsed to the same text', () => {
    expect(parseUtf8(utf8ToBytes('\ufeff\u20ac'))).toBe('\ufeff\u20ac')
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

  it('orders as Buffer.compare does, a prefix first', () => {
    const few = fc.uint8Array({ maxLength: 4, max: 2 })
    fc.assert(
      fc.property(few, few, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b))
      }),
    )
    expect(compareBytes(Uint8Array.of(127), Uint8Array.of(128))).toBeLessThan(0)
    expect(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).toBeLessThan(0)
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

describe('big-endian numbers', () => {
  it('come back from any place, also of a part of a larger buffer', () => {
    const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    fc.assert(
      fc.property(bytes, u32, u64, (before, small, large) => {
        const all = concatBytes(Uint8Array.of(255), before, u32be(small), u64be(large), before)
        const part = all.subarray(1)
        expect(u32At(part, before.length)).toBe(small)
        expect(u64At(part, before.length + 4)).toBe(large)
      }),
    )
    expect(u32be(0x8001_02ff)).toEqual(Uint8Array.of(0x80, 1, 2, 0xff))
  })

  it('of 8 bytes are not read over the end', () => {
    const part = new Uint8Array(16).subarray(0, 8)
    expect(u64At(part, 0)).toBe(0n)
    expect(() => u64At(part, 1)).toThrow(RangeError)
  })
})

describe('what is no byte array', () => {
  const doors: Record<string, (value: never) => unknown> = {
    assertBytes: (value) => assertBytes(value, 'value'),
    bytesToHex,
    bytesToUtf8,
    concatBytes: (value) => concatBytes(new Uint8Array(1), value),
    equalBytes: (value) => equalBytes(new Uint8Array(1), value),
  }
  const wrong = [undefined, null, 32, '00', [0], { length: 1 }, new ArrayBuffer(1), new Uint16Array(1)]

  it.each(Object.entries(doors))('is refused by %s', (_, call) => {
    for (const value of wrong) expect(() => call(value as never)).toThrow(TypeError)
  })

  it('and what is of another length is named, and never quoted', () => {
    expect(() => assertBytes(Uint8Array.of(77, 77), 'key', 3)).toThrow(/^key must be 3 bytes, got 2$/)
    expect(() => assertBytes('secret', 'key')).toThrow(/^key must be a Uint8Array$/)
  })
})
