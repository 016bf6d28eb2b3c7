import { assertBytes, concatBytes } from './byteArrays.ts'
import { bytesToUtf8, utf8ToBytes } from './utf8.ts'

const digits = utf8ToBytes('0123456789abcdef')

/** Value of a digit by its character code; -1 for everything else. */
const digitValues = new Int8Array(128).fill(-1)
for (let value = 0; value < 16; value++) {
  digitValues[digits[value]!] = value
  digitValues[value.toString(16).toUpperCase().charCodeAt(0)] = value
}

/** Lower-case hexadecimal text of `bytes`, without `0x`. */
export function bytesToHex(bytes: Uint8Array): string {
  assertBytes(bytes, 'bytes')
  // Digits are decoded in one go: joining a string bit by bit took ten times as long for a megabyte.
  const text = new Uint8Array(2 * bytes.length)
  for (let i = 0; i < bytes.length; i++) {
    text[2 * i] = digits[bytes[i]! >> 4]!
    text[2 * i + 1] = digits[bytes[i]! & 15]!
  }
  return bytesToUtf8(text)
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
  const read = readDigits(hex, 0, bytes)
  if (read < hex.length) {
    throw new RangeError(`hex has a character that is no hexadecimal digit at position ${read}`)
  }
  return bytes
}

/** Bytes of a hex text with or without `0x`, in either letter case; undefined if it is not hex of whole bytes. */
export function parseHex(text: string): Uint8Array | undefined {
  const start = text.startsWith('0x') || text.startsWith('0X') ? 2 : 0
  if ((text.length - start) % 2 !== 0) return undefined
  const bytes = new Uint8Array((text.length - start) / 2)
  return readDigits(text, start, bytes) === text.length ? bytes : undefined
}

/** {@link parseHex} for a text that comes in parts. Takes no longer for the last of them than for the others. */
export class HexParts {
  readonly #bytes: Uint8Array[] = []
  /** What is left of the parts so far: a digit, or what may be the `0x`. */
  #left = ''
  #isStart = true
  #isHex = true

  /** @param part of any length */
  add(part: string): void {
    if (!this.#isHex) return
    let text = this.#left + part
    if (this.#isStart) {
      if (text.length < 2) {
        this.#left = text
        return
      }
      this.#isStart = false
      if (text.startsWith('0x') || text.startsWith('0X')) text = text.slice(2)
    }
    const bytes = new Uint8Array(text.length >> 1)
    this.#isHex = readDigits(text, 0, bytes) === 2 * bytes.length
    this.#bytes.push(bytes)
    this.#left = text.slice(2 * bytes.length)
  }

  /** What the parts are together; undefined if that is not hex of whole bytes. */
  finish(): Uint8Array | undefined {
    return this.#isHex && this.#left === '' ? concatBytes(...this.#bytes) : undefined
  }
}

/** Fills `bytes` from the digits at `start`. Returns where it stopped: behind them, or at what is no digit. */
function readDigits(text: string, start: number, bytes: Uint8Array): number {
  let at = start
  for (let i = 0; i < bytes.length; i++, at += 2) {
    const high = digitValues[text.charCodeAt(at)] ?? -1
    if (high < 0) return at
    const low = digitValues[text.charCodeAt(at + 1)] ?? -1
    if (low < 0) return at + 1
    bytes[i] = high * 16 + low
  }
  return at
}
