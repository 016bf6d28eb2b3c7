// Text is UTF-16 in AssemblyScript and UTF-8 everywhere else.
import { putUtf8, putUtf16, utf8Size, utf16Size } from './textEncoding'
import { copyWords, keepObject, openObject, reserve } from './memory'
import { revert, utf16At } from './revert'

/** The character at `at`, in UTF-8; reverts if there is none. */
export function utf8At(at: usize, end: usize): u32 {
  const lead = <u32>load<u8>(at)
  if (lead < 0x80) return lead
  const following: usize = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3
  if (lead < 0xc2 || lead > 0xf4 || at + following >= end) notUtf8()
  let code = lead & (0x3f >> <u32>following)
  for (let i: usize = 1; i <= following; i++) {
    const byte = <u32>load<u8>(at + i)
    if ((byte & 0xc0) != 0x80) notUtf8()
    code = (code << 6) | (byte & 0x3f)
  }
  // Longer forms than needed, halves of pairs, and what lies behind the last character.
  if (utf8Size(code) != following + 1 || code >> 11 == 27 || code > 0x10ffff) notUtf8()
  return code
}

function notUtf8(): void {
  revert('text is not UTF-8')
}

/** Writes a text in UTF-8; returns where it ends. Half a pair alone is what `alone` says, or reverts if that is 0. */
export function putText(to: usize, text: string, alone: u32 = 0): usize {
  let at = changetype<usize>(text)
  const end = at + (<usize>text.length << 1)
  reserve(to, 3 * <usize>text.length)
  while (at < end) {
    const code = utf16At(at, end, alone)
    at += utf16Size(code)
    to = putUtf8(to, code)
  }
  return to
}

/** The text that `size` bytes are in UTF-8; reverts if they are not. */
export function textAt(at: usize, size: usize): string {
  const end = at + size
  let to = openObject()
  reserve(to, 2 * size)
  while (at < end) {
    const code = utf8At(at, end)
    at += utf8Size(code)
    to = putUtf16(to, code)
  }
  return changetype<string>(keepObject(to, idof<string>()))
}

/** The text that the ASCII from `at` to `end` is, which lies in open memory, at least its own length behind the beginning. */
export function asciiText(at: usize, end: usize): string {
  let to = openObject()
  reserve(to, 2 * (end - at))
  for (; at < end; at++) {
    store<u16>(to, load<u8>(at))
    to += 2
  }
  return changetype<string>(keepObject(to, idof<string>()))
}

/** Writes decimal digits, at most 20; returns where they end. */
export function putDecimal(to: usize, value: u64): usize {
  if (value < 10) {
    store<u8>(to, 48 + value)
    return to + 1
  }
  // From the last digit on, behind the room of 20 digits, and then to their place.
  const end = to + 40
  let at = end
  while (value > 0xffff_ffff) {
    const rest = value / 10
    store<u8>(--at, 48 + (value - 10 * rest))
    value = rest
  }
  while (value > 0) {
    // For 32 bits, multiplying by 2^35 / 10 and shifting is division, at half the gas.
    const rest = (value * 0xcccc_cccd) >> 35
    store<u8>(--at, 48 + (value - 10 * rest))
    value = rest
  }
  copyWords(to, at, end - at)
  return to + (end - at)
}
