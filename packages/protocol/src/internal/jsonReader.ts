import { isDigit, isJsonSpace, JsonSyntaxError, JsonTokens } from '@bletchley/bytes'
import { maxJsonDepth } from '../limits.ts'

/**
 * A JSON number that is not a plain integer below 10^15: its text, so that no digit is lost. Two of them are the same
 * number only if their texts are.
 */
export class ExactNumber {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toString(): string {
    return this.text
  }
}

/** A member that an object has more than once: a known one is then refused, an unknown one ignored. */
export class Repeated {
  readonly first: JsonValue

  constructor(first: JsonValue) {
    this.first = first
  }
}

/** Members by name; a Map, so that names such as `__proto__` are names and nothing else. */
export type JsonObject = Map<string, JsonValue>

/** What the reader makes of a frame. An array of nothing but integers 0 to 255, also the empty one, is a Uint8Array. */
export type JsonValue =
  | null
  | boolean
  | string
  | number
  | ExactNumber
  | Uint8Array
  | readonly JsonValue[]
  | JsonObject
  | Repeated

/**
 * Reads one JSON text: no digit of gas is lost, and the bytes of a delta are not an object each.
 *
 * @param maxValues most values (members of objects and arrays; an array of bytes is one)
 * @throws JsonSyntaxError also if it is deeper or has more values than allowed
 */
export function readJson(bytes: Uint8Array, maxValues: number): JsonValue {
  return new JsonReader(bytes, 0, maxValues).document()
}

/** Reads the string, number, boolean or null at `offset`; undefined if none of them stands there whole. */
export function readJsonScalar(bytes: Uint8Array, offset: number): { value: JsonValue; end: number } | undefined {
  const code = bytes[offset]
  if (code === openBrace || code === openBracket) return undefined
  try {
    return new JsonReader(bytes, offset, 1).scalar()
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined
    throw error
  }
}

const noBytes = new Uint8Array(0)
const pieceBytes = 256 * 1024

const quote = 0x22
const comma = 0x2c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

class JsonReader {
  readonly #tokens: JsonTokens
  #valuesLeft: number
  /** Where arrays of bytes are put, side by side: an allocation for each costs more than its bytes. */
  #piece = noBytes
  #used = 0

  constructor(bytes: Uint8Array, at: number, maxValues: number) {
    this.#tokens = new JsonTokens(bytes, at)
    this.#valuesLeft = maxValues
  }

  document(): JsonValue {
    const value = this.#value(0)
    this.#tokens.end()
    return value
  }

  scalar(): { value: JsonValue; end: number } {
    return { value: this.#value(0), end: this.#tokens.position }
  }

  #value(depth: number): JsonValue {
    const tokens = this.#tokens
    if (this.#valuesLeft-- <= 0) throw tokens.error('more values than allowed')
    switch (tokens.next()) {
      case quote:
        return tokens.string()
      case openBrace:
        return this.#object(depth + 1)
      case openBracket:
        tokens.position++
        return this.#byteArray() ?? this.#array(depth + 1)
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

  #object(depth: number): JsonObject {
    this.#checkDepth(depth)
    const tokens = this.#tokens
    const members: JsonObject = new Map()
    tokens.position++
    if (tokens.take(closeBrace)) return members
    do {
      const name = tokens.name()
      const value = this.#value(depth)
      const before = members.get(name)
      if (before === undefined) members.set(name, value)
      else if (!(before instanceof Repeated)) members.set(name, new Repeated(before))
    } while (tokens.more(closeBrace))
    return members
  }

  /** Reads on from after the bracket; {@link #byteArray} comes first and takes the empty array. */
  #array(depth: number): JsonValue[] {
    this.#checkDepth(depth)
    const items: JsonValue[] = []
    do items.push(this.#value(depth))
    while (this.#tokens.more(closeBracket))
    return items
  }

  /**
   * The quick path for arrays of integers 0 to 255. On anything else it returns undefined and leaves the position, and
   * the general path reads the array again and knows what to say; that is at most twice the work.
   */
  #byteArray(): Uint8Array | undefined {
    const tokens = this.#tokens
    const bytes = tokens.bytes
    let at = tokens.position
    let piece = this.#piece
    let start = this.#used
    let end = start
    while (isJsonSpace(bytes[at] as number)) at++
    if (bytes[at] === closeBracket) {
      tokens.position = at + 1
      return noBytes
    }
    for (;;) {
      let value = (bytes[at] as number) - 0x30
      if (!(value >= 0 && value <= 9)) return undefined
      let code = bytes[++at] as number
      if (isDigit(code)) {
        if (value === 0) return undefined
        value = value * 10 + code - 0x30
        code = bytes[++at] as number
        if (isDigit(code)) {
          value = value * 10 + code - 0x30
          if (value > 255) return undefined
          code = bytes[++at] as number
        }
      }
      if (end === piece.length) {
        piece = this.#nextPiece(piece.subarray(start, end), at)
        end -= start
        start = 0
      }
      piece[end++] = value
      while (isJsonSpace(code)) code = bytes[++at] as number
      if (code === closeBracket) {
        tokens.position = at + 1
        this.#used = end
        return piece.subarray(start, end)
      }
      if (code !== comma) return undefined
      do at++
      while (isJsonSpace(bytes[at] as number))
    }
  }

  /** A larger piece that begins with `bytes`. What is left of the text, from before `at`, cannot need more than half of it. */
  #nextPiece(bytes: Uint8Array, at: number): Uint8Array<ArrayBuffer> {
    const wanted = Math.min(Math.max(pieceBytes, bytes.length * 2), (this.#tokens.bytes.length - at + 3) >> 1)
    const piece = new Uint8Array(bytes.length + wanted)
    piece.set(bytes)
    this.#piece = piece
    this.#used = 0
    return piece
  }

  #number(): number | ExactNumber {
    const { text, isInteger } = this.#tokens.number()
    return isInteger && text.length <= 15 && text !== '-0' ? Number(text) : new ExactNumber(text)
  }

  #checkDepth(depth: number): void {
    if (depth > maxJsonDepth) throw this.#tokens.error(`nested deeper than ${maxJsonDepth}`)
  }
}
