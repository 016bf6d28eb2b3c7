import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesToUtf8, JsonSyntaxError, JsonTokens, utf8ToBytes } from './index.ts'

const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** The least that a reader can be: what JSON.parse makes, with numbers as their text. */
function read(tokens: JsonTokens): unknown {
  const code = tokens.next()
  if (code === 0x22) return tokens.string()
  if (tokens.take(openBrace)) {
    const members: [string, unknown][] = []
    if (tokens.take(closeBrace)) return members
    do members.push([tokens.name(), read(tokens)])
    while (tokens.more(closeBrace))
    return members
  }
  if (tokens.take(openBracket)) {
    const items: unknown[] = []
    if (tokens.take(closeBracket)) return items
    do items.push(read(tokens))
    while (tokens.more(closeBracket))
    return items
  }
  for (const [first, word] of [
    [0x74, 'true'],
    [0x66, 'false'],
    [0x6e, 'null'],
  ] as const) {
    if (code !== first) continue
    tokens.word(word)
    return word
  }
  return tokens.number()
}

function readAll(bytes: Uint8Array, text?: string): unknown {
  const tokens = new JsonTokens(bytes, 0, text)
  const value = read(tokens)
  tokens.end()
  return value
}

/** What {@link read} makes, of what JSON.parse made. */
function expected(value: unknown): unknown {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return { text: expect.any(String), isInteger: expect.any(Boolean) }
  if (value === null || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return value.map(expected)
  return Object.entries(value as object).map(([name, member]) => [name, expected(member)])
}

function outcomeOf(action: () => unknown): { value: unknown } | { message: string } {
  try {
    return { value: action() }
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    return { message: error.message }
  }
}

// Strings of every kind: short and long, with characters of one to four bytes, and with escapes.
const anyString = fc.oneof(fc.string({ unit: 'binary', maxLength: 8 }), fc.string({ minLength: 25, maxLength: 60 }))
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    anyString,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(null, true, false, 0, -1, 2 ** 53),
    fc.array(tie('json'), { maxLength: 4 }),
    // Names that begin with a letter: numbers would come first, whatever their place.
    fc.dictionary(
      anyString.map((name) => `n${name}`),
      tie('json'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
}))
const indent = fc.constantFrom(undefined, 1, '\t')
const text = fc.tuple(json, indent).map(([value, space]) => JSON.stringify(value, undefined, space))

