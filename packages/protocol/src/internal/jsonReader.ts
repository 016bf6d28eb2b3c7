import {
  atOnce,
  HexParts,
  isDigit,
  isJsonSpace,
  JsonSyntaxError,
  JsonTokens,
  type Pieces,
  parseHex,
} from '@bletchley/bytes'
import { maxDigits, maxJsonDepth, maxTextBytes } from '../limits.ts'

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

/**
 * A string of more than {@link maxShortString} characters. It can hardly be anything but hex, so what that means is read with
 * it: where others can have their turn in between.
 */
export class LongString {
  /** All of it; of one that is longer than {@link maxTextBytes}, the beginning. */
  readonly text: string
  /** UTF-16 units of all of it. */
  readonly length: number
  /** Undefined if it is not hex of whole bytes. */
  readonly bytes: Uint8Array | undefined

  constructor(text: string, length: number, bytes: Uint8Array | undefined) {
    this.text = text
    this.length = length
    this.bytes = bytes
  }

  get isWhole(): boolean {
    return this.text.length === this.length
  }
}

/** Members by name; a Map, so that names such as `__proto__` are names and nothing else. */
export type JsonObject = Map<string, JsonValue>

/** What the reader makes of a frame. An array of nothing but integers 0 to 255, also the empty one, is a Uint8Array. */
export type JsonValue =
  | null
  | boolean
  | string
  | LongString
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
 * @throws JsonSyntaxError also if it is deeper or has more values than allowed, or a longer number
 */
export function readJsonInPieces(bytes: Uint8Array, maxValues: number): Pieces<JsonValue> {
  return new JsonReader(bytes, 0, maxValues).document()
}

/** {@link readJsonInPieces} in one go. */
export function readJson(bytes: Uint8Array, maxValues: number): JsonValue {
  return atOnce(readJsonInPieces(bytes, maxValues))
}

/** Reads the string, number, boolean or null at `offset`; undefined if none of them stands there whole. */
export function readJsonScalar(bytes: Uint8Array, offset: number): { value: JsonValue; end: number } | undefined {
  try {
    return new JsonReader(bytes, offset, 1).scalar()
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined
    throw error
  }
}

const noBytes = new Uint8Array(0)
/** The smallest piece of memory that arrays of bytes are put into. */
const memoryBytes = 256 * 1024
/** Characters of a string that may be read as hex later, among others: a key, an address. */
const maxShortString = 256
/** How much is read between two stops. */
const stretchBytes = 16 * 1024

const quote = 0x22
const comma = 0x2c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

class JsonReader {
  readonly #tokens: JsonTokens
  #valuesLeft: number
  /** Where the next stop is due. */
  #stop: number
  /** Where arrays of bytes are put, side by side: an allocation for each costs more than its bytes. */
  #piece = noBytes
  #used = 0

  constructor(bytes: Uint8Array, at: number, maxValues: number) {
    this.#tokens = new JsonTokens(bytes, at)
    this.#valuesLeft = maxValues
    this.#stop = at + stretchBytes
  }

