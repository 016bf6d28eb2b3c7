import { JsonFloat, type JsonObject, type JsonValue } from './json.ts'
import { memberSize, stateSize, valueSize } from './jsonLength.ts'

/** What a state or a value in it comes to. */
export interface Extent {
  /** By which states are limited: `stateSize`, `memberSize`, `valueSize`. */
  size: number
  /** Bytes of memory at the most. For each of its size a value takes from one of them, if it is text, to twenty. */
  memory: number
}

// Measured on Node 20. The room to spare that arrays and maps have after they have grown, or shrunk, is in the figures.
const stringMemory = 24
const memoryPerCharacter = 2
/** Of doubles: an object, and the number that it points to. */
const floatMemory = 48
/** Of integers beyond 32 bits. */
const largeIntegerMemory = 24
const arrayMemory = 176
const memoryPerItem = 16
const mapMemory = 184
const memoryPerMember = 112

/** Of a value besides its place. */
export function valueExtent(value: JsonValue): Extent {
  return { size: valueSize(value), memory: valueMemory(value) }
}

/** Of an item in an array that has others. */
export function itemExtent(value: JsonValue): Extent {
  return { size: valueSize(value) + 1, memory: memoryPerItem + valueMemory(value) }
}

/** Of a member; nothing if there is none. */
export function memberExtent(name: string, value: JsonValue | undefined): Extent {
  return { size: memberSize(name, value), memory: value === undefined ? 0 : memberMemory(name, value) }
}

/** Of a whole state: the sum of its members. */
export function stateExtent(root: JsonObject): Extent {
  return { size: stateSize(root), memory: membersMemory(root) }
}

/** Adds to an extent. */
export function grow(extent: Extent, by: Extent): void {
  extent.size += by.size
  extent.memory += by.memory
}

/** The reverse of {@link grow}. */
export function shrink(extent: Extent, by: Extent): void {
  extent.size -= by.size
  extent.memory -= by.memory
}

function valueMemory(value: JsonValue): number {
  if (typeof value === 'string') return stringMemory + memoryPerCharacter * value.length
  if (typeof value === 'number') return Math.abs(value) < 2 ** 31 ? 0 : largeIntegerMemory
  if (typeof value === 'bigint') return largeIntegerMemory
  if (value instanceof JsonFloat) return floatMemory
  if (value instanceof Map) return mapMemory + membersMemory(value)
  if (!Array.isArray(value)) return 0
  let memory = arrayMemory + memoryPerItem * value.length
  for (const item of value) memory += valueMemory(item)
  return memory
}

function membersMemory(object: JsonObject): number {
  let memory = 0
  for (const [name, value] of object) memory += memberMemory(name, value)
  return memory
}

function memberMemory(name: string, value: JsonValue): number {
  return memoryPerMember + stringMemory + memoryPerCharacter * name.length + valueMemory(value)
}
