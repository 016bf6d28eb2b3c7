import { findMember, isScalar, type Scalar } from './internal/findMember.ts'
import type { JsonObject, JsonValue } from './internal/jsonReader.ts'
import { ExactNumber, LongString, Repeated } from './internal/jsonReader.ts'
import type { JsonWriter } from './internal/jsonWriter.ts'

/**
 * The `id` of a request: any JSON string, number or boolean that is not too long ({@link maxTextBytes}). A reply repeats it digit by digit, so a number that
 * JavaScript might round, or print otherwise, is an {@link ExactNumber}.
 */
export type MessageId = Scalar

/** What stands in a reply when the request has no usable id. */
export const noId: MessageId = ''

/** Where a frame that is not JSON is searched for its `id` and `type`: at its beginning. */
const maxSearchedBytes = 64 * 1024

/**
 * Id and type of a frame that is not JSON or that nobody reads, as far as they can be found.
 *
 * @param mostBytes how much of its beginning is searched
 */
export function salvage(frame: Uint8Array, mostBytes = maxSearchedBytes): { id: MessageId; type: string | undefined } {
  const searched = frame.subarray(0, mostBytes)
  const type = findMember(searched, 'type')
  return { id: findMember(searched, 'id') ?? noId, type: typeof type === 'string' ? type : undefined }
}

/** The `id` of an object; undefined if it has none that can be repeated. */
export function idOf(object: JsonObject): { id: MessageId; unique: boolean } | undefined {
  const value = object.get('id')
  const given = value instanceof Repeated ? value.first : value
  const first = given instanceof LongString && given.isWhole ? given.text : given
  return isScalar(first) ? { id: first, unique: given === value } : undefined
}

/** A member that is a string; of one that is longer than any text that is looked for, the beginning. */
export function textOf(object: JsonObject, name: string): string | undefined {
  const value: JsonValue | undefined = object.get(name)
  if (value instanceof LongString) return value.text
  return typeof value === 'string' ? value : undefined
}

/** Writes `{"id":…,"type":…`. */
export function beginMessage(writer: JsonWriter, id: MessageId, type: string): void {
  writer.raw('{"id":')
  if (typeof id === 'string') writer.string(id)
  else writer.raw(id instanceof ExactNumber ? id.text : JSON.stringify(id))
  writer.raw(',"type":')
  writer.string(type)
}
