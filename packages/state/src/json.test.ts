import { JsonSyntaxError } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonFloat, jsonKey, jsonValue } from '../test/arbitraries.ts'
import { compareKeys, encodeJson, equalJson, JsonFloat, type JsonValue, parseJson } from './index.ts'

const utf8 = new TextEncoder()
const parse = (text: string) => parseJson(utf8.encode(text))
const print = (value: JsonValue) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(encodeJson(value))
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

describe('numbers keep their kind', () => {
  test.each<[string, JsonValue, string]>([
    ['0', 0, '0'],
    ['-0', 0, '0'],
    ['-0.0', new JsonFloat(-0), '-0.0'],
    ['0.0', new JsonFloat(0), '0.0'],
    ['-0e0', new JsonFloat(-0), '-0.0'],
    ['1', 1, '1'],
    ['1.0', new JsonFloat(1), '1.0'],
    ['1e5', new JsonFloat(1e5), '100000.0'],
    ['9007199254740991', 9007199254740991, '9007199254740991'],
    ['9007199254740992', 9007199254740992n, '9007199254740992'],
    ['9007199254740993', 9007199254740993n, '9007199254740993'],
    ['-9007199254740993', -9007199254740993n, '-9007199254740993'],
    ['18446744073709551615', 18446744073709551615n, '18446744073709551615'],
    ['18446744073709551616', new JsonFloat(2 ** 64), '1.8446744073709552e19'],
    ['-9223372036854775808', -9223372036854775808n, '-9223372036854775808'],
    ['-9223372036854775809', new JsonFloat(-(2 ** 63)), '-9.223372036854776e18'],
    [`1${'0'.repeat(308)}`, new JsonFloat(1e308), '1e308'],
    ['1e16', new JsonFloat(1e16), '1e16'],
    ['1e15', new JsonFloat(1e15), '1000000000000000.0'],
    ['9999999999999998.0', new JsonFloat(9999999999999998), '9999999999999998.0'],
    ['1.5E+300', new JsonFloat(1.5e300), '1.5e300'],
    ['0.00001', new JsonFloat(0.00001), '0.00001'],
    ['0.000001', new JsonFloat(1e-6), '1e-6'],
    ['0.0000012', new JsonFloat(1.2e-6), '1.2e-6'],
    ['-1.25e-7', new JsonFloat(-1.25e-7), '-1.25e-7'],
    ['5e-324', new JsonFloat(5e-324), '5e-324'],
    ['1e-400', new JsonFloat(0), '0.0'],
    ['0e999', new JsonFloat(0), '0.0'],
    ['0.1', new JsonFloat(0.1), '0.1'],
    ['1.7976931348623157e308', new JsonFloat(Number.MAX_VALUE), '1.7976931348623157e308'],
  ])('%s', (text, value, canonical) => {
    expect(parse(text)).toStrictEqual(value)
    expect(print(value)).toBe(canonical)
  })

  test('a double is its own kind', () => {
    expect(equalJson(1, new JsonFloat(1))).toBe(false)
    expect(equalJson(new JsonFloat(1), new JsonFloat(1))).toBe(true)
    expect(equalJson(new JsonFloat(0), new JsonFloat(-0))).toBe(false)
    expect(() => new JsonFloat(Number.NaN)).toThrow(RangeError)
    expect(() => new JsonFloat(Number.POSITIVE_INFINITY)).toThrow(RangeError)
  })

  test('a 256-bit integer survives as four limbs', () => {
    const limbs = '[18446744073709551615,9223372036854775809,1000000,0]'
    expect(print(parse(limbs))).toBe(limbs)
  })
})

describe('canonical text', () => {
  test.each([
    [' { "b" : 1 , "a" : [ true , false , null ] } \n', '{"a":[true,false,null],"b":1}'],
    ['{"a":1,"a":2}', '{"a":2}'],
    ['{"\uffff":1,"\u{10000}":2,"é":3,"z":4,"":5}', '{"":5,"z":4,"é":3,"\uffff":1,"\u{10000}":2}'],
    ['"\\u0041\\u00e9\\ud83d\\uDE00\\/\\u007f"', '"Aé😀/\u007f"'],
    ['"\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001F"', '"\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f"'],
    ['{"__proto__":{"toString":1},"constructor":2}', '{"__proto__":{"toString":1},"constructor":2}'],
    ['\t\r\n "\ufeff"', '"\ufeff"'],
    ['[]', '[]'],
    ['{}', '{}'],
  ])('%j', (text, canonical) => {
    expect(print(parse(text))).toBe(canonical)
    expect(print(parse(canonical))).toBe(canonical)
  })

  test('127 containers inside each other are accepted, 128 are not', () => {
    expect(print(parse(nested(127)))).toBe(nested(127))
    expect(() => parse(nested(128))).toThrow(JsonSyntaxError)
    expect(print(parse(`[${nested(126)},${nested(126)}]`))).toBe(`[${nested(126)},${nested(126)}]`)
  })

  test('a number that is neither an integer nor marked as a double is refused', () => {
    expect(() => encodeJson(1.5)).toThrow(TypeError)
    expect(() => encodeJson([2 ** 53])).toThrow(TypeError)
  })
})

