/**
 * Bytes of memory that a value of plain objects holds in arrays and texts, whatever its members are called: so none is
 * forgotten when they change. A view holds the whole of its buffer.
 */
export function heldBytes(value: unknown): number {
  const buffers = new Set<ArrayBufferLike>()
  return bytesOf(value, buffers)
}

function bytesOf(value: unknown, buffers: Set<ArrayBufferLike>): number {
  if (typeof value === 'string') return 2 * value.length
  if (typeof value !== 'object' || value === null) return 0
  if (ArrayBuffer.isView(value)) {
    if (buffers.has(value.buffer)) return 0
    buffers.add(value.buffer)
    return value.buffer.byteLength
  }
  return Object.values(value).reduce((sum: number, member) => sum + bytesOf(member, buffers), 0)
}
