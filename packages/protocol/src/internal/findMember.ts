import { isJsonSpace } from '@bletchley/bytes'
import { ExactNumber, readJsonScalar } from './jsonReader.ts'

/** A value that may stand where an `id` or a `type` is. */
export type Scalar = string | number | boolean | ExactNumber

export function isScalar(value: unknown): value is Scalar {
  return (
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value instanceof ExactNumber
  )
}

/**
 * Finds a member of the outermost object in a text that need not be JSON: cut off, with wrong bytes, with something
 * before or after it. One pass, keeps nothing, stops at the first member of that name, whatever its value is: a text may
 * consist of members whose value cannot be read, and each of those costs far more than the bytes around it.
 *
 * @param name ASCII without escapes
 * @returns undefined if it is not there, not whole, or not a scalar
 */
export function findMember(bytes: Uint8Array, name: string): Scalar | undefined {
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    const code = bytes[at]
    if (code === 0x7b || code === 0x5b) depth++
    else if (code === 0x7d || code === 0x5d) depth--
    else if (code === 0x22) {
      const end = endOfString(bytes, at)
      if (depth === 1 && spells(bytes, at + 1, end, name)) {
        const colon = skipSpace(bytes, end + 1)
        if (bytes[colon] === 0x3a) return memberValue(bytes, skipSpace(bytes, colon + 1))
      }
      at = end
    }
  }
  return undefined
}

/** Position of the closing quote of the string that opens at `start`; the length if it never closes. */
function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1
  while (at < bytes.length && bytes[at] !== 0x22) at += bytes[at] === 0x5c ? 2 : 1
  return Math.min(at, bytes.length)
}

function spells(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name.charCodeAt(i)) return false
  return true
}

function memberValue(bytes: Uint8Array, start: number): Scalar | undefined {
  const scalar = readJsonScalar(bytes, start)
  if (scalar === undefined || !isScalar(scalar.value)) return undefined
  return typeof scalar.value === 'string' || endsAt(bytes, scalar.end) ? scalar.value : undefined
}

/**
 * Whether a value without quotes is whole: what stands there may have lost digits at the very end, and what is no number
 * (`0x10`, `1.5.2`, `12-a`) may begin like one.
 */
function endsAt(bytes: Uint8Array, end: number): boolean {
  const next = skipSpace(bytes, end)
  const code = bytes[next]
  return code === undefined ? next > end : code === 0x2c || code === 0x7d
}

function skipSpace(bytes: Uint8Array, start: number): number {
  let at = start
  while (isJsonSpace(bytes[at] as number)) at++
  return at
}
