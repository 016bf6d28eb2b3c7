import { cut, shortestView } from './cut.ts'

/** Bytes that are not JSON, or not JSON that the reader takes. The message names the place, never the content. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
}

/** A number as it stands in the text, with every digit. */
export interface NumberToken {
  readonly text: string
  /** Whether it has neither fraction nor exponent. */
  readonly isInteger: boolean
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Strings up to this length are built from their character codes, which is quicker than a TextDecoder call. */
const shortString = 24
/** Likewise, quicker than a copy of a part of the text. */
const shortPart = 20

/** What a view takes beside the text that it is of, less what a string takes beside its characters; in bytes. */
const viewOverhead = 32

const quote = 0x22
const comma = 0x2c
const minus = 0x2d
const colon = 0x3a
const backslash = 0x5c
const closeBrace = 0x7d

/** 1 for each byte that in a string stands for itself, as a character of ASCII. Its own table: a test of four costs more. */
const plain = Uint8Array.from({ length: 256 }, (_, code) =>
  Number(code >= 0x20 && code < 0x80 && code !== quote && code !== backslash),
)

/** White space of JSON. */
export function isJsonSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/**
 * The tokens of a JSON text (RFC 8259, UTF-8 without byte order mark), for readers that make values of them.
 *
 * JSON.parse will not do: it rounds numbers beyond 2^53, and does not tell `1` from `1.0`. What a value is, how deep it may
 * be and what a name that comes twice means is the reader's business.
 */
export class JsonTokens {
  readonly bytes: Uint8Array
  /** Where the next token, or the white space before it, begins. A reader may move it. */
  position: number
  /** Whether the last string had escapes: only they can bring in a lone surrogate. */
  hadEscapes = false
  readonly #text: string | undefined
  /** How many more bytes than UTF-16 units the text has before the position. */
  #surplus = 0

  /** @param text all of `bytes`, where they are decoded already: strings are cut from it, which is quicker */
  constructor(bytes: Uint8Array, position = 0, text?: string) {
    this.bytes = bytes
    this.position = position
    this.#text = text
  }