describe('syntax errors', () => {
  test.each([
    '',
    ' ',
    'nul',
    'True',
    'truex',
    '1 2',
    '[1,]',
    '[,1]',
    '[1',
    '[1}',
    '{"a":1,}',
    '{,}',
    '{"a"}',
    '{"a":}',
    '{a:1}',
    "{'a':1}",
    '{"a":1',
    '01',
    '-',
    '-01',
    '00',
    '+1',
    '.5',
    '1.',
    '1.e5',
    '1e',
    '1e+',
    '0x10',
    'NaN',
    'Infinity',
    '-Infinity',
    '1e400',
    '-1e400',
    `1${'0'.repeat(309)}`,
    '1.7976931348623159e308',
    '"',
    '"a',
    '"\\"',
    '"\\x41"',
    '"\\u12"',
    '"\\u123g"',
    '"\\u+123"',
    '"\n"',
    '"\t"',
    '"\u0000"',
    '"\\ud800"',
    '"\\udc00"',
    '"\\ud800\\u0041"',
    '"\\ud800\\ud800"',
    '"\\ud800x"',
    '\ufeff1',
    '1\u00a0',
    '\u20281',
    '/*c*/1',
    nested(100_000),
    '['.repeat(1_000_000),
  ])('%j'.slice(0, 60), (text) => {
    expect(() => parse(text)).toThrow(JsonSyntaxError)
  })

  test.each([
    ['a byte that is never UTF-8', [0x22, 0xff, 0x22]],
    ['an encoded surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22]],
    ['a cut sequence', [0x22, 0xe2, 0x82, 0x22]],
    ['beyond U+10FFFF', [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]],
  ])('%s is refused', (_name, bytes) => {
    expect(() => parseJson(Uint8Array.from(bytes))).toThrow(JsonSyntaxError)
  })

  test('the message holds nothing of the text', () => {
    expect(() => parse('{"secret": hunter2}')).toThrow(/^[a-z ]+ at byte \d+$/)
  })
})

describe('properties', () => {
  test('parse and encode are inverse', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(equalJson(parseJson(encodeJson(value)), value)).toBe(true)
      }),
    )
  })

  test('agrees with JSON.parse on every text, but for the documented differences', () => {
    const plain = (value: JsonValue): unknown => {
      if (value instanceof JsonFloat) return value.value
      if (typeof value === 'bigint') return Number(value)
      if (Array.isArray(value)) return value.map(plain)
      if (value instanceof Map) return Object.fromEntries([...value].map(([key, member]) => [key, plain(member)]))
      return value
    }
    const token = fc.constantFrom(
      ...'{}[]:,"\\0123456789.-+eE ut'.split(''),
      '"a":',
      'true',
      'null',
      '\\n',
      '\\u0041',
      '1.5e3',
      '-0.0',
    )
    const soup = fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join(''))
    const mutated = fc.tuple(jsonValue, fc.nat(), token).map(([value, at, piece]) => {
      const text = print(value)
      const index = at % (text.length + 1)
      return text.slice(0, index) + piece + text.slice(index + 1)
    })
    fc.assert(
      fc.property(fc.oneof(soup, mutated), (text) => {
        if (/\\u[dD]|\p{Surrogate}|-0/u.test(text)) return
        let expected: unknown
        try {
          expected = JSON.parse(text)
        } catch {
          expect(() => parse(text)).toThrow(JsonSyntaxError)
          return
        }
        if (JSON.stringify(expected).includes('null') && /[0-9]{3}|[eE]/.test(text)) return // an overflow
        expect(plain(parse(text))).toEqual(expected)
      }),
      { numRuns: 3000 },
    )
  })

  test('doubles print in the documented form and come back bit for bit', () => {
    fc.assert(
      fc.property(jsonFloat, (value) => {
        const text = print(value)
        const size = Math.abs(value.value)
        const positional = size === 0 || (size >= 1e-5 && size < 1e16)
        expect(text).toMatch(positional ? /^-?\d+\.\d+$/ : /^-?\d(\.\d+)?e-?\d+$/)
        expect(parse(text)).toStrictEqual(value)
      }),
      { numRuns: 1000 },
    )
  })

  test('names are ordered by their UTF-8 bytes', () => {
    fc.assert(
      fc.property(jsonKey, jsonKey, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(utf8.encode(a), utf8.encode(b)))
      }),
      { numRuns: 1000 },
    )
  })

  test('random bytes never do anything but parse or fail', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        try {
          parseJson(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(JsonSyntaxError)
        }
      }),
    )
  })
})
