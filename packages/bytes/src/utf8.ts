import { assertBytes } from './byteArrays.ts'

const encoder = new TextEncoder()
// ignoreBOM keeps a leading U+FEFF: decoding must never drop bytes that were signed or encrypted.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 bytes of `text`; a lone surrogate becomes U+FFFD. */
export function utf8ToBytes(text: string): Uint8Array {
  if (typeof text !== 'string') throw new TypeError('text must be a string')
  return encoder.encode(text)
}

/**
 * Text of UTF-8 `bytes`; a byte order mark stays part of the text.
 *
 * @throws TypeError if `bytes` is not well-formed UTF-8
 */
export function bytesToUtf8(bytes: Uint8Array): string {
  assertBytes(bytes, 'bytes')
  return decoder.decode(bytes)
}

/** Like {@link bytesToUtf8}, but undefined if `bytes` is not well-formed UTF-8. */
export function parseUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}
