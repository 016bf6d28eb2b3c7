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

  it.each([0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x1_0000, 0x10_ffff])(
    'hold the character %i in UTF-8, however many of it',
    (code) => {
      for (const count of [1, 3, 7, 8, 10, 11, 15, 16, 31]) {
        const text = String.fromCodePoint(code).repeat(count)
        const hex = written((writer) => writer.str(text).nil())
        expect(hex.endsWith(`${Buffer.from(text).toString('hex')}c0`), `${count}`).toBe(true)
        expect(reader(hex).str()).toBe(text)
      }
    },
  )

  it.each([0xd800, 0xdbff, 0xdc00, 0xdfff])('replace half of a surrogate pair, %i', (code) => {
    for (const around of ['', 'a', 'a'.repeat(40)]) {
      const hex = written((writer) => writer.str(`${around}${String.fromCharCode(code)}${around}`))
      expect(hex).toBe(written((writer) => writer.str(`${around}\ufffd${around}`)))
      expect(reader(hex).str()).toBe(`${around}\ufffd${around}`)
    }
  })

  it.each<[string, (writer: MsgPackWriter) => unknown]>([
    ['nil', (writer) => writer.nil()],
    ['a float', (writer) => writer.float(Math.PI)],
    ['an integer of 1 byte', (writer) => writer.int(200)],
    ['an integer of 2 bytes', (writer) => writer.int(-300)],
    ['an integer of 4 bytes', (writer) => writer.int(70_000)],
    ['an integer of 8 bytes', (writer) => writer.int(2n ** 63n)],
    ['a short text', (writer) => writer.str('\u20ac'.repeat(10))],
    ['a shorter one', (writer) => writer.str('')],
    ['a long text', (writer) => writer.str('a'.repeat(40))],
    ['bytes below 128', (writer) => writer.byteArray(new Uint8Array(9).fill(1))],
    ['bytes above 128', (writer) => writer.byteArray(new Uint8Array(9).fill(255))],
  ])('are whole wherever they begin: %s', (_, write) => {
    const alone = written(write)
    // The room for what is written grows on the way.
    for (let before = 0; before < 600; before++) {
      const hex = written((writer) => {
        for (let count = 0; count < before; count++) writer.nil()
        write(writer)
        writer.bool(true)
      })
      expect(hex === `${'c0'.repeat(before)}${alone}c3`, `behind ${before} bytes`).toBe(true)
    }
  })

  it('have room for whatever is written', () => {
    expect(() => new MsgPackWriter().arrayHeader(-1)).toThrow(RangeError)
    expect(() => new MsgPackWriter().mapHeader(0.5)).toThrow(RangeError)
    expect(() => new MsgPackWriter().arrayHeader(2 ** 32)).toThrow(RangeError)
    expect(written((writer) => writer.arrayHeader(2 ** 32 - 1).mapHeader(0))).toBe('ddffffffff80')
    expect(written((writer) => writer.arrayHeader(65_535).mapHeader(65_535))).toBe('dcffffdeffff')
  })

  it('are counted where they have many values', () => {
    const values = (count: number, size: number) => '00'.repeat(count * size)
    for (const count of [0, 1, 15]) {
      expect(reader(`${(0x90 + count).toString(16)}${values(count, 1)}`).arrayHeader()).toBe(count)
      expect(reader(`${(0x80 + count).toString(16)}${values(count, 2)}`).mapHeader()).toBe(count)
    }
    for (const [header, count] of [
      ['0003', 3],
      ['0103', 259],
    ] as const) {
      expect(reader(`dc${header}${values(count, 1)}`).arrayHeader()).toBe(count)
      expect(reader(`dd0000${header}${values(count, 1)}`).arrayHeader()).toBe(count)
      expect(reader(`de${header}${values(count, 2)}`).mapHeader()).toBe(count)
      expect(reader(`df0000${header}${values(count, 2)}`).mapHeader()).toBe(count)
    }
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
    ['7f', 'int'],
    ['ff', 'int'],
    ['cd0005', 'int'],
    ['ce00000005', 'int'],
    ['cf0000000000000005', 'int'],
    ['d1ffff', 'int'],
    ['d2ffffffff', 'int'],
    ['d3ffffffffffffffff', 'int'],
    ['a161', 'str'],
    ['bf'.padEnd(64, '61'), 'str'],
    ['d90161', 'str'],
    ['da0000', 'str'],
    ['da000161', 'str'],
    ['db00000000', 'str'],
    ['db0000000161', 'str'],
    ['c40161', 'bin'],
    ['c50000', 'bin'],
    ['c5000161', 'bin'],
    ['c600000000', 'bin'],
    ['c60000000161', 'bin'],
    ['91c0', 'array'],
    ['dc0001c0', 'array'],
    ['dd00000000', 'array'],
    ['dd00000001c0', 'array'],
    ['81c0c0', 'map'],
    ['de0001c0c0', 'map'],
    ['df00000000', 'map'],
    ['df00000001c0c0', 'map'],
  ])('%s is announced as %s and can be skipped, also as the last', (hex, type) => {
    const value = reader(`${hex}c3`)
    expect(value.peekType()).toBe(type)
    value.skip()
    expect(value.bool()).toBe(true)
    value.end()
    const last = reader(hex)
    last.skip()
    last.end()
    expect(() => reader(hex.slice(0, -2)).skip()).toThrow(malformed)
  })

  it.each([
    ...['d4aabb', 'd5aabbbb', 'd6aabbbbbbbb', `d7aa${'bb'.repeat(8)}`, `d8aa${'bb'.repeat(16)}`],
    ...['c700aa', 'c702aabbbb', 'c80000aa', 'c80001aabb', 'c900000000aa', 'c900000001aabb'],
  ])('skip the extension %s, which has no other use', (hex) => {
    expect(() => reader(hex).peekType()).toThrow(malformed)
    for (const behind of ['', 'c3']) {
      const value = reader(hex + behind)
      value.skip()
      if (behind !== '') expect(value.bool()).toBe(true)
      value.end()
    }
    expect(() => reader(hex.slice(0, -2)).skip()).toThrow(malformed)
  })
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
    for (const hex of ['91cd0100', '91ff', '91c0', '91cb3ff0000000000000', '9190', '91a161', '9180', '91cc']) {
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
