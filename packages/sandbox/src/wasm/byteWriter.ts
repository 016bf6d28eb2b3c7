import { utf8ToBytes } from '@bletchley/bytes'

/** A growing byte buffer that writes the primitives of the binary format; integers take the fewest bytes. */
export class ByteWriter {
  #buffer: Uint8Array<ArrayBuffer>
  #length = 0

  constructor(capacity = 1024) {
    this.#buffer = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** Forgets what was written and keeps the room. */
  clear(): void {
    this.#length = 0
  }

  /** What was written, as a view that the next write may change. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length)
  }

  /** What was written, as a copy. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.#length)
  }

  byte(value: number): void {
    if (this.#length === this.#buffer.length) this.#grow(1)
    this.#buffer[this.#length++] = value
  }

  raw(bytes: Uint8Array): void {
    if (bytes.length > this.#buffer.length - this.#length) this.#grow(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** `source[start, end)`. */
  range(source: Uint8Array, start: number, end: number): void {
    const size = end - start
    if (size > this.#buffer.length - this.#length) this.#grow(size)
    const buffer = this.#buffer
    let length = this.#length
    if (size > 48) buffer.set(source.subarray(start, end), length)
    // Most ranges are a few bytes, where the call of `set` costs more than the copy.
    else for (let index = start; index < end; index++) buffer[length++] = source[index]!
    this.#length += size
  }

  u32(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    this.byte(rest)
  }

  i32(value: number): void {
    let rest = value
    while (rest < -64 || rest > 63) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>= 7
    }
    this.byte(rest & 0x7f)
  }

  /** A signed number of 64 bits in two words of 32, which are quicker than a `bigint`. */
  i64Words(upper: number, lower: number): void {
    let [high, low] = [upper, lower]
    while (!(high === 0 && low >>> 0 < 64) && !(high === -1 && low >>> 0 >= 0xffff_ffc0)) {
      this.byte((low & 0x7f) | 0x80)
      low = (low >>> 7) | (high << 25)
      high >>= 7
    }
    this.byte(low & 0x7f)
  }

  i64(value: bigint): void {
    let rest = value
    while (rest < -64n || rest > 63n) {
      this.byte(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    this.byte(Number(rest & 0x7fn))
  }

  name(text: string): void {
    const bytes = utf8ToBytes(text)
    this.u32(bytes.length)
    this.raw(bytes)
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + needed))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}
