/** The beginning of a text, as many whole characters as fit into `maximum` bytes of UTF-8. */
export function cutUtf8(text: string, maximum: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maximum))
  return text.slice(0, read)
}
