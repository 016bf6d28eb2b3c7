const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text, or undefined if the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** The beginning of a text, as many whole characters as fit into `maximum` bytes of UTF-8. */
export function cutUtf8(text: string, maximum: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maximum))
  return text.slice(0, read)
}
