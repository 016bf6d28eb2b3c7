const maxU64 = 0xffff_ffff_ffff_ffffn

/** An unsigned 32-bit integer as 4 bytes, big-endian. */
export function u32be(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

/** The big-endian u32 at `offset`. */
export function u32At(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! * 2 ** 24 + ((bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!)
}

/**
 * An unsigned 64-bit integer as 8 bytes, big-endian: the form of gas and lengths in signed data.
 *
 * @throws RangeError if `n` is outside 0 .. 2^64 - 1
 */
export function u64be(n: bigint): Uint8Array {
  if (n < 0n || n > maxU64) throw new RangeError('n must be within 0 .. 2^64 - 1')
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, n)
  return bytes
}

/** The big-endian u64 at `offset`. */
export function u64At(bytes: Uint8Array, offset: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(offset)
}
