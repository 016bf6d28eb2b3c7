import { WorkerError } from '../errors.ts'
import type { ReplyMemory } from '../replyMemory.ts'

const quote = 0x22
const openBracket = 0x5b
const closeBracket = 0x5d
const encoder = new TextEncoder()

const allBytes = Array.from({ length: 256 }, (_, byte) => byte)

/** Character codes of the two hex digits of each byte, at `2 * byte`. */
const hexPairs = encoder.encode(allBytes.map((byte) => byte.toString(16).padStart(2, '0')).join(''))

/** Each byte as a JSON number with a comma behind it: its two to four characters, the first one lowest, and their count. */
const numberTexts = allBytes.map((byte) => encoder.encode(`${byte},`))
const numbers = Uint32Array.from(numberTexts, (text) => text.reduceRight((codes, code) => (codes << 8) | code, 0))
const numberLengths = Uint8Array.from(numberTexts, (text) => text.length)

/** How many characters {@link JsonWriter.byteArray} writes for bytes, with a comma for the brackets' sake: from `start` up to `end`. */
export function numbersLength(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let length = 0
  for (let i = start; i < end; i++) length += numberLengths[bytes[i]!]!
  return length
}

/** Short texts share pieces of memory of this size: allocating one for each is dearer than writing it. */
const chunkBytes = 8 * 1024
/** Room that a text begins with. */
const firstBytes = 512
/** Bytes that are written between two stops. */
export const pieceBytes = 64 * 1024
/** How many times larger a buffer gets, at least and at most. */
const leastGrowth = 2
const mostGrowth = 128

/** Memory that is written from `used` on. */
interface Chunk {
  readonly buffer: Uint8Array
  readonly view: DataView
  readonly used: number
}

function chunkOf(buffer: Uint8Array<ArrayBuffer>): Chunk {
  return { buffer, view: new DataView(buffer.buffer), used: 0 }
}

/** What the last text left over; nobody's while a writer has it. */
let spare: Chunk | undefined

function takeChunk(): Chunk {
  const chunk = spare ?? chunkOf(new Uint8Array(chunkBytes))
  spare = undefined
  return chunk
}

/**
 * Writes compact JSON into one growing buffer. The caller supplies the punctuation of objects through {@link raw}; byte
 * arrays and hex go into the buffer digit by digit, since going through strings costs ten times as much.
 */
export class JsonWriter {
  /**
   * Never written with. V8 collects the shape of writers with the last of them, and then throws away the code that it has
   * optimised for that shape; so each collection would make the next large reply begin with slow code.
   */
  static readonly kept = new JsonWriter(0)

  #chunk = takeChunk()
  /** Where the next byte goes in the chunk. */
  #at = this.#chunk.used
  readonly #maxBytes: number
  readonly #memory: ReplyMemory | undefined
  /** Of the list that is being written, or was the last: where it begins in the text, and how many of its items are written. */
  #listStart = 0
  #listDone = 0
  #listLength = 0

  /**
   * @param maxBytes a longer text makes a later write or `finish` throw a WorkerError `limit_exceeded`
   * @param memory   for large texts; fresh memory if absent
   * @param expected bytes that the text will have about, if that is known: then it grows once
   */
  constructor(maxBytes: number, memory?: ReplyMemory, expected = 0) {
    this.#maxBytes = maxBytes
    this.#memory = memory
    // A piece is given as much room as its bytes could need.
    if (expected > 0) this.#grow(Math.min(expected, maxBytes) + 4 * pieceBytes + firstBytes)
  }

  /** Writes ASCII as it stands. */
  raw(ascii: string): void {
    const { buffer } = this.#reserve(ascii.length)
    let at = this.#at
    for (let i = 0; i < ascii.length; i++) buffer[at++] = ascii.charCodeAt(i)
    this.#at = at
  }

  string(text: string): void {
    if (/^[ !#-[\]-~]*$/.test(text)) {
      this.raw('"')
      this.raw(text)
      this.raw('"')
      return
    }
    const json = JSON.stringify(text)
    const { buffer } = this.#reserve(json.length * 3)
    this.#at += encoder.encodeInto(json, buffer.subarray(this.#at)).written
  }

  /** Writes `"00ff…"`. */
  hex(bytes: Uint8Array): void {
    this.#reserve(bytes.length * 2 + 2)
    this.#mark(quote)
    this.#hexDigits(bytes)
    this.#mark(quote)
  }

  /** As {@link hex}, with a stop behind each piece. */
  *hexInPieces(bytes: Uint8Array): Generator<undefined, void> {
    this.raw('"')
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      const piece = bytes.subarray(start, start + pieceBytes)
      this.#reserve(piece.length * 2)
      this.#hexDigits(piece)
      yield
    }
    this.raw('"')
  }

