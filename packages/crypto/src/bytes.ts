const hexDigitCodes = new TextEncoder().encode('0123456789abcdef')
const utf8Encoder = new TextEncoder()
// ignoreBOM keeps a leading U+FEFF: decoding must never drop bytes that were signed or encrypted.
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const maxU64 = 0xffff_ffff_ffff_ffffn

/** Lower-case hexadecimal text of `bytes`, without `0x`. */
export function bytesToHex(bytes: Uint8Array): string {
  assertBytes(bytes, 'bytes')
  // Digits are decoded in one go: joining a string bit by bit took ten times as long for a megabyte.
  const digits = new Uint8Array(2 * bytes.length)
  for (let i = 0; i < bytes.length; i++) {
    digits[2 * i] = hexDigitCodes[bytes[i]! >> 4]!
    digits[2 * i + 1] = hexDigitCodes[bytes[i]! & 15]!
  }
  return utf8Decoder.decode(digits)
}

/**
 * Bytes of a hexadecimal text: even length, either letter case, no `0x`, no white space.
 *
 * @throws RangeError if `hex` is anything else; the text is not quoted, since it may be secret
 */
export function hexToBytes(hex: string): Uint8Array {
  if (typeof hex !== 'string') throw new TypeError('hex must be a string')
  if (hex.length % 2 !== 0) throw new RangeError(`hex must have an even number of digits, got ${hex.length}`)
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = hexDigitValue(hex.charCodeAt(2 * i))
    const low = hexDigitValue(hex.charCodeAt(2 * i + 1))
    if (high < 0 || low < 0) {
      throw new RangeError(
        `hex has a character that is no hexadecimal digit at position ${high < 0 ? 2 * i : 2 * i + 1}`,
      )
    }
    bytes[i] = (high << 4) | low
  }
  return bytes
}

/** All `parts` in a row, as a fresh array. */
export function concatBytes(...parts: Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) {
    assertBytes(part, 'part')
    length += part.length
  }
  const joined = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Whether both hold the same bytes. Takes the same time wherever arrays of one length differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  assertBytes(a, 'a')
  assertBytes(b, 'b')
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}

/** UTF-8 bytes of `text`; a lone surrogate becomes U+FFFD. */
export function utf8ToBytes(text: string): Uint8Array {
  if (typeof text !== 'string') throw new TypeError('text must be a string')
  return utf8Encoder.encode(text)
}

/**
 * Text of UTF-8 `bytes`; a byte order mark stays part of the text.
 *
 * @throws TypeError if `bytes` is not well-formed UTF-8
 */
export function bytesToUtf8(bytes: Uint8Array): string {
  assertBytes(bytes, 'bytes')
  return utf8Decoder.decode(bytes)
}

/**
 * An unsigned 64-bit integer as 8 bytes, big-endian: the form of gas and lengths in signed data.
 *
 * @throws RangeError if `n` is outside 0 .. 2^64 - 1
 */
export function u64be(n: bigint): Uint8Array {
  if (typeof n !== 'bigint') throw new TypeError('n must be a bigint')
  if (n < 0n || n > maxU64) throw new RangeError('n must be within 0 .. 2^64 - 1')
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, n)
  return bytes
}

/**
 * Refuses what is not a byte array (of the given length).
 *
 * @param label  how the error names the value; the value itself is never quoted
 * @param length in bytes, where it is fixed
 * @throws TypeError, RangeError
 */
export function assertBytes(value: unknown, label: string, length?: number): asserts value is Uint8Array {
  if (!isBytes(value)) throw new TypeError(`${label} must be a Uint8Array`)
  if (length !== undefined && value.length !== length) {
    throw new RangeError(`${label} must be ${length} bytes, got ${value.length}`)
  }
}

/** Whether `value` is a Uint8Array, also one of another realm (an iframe, a test environment). */
function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === '[object Uint8Array]'
}

function hexDigitValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
