import { JsonFloat, type JsonObject, type JsonValue, maxJsonDepth } from './json.ts'

/** The text is not JSON, or not JSON that a state may hold. The message names the place, never the content. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
}

/** More than {@link maxJsonDepth} containers inside each other. */
export class JsonDepthError extends JsonSyntaxError {}

/**
 * Parses one JSON text.
 *
 * Stricter than `JSON.parse` where the reference is: invalid UTF-8, lone surrogates, more than 127 containers inside
 * each other and doubles beyond the largest are refused. Duplicate names: the last wins. `-0` is the integer 0, `-0.0`
 * a double. Integers beyond -2^63 .. 2^64-1 become doubles. Decimals are rounded correctly (the reference is sometimes
 * off in the last bit).
 *
 * @param bytes UTF-8, surrounding white space allowed
 * @throws JsonSyntaxError
 * @see spec/runtime.md 5.2
 */
export function parseJson(bytes: Uint8Array): JsonValue {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw new JsonSyntaxError('invalid JSON: not UTF-8')
  }
  return new Parser(text).parse()
}

// ignoreBOM keeps a byte order mark in the text, where it is then a syntax error.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const simpleEscapes = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

const minInteger = -(2n ** 63n)
const maxInteger = 2n ** 64n - 1n

class Parser {
  readonly #text: string
  #position = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): JsonValue {
    const value = this.#value()
    this.#skipSpace()
    if (this.#position < this.#text.length) throw this.#error('trailing characters')
    return value
  }

  #value(): JsonValue {
    this.#skipSpace()
    switch (this.#text[this.#position]) {
      case '{':
        return this.#object()
      case '[':
        return this.#array()
      case '"':
        return this.#string()
      case 't':
        return this.#literal('true', true)
      case 'f':
        return this.#literal('false', false)
      case 'n':
        return this.#literal('null', null)
      default:
        return this.#number()
    }
  }

  #object(): JsonObject {
    const object: JsonObject = new Map()
    this.#enter()
    if (!this.#take('}')) {
      do {
        this.#skipSpace()
        if (this.#text[this.#position] !== '"') throw this.#error('expected a member name')
        const key = this.#string()
        if (!this.#take(':')) throw this.#error("expected ':'")
        object.set(key, this.#value())
      } while (this.#take(','))
      if (!this.#take('}')) throw this.#error("expected ',' or '}'")
    }
    this.#depth--
    return object
  }

  #array(): JsonValue[] {
    this.#enter()
    if (this.#take(']')) {
      this.#depth--
      return []
    }
    // The first push to an empty array makes room for 17 items, which short arrays need not carry around.
    const array = [this.#value()]
    while (this.#take(',')) array.push(this.#value())
    if (!this.#take(']')) throw this.#error("expected ',' or ']'")
    this.#depth--
    return array
  }

  #enter(): void {
    if (++this.#depth > maxJsonDepth) {
      throw new JsonDepthError(`invalid JSON at character ${this.#position}: nested too deeply`)
    }
    this.#position++
  }

  #take(character: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#position] !== character) return false
    this.#position++
    return true
  }

  #literal<T extends boolean | null>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#position)) throw this.#error('unexpected character')
    this.#position += word.length
    return value
  }

  #string(): string {
    const text = this.#text
    let from = ++this.#position
    let result = ''
    for (;;) {
      const code = text.charCodeAt(this.#position)
      if (code === 0x22) {
        result += text.slice(from, this.#position++)
        return result
      }
      if (code === 0x5c) {
        result += text.slice(from, this.#position++)
        result += this.#escape()
        from = this.#position
      } else if (code >= 0x20) {
        this.#position++
      } else {
        throw this.#error(Number.isNaN(code) ? 'unterminated string' : 'control character in a string')
      }
    }
  }

  #escape(): string {
    const letter = this.#text[this.#position++] ?? ''
    if (letter !== 'u') {
      const character = simpleEscapes.get(letter)
      if (character === undefined) throw this.#error('invalid escape')
      return character
    }
    const high = this.#hex4()
    if (high < 0xd800 || high > 0xdfff) return String.fromCharCode(high)
    if (high > 0xdbff || !this.#text.startsWith('\\u', this.#position)) throw this.#error('lone surrogate')
    this.#position += 2
    const low = this.#hex4()
    if (low < 0xdc00 || low > 0xdfff) throw this.#error('lone surrogate')
    return String.fromCharCode(high, low)
  }

  #hex4(): number {
    const digits = this.#text.slice(this.#position, this.#position + 4)
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.#error('invalid escape')
    this.#position += 4
    return Number.parseInt(digits, 16)
  }

  #number(): number | bigint | JsonFloat {
    const start = this.#position
    if (this.#text[this.#position] === '-') this.#position++
    const leadingZero = this.#text[this.#position] === '0'
    const integerDigits = this.#digits()
    if (leadingZero && integerDigits > 1) throw this.#error('leading zero')
    let integer = true
    if (this.#text[this.#position] === '.') {
      integer = false
      this.#position++
      this.#digits()
    }
    const exponent = this.#text[this.#position]
    if (exponent === 'e' || exponent === 'E') {
      integer = false
      this.#position++
      const sign = this.#text[this.#position]
      if (sign === '+' || sign === '-') this.#position++
      this.#digits()
    }
    return this.#toNumber(this.#text.slice(start, this.#position), integer ? integerDigits : undefined)
  }

  #toNumber(text: string, integerDigits: number | undefined): number | bigint | JsonFloat {
    const number = Number(text)
    if (integerDigits !== undefined) {
      if (Number.isSafeInteger(number)) return number + 0 // turns -0 into 0
      if (integerDigits <= 20) {
        const exact = BigInt(text)
        if (exact >= minInteger && exact <= maxInteger) return exact
      }
    }
    if (!Number.isFinite(number)) throw this.#error('number out of range')
    return new JsonFloat(number)
  }

  /** Consumes one or more digits and counts them. */
  #digits(): number {
    const start = this.#position
    for (;;) {
      const code = this.#text.charCodeAt(this.#position)
      if (!(code >= 0x30 && code <= 0x39)) break
      this.#position++
    }
    if (this.#position === start) throw this.#error('unexpected character')
    return this.#position - start
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#position)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#position++
    }
  }

  #error(reason: string): JsonSyntaxError {
    return new JsonSyntaxError(`invalid JSON at character ${this.#position}: ${reason}`)
  }
}
