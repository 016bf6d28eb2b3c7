import { bytesToHex, concatBytes, hexToBytes } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MsgPackReader } from './msgPackReader.ts'
import { MsgPackWriter } from './msgPackWriter.ts'

const malformed = expect.objectContaining({ code: 'malformed_message' })
const written = (write: (writer: MsgPackWriter) => unknown) => {
  const writer = new MsgPackWriter()
  write(writer)
  return bytesToHex(writer.bytes())
}
const reader = (hex: string) => new MsgPackReader(hexToBytes(hex))

/** value, bytes: each boundary of each form in the MessagePack specification, smallest form first. */
const integers: [number | bigint, string][] = [
  [0, '00'],
  [127, '7f'],
  [128, 'cc80'],
  [255, 'ccff'],
  [256, 'cd0100'],
  [65_535, 'cdffff'],
  [65_536, 'ce00010000'],
  [4_294_967_295, 'ceffffffff'],
  [4_294_967_296, 'cf0000000100000000'],
  [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
  [2n ** 53n, 'cf0020000000000000'],
  [2n ** 64n - 1n, 'cfffffffffffffffff'],
  [-1, 'ff'],
  [-32, 'e0'],
  [-33, 'd0df'],
  [-128, 'd080'],
  [-129, 'd1ff7f'],
  [-32_768, 'd18000'],
  [-32_769, 'd2ffff7fff'],
  [-2_147_483_648, 'd280000000'],
  [-2_147_483_649, 'd3ffffffff7fffffff'],
  [Number.MIN_SAFE_INTEGER, 'd3ffe0000000000001'],
  [-(2n ** 53n), 'd3ffe0000000000000'],
  [-(2n ** 63n), 'd38000000000000000'],
]

describe('integers', () => {
  it.each(integers)('%d is %s', (value, hex) => {
    expect(written((writer) => writer.int(value))).toBe(hex)
    expect(written((writer) => writer.int(BigInt(value)))).toBe(hex)
    expect(reader(hex).int()).toBe(value)
  })

  it('are read in forms larger than need be', () => {
    expect(reader('cf0000000000000007').int()).toBe(7)
    expect(reader('d3ffffffffffffffff').int()).toBe(-1)
    expect(reader('d07f').int()).toBe(127)
  })

  it('survive the round trip', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (value) => {
        expect(BigInt(reader(written((writer) => writer.int(value))).int())).toBe(value)
      }),
    )
  })

  it.each([2n ** 64n, -(2n ** 63n) - 1n, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])('refuse %d', (value) => {
    expect(() => new MsgPackWriter().int(value)).toThrow(RangeError)
  })
})

describe('the other types', () => {
  it('have the bytes of the specification', () => {
    expect(written((writer) => writer.nil().bool(false).bool(true))).toBe('c0c2c3')
    expect(written((writer) => writer.float(1).float(-0.5))).toBe('cb3ff0000000000000cbbfe0000000000000')
    expect(written((writer) => writer.str('').str('é'))).toBe('a0a2c3a9')
    expect(written((writer) => writer.arrayHeader(15).arrayHeader(16))).toBe('9fdc0010')
    expect(written((writer) => writer.arrayHeader(65_536).mapHeader(65_536))).toBe('dd00010000df00010000')
    expect(written((writer) => writer.mapHeader(15).mapHeader(16))).toBe('8fde0010')
    expect(written((writer) => writer.byteArray(Uint8Array.of(0, 127, 128, 255)))).toBe('94007fcc80ccff')
  })

  it.each([
    [31, 'bf'],
    [32, 'd920'],
    [255, 'd9ff'],
    [256, 'da0100'],
    [65_535, 'daffff'],
    [65_536, 'db00010000'],
  ])('begin a string of %d bytes with %s', (length, header) => {
    const text = 'a'.repeat(length)
    const hex = written((writer) => writer.str(text))
    expect(hex.slice(0, header.length)).toBe(header)
    expect(reader(hex).str()).toBe(text)
  })

  it('hold a string in UTF-8, however long it is and whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const bytes = Buffer.from(text)
        const hex = written((writer) => writer.nil().str(text).nil())
        const header = bytes.length < 32 ? (0xa0 | bytes.length).toString(16) : `d9${bytes.length.toString(16)}`
        expect(hex).toBe(`c0${header}${bytes.toString('hex')}c0`)
      }),
      { numRuns: 2000 },
    )
  })

  it('keep doubles and their kind', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const encoded = reader(written((writer) => writer.float(value)))
        expect(encoded.peekType()).toBe('float')
        expect(encoded.float()).toBe(value)
      }),
    )
    expect(reader('ca3fc00000').float()).toBe(1.5)
  })

  it('read bytes from integers and from binary data alike', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(reader(written((writer) => writer.byteArray(bytes))).byteArray()).toEqual(bytes)
        const binary = `c5${bytes.length.toString(16).padStart(4, '0')}${bytesToHex(bytes)}`
        expect(reader(binary).byteArray(bytes.length)).toEqual(bytes)
      }),
    )
    expect(reader('c4020102').byteArray()).toEqual(Uint8Array.of(1, 2))
    expect(reader('c60000000107').byteArray()).toEqual(Uint8Array.of(7))
  })

  it.each([
    ['c0', 'nil'],
    ['c2', 'bool'],
    ['c3', 'bool'],
    ['05', 'int'],
    ['e0', 'int'],
    ['cc05', 'int'],
    ['d0ff', 'int'],
    ['ca00000000', 'float'],
    ['cb0000000000000000', 'float'],
    ['a0', 'str'],
    ['d900', 'str'],
    ['c400', 'bin'],
    ['90', 'array'],
    ['dc0000', 'array'],
    ['80', 'map'],
    ['de0000', 'map'],
  ])('%s is announced as %s and can be skipped', (hex, type) => {
    const value = reader(`${hex}c3`)
    expect(value.peekType()).toBe(type)
    value.skip()
    expect(value.bool()).toBe(true)
    value.end()
  })

  it.each(['d4aabb', 'd5aabbbb', 'd6aabbbbbbbb', 'c702aabbbb', 'c80001aabb', 'c900000001aabb'])(
    'skip the extension %s, which has no other use',
    (hex) => {
      expect(() => reader(hex).peekType()).toThrow(malformed)
      const value = reader(hex)
      value.skip()
      value.end()
    },
  )
})

