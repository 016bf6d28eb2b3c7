import { JsonFloat, type JsonObject, type JsonValue } from './json.ts'
import { floatText } from './jsonEncoder.ts'

/** `encodeJson(value).length`, without writing the text. */
export function jsonLength(value: JsonValue): number {
  return measure(value, 0)
}

/** What an array or object counts besides its text: an empty one is 2 characters, and 150 bytes of memory. */
const containerSize = 16

/** What a value adds to the size of a state besides its place: its compact JSON, and 16 for each array and object. */
export function valueSize(value: JsonValue): number {
  return measure(value, containerSize)
}

/**
 * What parsing, measuring and writing a value takes beyond its text, in bytes of text that take as long: arrays, objects,
 * their members, doubles and integers of more than 53 bits are made one by one.
 */
export function structureSize(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? partSize : 0
  if (value instanceof JsonFloat) return partSize
  let size = containerSize + (Array.isArray(value) ? 0 : partSize * value.size)
  for (const item of value.values()) size += structureSize(item)
  return size
}

const partSize = 8

function measure(value: JsonValue, perContainer: number): number {
  if (typeof value === 'string') return stringLength(value)
  if (value === null || typeof value === 'boolean') return value === false ? 5 : 4
  if (Array.isArray(value)) {
    let length = perContainer + 1 + Math.max(1, value.length)
    for (const item of value) length += measure(item, perContainer)
    return length
  }
  if (value instanceof Map) {
    let length = perContainer + 1 + Math.max(1, value.size)
    for (const [name, member] of value) length += stringLength(name) + 1 + measure(member, perContainer)
    return length
  }
  if (typeof value === 'number') return integerLength(value)
  return value instanceof JsonFloat ? floatText(value.value).length : String(value).length
}

/** Characters of a safe integer, without making them. */
function integerLength(value: number): number {
  const size = Math.abs(value)
  let length = value < 0 ? 2 : 1
  for (let bound = 10; size >= bound; bound *= 10) length++
  return length
}

/**
 * The size of a state, by which it is limited: names and values of its members, each with its colon and a comma. It is
 * the sum of {@link memberSize}, so it can be kept up to date from the members that change.
 */
export function stateSize(root: JsonObject): number {
  let size = 0
  for (const [name, value] of root) size += memberSize(name, value)
  return size
}

/** What a member adds to the size of a state; nothing if there is none. */
export function memberSize(name: string, value: JsonValue | undefined): number {
  return value === undefined ? 0 : stringLength(name) + valueSize(value) + 2
}

/** Bytes of a string as JSON, with its quotes. */
function stringLength(text: string): number {
  let length = text.length + 2
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit >= 0x80) {
      // A surrogate pair is two units and four bytes.
      if (unit < 0x800 || (unit >= 0xd800 && unit < 0xe000)) length += 1
      else length += 2
    } else if (unit === 0x22 || unit === 0x5c) length += 1
    else if (unit < 0x20) length += (unit >= 8 && unit <= 10) || unit === 12 || unit === 13 ? 1 : 5
  }
  return length
}
