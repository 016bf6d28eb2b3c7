/**
 * JSON values as a contract's state holds them.
 *
 * JSON has three kinds of number here: integers up to 2^64-1, negative integers down to -2^63, and doubles; `1` and
 * `1.0` are different values. JavaScript's own JSON loses both the kind and every digit beyond 2^53.
 *
 * @see spec/runtime.md 5.2
 */

/** A JSON number of kind double, such as `1.0`. */
export class JsonFloat {
  readonly value: number

  /** @throws RangeError if `value` is NaN or infinite, which JSON cannot hold */
  constructor(value: number) {
    if (!Number.isFinite(value)) throw new RangeError('a JSON double must be finite')
    this.value = value
  }
}

/** Members are kept in a Map, so `__proto__` is a name like any other; the order of the entries means nothing. */
export type JsonObject = Map<string, JsonValue>

/**
 * - `number`: a safe integer only (±(2^53-1));
 * - `bigint`: an integer outside that range, within -2^63 .. 2^64-1;
 * - `string`: well-formed (no lone surrogates).
 *
 * A value that was handed to or out of a state is treated as immutable by everybody.
 */
export type JsonValue = null | boolean | string | number | bigint | JsonFloat | JsonValue[] | JsonObject

/** Containers inside each other that `parseJson` accepts; one more is a syntax error. */
export const maxJsonDepth = 127

/** Containers inside each other in a whole state: the root object around the values that contracts write. */
export const maxStateDepth = maxJsonDepth + 1

/** Same structure and same number kinds. `0.0` and `-0.0` differ, since they print differently. */
export function equalJson(a: JsonValue, b: JsonValue): boolean {
  if (a === b) return true
  if (a instanceof JsonFloat) return b instanceof JsonFloat && Object.is(a.value, b.value)
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equalJson(item, b[index]!))
  }
  if (!(a instanceof Map && b instanceof Map) || a.size !== b.size) return false
  for (const [key, value] of a) {
    const other = b.get(key)
    if (other === undefined || !equalJson(value, other)) return false
  }
  return true
}

/** Orders member names by their UTF-8 bytes. JavaScript's own order is by UTF-16 units and differs above U+FFFF. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const x = a.charCodeAt(index)
    const y = b.charCodeAt(index)
    if (x !== y) return utf8Rank(x) - utf8Rank(y)
  }
  return a.length - b.length
}

/** Surrogates stand for code points above U+FFFF, so they rank behind U+E000..U+FFFF. */
function utf8Rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** UTF-16 units from where on their order is not that of the UTF-8 bytes. */
const surrogatesAndAbove = /[\ud800-\uffff]/

/** Sorts in place, by UTF-8 bytes. */
export function sortKeys(keys: string[]): string[] {
  // The engine's own order is several times faster, and a snapshot sorts all names of a state.
  return keys.some((key) => surrogatesAndAbove.test(key)) ? keys.sort(compareKeys) : keys.sort()
}

/** The object's member names in UTF-8 byte order. */
export function sortedKeys(object: JsonObject): string[] {
  return sortKeys([...object.keys()])
}

/** A copy that shares no container with `value`. */
export function cloneJson(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(cloneJson)
  if (!(value instanceof Map)) return value
  const copy: JsonObject = new Map()
  for (const [key, member] of value) copy.set(key, cloneJson(member))
  return copy
}