  /** Writes `[0,255,…]`. */
  byteArray(bytes: Uint8Array): void {
    this.#reserve(bytes.length * 4 + 2)
    this.#mark(openBracket)
    this.#numbers(bytes)
    if (bytes.length > 0) this.#at-- // the comma behind the last one
    this.#mark(closeBracket)
  }

  /** As {@link byteArray}, with a stop behind each piece. */
  *byteArrayInPieces(bytes: Uint8Array): Generator<undefined, void> {
    this.raw('[')
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      const piece = bytes.subarray(start, start + pieceBytes)
      this.#reserve(piece.length * 4)
      this.#numbers(piece)
      yield
    }
    if (bytes.length > 0) this.#at--
    this.raw(']')
  }

  /** Writes the items of a list with commas between them. What is written tells how much room the rest will take. */
  items<T>(items: readonly T[], write: (item: T, index: number) => void): void {
    this.#listStart = this.length
    this.#listLength = items.length
    for (let index = 0; index < items.length; index++) {
      if (index > 0) this.raw(',')
      this.#listDone = index
      write(items[index] as T, index)
    }
  }

  /** The text so far. It may share its buffer with other texts, so nobody may write behind its end. */
  finish(): Uint8Array {
    this.#checkLength()
    const { buffer, view, used } = this.#chunk
    const end = this.#at
    if (buffer.length === chunkBytes && buffer.length - end >= firstBytes) spare = { buffer, view, used: end }
    return buffer.subarray(used, end)
  }

  get length(): number {
    return this.#at - this.#chunk.used
  }

  /** Writes one character where room is reserved. */
  #mark(code: number): void {
    this.#chunk.buffer[this.#at++] = code
  }

  #hexDigits(bytes: Uint8Array): void {
    const { buffer } = this.#chunk
    let at = this.#at
    for (let i = 0; i < bytes.length; i++) {
      const pair = (bytes[i] as number) * 2
      buffer[at++] = hexPairs[pair] as number
      buffer[at++] = hexPairs[pair + 1] as number
    }
    this.#at = at
  }

  /** Writes each byte as a number with a comma behind it. */
  #numbers(bytes: Uint8Array): void {
    const { view } = this.#chunk
    let at = this.#at
    let i = 0
    // Four at a time: where each number goes follows from the lengths, without waiting for the writes.
    for (; i + 4 <= bytes.length; i += 4) {
      const [a, b, c, d] = [bytes[i]!, bytes[i + 1]!, bytes[i + 2]!, bytes[i + 3]!]
      const second = at + numberLengths[a]!
      const third = second + numberLengths[b]!
      const fourth = third + numberLengths[c]!
      // Always four characters; the next number overwrites those that are not of this one.
      view.setUint32(at, numbers[a]!, true)
      view.setUint32(second, numbers[b]!, true)
      view.setUint32(third, numbers[c]!, true)
      view.setUint32(fourth, numbers[d]!, true)
      at = fourth + numberLengths[d]!
    }
    for (; i < bytes.length; i++) {
      view.setUint32(at, numbers[bytes[i]!]!, true)
      at += numberLengths[bytes[i]!]!
    }
    this.#at = at
  }

  #checkLength(): void {
    if (this.length > this.#maxBytes) {
      throw new WorkerError('limit_exceeded', { limit: 'bytes in a message', maximum: this.#maxBytes })
    }
  }

  /** Makes room for so many bytes. */
  #reserve(more: number): Chunk {
    if (this.#at + more > this.#chunk.buffer.length) this.#grow(this.length + more)
    return this.#chunk
  }

  /** Fresh memory costs more than what is written into it, so a long list gets about as much as it will need. */
  #grow(wanted: number): void {
    this.#checkLength()
    const length = this.length
    const { buffer, used } = this.#chunk
    const perItem = this.#listDone === 0 ? 0 : (length - this.#listStart) / this.#listDone
    const expected = this.#listStart + perItem * this.#listLength * 1.02
    const size = Math.min(Math.max(expected, length * leastGrowth), length * mostGrowth)
    const bytes = Math.ceil(Math.max(wanted, size))
    const grown = chunkOf(this.#memory?.take(bytes) ?? new Uint8Array(bytes))
    grown.buffer.set(buffer.subarray(used, this.#at))
    this.#memory?.giveBack(buffer)
    this.#chunk = grown
    this.#at = length
  }
}
