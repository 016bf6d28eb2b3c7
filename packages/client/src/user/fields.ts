import { parseHex } from '@bletchley/bytes'
import { UserError } from './userError.ts'

/** A byte string as peers send it, hexadecimal with or without 0x in either letter case, or as bytes. */
export type BytesLike = string | Uint8Array

/** Gas in any form that JSON libraries give; numbers must be safe integers. */
export type GasLike = bigint | number | string

const maxGas = 2n ** 64n - 1n

/**
 * @param label  how the error names the field; its value is never quoted
 * @param length in bytes, where it is fixed
 * @throws UserError malformed
 */
export function toBytes(value: BytesLike, label: string, length?: number): Uint8Array {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new UserError('malformed', `${label} must be hexadecimal text or bytes`)
  }
  const bytes = typeof value === 'string' ? parseHex(value) : value
  if (bytes === undefined) {
    throw new UserError('malformed', `${label} must be hexadecimal, with an even number of digits`)
  }
  if (length !== undefined && bytes.length !== length) {
    throw new UserError('malformed', `${label} must be ${length} bytes, got ${bytes.length}`)
  }
  return bytes
}

/** @throws UserError malformed unless it is within 0 .. 2^64 - 1 and nothing of it was lost on the way */
export function toGas(value: GasLike, label: string): bigint {
  const isExact =
    typeof value === 'bigint' || Number.isSafeInteger(value) || (typeof value === 'string' && /^[0-9]+$/.test(value))
  const gas = isExact ? BigInt(value) : -1n
  if (gas < 0n || gas > maxGas) {
    throw new UserError('malformed', `${label} must be an integer within 0 .. 2^64 - 1; pass a bigint above 2^53`)
  }
  return gas
}
