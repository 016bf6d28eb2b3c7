import { engine } from '#engine'

/** `length` cryptographically strong random bytes. */
export function randomBytes(length: number): Uint8Array {
  if (!Number.isSafeInteger(length) || length < 0) throw new RangeError('length must be a natural number')
  return engine.randomBytes(length)
}
