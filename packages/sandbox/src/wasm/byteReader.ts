import { parseUtf8 } from '@bletchley/bytes'
import { decodeError } from '../errors.ts'
import { moduleLimits } from '../limits.ts'

/**
 * Reads the primitives of the binary format from `[position, end)` of a byte array.
 *
 * Every method throws a ModuleError when the bytes end early or are not what the format allows.
 */
export class ByteReader {
  readonly bytes: Uint8Array
  position: number
  readonly end: number
  /** True once a LEB128 integer was longer than it needed to be. */
  padded = false

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  get atEnd(): boolean {
    return this.position >= this.end
  }

  byte(): number {
    if (this.position >= this.end) throw unexpectedEnd()
    return this.bytes[this.position++]!
  }

  /** The next `length` bytes, as a view. */
  take(length: number): Uint8Array {
    if (length > this.end - this.position) throw unexpectedEnd()
    this.position += length
    return this.bytes.subarray(this.position - length, this.position)
  }

  /** A reader over the next `length` bytes, which this one then has behind it. */
  slice(length: number): ByteReader {
    if (length > this.end - this.position) throw unexpectedEnd()
    this.position += length
    return new ByteReader(this.bytes, this.position - length, this.position)
  }

  u32(): number {
    let byte = this.byte()
    if (byte < 0x80) return byte
    let value = byte & 0x7f
    let shift = 7
    for (; shift < 28; shift += 7) {
      byte = this.byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if (byte === 0) this.padded = true
        return value
      }
    }
    byte = this.byte()
    if (byte > 0x0f) throw decodeError('Invalid varuint32')
    if (byte === 0) this.padded = true
    return (value | (byte << 28)) >>> 0
  }

  i32(): number {
    let value = 0
    let shift = 0
    let previous = 0
    for (;;) {
      const byte = this.byte()
      value |= (byte & 0x7f) << shift
      shift += 7
      if (byte < 0x80) {
        if (shift === 35) {
          // Only four bits of the fifth byte are value; the rest must repeat the sign.
          if (byte > 0x07 && byte < 0x78) throw decodeError('Invalid varint32')
        } else if (byte & 0x40) value |= -1 << shift
        if (shift > 7 && isSignPadding(byte, previous)) this.padded = true
        return value
      }
      if (shift === 35) throw decodeError('Invalid varint32')
      previous = byte
    }
  }

  /** Steps over a signed 64-bit integer. */
  skipI64(): void {
    let previous = 0
    for (let length = 1; ; length++) {
      const byte = this.byte()
      if (byte < 0x80) {
        if (length === 10 && byte !== 0 && byte !== 0x7f) throw decodeError('Invalid varint64')
        if (length > 1 && isSignPadding(byte, previous)) this.padded = true
        return
      }
      if (length === 10) throw decodeError('Invalid varint64')
      previous = byte
    }
  }

  name(): string {
    const length = this.u32()
    if (length > moduleLimits.nameBytes.value) throw decodeError(moduleLimits.nameBytes.text)
    const name = parseUtf8(this.take(length))
    if (name === undefined) throw decodeError('Non-UTF-8 string')
    return name
  }
}

/** Whether the last byte of a signed LEB128 only repeats the sign of the byte before it. */
function isSignPadding(last: number, previous: number): boolean {
  return previous & 0x40 ? last === 0x7f : last === 0
}

function unexpectedEnd(): Error {
  return decodeError('I/O Error: UnexpectedEof')
}
