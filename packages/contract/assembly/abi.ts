// The Solidity ABI, as far as section 6.3 of the runtime's rules goes: one tuple, words of 32 bytes, big-endian.
//
// Decoding is strict. What it accepts is exactly what encoding makes: every offset points to where its data must begin,
// padding is zero, and nothing follows. So no two encodings mean the same, and what is decoded takes no more memory than a
// small multiple of the bytes that were sent.
import { Bytes, bytesAt } from './bytes'
import { present } from './elements'
import { Address, FixedBytes } from './fixedBytes'
import { copyWords, openMemory, reserve } from './memory'
import { revert } from './revert'
import { putText, textAt } from './text'
import { U256 } from './u256'

@inline
export const word: usize = 32

/** Whether values of a type have a length of their own, and so stand behind the heads. */
@inline
export function isDynamic<T>(): bool {
  if (isString<T>()) return true
  if (isArray<T>()) return true
  if (isReference<T>()) return idof<T>() == idof<Bytes>()
  return false
}

/** Reads the components of a tuple, one after the other. */
@final
export class TupleReader {
  private head: usize
  /** Where the data of the next dynamic component begins; at the end, where the tuple ends. */
  private next: usize

  /**
   * @param base where the tuple begins
   * @param end  where the bytes end that it may use
   */
  constructor(
    private base: usize,
    private end: usize,
    components: usize,
  ) {
    this.head = base
    if (components > (end - base) / word) tooShort()
    this.next = base + word * components
  }

  read<T>(): T {
    const at = this.head
    this.head = at + word
    if (!isDynamic<T>()) return readStatic<T>(at)
    if (readSize(at) != this.next - this.base) revert('arguments: unexpected offset')
    return this.readDynamic<T>()
  }

  /** Behind the last component there must be nothing. */
  finish(): void {
    if (this.next != this.end) revert('arguments: too long')
  }

  private readDynamic<T>(): T {
    const start = this.next + word
    if (start > this.end) tooShort()
    const length = readSize(this.next)
    if (isArray<T>()) {
      const tuple = new TupleReader(start, this.end, length)
      const values = instantiate<T>(<i32>length)
      for (let i = 0; i < <i32>length; i++) unchecked((values[i] = tuple.read<valueof<T>>()))
      this.next = tuple.next
      return values
    }
    const room = this.end - start
    const padded = (length + 31) & ~31
    if (length > room || padded > room) tooShort()
    this.next = start + padded
    for (let at = start + length; at < this.next; at++) if (load<u8>(at) != 0) badPadding()
    if (isString<T>()) {
      return textAt(start, length)
    }
    return changetype<T>(bytesAt(start, length))
  }
}

/** A length or an offset: both are less than 2^31. */
function readSize(at: usize): usize {
  const size = bswap<u64>(load<u64>(at, 24))
  if ((load<u64>(at) | load<u64>(at, 8) | load<u64>(at, 16)) != 0 || size > <u64>i32.MAX_VALUE) tooShort()
  return <usize>size
}

function tooShort(): void {
  revert('arguments: too short')
}

function badPadding(): void {
  revert('arguments: padding is not zero')
}

function readStatic<T>(at: usize): T {
  if (isBoolean<T>()) return <T>(readNumber(at, 1, false) != 0)
  if (isInteger<T>()) {
    const unused = isSigned<T>() ? 65 - 8 * sizeof<T>() : 64 - 8 * sizeof<T>()
    return <T>readNumber(at, u64.MAX_VALUE >> <u64>unused, isSigned<T>())
  }
  if (isReference<T>()) {
    if (idof<T>() == idof<U256>()) return changetype<T>(readU256(at))
    const value = instantiate<T>()
    if (value instanceof FixedBytes) {
      // An address is a number and stands at the end of its word; bytes stand at the beginning.
      if (idof<T>() == idof<Address>()) {
        if ((load<u64>(at) | load<u32>(at, 8)) != 0) badPadding()
        copyWords(changetype<usize>(value), at + 12, offsetof<T>())
      } else {
        let padding: u64 = 0
        if (offsetof<T>() <= 8) padding |= load<u64>(at, 8)
        if (offsetof<T>() <= 16) padding |= load<u64>(at, 16)
        if (offsetof<T>() <= 24) padding |= load<u64>(at, 24)
        if ((offsetof<T>() & 7) != 0) padding |= load<u64>(at + (offsetof<T>() & ~7)) >> ((offsetof<T>() & 7) << 3)
        if (padding != 0) badPadding()
        copyWords(changetype<usize>(value), at, offsetof<T>())
      }
      return value
    }
  }
  return ERROR('not a type of the ABI')
}

