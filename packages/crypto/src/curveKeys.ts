import { parseHex } from '@bletchley/bytes'
import { decodeZ85 } from './z85.ts'

/** Where a core's pair lies in its data folder, unless it lies elsewhere. */
export const curveKeyFileName = 'curve.key'

/** Bytes of a CURVE key, public or secret. */
export const curveKeyLength = 32

/**
 * A public CURVE key as people write it: 40 characters of Z85, or 64 hex digits with or without `0x`.
 *
 * @returns 32 bytes; undefined if it is neither
 */
export function parseCurvePublicKey(text: string): Uint8Array | undefined {
  const key = parseHex(text)
  if (key?.length === curveKeyLength) return key
  return text.length === (curveKeyLength / 4) * 5 ? decodeZ85(text) : undefined
}
