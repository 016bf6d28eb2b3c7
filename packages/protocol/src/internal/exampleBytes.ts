/** Bytes for the worked examples. */
export function bytesOf(...bytes: number[]): Uint8Array {
  return Uint8Array.from(bytes)
}

/** `length` bytes, all the same. */
export function repeated(byte: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(byte)
}

export const exampleAddress = repeated(0x5c, 32)
export const exampleSignature = repeated(0x1b, 65)
