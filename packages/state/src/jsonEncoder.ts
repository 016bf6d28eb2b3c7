import { utf8ToBytes } from '@bletchley/bytes'
import { JsonFloat, type JsonValue, sortedKeys } from './json.ts'

/**
 * Writes the canonical text: no white space, members in UTF-8 byte order of their names, doubles always with `.0` or an
 * exponent. `encodeJson(parseJson(x))` is what a contract reads back after it wrote `x`.
 *
 * @returns UTF-8
 * @throws TypeError for a number that is not a safe integer (a double must be a `JsonFloat`)
 * @see spec/runtime.md 5.2
 */
export function encodeJson(value: JsonValue): Uint8Array {
  const text = jsonText(value)
  return (text.length <= shortText ? encodeAscii(text) : undefined) ?? utf8ToBytes(text)
}

/** Longest text that is tried as ASCII first: below it the engine's encoder takes several times as long. */
const shortText = 32

/** Nothing if it is not ASCII. */
function encodeAscii(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit >= 0x80) return undefined
    bytes[index] = unit
  }
  return bytes
}

function jsonText(value: JsonValue): string {
  // JSON.stringify escapes exactly what the canonical form does.
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw new TypeError('a JSON number must be a safe integer, a bigint or a JsonFloat')
    return String(value)
  }
  if (value instanceof JsonFloat) return floatText(value.value)
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`
  if (value instanceof Map) {
    return `{${sortedKeys(value)
      .map((key) => `${JSON.stringify(key)}:${jsonText(value.get(key)!)}`)
      .join(',')}}`
  }
  return String(value)
}

/** Shortest digits that round-trip: positional within [1e-5, 1e16), otherwise scientific without `+`. */
export function floatText(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  const size = Math.abs(value)
  // The engine's own text has an exponent beyond these, and is made faster.
  if (size !== 0 && size < 1e-5) return size < 1e-6 ? String(value) : value.toExponential()
  if (size >= 1e16) return (size >= 1e21 ? String(value) : value.toExponential()).replace('+', '')
  return Number.isInteger(value) ? `${value}.0` : String(value)
}
