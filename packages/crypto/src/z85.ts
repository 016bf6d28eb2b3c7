/*
 * Z85 (ZeroMQ RFC 32): the text form of CURVE keys, five characters for each four bytes.
 */

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

/** @throws RangeError if the length is no multiple of 4 */
export function encodeZ85(bytes: Uint8Array): string {
  if (bytes.length % 4 !== 0) throw new RangeError(`Z85 takes a multiple of 4 bytes, got ${bytes.length}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    const value = view.getUint32(at)
    for (let unit = 85 ** 4; unit >= 1; unit /= 85) text += alphabet[Math.floor(value / unit) % 85]
  }
  return text
}

/** @returns undefined if the text is no Z85; the text may be secret, so it is never quoted */
export function decodeZ85(text: string): Uint8Array | undefined {
  if (text.length % 5 !== 0) return undefined
  const bytes = new Uint8Array((text.length / 5) * 4)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < text.length; at += 5) {
    let value = 0
    for (const character of text.slice(at, at + 5)) {
      const digit = alphabet.indexOf(character)
      if (digit < 0) return undefined
      value = value * 85 + digit
    }
    if (value > 0xffff_ffff) return undefined
    view.setUint32((at / 5) * 4, value)
  }
  return bytes
}
