// Byte strings. Names, keys and values cross to the host as UTF-8 bytes, so a contract handles them as such.
//
// Memory is handed out upwards and never freed: a run is short, and its memory is thrown away with it. This is not left
// to the compiler's runtime because that one sets its first address in a start function, which a secret contract must
// not have; hence nothing here is a managed object, and `new` is not used.
import { refuse } from './host'

/** The next free address; 0 before the first allocation. */
let next: usize = 0

function allocate(size: usize): usize {
  if (next == 0) next = __heap_base
  const start = (next + 7) & ~7
  const end = start + size
  const available = <usize>memory.size() << 16
  if (end < start) refuse()
  if (end > available && memory.grow(<i32>((end - available + 0xffff) >> 16)) < 0) refuse()
  next = end
  return start
}

/** A byte string that grows at its end up to a capacity that is fixed when it is made. */
@unmanaged
export class Bytes {
  /** The address of the first byte, for a host function. */
  pointer: usize
  length: i32
  private capacity: i32

  /** The bytes of `text`, which must be ASCII. */
  static ofAscii(text: string): Bytes {
    return Bytes.withCapacity(text.length).ascii(text)
  }

  /** No bytes yet, and room for `capacity`. */
  static withCapacity(capacity: i32): Bytes {
    return at(allocate(capacity), 0, capacity)
  }

  /** `length` bytes of 0. */
  static zeros(length: i32): Bytes {
    // Fresh linear memory is zero, and none is ever given out twice.
    return at(allocate(length), length, length)
  }

  /** The bytes `[start, end)`, shared, not copied. */
  view(start: i32, end: i32): Bytes {
    if (start < 0 || end < start || end > this.length) refuse()
    return at(this.pointer + start, end - start, end - start)
  }

  @operator('[]')
  get(index: i32): u8 {
    if (<u32>index >= <u32>this.length) refuse()
    return load<u8>(this.pointer + index)
  }

  byte(value: u32): this {
    if (this.length == this.capacity) refuse()
    store<u8>(this.pointer + this.length, value)
    this.length++
    return this
  }

  /** Appends `text`, which must be ASCII: one byte for each character. */
  ascii(text: string): this {
    for (let i = 0; i < text.length; i++) this.byte(load<u16>(changetype<usize>(text) + (i << 1)))
    return this
  }

  /** Appends two lower-case hex digits for each byte of `source`. */
  hex(source: Bytes): this {
    for (let i = 0; i < source.length; i++) {
      const value = <u32>source[i]
      this.byte(hexDigit(value >> 4)).byte(hexDigit(value & 15))
    }
    return this
  }

  /** Appends the decimal digits of `value` without leading zeros: a JSON number, at most 20 bytes. */
  decimal(value: u64): this {
    let divisor: u64 = 1
    while (value / divisor > 9) divisor *= 10
    for (; divisor != 0; divisor /= 10) this.byte(48 + <u32>((value / divisor) % 10))
    return this
  }

  equals(other: Bytes): bool {
    if (this.length != other.length) return false
    for (let i = 0; i < this.length; i++) {
      if (this[i] != other[i]) return false
    }
    return true
  }
}

function at(pointer: usize, length: i32, capacity: i32): Bytes {
  const bytes = changetype<Bytes>(allocate(offsetof<Bytes>()))
  bytes.pointer = pointer
  bytes.length = length
  bytes.capacity = capacity
  return bytes
}

function hexDigit(value: u32): u32 {
  return value < 10 ? 48 + value : 87 + value
}