  *document(): Pieces<JsonValue> {
    let value = this.#short()
    if (value === undefined) value = yield* this.#long(0)
    if (this.#isSpaceNext()) yield* this.#space()
    this.#tokens.end()
    return value
  }

  scalar(): { value: JsonValue; end: number } | undefined {
    const value = this.#short()
    return value === undefined
      ? undefined
      : { value: value instanceof LongString ? value.text : value, end: this.#tokens.position }
  }

  /** A value that takes one moment, behind white space that does; else undefined, and {@link #long} reads it. */
  #short(): JsonValue | undefined {
    if (this.#valuesLeft-- <= 0) throw this.#tokens.error('more values than allowed')
    return this.#isSpaceNext() ? undefined : this.#scalar()
  }

  /** Undefined, with the position as it was, for a container or a long string. */
  #scalar(): JsonValue | undefined {
    const tokens = this.#tokens
    switch (tokens.next()) {
      case quote: {
        const text = tokens.string(maxTextBytes)
        return text === undefined || text.length <= maxShortString
          ? text
          : new LongString(text, text.length, parseHex(text))
      }
      case openBrace:
      case openBracket:
        return undefined
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

  *#long(depth: number): Pieces<JsonValue> {
    const tokens = this.#tokens
    if (this.#isSpaceNext()) yield* this.#space()
    const value = this.#scalar()
    if (value !== undefined) return value
    const code = tokens.next()
    if (code === quote) return yield* this.#longString()
    if (code === openBrace) return yield* this.#object(depth + 1)
    tokens.position++
    return (yield* this.#byteArray()) ?? (yield* this.#array(depth + 1))
  }

  *#object(depth: number): Pieces<JsonObject> {
    this.#checkDepth(depth)
    const tokens = this.#tokens
    const members: JsonObject = new Map()
    tokens.position++
    if (this.#isSpaceNext()) yield* this.#space()
    if (tokens.take(closeBrace)) return members
    do {
      if (this.#isSpaceNext()) yield* this.#space()
      tokens.beginName()
      const name = tokens.string(maxTextBytes)
      // No member that anybody looks for.
      if (name === undefined) yield* this.#longString()
      if (this.#isSpaceNext()) yield* this.#space()
      tokens.colon()
      let value = this.#short()
      if (value === undefined) value = yield* this.#long(depth)
      if (name !== undefined) addMember(members, name, value)
      if (tokens.position >= this.#stop) {
        yield
        this.#stop = tokens.position + stretchBytes
      }
      if (this.#isSpaceNext()) yield* this.#space()
    } while (tokens.more(closeBrace))
    return members
  }

  /** Reads on from after the bracket; {@link #byteArray} comes first and takes the empty array. */
  *#array(depth: number): Pieces<JsonValue[]> {
    this.#checkDepth(depth)
    const tokens = this.#tokens
    const items: JsonValue[] = []
    do {
      let value = this.#short()
      if (value === undefined) value = yield* this.#long(depth)
      items.push(value)
      if (tokens.position >= this.#stop) {
        yield
        this.#stop = tokens.position + stretchBytes
      }
      if (this.#isSpaceNext()) yield* this.#space()
    } while (tokens.more(closeBracket))
    return items
  }

  /**
   * The quick path for arrays of integers 0 to 255. On anything else it returns undefined and leaves the position, and
   * the general path reads the array again and knows what to say; that is at most twice the work.
   */
  *#byteArray(): Pieces<Uint8Array | undefined> {
    const tokens = this.#tokens
    const bytes = tokens.bytes
    let at = tokens.position
    let stop = this.#stop
    let piece = this.#piece
    let start = this.#used
    let end = start
    let code = bytes[at] as number
    for (;;) {
      // In front of a number, or of the end of an empty array.
      while (isJsonSpace(code)) {
        code = bytes[++at] as number
        if (at < stop) continue
        yield
        stop = at + stretchBytes
      }
      let value = code - 0x30
      if (!(value >= 0 && value <= 9)) {
        if (code !== closeBracket || end > start) return undefined
        tokens.position = at + 1
        return noBytes
      }
      code = bytes[++at] as number
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
      while (isJsonSpace(code)) {
        code = bytes[++at] as number
        if (at < stop) continue
        yield
        stop = at + stretchBytes
      }
      if (code === closeBracket) {
        tokens.position = at + 1
        this.#used = end
        this.#stop = stop
        return piece.subarray(start, end)
      }
      if (code !== comma) return undefined
      code = bytes[++at] as number
      if (at < stop) continue
      yield
      stop = at + stretchBytes
    }
  }

  *#longString(): Pieces<LongString> {
    let text = ''
    let length = 0
    const hex = new HexParts()
    for (const part of this.#tokens.stringInParts(stretchBytes)) {
      if (length === 0) text = part
      length += part.length
      hex.add(part)
      yield
    }
    return new LongString(text, length, hex.finish())
  }

  /** Steps over white space, not over much of it. Whether there is more. */
  #isSpaceNext(): boolean {
    return isJsonSpace(this.#tokens.next(stretchBytes))
  }

  *#space(): Pieces {
    do yield
    while (this.#isSpaceNext())
  }

  /** A larger piece that begins with `bytes`. What is left of the text, from before `at`, cannot need more than half of it. */
  #nextPiece(bytes: Uint8Array, at: number): Uint8Array<ArrayBuffer> {
    const wanted = Math.min(Math.max(memoryBytes, bytes.length * 2), (this.#tokens.bytes.length - at + 3) >> 1)
    const piece = new Uint8Array(bytes.length + wanted)
    piece.set(bytes)
    this.#piece = piece
    this.#used = 0
    return piece
  }

  #number(): number | ExactNumber {
    const { text, isInteger } = this.#tokens.number(maxDigits)
    return isInteger && text.length <= 15 && text !== '-0' ? Number(text) : new ExactNumber(text)
  }

  #checkDepth(depth: number): void {
    if (depth > maxJsonDepth) throw this.#tokens.error(`nested deeper than ${maxJsonDepth}`)
  }
}

function addMember(members: JsonObject, name: string, value: JsonValue): void {
  const before = members.get(name)
  if (before === undefined) members.set(name, value)
  else if (!(before instanceof Repeated)) members.set(name, new Repeated(before))
}
