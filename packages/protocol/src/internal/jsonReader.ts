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

/** The text is not JSON, or is deeper or has more values than allowed. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
}

/**
 * Reads one JSON text (RFC 8259, UTF-8 without byte order mark).
 *
 * JSON.parse will not do: it rounds gas beyond 2^53 and makes an object of every byte of a delta.
 *
 * @param maxValues most values (members of objects and arrays; an array of bytes is one)
 * @throws JsonSyntaxError
 */
export function readJson(bytes: Uint8Array, maxValues: number): JsonValue {
  return new JsonReader(bytes, 0, maxValues).document()
}

/** Reads the string, number, boolean or null at `offset`. @throws JsonSyntaxError, also for an array or an object */
export function readJsonScalar(bytes: Uint8Array, offset: number): { value: JsonValue; end: number } {
  return new JsonReader(bytes, offset, 1).scalar()
}

const decoder = new TextDecoder('utf-8', { fatal: true })
const noBytes = new Uint8Array(0)
const pieceBytes = 256 * 1024
/** Strings up to this length are built from their character codes, which is quicker than a TextDecoder call. */
const shortString = 24

const quote = 0x22
const comma = 0x2c
const minus = 0x2d
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

class JsonReader {
  readonly #bytes: Uint8Array
  #at: number
  #valuesLeft: number
  /** Where arrays of bytes are put, side by side: an allocation for each costs more than its bytes. */
  #piece = noBytes
  #used = 0

  constructor(bytes: Uint8Array, at: number, maxValues: number) {
    this.#bytes = bytes
    this.#at = at
    this.#valuesLeft = maxValues
  }

