import { JsonSyntaxError } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { maxJsonDepth } from '../limits.ts'
import type { JsonValue } from './jsonReader.ts'
import { ExactNumber, Repeated, readJson } from './jsonReader.ts'

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const read = (text: string) => readJson(encoder.encode(text), 1_000_000)

/** What JSON.parse would have made of the same text. */
function plain(value: JsonValue): unknown {
  if (value instanceof ExactNumber) return Number(value.text)
  if (value instanceof Uint8Array) return Array.from(value)
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]))
  if (value instanceof Repeated) throw new Error('repeated member')
  return Array.isArray(value) ? value.map(plain) : value
}

function accepts(action: () => unknown): boolean {
  try {
    action()
    return true
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError || error instanceof JsonSyntaxError) return false
    throw error
  }
}

describe('readJson against JSON.parse', () => {
  test('reads the same value from every JSON text', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (json, indent) => {
        const text = JSON.stringify(JSON.parse(json), undefined, indent)
        expect(plain(read(text))).toEqual(JSON.parse(text))
      }),
      { numRuns: 2000 },
    )
  })

  test('accepts exactly the texts that JSON.parse accepts, for texts made of the bits of JSON', () => {
    const bit = fc.constantFrom(
      ...'{}[],:"\\'.split(''),
      ...[
        '0',
        '1',
        '25',
        '255',
        '256',
        '-',
        '-0',
        '.',
        'e',
        'E+',
        'true',
        'nul',
        'null',
        ' ',
        '\n',
        '\u0000',
        '\u00e9',
      ],
      ...['"a"', '"a":', '\\u00', '\\ud800', '\\n', '\ufeff', '[1,2', '[]', '{}', '1,'],
    )
    fc.assert(
      fc.property(fc.array(bit, { maxLength: 12 }), (bits) => {
        const text = bits.join('')
        expect(accepts(() => read(text))).toBe(accepts(() => JSON.parse(text)))
      }),
      { numRuns: 20_000 },
    )
  })

  test('accepts exactly the bytes that are UTF-8 and JSON, for damaged texts', () => {
    const text = encoder.encode('{"id":"k\u00e9\\u00e9","n":[1, 25,255],"x":[-1.5e3,null,{"y":"\ud83d\ude00"}]}')
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(3), (at, byte, cut) => {
        const damaged = new Uint8Array([...text.subarray(0, at), byte, ...text.subarray(at + cut)])
        const wanted = accepts(() => JSON.parse(strictDecoder.decode(damaged)))
        expect(accepts(() => readJson(damaged, 1000))).toBe(wanted)
      }),
      { numRuns: 5000 },
    )
  })
})

test('an array of integers 0 to 255 is bytes, any other is not', () => {
  expect(read('[0, 9 ,10,99\n,100,199,200,255]')).toEqual(Uint8Array.of(0, 9, 10, 99, 100, 199, 200, 255))
  expect(read('[ ]')).toEqual(new Uint8Array(0))
  expect(read('[1,256]')).toEqual([1, 256])
  expect(read('[1,-1]')).toEqual([1, -1])
  expect(read('[1,1.0]')).toEqual([1, new ExactNumber('1.0')])
  expect(read('[1,"2"]')).toEqual([1, '2'])
})

test('numbers keep their digits', () => {
  expect(read('999999999999999')).toBe(999_999_999_999_999)
  for (const text of ['9007199254740993', '18446744073709551615', '1e400', '-0', '0.10', '1E+2']) {
    expect(read(text)).toEqual(new ExactNumber(text))
  }
})

test('names of members are nothing but names', () => {
  const value = read('{"__proto__":{"admin":true},"constructor":1,"toString":null}')
  expect(value).toEqual(
    new Map<string, unknown>([
      ['__proto__', new Map([['admin', true]])],
      ['constructor', 1],
      ['toString', null],
    ]),
  )
  expect(({} as { admin?: boolean }).admin).toBeUndefined()
})

test('a repeated member is marked, with its first value', () => {
  expect(read('{"a":1,"b":2,"a":null,"a":3}')).toEqual(
    new Map<string, unknown>([
      ['a', new Repeated(1)],
      ['b', 2],
    ]),
  )
})

test('depth and number of values are bounded, at the limit and not before', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  // The innermost, empty array counts as bytes and not as a level.
  expect(() => read(nested(maxJsonDepth + 1))).not.toThrow()
  expect(() => read(nested(maxJsonDepth + 2))).toThrow(JsonSyntaxError)
  expect(() => read('{"a":'.repeat(100_000))).toThrow(/nested deeper/)
  expect(() => readJson(encoder.encode('["a","b"]'), 3)).not.toThrow()
  expect(() => readJson(encoder.encode('["a","b"]'), 2)).toThrow(/more values/)
  expect(() => readJson(encoder.encode('[1,2,3,4,5]'), 1)).not.toThrow()
})

test('arrays of bytes keep their values, however many and long they are', () => {
  // Together and alone longer than the pieces of memory that they are put into.
  const lengths = [1, 100_000, 0, 200_000, 700_000, 3, 90_000]
  const arrays = lengths.map((length, seed) => Uint8Array.from({ length }, (_, index) => index * 31 + seed))
  const texts = arrays.map((array) => JSON.stringify(Array.from(array)))
  const notBytes = '[1,2,3,256]'
  const values = read(`[${[...texts, notBytes, texts[0]].join(' , ')}]`) as Uint8Array[]
  expect(values).toHaveLength(arrays.length + 2)
  for (const [index, array] of arrays.entries()) {
    expect(Buffer.compare(values[index]!, array), `array ${index}`).toBe(0)
  }
  expect(values.slice(-2)).toEqual([[1, 2, 3, 256], arrays[0]])
})