  /**
   * Steps over white space. Returns the byte that comes then, -1 at the end.
   *
   * @param most how many bytes of white space at most; if there are more, the byte that comes then is one of them
   */
  next(most = Number.POSITIVE_INFINITY): number {
    const end = this.position + most
    while (isJsonSpace(this.#byte()) && this.position < end) this.position++
    return this.#byte()
  }

  /** Steps over white space, and over this byte if it comes then. */
  take(code: number): boolean {
    if (this.next() !== code) return false
    this.position++
    return true
  }

  /** Reads the name of a member and its colon. @throws JsonSyntaxError */
  name(): string {
    this.beginName()
    const name = this.string()
    this.colon()
    return name
  }

  /** Steps to the name of a member. @throws JsonSyntaxError */
  beginName(): void {
    if (this.next() !== quote) throw this.error('expected the name of a member')
  }

  /** Steps over the colon behind a name. @throws JsonSyntaxError */
  colon(): void {
    if (!this.take(colon)) throw this.error('expected ":"')
  }

  /** Whether another item comes, rather than the end of the container; steps over what says so. @throws JsonSyntaxError */
  more(close: number): boolean {
    if (this.take(comma)) return true
    if (this.take(close)) return false
    throw this.error(`expected "," or "${close === closeBrace ? '}' : ']'}"`)
  }

  /** @throws JsonSyntaxError if anything but white space is left */
  end(): void {
    if (this.next() !== -1) throw this.error('text after the end')
  }

  /**
   * Reads the string that begins at the position. @throws JsonSyntaxError
   *
   * @param most how many bytes it may have; of a longer one nothing is read, and `undefined` is returned
   */
  string(): string
  string(most: number): string | undefined
  string(most = Number.POSITIVE_INFINITY): string | undefined {
    const bytes = this.bytes
    const start = this.position
    const end = Math.min(bytes.length, start + most)
    let at = start + 1
    let isAscii = true
    let hasEscapes = false
    let surplus = 0
    for (;;) {
      while (at < end && plain[bytes[at]!] === 1) at++
      if (at >= end) {
        if (end < bytes.length) return undefined
        throw this.error('unexpected end in a string')
      }
      const code = bytes[at++]!
      if (code >= 0x80) {
        isAscii = false
        // The first byte of a character stands for one unit, or for two if three more follow.
        if (code < 0xc0) surplus++
        else if (code >= 0xf0) surplus--
      } else if (code === quote) break
      else if (code === backslash) {
        hasEscapes = true
        at++
      } else {
        this.position = at - 1
        throw this.error('control character in a string')
      }
    }
    let value: string
    if (hasEscapes) value = this.#unescape(this.#view(start, at, surplus))
    else if (isAscii) value = this.#ascii(start + 1, at - 1)
    else value = this.#slice(start + 1, at - 1, surplus)
    this.hadEscapes = hasEscapes
    this.#surplus += surplus
    this.position = at
    return value
  }

  /**
   * Reads the string that begins at the position part by part, so that a long one need not be read in one go. The parts
   * together are the string. @throws JsonSyntaxError
   *
   * @param partBytes how long a part is, about
   */
  *stringInParts(partBytes: number): Generator<string, void> {
    const bytes = this.bytes
    let start = this.position + 1
    for (;;) {
      const end = start + partBytes
      let at = start
      let hasEscapes = false
      for (;;) {
        while (at < end && plain[bytes[at]!] === 1) at++
        const code = bytes[at]
        if (at >= end || code === quote) break
        if (code === undefined) throw this.error('unexpected end in a string')
        if (code < 0x20) {
          this.position = at
          throw this.error('control character in a string')
        }
        // No part ends inside of an escape.
        if (code === backslash) {
          hasEscapes = true
          at += bytes[at + 1] === 0x75 ? 6 : 2
        } else at++
      }
      // Nor inside of a character, of which at most three bytes follow the first one.
      for (let more = 0; more < 3 && (bytes[at]! & 0xc0) === 0x80; more++) at++
      const part = this.#decode(start, at)
      yield hasEscapes ? this.#unescape(`"${part}"`) : part
      start = at
      if (bytes[at] === quote) {
        this.position = at + 1
        return
      }
    }
  }

  /**
   * Reads the number that begins at the position. @throws JsonSyntaxError if none does
   *
   * @param most how many digits it may have in a row
   */
  number(most = Number.POSITIVE_INFINITY): NumberToken {
    const start = this.position
    const code = this.#byte()
    if (code !== minus && !isDigit(code)) throw this.#unexpected()
    this.#step(minus)
    if (this.#step(0x30)) {
      if (isDigit(this.#byte())) throw this.error('number with a leading zero')
    } else this.#digits(most)
    let isInteger = true
    if (this.#step(0x2e)) {
      isInteger = false
      this.#digits(most)
    }
    if (this.#step(0x65) || this.#step(0x45)) {
      isInteger = false
      if (!this.#step(minus)) this.#step(0x2b)
      this.#digits(most)
    }
    return { text: this.#ascii(start, this.position), isInteger }
  }

  /** Steps over `true`, `false` or `null`. @throws JsonSyntaxError if something else begins at the position */
  word(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[this.position + i] !== word.charCodeAt(i)) throw this.#unexpected()
    }
    this.position += word.length
  }

  /** What is wrong at the position; to be thrown. */
  error(problem: string): JsonSyntaxError {
    return new JsonSyntaxError(`${problem} at byte ${this.position}`)
  }

  #unexpected(): JsonSyntaxError {
    return this.error(this.position < this.bytes.length ? 'unexpected character' : 'unexpected end')
  }

  /** The byte at the position, -1 at the end. */
  #byte(): number {
    return this.bytes[this.position] ?? -1
  }

  #step(code: number): boolean {
    if (this.#byte() !== code) return false
    this.position++
    return true
  }

  #digits(most: number): void {
    if (!isDigit(this.#byte())) throw this.error('expected a digit')
    const end = this.position + most
    while (isDigit(this.#byte())) {
      if (this.position === end) throw this.error('number with too many digits')
      this.position++
    }
  }

  #ascii(start: number, end: number): string {
    const length = end - start
    if (this.#text === undefined ? length > shortString : length < shortestView || length > shortPart) {
      return this.#slice(start, end, 0)
    }
    // A plain array: V8 passes one on as arguments at once, a typed array by way of a list.
    const codes = new Array<number>(length)
    for (let at = start; at < end; at++) codes[at - start] = this.bytes[at] as number
    return String.fromCharCode.apply(null, codes)
  }

  /** @param surplus how many more bytes than UTF-16 units there are in between */
  #slice(start: number, end: number, surplus: number): string {
    const text = this.#text
    if (text === undefined) return this.#decode(start, end)
    const from = start - this.#surplus
    const to = end - this.#surplus - surplus
    // In ASCII, a string that is most of the text takes, with it, no more than two bytes for each of its characters.
    const mayKeepText = text.length === this.bytes.length && text.length + viewOverhead <= 2 * (to - from)
    return mayKeepText ? text.slice(from, to) : cut(text, from, to)
  }

  /** The same, for a moment: it may keep all of the text in memory. */
  #view(start: number, end: number, surplus: number): string {
    if (this.#text === undefined) return this.#decode(start, end)
    return this.#text.slice(start - this.#surplus, end - this.#surplus - surplus)
  }

  #decode(start: number, end: number): string {
    try {
      return decoder.decode(this.bytes.subarray(start, end))
    } catch {
      throw this.error('not UTF-8')
    }
  }

  #unescape(quoted: string): string {
    try {
      // Only the escapes are left to resolve, and the built-in knows them.
      return JSON.parse(quoted) as string
    } catch {
      throw this.error('wrong escape in a string')
    }
  }
}