  document(): JsonValue {
    const value = this.#value(0)
    this.#skipSpace()
    if (this.#at < this.#bytes.length) throw this.#error('text after the end')
    return value
  }

  scalar(): { value: JsonValue; end: number } {
    const code = this.#peek()
    if (code === openBrace || code === openBracket) throw this.#error('not a scalar')
    return { value: this.#value(0), end: this.#at }
  }

  #value(depth: number): JsonValue {
    if (this.#valuesLeft-- <= 0) throw this.#error('more values than allowed')
    this.#skipSpace()
    const code = this.#peek()
    switch (code) {
      case quote:
        return this.#string()
      case openBrace:
        return this.#object(depth + 1)
      case openBracket:
        this.#at++
        return this.#byteArray() ?? this.#array(depth + 1)
      case 0x74:
        return this.#word('true', true)
      case 0x66:
        return this.#word('false', false)
      case 0x6e:
        return this.#word('null', null)
      default:
        if (code === minus || isDigit(code)) return this.#number()
        throw this.#error(this.#at < this.#bytes.length ? 'unexpected character' : 'unexpected end')
    }
  }

  #object(depth: number): JsonObject {
    this.#checkDepth(depth)
    const members: JsonObject = new Map()
    this.#at++
    this.#skipSpace()
    if (this.#take(closeBrace)) return members
    for (;;) {
      this.#skipSpace()
      if (this.#peek() !== quote) throw this.#error('expected the name of a member')
      const name = this.#string()
      this.#skipSpace()
      if (!this.#take(colon)) throw this.#error('expected ":"')
      const value = this.#value(depth)
      const before = members.get(name)
      if (before === undefined) members.set(name, value)
      else if (!(before instanceof Repeated)) members.set(name, new Repeated(before))
      this.#skipSpace()
      if (this.#take(closeBrace)) return members
      if (!this.#take(comma)) throw this.#error('expected "," or "}"')
    }
  }

  /** Reads on from after the bracket; {@link #byteArray} comes first and takes the empty array. */
  #array(depth: number): JsonValue[] {
    this.#checkDepth(depth)
    const items: JsonValue[] = []
    for (;;) {
      items.push(this.#value(depth))
      this.#skipSpace()
      if (this.#take(closeBracket)) return items
      if (!this.#take(comma)) throw this.#error('expected "," or "]"')
    }
  }

  /**
   * The quick path for arrays of integers 0 to 255. On anything else it returns undefined and leaves the position, and
   * the general path reads the array again and knows what to say; that is at most twice the work.
   */
  #byteArray(): Uint8Array | undefined {
    const bytes = this.#bytes
    let at = this.#at
    let piece = this.#piece
    let start = this.#used
    let end = start
    while (isSpace(bytes[at] as number)) at++
    if (bytes[at] === closeBracket) {
      this.#at = at + 1
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
      while (isSpace(code)) code = bytes[++at] as number
      if (code === closeBracket) {
        this.#at = at + 1
        this.#used = end
        return piece.subarray(start, end)
      }
      if (code !== comma) return undefined
      do at++
      while (isSpace(bytes[at] as number))
    }
  }

  /** A larger piece that begins with `bytes`. What is left of the text, from before `at`, cannot need more than half of it. */
  #nextPiece(bytes: Uint8Array, at: number): Uint8Array<ArrayBuffer> {
    const wanted = Math.min(Math.max(pieceBytes, bytes.length * 2), (this.#bytes.length - at + 3) >> 1)
    const piece = new Uint8Array(bytes.length + wanted)
    piece.set(bytes)
    this.#piece = piece
    this.#used = 0
    return piece
  }

  #string(): string {
    const bytes = this.#bytes
    const start = this.#at + 1
    let at = start
    let plain = true
    for (;;) {
      const code = bytes[at]
      if (code === undefined) throw this.#error('unexpected end in a string')
      if (code === quote) break
      if (code === backslash) {
        plain = false
        at++
      } else if (code < 0x20) {
        this.#at = at
        throw this.#error('control character in a string')
      } else if (code >= 0x80) plain = false
      at++
    }
    if (plain) {
      this.#at = at + 1
      return this.#ascii(start, at)
    }
    let text: string
    try {
      text = decoder.decode(bytes.subarray(start - 1, at + 1))
    } catch {
      throw this.#error('not UTF-8')
    }
    try {
      // Only the escapes are left to resolve, and the built-in knows them.
      const value: unknown = JSON.parse(text)
      this.#at = at + 1
      return value as string
    } catch {
      throw this.#error('wrong escape in a string')
    }
  }

  #ascii(start: number, end: number): string {
    if (end - start > shortString) return decoder.decode(this.#bytes.subarray(start, end))
    // A plain array: V8 passes one on as arguments at once, a typed array by way of a list.
    const codes = new Array<number>(end - start)
    for (let at = start; at < end; at++) codes[at - start] = this.#bytes[at] as number
    return String.fromCharCode.apply(null, codes)
  }

  #number(): number | ExactNumber {
    const start = this.#at
    this.#take(minus)
    if (this.#peek() === 0x30) {
      this.#at++
      if (isDigit(this.#peek())) throw this.#error('number with a leading zero')
    } else this.#digits()
    let integer = true
    if (this.#take(0x2e)) {
      integer = false
      this.#digits()
    }
    if (this.#take(0x65) || this.#take(0x45)) {
      integer = false
      if (!this.#take(minus)) this.#take(0x2b)
      this.#digits()
    }
    const text = this.#ascii(start, this.#at)
    return integer && text.length <= 15 && text !== '-0' ? Number(text) : new ExactNumber(text)
  }

  #digits(): void {
    if (!isDigit(this.#peek())) throw this.#error('expected a digit')
    while (isDigit(this.#peek())) this.#at++
  }

  #word<T>(word: string, value: T): T {
    for (let i = 0; i < word.length; i++) {
      if (this.#bytes[this.#at + i] !== word.charCodeAt(i)) throw this.#error('unexpected character')
    }
    this.#at += word.length
    return value
  }

  #skipSpace(): void {
    while (isSpace(this.#peek())) this.#at++
  }

  /** The byte at the position, -1 at the end. */
  #peek(): number {
    return this.#bytes[this.#at] ?? -1
  }

  #take(code: number): boolean {
    if (this.#peek() !== code) return false
    this.#at++
    return true
  }

  #checkDepth(depth: number): void {
    if (depth > maxJsonDepth) throw this.#error(`nested deeper than ${maxJsonDepth}`)
  }

  #error(problem: string): JsonSyntaxError {
    return new JsonSyntaxError(`${problem} at byte ${this.#at}`)
  }
}
