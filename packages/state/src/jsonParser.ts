import { isDigit, JsonSyntaxError, JsonTokens, parseUtf8 } from '@bletchley/bytes'
import { JsonFloat, type JsonObject, type JsonValue, maxJsonDepth } from './json.ts'

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
  const text = parseUtf8(bytes)
  if (text === undefined) throw new JsonSyntaxError('not UTF-8')
  return new JsonParser(bytes, text).document()
}

const minInteger = -(2n ** 63n)
const maxInteger = 2n ** 64n - 1n

const quote = 0x22
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

class JsonParser {
  readonly #tokens: JsonTokens
  #depth = 0

  constructor(bytes: Uint8Array, text: string) {
    this.#tokens = new JsonTokens(bytes, 0, text)
  }

  document(): JsonValue {
    const value = this.#value()
    this.#tokens.end()
    return value
  }

  #value(): JsonValue {
    const tokens = this.#tokens
    switch (tokens.next()) {
      case quote:
        return this.#wellFormed(tokens.string())
      case openBrace:
        return this.#object()
      case openBracket:
        return this.#array()
      case 0x74:
        tokens.word('true')
        return true
      case 0x66:
        tokens.word('false')
        return false
      case 0x6e:
        tokens.word('null')
        return null
      default:
        return this.#number()
    }
  }

  #object(): JsonObject {
    this.#enter()
    const tokens = this.#tokens
    const object: JsonObject = new Map()
    if (!tokens.take(closeBrace)) {
      do object.set(this.#wellFormed(tokens.name()), this.#value())
      while (tokens.more(closeBrace))
    }
    this.#depth--
    return object
  }

  #array(): JsonValue[] {
    this.#enter()
    const tokens = this.#tokens
    if (tokens.take(closeBracket)) {
      this.#depth--
      return []
    }
    // The first push to an empty array makes room for 17 items, which short arrays need not carry around.
    const array = [this.#value()]
    while (tokens.more(closeBracket)) array.push(this.#value())
    this.#depth--
    return array
  }

  /** Reads an integer that is not negative and has at most 15 digits without a text of it; nothing if there is none. */
  #shortInteger(): number | undefined {
    const tokens = this.#tokens
    const { bytes, position } = tokens
    const most = Math.min(bytes.length, position + 15)
    let value = 0
    let at = position
    for (; at < most && isDigit(bytes[at]!); at++) value = value * 10 + bytes[at]! - 0x30
    if (at === position || (bytes[position] === 0x30 && at > position + 1)) return undefined
    const next = bytes[at]
    if (next !== undefined && (isDigit(next) || next === 0x2e || next === 0x65 || next === 0x45)) return undefined
    tokens.position = at
    return value
  }

  #enter(): void {
    if (++this.#depth > maxJsonDepth) throw new JsonDepthError(`nested too deeply at byte ${this.#tokens.position}`)
    this.#tokens.position++
  }

  #wellFormed(text: string): string {
    // What only an escape can bring in: the bytes are UTF-8.
    if (this.#tokens.hadEscapes && !text.isWellFormed()) throw this.#tokens.error('lone surrogate in a string')
    return text
  }

  #number(): number | bigint | JsonFloat {
    const short = this.#shortInteger()
    if (short !== undefined) return short
    const { text, isInteger } = this.#tokens.number()
    const number = Number(text)
    if (isInteger) {
      if (Number.isSafeInteger(number)) return number + 0 // turns -0 into 0
      // 20 digits, or a sign and 19: with more, no number is in the range.
      if (text.length <= 20) {
        const exact = BigInt(text)
        if (exact >= minInteger && exact <= maxInteger) return exact
      }
    }
    if (!Number.isFinite(number)) throw this.#tokens.error('number out of range')
    return new JsonFloat(number)
  }
}
