// A character is a number up to 0x10ffff; UTF-16 has it in one or two units, UTF-8 in one to four bytes.

/** What stands for half a surrogate pair where a text may not be refused. */
export const replacement: u32 = 0xfffd

export function utf8Size(code: u32): usize {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
}

/** Writes a character in UTF-8; returns where the next one goes. */
export function putUtf8(to: usize, code: u32): usize {
  if (code < 0x80) {
    store<u8>(to, code)
    return to + 1
  }
  const size = utf8Size(code)
  for (let i = size - 1; i > 0; i--) {
    store<u8>(to + i, 0x80 | (code & 0x3f))
    code >>= 6
  }
  store<u8>(to, (0xf00 >> <u32>size) | code)
  return to + size
}

@inline
export function utf16Size(code: u32): usize {
  return code < 0x10000 ? 2 : 4
}

/** Writes a character in UTF-16; returns where the next one goes. */
export function putUtf16(to: usize, code: u32): usize {
  if (code < 0x10000) {
    store<u16>(to, code)
    return to + 2
  }
  store<u16>(to, 0xd7c0 + (code >> 10))
  store<u16>(to, 0xdc00 | (code & 0x3ff), 2)
  return to + 4
}
