import { WorkerError } from '../errors.ts'

const quote = 0x22
const comma = 0x2c
const zero = 0x30
const encoder = new TextEncoder()

/** Character codes of the two hex digits of each byte, at `2 * byte`. */
const hexPairs = encoder.encode(Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join(''))

/**
 * Writes compact JSON into one growing buffer. The caller supplies the punctuation of objects through {@link raw}; byte
 * arrays and hex go into the buffer digit by digit, since going through strings costs seven times as much.
 */
export class JsonWriter {
  #buffer = new Uint8Array(512)
  #length = 0
  readonly #maxBytes: number

  /** @param maxBytes a longer text makes a later write or `finish` throw a WorkerError `limit_exceeded` */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Writes ASCII as it stands. */
  raw(ascii: string): void {
    const buffer = this.#reserve(ascii.length)
    let at = this.#length
    for (let i = 0; i < ascii.length; i++) buffer[at++] = ascii.charCodeAt(i)
    this.#length = at
  }

  string(text: string): void {
    if (/^[ !#-[\]-~]*$/.test(text)) {
      this.raw('"')
      this.raw(text)
      this.raw('"')
      return
    }
    const json = JSON.stringify(text)
    const buffer = this.#reserve(json.length * 3)
    this.#length += encoder.encodeInto(json, buffer.subarray(this.#length)).written
  }

  /** Writes `"00ff…"`. */
  hex(bytes: Uint8Array): void {
    const buffer = this.#reserve(bytes.length * 2 + 2)
    let at = this.#length
    buffer[at++] = quote
    for (let i = 0; i < bytes.length; i++) {
      const pair = (bytes[i] as number) * 2
      buffer[at++] = hexPairs[pair] as number
      buffer[at++] = hexPairs[pair + 1] as number
    }
    buffer[at++] = quote
    this.#length = at
  }

  /** Writes `[0,255,…]`. */
  byteArray(bytes: Uint8Array): void {
    const buffer = this.#reserve(bytes.length * 4 + 2)
    let at = this.#length
    buffer[at++] = 0x5b
    for (let i = 0; i < bytes.length; i++) {
      if (i > 0) buffer[at++] = comma
      let rest = bytes[i] as number
      if (rest >= 100) {
        const hundreds = rest >= 200 ? 2 : 1
        buffer[at++] = zero + hundreds
        rest -= hundreds * 100
        const tens = (rest / 10) | 0
        buffer[at++] = zero + tens
        rest -= tens * 10
      } else if (rest >= 10) {
        const tens = (rest / 10) | 0
        buffer[at++] = zero + tens
        rest -= tens * 10
      }
      buffer[at++] = zero + rest
    }
    buffer[at++] = 0x5d
    this.#length = at
  }

  /** The text so far; a view of the buffer, which nobody else holds. */
  finish(): Uint8Array {
    this.#checkLength()
    return this.#buffer.subarray(0, this.#length)
  }

  #checkLength(): void {
    if (this.#length > this.#maxBytes) {
      throw new WorkerError('limit_exceeded', { limit: 'bytes in a message', maximum: this.#maxBytes })
    }
  }

  #reserve(more: number): Uint8Array {
    const wanted = this.#length + more
    if (wanted > this.#buffer.length) {
      this.#checkLength()
      const grown = new Uint8Array(Math.max(wanted, this.#buffer.length * 2))
      grown.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = grown
    }
    return this.#buffer
  }
}
