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

/** Order by bytes, for `sort`: negative, 0 or positive; a prefix comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const difference = a[index]! - b[index]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
