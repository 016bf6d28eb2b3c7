import { atOnce, JsonSyntaxError, type Pieces } from '@bletchley/bytes'
import type { MessageId } from './envelope.ts'
import { beginMessage, idOf, noId, salvage, textOf } from './envelope.ts'
import type { ErrorCode, ErrorData } from './errors.ts'
import { WorkerError } from './errors.ts'
import type { JsonValue } from './internal/jsonReader.ts'
import { readJsonInPieces } from './internal/jsonReader.ts'
import { JsonWriter } from './internal/jsonWriter.ts'
import { maxFrameBytes, maxRequestValues, maxTextBytes } from './limits.ts'
import type { Input, MessageType, RequestInput } from './registry.ts'
import { isMessageType, messageOf } from './registry.ts'
import { FieldError } from './wire.ts'

/** A request that is whole and of its shape. */
export type Request = { [K in MessageType]: RequestOf<K> }[MessageType]
interface RequestOf<K extends MessageType> {
  readonly ok: true
  readonly id: MessageId
  readonly type: K
  readonly input: Input<K>
}

/** A frame that is no such request, and what the error reply to it says. */
export interface RefusedRequest {
  readonly ok: false
  /** That of the frame if it can be found, else `""`. */
  readonly id: MessageId
  /** The `type` of the frame if it is a string, known or not; of a long one, the beginning. */
  readonly requestType: string | undefined
  readonly code: ErrorCode
  readonly message: string
}

export type DecodedRequest = Request | RefusedRequest

/** Reads one frame. Never throws, whatever the bytes; the time is linear in their number. */
export function decodeRequest(frame: Uint8Array): DecodedRequest {
  return atOnce(decodeRequestInPieces(frame))
}

/** Reads one frame as {@link decodeRequest} does, but for stops in which others can have their turn. */
export function* decodeRequestInPieces(frame: Uint8Array): Pieces<DecodedRequest> {
  let value: JsonValue
  try {
    if (frame.length > maxFrameBytes) throw new JsonSyntaxError(`more than ${maxFrameBytes} bytes`)
    value = yield* readJsonInPieces(frame, maxRequestValues)
  } catch (error) {
    const { id, type } = salvage(frame)
    return refused(id, type, 'malformed_frame', { problem: problemOf(error) })
  }
  if (!(value instanceof Map)) return refused(noId, undefined, 'malformed_frame', { problem: 'not a JSON object' })

  const type = textOf(value, 'type')
  const found = idOf(value)
  if (!found?.unique) {
    const problem = found
      ? 'id: given more than once'
      : `id: expected a string of at most ${maxTextBytes} bytes, a number or a boolean`
    return refused(found?.id ?? noId, type, 'malformed_frame', { problem })
  }
  const { id } = found
  if (type === undefined) return refused(id, type, 'malformed_frame', { problem: 'type: expected one string' })
  if (!isMessageType(type)) return refused(id, type, 'unknown_type', { type })
  try {
    // The compiler cannot see that the input is that of this type.
    return { ok: true, id, type, input: messageOf(type).input.decode(value) } as Request
  } catch (error) {
    return refused(id, type, 'malformed_field', { type, problem: problemOf(error) })
  }
}

/**
 * Writes a request in its canonical form, which the archived core understands as well.
 *
 * @throws TypeError that names the field if the input is not of its type or range
 */
export function encodeRequest<K extends MessageType>(type: K, id: MessageId, input: RequestInput<K>): Uint8Array {
  const writer = new JsonWriter(maxFrameBytes)
  beginMessage(writer, id, type)
  messageOf(type).input.encode(writer, input as never)
  writer.raw('}')
  return writer.finish()
}

function refused<C extends ErrorCode>(
  id: MessageId,
  requestType: string | undefined,
  code: C,
  data: ErrorData[C],
): RefusedRequest {
  return { ok: false, id, requestType, code, message: new WorkerError(code, data).message }
}

/** The text of an error of ours; of any other nothing, since it may hold anything. */
export function problemOf(error: unknown): string {
  return error instanceof JsonSyntaxError || error instanceof FieldError ? error.message : 'it cannot be read'
}
