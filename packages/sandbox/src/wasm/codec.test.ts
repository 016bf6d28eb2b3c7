import { bytesToHex } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { binary, section, wat } from '../../test/support/modules.ts'
import { ByteReader } from './byteReader.ts'
import { ByteWriter } from './byteWriter.ts'
import { decodeModule } from './decode.ts'
import { encodeModule } from './encode.ts'

/** LEB128 straight from its definition, on whole numbers without a width. */
function leb128(value: bigint, signed: boolean): number[] {
  const bytes: number[] = []
  for (let rest = value; ; ) {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    const done = signed ? rest === (low & 0x40 ? -1n : 0n) : rest === 0n
    bytes.push(done ? low : low | 0x80)
    if (done) return bytes
  }
}

/** The same number in more bytes than it needs. */
function pad(bytes: number[], length: number, fill: 0 | 0x7f): number[] {
  if (length <= bytes.length) return bytes
  const continued = bytes.map((byte) => byte | 0x80)
  return [...continued, ...new Array<number>(length - bytes.length - 1).fill(fill | 0x80), fill]
}

const u32 = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 127, 128, 2 ** 28, 0xffff_ffff))
const i32 = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 63, 64, -64, -65, 2 ** 31 - 1, -(2 ** 31)))
const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })

describe('LEB128', () => {
  it('writes integers in their shortest form', () => {
    fc.assert(
      fc.property(u32, i32, i64, (unsigned, signed, long) => {
        const writer = new ByteWriter(1)
        writer.u32(unsigned)
        writer.i32(signed)
        writer.i64(long)
        expect([...writer.toBytes()]).toEqual([
          ...leb128(BigInt(unsigned), false),
          ...leb128(BigInt(signed), true),
          ...leb128(long, true),
        ])
      }),
    )
  })

  it('reads integers of any permitted length, and notes which are too long', () => {
    fc.assert(
      fc.property(u32, i32, fc.integer({ min: 1, max: 5 }), (unsigned, signed, length) => {
        const shortest = leb128(BigInt(unsigned), false)
        const reader = new ByteReader(Uint8Array.from(pad(shortest, length, 0)))
        expect(reader.u32()).toBe(unsigned)
        expect(reader.atEnd).toBe(true)
        expect(reader.padded).toBe(length > shortest.length)

        const shortestSigned = leb128(BigInt(signed), true)
        const signedReader = new ByteReader(Uint8Array.from(pad(shortestSigned, length, signed < 0 ? 0x7f : 0)))
        expect(signedReader.i32()).toBe(signed)
        expect(signedReader.atEnd).toBe(true)
        expect(signedReader.padded).toBe(length > shortestSigned.length)
      }),
    )
  })

  it.each([
    ['u32 of six bytes', [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 'u32'],
    ['u32 beyond 2^32', [0xff, 0xff, 0xff, 0xff, 0x1f], 'u32'],
    ['i32 of six bytes', [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 'i32'],
    ['i32 with foreign upper bits', [0xff, 0xff, 0xff, 0xff, 0x4f], 'i32'],
    ['i64 of eleven bytes', [...new Array<number>(10).fill(0x80), 0x00], 'skipI64'],
    ['i64 with foreign upper bits', [...new Array<number>(9).fill(0xff), 0x01], 'skipI64'],
    ['u32 that ends early', [0x80, 0x80], 'u32'],
  ] as const)('refuses %s', (_, bytes, method) => {
    expect(() => new ByteReader(Uint8Array.from(bytes))[method]()).toThrow(/deserialization into WASM module/)
  })
})

describe('decode and encode', () => {
  const everything = wat(`(module
    (type $unused (func (param f32 f64) (result i64)))
    (import "env" "ret" (func $ret (param i32 i32)))
    (import "env" "memory" (memory 1 128))
    (func (export "call") (param) (local i32 i32 f64)
      (block $a (loop $b (br_table $a $b $a (local.get 0))))
      (drop (i64.load offset=70000 align=4 (i32.const -1)))
      (drop (f32.const nan:0x200000)) (drop (f64.const -0.5)) (drop (i64.const -9223372036854775808))
      (call_indirect (type $unused) (f32.const 1) (f64.const 2) (i32.const 0)) (drop)
      (drop (memory.grow (memory.size))) (call $ret (i32.const 0) (i32.const 0)))
    (table 3 7 funcref) (elem (i32.const 1) 0 1)
    (global (mut i64) (i64.const 1234567890123)) (global f64 (f64.const 1e300))
    (export "table" (table 0)) (export "na\\c3\\afve \\ef\\bb\\bf" (global 1))
    (data (i32.const 65535) "x") (data (i32.const 0) ""))`)

  it('gives back the bytes of a module in standard form', () => {
    expect(bytesToHex(encodeModule(decodeModule(everything)))).toBe(bytesToHex(everything))
  })

  it('gives back what no contract may have, too: it is refused later', () => {
    const foreign = wat(`(module
      (import "a" "f" (func)) (import "a" "t" (table 1 funcref)) (import "a" "u" (table 1 2 funcref))
      (import "a" "m" (memory 3)) (import "a" "g" (global i32)) (import "a" "h" (global (mut f64)))
      (func $own) (global i32 (global.get 0)) (global (mut f32) (f32.const 1))
      (export "m" (memory 0)) (export "h" (global 1)) (export "f" (func $own))
      (start $own) (elem (global.get 0) $own) (data (global.get 0) "x"))`)
    expect(bytesToHex(encodeModule(decodeModule(foreign)))).toBe(bytesToHex(foreign))
  })

  it('drops custom sections, also ones without a readable name', () => {
    const custom = [0x00, 0x04, 0x7f, 0xff, 0x00, 0x80]
    const empty = [0x00, 0x00]
    const bytes = Uint8Array.from([...everything.slice(0, 8), ...custom, ...everything.slice(8), ...empty])
    expect(bytesToHex(encodeModule(decodeModule(bytes)))).toBe(bytesToHex(everything))
  })

  it('shortens every integer, as linkers write them in five or ten bytes', () => {
    const type = section(1, 0x81, 0x80, 0x00, 0x60, 0x80, 0x00, 0x00)
    const functions = section(3, 1, 0x80, 0x80, 0x80, 0x80, 0x00)
    const body = [
      ...[0x81, 0x00, 0x83, 0x00, 0x7f],
      ...[0x41, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x1a],
      ...[0x42, 0xc0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x1a],
      ...[0x20, 0x82, 0x80, 0x80, 0x80, 0x00, 0x28, 0x82, 0x00, 0x80, 0x80, 0x01, 0x1a],
      ...[0x02, 0x40, 0x20, 0x00, 0x0e, 0x81, 0x00, 0x80, 0x00, 0x00, 0x0b],
      ...[0x10, 0x80, 0x80, 0x80, 0x80, 0x00, 0x41, 0x00, 0x11, 0x80, 0x80, 0x00, 0x00, 0x0b],
    ]
    const code = section(10, 1, body.length, ...body)
    const shortest = [
      ...[0x01, 0x03, 0x7f, 0x41, 0x7f, 0x1a, 0x42, 0xc0, 0x00, 0x1a],
      ...[0x20, 0x02, 0x28, 0x02, 0x80, 0x80, 0x01, 0x1a, 0x02, 0x40, 0x20, 0x00, 0x0e, 0x01, 0x00, 0x00, 0x0b],
      ...[0x10, 0x00, 0x41, 0x00, 0x11, 0x00, 0x00, 0x0b],
    ]
    expect(bytesToHex(encodeModule(decodeModule(binary(type, functions, code))))).toBe(
      bytesToHex(binary(section(1, 1, 0x60, 0, 0), section(3, 1, 0), section(10, 1, shortest.length, ...shortest))),
    )
  })

  it('reserves nothing for entries that are only claimed', () => {
    for (const id of [1, 2, 3, 4, 5, 6, 7, 9, 10, 11]) {
      expect(() => decodeModule(binary(section(id, 0xe8, 0x07))), `section ${id}`).toThrow(/I\/O Error: UnexpectedEof/)
    }
  })
})
