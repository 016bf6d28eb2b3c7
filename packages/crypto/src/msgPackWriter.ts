import { assertBytes, type Pieces, utf8ToBytes } from '@bletchley/bytes'
import { pieceBytes } from './engine/engine.ts'

const initialCapacity = 256

/**
 * Writes MessagePack as Enigma's Rust does (rmp-serde 0.14): integers in their smallest form, floats always 64 bits,
 * byte arrays as arrays of integers. Structs are arrays in field order; that and sorted map keys are up to the caller.
 *
 * @see spec/crypto.md 2.6
 */
export class MsgPackWriter {
  #buffer = new Uint8Array(initialCapacity)
  #view = new DataView(this.#buffer.buffer)
  #length = 0

  /** Begins an array of `count` values, which the caller writes next. */
  arrayHeader(count: number): this {
    return this.#header(count, 0x90, 0xdc)
  }

  /** Begins a map of `count` entries; the caller writes key, value, key, value … with keys in ascending byte order. */
  mapHeader(count: number): this {
    return this.#header(count, 0x80, 0xde)
  }

  /**
   * An integer of the i64 or u64 range.
   *
   * @throws RangeError for a number that is no safe integer, or a bigint out of range
   */
  int(value: number | bigint): this {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw new RangeError('A number must be a safe integer; pass a bigint beyond')
    }
    const isSmall = value >= -0x8000_0000 && value <= 0xffff_ffff
    return isSmall ? this.#smallInt(Number(value)) : this.#wideInt(BigInt(value))
  }

  /** A double, also where its value is whole. */
  float(value: number): this {
    this.#reserve(9)
    this.#view.setUint8(this.#length, 0xcb)
    this.#view.setFloat64(this.#length + 1, value)
    this.#length += 9
    return this
  }

  str(text: string): this {
    if (text.length < 32 && this.#shortText(text)) return this
    const bytes = utf8ToBytes(text)
    if (bytes.length < 32) this.#byte(0xa0 | bytes.length)
    else if (bytes.length < 0x100) this.#tagged8(0xd9, bytes.length)
    else if (bytes.length < 0x1_0000) this.#tagged16(0xda, bytes.length)
    else this.#tagged32(0xdb, bytes.length)
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  /** Most texts are short, and the engine's encoder takes longest to begin. Writes nothing if it is not for this text. */
  #shortText(text: string): boolean {
    this.#reserve(3 * text.length + 1)
    const buffer = this.#buffer
    const first = this.#length + 1
    let end = first
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code < 0x80) {
        buffer[end++] = code
        continue
      }
      // From here on there are halves of characters, and what is rare.
      if (code >= 0xd800) return false
      if (code < 0x800) buffer[end++] = 0xc0 | (code >> 6)
      else {
        buffer[end++] = 0xe0 | (code >> 12)
        buffer[end++] = 0x80 | ((code >> 6) & 0x3f)
      }
      buffer[end++] = 0x80 | (code & 0x3f)
    }
    if (end - first >= 32) return false
    buffer[this.#length] = 0xa0 | (end - first)
    this.#length = end
    return true
  }

  nil(): this {
    return this.#byte(0xc0)
  }

  bool(value: boolean): this {
    return this.#byte(value ? 0xc3 : 0xc2)
  }

  /** Bytes as an ARRAY of integers, 1 byte each below 128 and 2 above, which is what serde makes of `Vec<u8>`. */
  byteArray(bytes: Uint8Array): this {
    assertBytes(bytes, 'bytes')
    this.arrayHeader(bytes.length)
    return this.#byteItems(bytes)
  }

  /** As {@link byteArray}, but for stops in which others can have their turn. */
  *byteArrayInPieces(bytes: Uint8Array): Pieces {
    this.arrayHeader(bytes.length)
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      if (at > 0) yield
      this.#byteItems(bytes.subarray(at, at + pieceBytes))
    }
  }

  #byteItems(bytes: Uint8Array): this {
    this.#reserve(2 * bytes.length)
    let length = this.#length
    for (const byte of bytes) {
      if (byte >= 128) this.#buffer[length++] = 0xcc
      this.#buffer[length++] = byte
    }
    this.#length = length
    return this
  }

  /** Everything written so far, as a fresh array. */
  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length)
  }

  #header(count: number, fix: number, tag16: number): this {
    if (!Number.isInteger(count) || count < 0 || count > 0xffff_ffff) throw new RangeError('count must be a u32')
    if (count < 16) return this.#byte(fix | count)
    return count < 0x1_0000 ? this.#tagged16(tag16, count) : this.#tagged32(tag16 + 1, count)
  }

  #smallInt(value: number): this {
    if (value >= 0) {
      if (value < 0x80) return this.#byte(value)
      if (value < 0x100) return this.#tagged8(0xcc, value)
      return value < 0x1_0000 ? this.#tagged16(0xcd, value) : this.#tagged32(0xce, value)
    }
    // The setters below write the two's complement of a negative value.
    if (value >= -0x20) return this.#byte(value & 0xff)
    if (value >= -0x80) return this.#tagged8(0xd0, value)
    return value >= -0x8000 ? this.#tagged16(0xd1, value) : this.#tagged32(0xd2, value)
  }

  #wideInt(value: bigint): this {
    if (value < -(2n ** 63n) || value >= 2n ** 64n) throw new RangeError('An integer must fit i64 or u64')
    this.#reserve(9)
    this.#view.setUint8(this.#length, value < 0n ? 0xd3 : 0xcf)
    this.#view.setBigUint64(this.#length + 1, BigInt.asUintN(64, value))
    this.#length += 9
    return this
  }

  #byte(byte: number): this {
    this.#reserve(1)
    this.#buffer[this.#length++] = byte
    return this
  }

  #tagged8(tag: number, value: number): this {
    this.#reserve(2)
    this.#view.setUint8(this.#length, tag)
    this.#view.setUint8(this.#length + 1, value)
    this.#length += 2
    return this
  }

  #tagged16(tag: number, value: number): this {
    this.#reserve(3)
    this.#view.setUint8(this.#length, tag)
    this.#view.setUint16(this.#length + 1, value)
    this.#length += 3
    return this
  }

  #tagged32(tag: number, value: number): this {
    this.#reserve(5)
    this.#view.setUint8(this.#length, tag)
    this.#view.setUint32(this.#length + 1, value)
    this.#length += 5
    return this
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length))
    grown.set(this.#buffer)
    this.#buffer = grown
    this.#view = new DataView(grown.buffer)
  }
}
