import type { MsgPackReader, MsgPackWriter } from '@bletchley/crypto'
import { StateError } from './errors.ts'
import { JsonFloat, type JsonObject, type JsonValue, maxStateDepth, sortedKeys } from './json.ts'

/** The MessagePack form of JSON values: smallest integers, doubles always as float 64, members in byte order. spec/crypto.md 2.6 */

/** @throws TypeError for a number that is not a safe integer */
export function writeJson(writer: MsgPackWriter, value: JsonValue): void {
  if (value === null) writer.nil()
  else if (typeof value === 'string') writer.str(value)
  else if (typeof value === 'boolean') writer.bool(value)
  else if (typeof value === 'bigint') writer.int(value)
  else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw new TypeError('a JSON number must be a safe integer, a bigint or a JsonFloat')
    writer.int(value)
  } else if (value instanceof JsonFloat) writer.float(value.value)
  else if (Array.isArray(value)) {
    writer.arrayHeader(value.length)
    for (const item of value) writeJson(writer, item)
  } else {
    writer.mapHeader(value.size)
    for (const key of sortedKeys(value)) {
      writer.str(key)
      writeJson(writer, value.get(key)!)
    }
  }
}

/**
 * @param levels containers that may stand inside each other
 * @throws StateError `malformed`; CryptoError `malformed_message` if it is not MessagePack at all
 */
export function readJson(reader: MsgPackReader, levels: number = maxStateDepth): JsonValue {
  const type = reader.peekType()
  switch (type) {
    case 'nil':
      reader.nil()
      return null
    case 'bool':
      return reader.bool()
    case 'int':
      return reader.int()
    case 'str':
      return reader.str()
    case 'float': {
      const value = reader.float()
      if (!Number.isFinite(value)) throw new StateError('malformed', 'a number of the state is not finite')
      return new JsonFloat(value)
    }
    case 'array':
    case 'map':
      if (levels === 0) throw new StateError('malformed', 'the state is nested too deeply')
      return type === 'array' ? readArray(reader, levels - 1) : readObject(reader, levels - 1)
    case 'bin':
      throw new StateError('malformed', 'the state holds a value that is not JSON')
  }
}

function readArray(reader: MsgPackReader, levels: number): JsonValue[] {
  const length = reader.arrayHeader()
  if (length === 0) return []
  // The first push to an empty array makes room for 17 items, which short arrays need not carry around.
  const array = [readJson(reader, levels)]
  while (array.length < length) array.push(readJson(reader, levels))
  return array
}

function readObject(reader: MsgPackReader, levels: number): JsonObject {
  const object: JsonObject = new Map()
  for (let left = reader.mapHeader(); left > 0; left--) object.set(reader.str(), readJson(reader, levels))
  return object
}