/** A number between 0, or -1 - `limit` if it is signed, and `limit`, as the bits of an i64. */
function readNumber(at: usize, limit: u64, signed: bool): u64 {
  const value = bswap<u64>(load<u64>(at, 24))
  const sign = signed ? <u64>((<i64>value) >> 63) : 0
  const above = (load<u64>(at) ^ sign) | (load<u64>(at, 8) ^ sign) | (load<u64>(at, 16) ^ sign)
  if (above != 0 || (value ^ sign) > limit) revert('arguments: a number is out of range')
  return value
}

function readU256(at: usize): U256 {
  return new U256(
    bswap<u64>(load<u64>(at, 24)),
    bswap<u64>(load<u64>(at, 16)),
    bswap<u64>(load<u64>(at, 8)),
    bswap<u64>(load<u64>(at)),
  )
}

/** Writes the components of a tuple to open memory. */
@final
export class TupleWriter {
  private base: usize
  /** Where the head of the next component goes. */
  head: usize
  /** Where the data of the next dynamic component begins; at the end, where the tuple ends. */
  end: usize

  /**
   * @param components how many will be written
   * @param before     bytes to leave free before the tuple
   */
  constructor(components: usize, before: usize = 0) {
    this.start(openMemory() + before, components)
  }

  private start(base: usize, components: usize): void {
    reserve(base, word * components)
    this.base = base
    this.head = base
    this.end = base + word * components
  }

  write<T>(value: T): void {
    const at = this.head
    this.head = at + word
    if (isDynamic<T>()) {
      putSize(at, this.end - this.base)
      this.writeDynamic<T>(value)
    } else putWord<T>(at, value)
  }

  private writeDynamic<T>(value: T): void {
    const at = this.end
    reserve(at, word)
    if (isArray<T>()) {
      const length: i32 = value.length
      putSize(at, length)
      // The elements are a tuple of their own, whose data end where the next data of this one begin.
      const base = this.base
      const head = this.head
      this.start(at + word, length)
      for (let i = 0; i < length; i++) this.write<valueof<T>>(present<valueof<T>>(unchecked(value[i])))
      this.base = base
      this.head = head
      return
    }
    let end: usize
    if (isString<T>()) {
      end = putText(at + word, value)
    } else {
      const size: usize = changetype<Bytes>(value).length
      reserve(at + word, size)
      copyWords(at + word, changetype<usize>(value), size)
      end = at + word + size
    }
    putSize(at, end - at - word)
    // The padding, and some zeros more.
    clearWord(end)
    this.end = end + ((at - end) & 31)
  }
}

function clearWord(at: usize): void {
  store<u64>(at, 0)
  store<u64>(at, 0, 8)
  store<u64>(at, 0, 16)
  store<u64>(at, 0, 24)
}

function putSize(at: usize, size: usize): void {
  putNumber(at, size, 0)
}

/** @param sign what stands before the 64 bits of the number */
function putNumber(at: usize, value: u64, sign: u64): void {
  store<u64>(at, sign)
  store<u64>(at, sign, 8)
  store<u64>(at, sign, 16)
  store<u64>(at, bswap<u64>(value), 24)
}

function putU256(at: usize, number: U256): void {
  store<u64>(at, bswap<u64>(number.d))
  store<u64>(at, bswap<u64>(number.c), 8)
  store<u64>(at, bswap<u64>(number.b), 16)
  store<u64>(at, bswap<u64>(number.a), 24)
}

/** Writes a value without a length of its own: one word. */
export function putWord<T>(at: usize, value: T): void {
  if (isBoolean<T>()) return putNumber(at, value ? 1 : 0, 0)
  if (isInteger<T>()) return putNumber(at, <u64>value, isSigned<T>() ? <u64>((<i64>value) >> 63) : 0)
  if (isReference<T>()) {
    if (idof<T>() == idof<U256>()) return putU256(at, changetype<U256>(value))
    if (value instanceof FixedBytes) {
      const from = changetype<usize>(value)
      if (idof<T>() == idof<Address>()) {
        store<u64>(at, 0)
        store<u64>(at, load<u64>(from), 12)
        store<u64>(at, load<u64>(from, 8), 20)
        store<u32>(at, load<u32>(from, 16), 28)
        store<u32>(at, 0, 8)
      } else {
        store<u64>(at, leftPart<T>(from, 0))
        store<u64>(at, leftPart<T>(from, 8), 8)
        store<u64>(at, leftPart<T>(from, 16), 16)
        store<u64>(at, leftPart<T>(from, 24), 24)
      }
      return
    }
  }
  ERROR('not a type of the ABI')
}

/** Eight bytes of a value, with zeros for those behind its end. */
@inline
function leftPart<T>(from: usize, offset: usize): u64 {
  if (offsetof<T>() <= offset) return 0
  if (offsetof<T>() >= offset + 8) return load<u64>(from + offset)
  const bits = <u64>(8 * (offsetof<T>() - offset))
  return load<u64>(from + offset) & (((<u64>1) << bits) - 1)
}