describe('hostile bytes', () => {
  const reads: [string, (reader: MsgPackReader) => unknown][] = [
    ['peekType', (value) => value.peekType()],
    ['arrayHeader', (value) => value.arrayHeader()],
    ['mapHeader', (value) => value.mapHeader()],
    ['int', (value) => value.int()],
    ['float', (value) => value.float()],
    ['str', (value) => value.str()],
    ['nil', (value) => value.nil()],
    ['bool', (value) => value.bool()],
    ['byteArray', (value) => value.byteArray()],
    ['skip', (value) => value.skip()],
  ]

  it.each(reads)('%s gives a value or says malformed, whatever it gets', (_, read) => {
    const header = fc.constantFrom(...Array.from({ length: 0x40 }, (__, i) => 0xc0 + i), 0x8f, 0x9f, 0xbf)
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 12 }), (tag, rest) => {
        const bytes = concatBytes(Uint8Array.of(tag), rest)
        try {
          read(new MsgPackReader(bytes))
        } catch (error) {
          expect(error).toEqual(malformed)
        }
      }),
      { numRuns: 300 },
    )
  })

  it.each(reads)('%s says malformed at the end', (_, read) => {
    expect(() => read(new MsgPackReader(new Uint8Array()))).toThrow(malformed)
  })

  it('refuses lengths that the bytes cannot hold, at once', () => {
    for (const hex of ['ddffffffff', 'dfffffffff', 'dbffffffff', 'c6ffffffff', 'c9ffffffff00', 'df00000001c0']) {
      expect(() => reader(hex).skip(), hex).toThrow(malformed)
      expect(() => reader(hex).byteArray(), hex).toThrow(malformed)
    }
  })

  it('skips a million nested arrays without recursion', () => {
    const depth = 1_000_000
    const nested = new Uint8Array(depth + 1).fill(0x91)
    nested[depth] = 0xc0
    const value = new MsgPackReader(nested)
    value.skip()
    value.end()
  })

  it('refuses what is no byte in a byte array, and more bytes than allowed', () => {
    for (const hex of ['91cd0100', '91ff', '91c0', '91cb3ff0000000000000', '9190', '91a161']) {
      expect(() => reader(hex).byteArray(), hex).toThrow(malformed)
    }
    expect(() => reader('93010203').byteArray(2)).toThrow(malformed)
    expect(() => reader('c403010203').byteArray(2)).toThrow(malformed)
  })

  it('refuses strings that are not UTF-8, the reserved byte c1, and bytes left over', () => {
    expect(() => reader('a1ff').str()).toThrow(malformed)
    expect(() => reader('c1').skip()).toThrow(malformed)
    const value = reader('c0c0')
    value.nil()
    expect(() => value.end()).toThrow(malformed)
  })

  it('stays where it was after a value of another type', () => {
    const value = reader('05')
    expect(() => value.str()).toThrow(malformed)
    expect(value.int()).toBe(5)
  })
})
