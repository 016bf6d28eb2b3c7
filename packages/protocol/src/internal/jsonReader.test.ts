import { JsonSyntaxError, parseHex } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { maxDigits, maxJsonDepth, maxTextBytes } from '../limits.ts'
import type { JsonValue } from './jsonReader.ts'
import { ExactNumber, LongString, Repeated, readJson, readJsonInPieces } from './jsonReader.ts'

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const read = (text: string) => readJson(encoder.encode(text), 1_000_000)

/** What JSON.parse would have made of the same text. */
function plain(value: JsonValue): unknown {
  if (value instanceof ExactNumber) return Number(value.text)
  if (value instanceof Uint8Array) return Array.from(value)
  if (value instanceof LongString) return value.text
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
  const objects = (depth: number) => `${'{"a":'.repeat(depth)}0${'}'.repeat(depth)}`
  expect(() => read(objects(maxJsonDepth))).not.toThrow()
  expect(() => read(objects(maxJsonDepth + 1))).toThrow(/nested deeper than 64/)
  const both = (depth: number) => `${'[{"a":'.repeat(depth / 2)}0${'}]'.repeat(depth / 2)}`
  expect(() => read(both(maxJsonDepth))).not.toThrow()
  expect(() => read(both(maxJsonDepth + 2))).toThrow(/nested deeper than 64/)
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

describe('a long string', () => {
  test.each([
    ['of hex', 'ab'],
    ['of hex with a prefix', '0xAb'],
    ['of no hex', 'zz'],
    ['of hex with something else at its end', 'ab', ' '],
    ['of characters of two, three and four bytes', '\u00e9\u20ac\ud83d\ude00'],
    ['of escapes', '\\u0061\\u0062\\n'],
  ])('%s means the same, whatever its length', (_, unit, end = '') => {
    for (const length of [256, 257, 300, 16_000, maxTextBytes - 2, maxTextBytes - 1, maxTextBytes, 100_001, 300_000]) {
      const text = `${unit.repeat(length).slice(0, length)}${end}`.replace(/\\u?[0-9a-z]{0,3}$/, '')
      const wanted = JSON.parse(`"${text}"`) as string
      const value = read(`["x", "${text}" ]`) as JsonValue[]
      const found = value[1] as string | LongString
      expect(found.length).toBe(wanted.length)
      // What may be an address or a key later is read as hex then; what is longer, in pieces, now.
      expect(found instanceof LongString).toBe(wanted.length > 256)
      if (typeof found === 'string') {
        expect(found).toBe(wanted)
        continue
      }
      expect(found.isWhole ? found.text === wanted : wanted.startsWith(found.text) && found.text.length > 100).toBe(
        true,
      )
      expect(found.isWhole).toBe(encoder.encode(text).length <= maxTextBytes - 2)
      const bytes = parseHex(wanted)
      expect(found.bytes === undefined ? undefined : Buffer.from(found.bytes)).toEqual(bytes && Buffer.from(bytes))
    }
  })

  test('as a name is no name', () => {
    expect(read(`{"a":1,"${'n'.repeat(maxTextBytes)}" : [1, 2],"b":2}`)).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    )
  })
})

test('a number has a longest row of digits', () => {
  expect(read('7'.repeat(maxDigits))).toEqual(new ExactNumber('7'.repeat(maxDigits)))
  expect(() => read('7'.repeat(maxDigits + 1))).toThrow(/too many digits/)
})

test('the limits that no page names are what they are said to be', () => {
  expect({ maxDigits, maxTextBytes }).toEqual({ maxDigits: 1_048_576, maxTextBytes: 65_536 })
})

const space = ' '.repeat(70_000)
test('white space of any length may stand wherever some may', () => {
  const text = '{ "a" : [ 1 , 2 ] , "b" : [ "x" , null ] , "c" : { } , "d" : [ ] , "e" : 7 } '
  expect(read(text.replaceAll(' ', space))).toEqual(read(text))
  expect(read(` ${text}`.replace(' ', space))).toEqual(read(text))
  for (const broken of ['{ "a" ', '{ x', '[ 1 ', '[ 1 , x', '7 x', ' ']) {
    expect(() => read(broken.replaceAll(' ', space)), broken).toThrow(JsonSyntaxError)
  }
})

test.each([
  ['numbers', '[', '200,', '1]'],
  ['short numbers', '[', '1,', '1]'],
  ['numbers with much space', '[', `1,${' '.repeat(200)}`, '1]'],
  ['numbers that are no bytes in the end', '[', '1,', '"]'],
  ['space', '[1', ' ', ']'],
  ['space in front', '', ' ', '1'],
  ['space behind', '1', ' ', ''],
  ['space in an object', '{', '\n', '}'],
  ['space in front of a name', '{"a":1,', ' ', '"b":1}'],
  ['space behind a name', '{"a"', ' ', ':1}'],
  ['space in front of a value', '{"a":', ' ', '1}'],
  ['space behind a member', '{"a":1', ' ', '}'],
  ['space in front of an item', '["a",', ' ', '1]'],
  ['space behind an item', '["a"', ' ', ']'],
  ['space in front of a number', '[1,', ' ', '1]'],
  ['a string', '"', 'a', '"'],
  ['a string of escapes', '"', '\\u0061', '"'],
  ['a string that does not end', '"', 'a', ''],
  ['a name', '{"', 'a', '":1}'],
  ['strings', '[', `"${'ab'.repeat(1000)}",`, '1]'],
  ['members', '{', `"${'m'.repeat(100)}":{"x":[1]},`, '"n":1}'],
  ['objects', '[', `{"m":"${'m'.repeat(100)}"},`, '1]'],
])('there are stops in a long text of %s', (_, head, unit, tail) => {
  const bytes = Buffer.concat([Buffer.from(head), Buffer.alloc(3_000_000, unit), Buffer.from(tail)])
  // What the fill cut off does not matter: a text that is refused has stops as well.
  const pieces = readJsonInPieces(bytes, 1_000_000)
  let stops = 0
  try {
    while (!pieces.next().done) stops++
  } catch (error) {
    expect(error).toBeInstanceOf(JsonSyntaxError)
  }
  expect(stops).toBeGreaterThan(3_000_000 / 20_000)
  // A stop costs as well: there are not many more. What is no array of bytes in the end is read twice.
  expect(stops).toBeLessThan(3_000_000 / 9_000)
})
