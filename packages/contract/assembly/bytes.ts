import { copyWords, equalRegions, keepObject, openObject, reserve } from './memory'
import { revert } from './revert'
import { asciiText, putText, textAt } from './text'

/** A string of bytes: Solidity's `bytes`. */
export type Bytes = StaticArray<u8>

/** The bytes from `at` on, as an object of their own. */
export function bytesAt(at: usize, size: usize): Bytes {
  const to = openObject()
  reserve(to, size)
  copyWords(to, at, size)
  return changetype<Bytes>(keepObject(to + size, idof<Bytes>()))
}

/** The bytes of a text, in UTF-8; reverts if it has half a surrogate pair. */
export function utf8(text: string): Bytes {
  return changetype<Bytes>(keepObject(putText(openObject(), text), idof<Bytes>()))
}

/** The text that bytes are in UTF-8; reverts if they are not. */
export function textOf(bytes: Bytes): string {
  return textAt(changetype<usize>(bytes), bytes.length)
}

export function equalBytes(a: Bytes, b: Bytes): bool {
  return a.length == b.length && equalRegions(changetype<usize>(a), changetype<usize>(b), a.length)
}

export function concatBytes(a: Bytes, b: Bytes): Bytes {
  const to = openObject()
  const middle = to + a.length
  const end = middle + b.length
  reserve(to, end - to)
  copyWords(to, changetype<usize>(a), a.length)
  copyWords(middle, changetype<usize>(b), b.length)
  return changetype<Bytes>(keepObject(end, idof<Bytes>()))
}

/** `length` bytes from `start` on; reverts if there are fewer. */
export function sliceBytes(bytes: Bytes, start: i32, length: i32): Bytes {
  if (start < 0 || length < 0 || <i64>start + length > bytes.length) revert('bytes: out of range')
  return bytesAt(changetype<usize>(bytes) + start, length)
}

/** Lower-case hex digits, without `0x`. */
export function hexOf(bytes: Bytes): string {
  const size = <usize>bytes.length
  const digits = openObject() + 2 * size
  reserve(digits, 2 * size)
  return asciiText(digits, putHex(digits, changetype<usize>(bytes), size))
}

/** The bytes that hex digits are, two for each; reverts if they are not. The gas depends on their number only. */
export function bytesFromHex(text: string): Bytes {
  const size = text.length >> 1
  const bytes = new StaticArray<u8>(size)
  let from = changetype<usize>(text)
  let wrong: u32 = text.length & 1
  for (let i = 0; i < size; i++) {
    const high = hexDigit(load<u16>(from))
    const low = hexDigit(load<u16>(from, 2))
    wrong |= (high | low) >> 4
    unchecked((bytes[i] = <u8>((high << 4) | low)))
    from += 4
  }
  if (wrong != 0) revert('text is not hexadecimal')
  return bytes
}

/** The value of a digit, or more than 15; without a branch. */
function hexDigit(character: u32): u32 {
  const digit = character - 48
  // Letters, of either case, count from 10.
  const letter = (character | 32) - 97
  return select(digit, select(letter + 10, <u32>-1, letter < 6), digit < 10)
}

/** Writes lower-case hex digits; returns where they end. What lies behind them is changed too. */
export function putHex(to: usize, from: usize, size: usize): usize {
  for (let i: usize = 0; i < size; i += 4) {
    // Four bytes become eight digits: each half of a byte gets a byte of its own, and letters are 39 above the digits.
    let halves = <u64>load<u32>(from + i)
    halves = ((halves << 16) | halves) & 0x0000_ffff_0000_ffff
    halves = ((halves << 8) | halves) & 0x00ff_00ff_00ff_00ff
    halves = ((halves >> 4) | (halves << 8)) & 0x0f0f_0f0f_0f0f_0f0f
    const letters = ((halves + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
    store<u64>(to + 2 * i, halves + 0x3030_3030_3030_3030 + 39 * letters)
  }
  return to + 2 * size
}
