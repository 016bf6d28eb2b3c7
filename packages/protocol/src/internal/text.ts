const hexDigits = '0123456789abcdef'

/** Lower-case hex without `0x`. */
export function bytesToHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += hexDigits.charAt(byte >> 4) + hexDigits.charAt(byte & 15)
  return text
}

/** Value of a hex digit by its character code; -1 for everything else. */
const digitValue = new Int8Array(128).fill(-1)
for (let value = 0; value < 16; value++) {
  digitValue[hexDigits.charCodeAt(value)] = value
  digitValue[hexDigits.toUpperCase().charCodeAt(value)] = value
}

/** Bytes of a hex text with or without `0x`, in either letter case; undefined if it is not hex of whole bytes. */
export function hexToBytes(text: string): Uint8Array | undefined {
  const start = text.startsWith('0x') || text.startsWith('0X') ? 2 : 0
  if ((text.length - start) % 2 !== 0) return undefined
  const bytes = new Uint8Array((text.length - start) / 2)
  for (let i = 0, at = start; i < bytes.length; i++, at += 2) {
    const high = digitValue[text.charCodeAt(at)] ?? -1
    const low = digitValue[text.charCodeAt(at + 1)] ?? -1
    if (high < 0 || low < 0) return undefined
    bytes[i] = high * 16 + low
  }
  return bytes
}

/** Foreign text made fit for a message or a log: printable ASCII, at most `maxLength` characters. */
export function printable(text: string, maxLength: number): string {
  const shown = text.slice(0, maxLength).replace(/[^\x20-\x7e]/g, '?')
  return text.length > maxLength ? `${shown.slice(0, maxLength - 3)}...` : shown
}