describe('every JSON text', () => {
  it('is read, from bytes alone and beside its text alike', () => {
    fc.assert(
      fc.property(text, (json) => {
        const bytes = utf8ToBytes(json)
        const value = readAll(bytes)
        expect(value).toEqual(expected(JSON.parse(json)))
        expect(readAll(bytes, json)).toEqual(value)
      }),
      { numRuns: 1000 },
    )
  })

  it('is refused at every truncation that is not JSON itself, with a place inside of it', () => {
    fc.assert(
      fc.property(text, (json) => {
        const bytes = utf8ToBytes(json)
        for (let length = 0; length < bytes.length; length++) {
          const outcome = outcomeOf(() => readAll(bytes.subarray(0, length)))
          if ('value' in outcome) {
            JSON.parse(bytesToUtf8(bytes.subarray(0, length)))
            continue
          }
          const [, at] = /^[a-z "\]},:-]+ at byte (\d+)$/i.exec(outcome.message) ?? []
          expect(Number(at), outcome.message).toBeLessThanOrEqual(length)
        }
      }),
      { numRuns: 200 },
    )
  })
})

it('takes exactly the bytes that are UTF-8 and JSON', () => {
  const hostile = fc.constantFrom(
    ...['{', '}', '[', ']', ',', ':', '"', '\\', '"a"', '\\u00', '\\ud800', '\\n', '\u00e9', '\ufeff', '\u{1f600}'],
    ...['0', '00', '7', '-', '.', 'e', 'E+', 'tru', 'true', 'nul', 'false', ' ', '\n', '\u0000', '\u00a0'],
  )
  const wrongUtf8 = fc.constantFrom([0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xc0, 0xaf])
  const part = fc.oneof({ weight: 9, arbitrary: hostile.map((bit) => [...utf8ToBytes(bit)]) }, wrongUtf8)
  fc.assert(
    fc.property(fc.array(part, { maxLength: 9 }), (parts) => {
      const bytes = Uint8Array.from(parts.flat())
      let isJson = true
      try {
        JSON.parse(bytesToUtf8(bytes))
      } catch {
        isJson = false
      }
      expect('value' in outcomeOf(() => readAll(bytes))).toBe(isJson)
    }),
    { numRuns: 10_000 },
  )
})

describe('numbers', () => {
  it.each([
    ['0', true],
    ['-0', true],
    ['18446744073709551617', true],
    ['0.10', false],
    ['1e400', false],
    ['-1.5E-07', false],
    ['123456789012345678901234567890', true],
  ])('%s keep every digit', (text, isInteger) => {
    expect(readAll(utf8ToBytes(` ${text} `))).toEqual({ text, isInteger })
  })

  it.each(['', '-', '01', '-01', '.5', '5.', '1e', '1e+', '+1', 'NaN', '0x1', '1_0'])('%j is none', (text) => {
    expect(() => readAll(utf8ToBytes(text))).toThrow(JsonSyntaxError)
  })
})

describe('what is wrong, and where', () => {
  it.each([
    ['', 'unexpected end at byte 0'],
    [' ?', 'unexpected character at byte 1'],
    ['[1 2]', 'expected "," or "]" at byte 3'],
    ['{"a":1]', 'expected "," or "}" at byte 6'],
    ['{1:2}', 'expected the name of a member at byte 1'],
    ['{"a" 1}', 'expected ":" at byte 5'],
    ['["\u00e9", "a\n"]', 'control character in a string at byte 9'],
    ['["abc', 'unexpected end in a string at byte 1'],
    ['["\\x"]', 'wrong escape in a string at byte 1'],
    ['[01]', 'number with a leading zero at byte 2'],
    ['[-]', 'expected a digit at byte 2'],
    ['tru ', 'unexpected character at byte 0'],
    ['[] []', 'text after the end at byte 3'],
  ])('%j', (text, message) => {
    expect(outcomeOf(() => readAll(utf8ToBytes(text)))).toEqual({ message })
    expect(outcomeOf(() => readAll(utf8ToBytes(text), text))).toEqual({ message })
  })

  it('bytes that are not UTF-8, at the string that they are in', () => {
    expect(outcomeOf(() => readAll(Uint8Array.of(0x20, 0x22, 0x61, 0xff, 0x22)))).toEqual({
      message: 'not UTF-8 at byte 1',
    })
  })
})

it('begins and goes on where the reader says', () => {
  const tokens = new JsonTokens(utf8ToBytes('xx"a","b"'), 2)
  expect(tokens.string()).toBe('a')
  tokens.position++
  expect(tokens.string()).toBe('b')
  expect(tokens.position).toBe(9)
  expect(tokens.next()).toBe(-1)
})

describe('a string in parts', () => {
  const character = fc.constantFrom(
    ...[
      'a',
      ' ',
      '\u007f',
      '\u00e9',
      '\u20ac',
      '\ud83d\ude00',
      '\\n',
      '\\"',
      '\\\\',
      '\\u00e9',
      '\\ud83d\\ude00',
      '\\ud83d',
    ],
    // What is no part of a string.
    ...['\n', '\\x', '\\u00'],
  )
  const inParts = (tokens: JsonTokens, partBytes: number) => [...tokens.stringInParts(partBytes)].join('')

  it('is the string, wherever a part ends, and the position is behind it', () => {
    fc.assert(
      fc.property(fc.array(character, { maxLength: 12 }), fc.integer({ min: 1, max: 9 }), (characters, partBytes) => {
        const bytes = utf8ToBytes(`"${characters.join('')}" x`)
        const whole = new JsonTokens(bytes)
        const parts = new JsonTokens(bytes)
        const wanted = outcomeOf(() => whole.string())
        const found = outcomeOf(() => inParts(parts, partBytes))
        if ('message' in wanted) expect(found).toHaveProperty('message')
        else expect([found, parts.position]).toEqual([wanted, whole.position])
      }),
      { numRuns: 5000 },
    )
  })

  it('is refused where its bytes are no characters, or it does not end', () => {
    for (const partBytes of [1, 2, 3, 100]) {
      for (const bytes of [[0xc3], [0x80], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0x80, 0x80, 0x80, 0x80, 0x80]]) {
        const tokens = new JsonTokens(Uint8Array.of(0x22, 0x61, ...bytes, 0x61, 0x22))
        expect(() => inParts(tokens, partBytes), `${bytes}`).toThrow('not UTF-8 at byte 0')
      }
      for (const text of ['"', '"abc', '"abc\\', '"abc\\"', '"abc\\u00']) {
        expect(() => inParts(new JsonTokens(utf8ToBytes(text)), partBytes), text).toThrow(/unexpected end|wrong escape/)
      }
    }
  })
})

it('what is longer than the reader takes is left, or refused', () => {
  const tokens = new JsonTokens(utf8ToBytes('   "abc"  1234'))
  expect([tokens.next(2), tokens.position]).toEqual([0x20, 2])
  expect([tokens.next(2), tokens.position]).toEqual([0x22, 3])
  expect([tokens.string(4), tokens.position]).toEqual([undefined, 3])
  expect([tokens.string(5), tokens.position]).toEqual(['abc', 8])
  tokens.next()
  expect(() => tokens.number(3)).toThrow('number with too many digits at byte 13')
  tokens.position = 10
  expect(tokens.number(4).text).toBe('1234')
})
