import type { Pieces } from '@bletchley/bytes'
import type { MessageId } from './envelope.ts'
import { beginMessage, idOf, noId, textOf } from './envelope.ts'
import { WorkerError } from './errors.ts'
import { findMember } from './internal/findMember.ts'
import type { JsonObject } from './internal/jsonReader.ts'
import { readJson } from './internal/jsonReader.ts'
import { JsonWriter } from './internal/jsonWriter.ts'
import { printable } from './internal/text.ts'
import { maxEchoedTypeLength, maxMessageLength, maxReplyBytes, maxReplyValues } from './limits.ts'
import type {
  AddressedType,
  FailedTaskResult,
  Handlers,
  Input,
  MessageType,
  Outcome,
  ReplyResult,
  Result,
  TaskFailure,
  TaskType,
} from './registry.ts'
import { messageOf, replies } from './registry.ts'
import type { ReplyMemory } from './replyMemory.ts'
import type { Request } from './request.ts'
import { problemOf } from './request.ts'
import { address, type Codec, inPieces, within } from './wire.ts'

/**
 * How replies are written. `document` follows the published document; `enigma-p2p` suits the archived client of that
 * name, which expects another error reply, other status fields and another GetDelta.
 */
export type Dialect = 'document' | 'enigma-p2p'
export const dialects: readonly Dialect[] = ['document', 'enigma-p2p']

export type ResultReply = { [K in MessageType]: ResultReplyOf<K> }[MessageType]
interface ResultReplyOf<K extends MessageType> {
  readonly kind: 'result'
  readonly id: MessageId
  readonly type: K
  /** Needed where the reply repeats the address; any spelling of it will do elsewhere. */
  readonly input: K extends AddressedType ? Input<K> : Input<K> | undefined
  readonly result: Result<K>
}
export interface FailedTaskReply {
  readonly kind: 'failedTask'
  readonly id: MessageId
  readonly result: FailedTaskResult
}
export interface ErrorReply {
  readonly kind: 'error'
  readonly id: MessageId
  /** The type of the request as far as it is known; of any length. */
  readonly requestType: string | undefined
  readonly message: string
}
type AnyOutcome = Outcome<MessageType>
export type Reply = ResultReply | FailedTaskReply | ErrorReply

/** Calls the handler of a request; what it throws passes through. */
export function handle<Ctx>(
  handlers: Handlers<Ctx>,
  { type, input }: Request,
  ctx: Ctx,
): AnyOutcome | Promise<AnyOutcome> {
  // The compiler cannot see that handler and input are those of the same type.
  const handler = handlers[type] as (input: Request['input'], ctx: Ctx) => AnyOutcome | Promise<AnyOutcome>
  return handler(input, ctx)
}

/** The reply to a request that was handled. */
export function replyTo({ id, type, input }: Request, outcome: AnyOutcome): ResultReply | FailedTaskReply {
  if (messageOf(type).isTask && 'failedTask' in outcome) {
    return { kind: 'failedTask', id, result: (outcome as TaskFailure).failedTask }
  }
  return { kind: 'result', id, type, input, result: outcome } as ResultReply
}

/**
 * Writes a reply.
 *
 * @param memory where a large one is put; the caller gives it back when nobody reads the reply any more
 * @throws TypeError that names the field if the result is not of its type or range
 * @throws WorkerError `limit_exceeded` if the reply would be too large
 */
export function encodeReply(reply: Reply, dialect: Dialect, memory?: ReplyMemory): Uint8Array {
  const writer = new JsonWriter(maxReplyBytes, memory)
  if (reply.kind === 'error') writeError(writer, reply, dialect)
  else {
    const { codec, result } = beginResult(writer, reply, dialect)
    within('result', () => codec.encode(writer, result))
    writeMirror(writer, reply, dialect)
  }
  writer.raw('}')
  return writer.finish()
}

/**
 * Writes a large reply as {@link encodeReply} does, but for stops in which others can have their turn.
 *
 * @param bytes how large it will be, about: memory is taken for so many at once
 */
export function* encodeReplyInPieces(
  reply: ResultReply | FailedTaskReply,
  dialect: Dialect,
  bytes: number,
  memory?: ReplyMemory,
): Pieces<Uint8Array> {
  const writer = new JsonWriter(maxReplyBytes, memory, bytes)
  const { codec, result } = beginResult(writer, reply, dialect)
  const pieces = inPieces(codec, writer, result)
  while (!within('result', () => pieces.next().done)) yield
  writeMirror(writer, reply, dialect)
  writer.raw('}')
  return writer.finish()
}

/** Writes what stands before a result. Returns the result, and how it is written. */
function beginResult(
  writer: JsonWriter,
  reply: ResultReply | FailedTaskReply,
  dialect: Dialect,
): { codec: Codec<unknown, never>; result: never } {
  const result = reply.result as never
  if (reply.kind === 'failedTask') {
    beginMessage(writer, reply.id, replies.FailedTask.type)
    writer.raw(',"result":')
    return { codec: replies.FailedTask.result, result }
  }
  const message = messageOf(reply.type)
  beginMessage(writer, reply.id, reply.type)
  if (message.echoesAddress) {
    writer.raw(',"address":')
    writer.string((reply.input as Input<AddressedType>).addressText)
  }
  writer.raw(',"result":')
  return { codec: (dialect === 'enigma-p2p' && message.p2pResult) || message.result, result }
}

/** What the dialect enigma-p2p repeats beside the result. */
function writeMirror(writer: JsonWriter, reply: ResultReply | FailedTaskReply, dialect: Dialect): void {
  if (dialect !== 'enigma-p2p' || reply.kind !== 'result') return
  const { p2pMirror } = messageOf(reply.type)
  if (p2pMirror === undefined) return
  writer.raw(',')
  p2pMirror.encodeMembers(writer, reply.result as never)
}

function writeError(writer: JsonWriter, reply: ErrorReply, dialect: Dialect): void {
  const requestType = reply.requestType?.slice(0, maxEchoedTypeLength) ?? replies.Error.type
  const message = printable(reply.message, maxMessageLength)
  beginMessage(writer, reply.id, dialect === 'document' ? requestType : replies.Error.type)
  writer.raw(',"msg":')
  writer.string(message)
  if (dialect === 'enigma-p2p') {
    writer.raw(',"error":')
    writer.string(message)
    writer.raw(',"requestType":')
    writer.string(requestType)
  }
}

/** What a client gets in answer to a request of type K. */
export type DecodedReply<K extends MessageType> =
  | {
      readonly kind: 'result'
      readonly id: MessageId
      /** Of the contract that was written, if the reply repeats it. */
      readonly address?: Uint8Array
      readonly result: ReplyResult<K>
    }
  | {
      readonly kind: 'error'
      readonly id: MessageId
      readonly requestType: string | undefined
      readonly message: string
    }
  | (K extends TaskType ? FailedTaskReply : never)

/**
 * Reads the reply to a request of the given type, in either dialect.
 *
 * @throws WorkerError `malformed_reply`
 */
export function decodeReply<K extends MessageType>(frame: Uint8Array, type: K): DecodedReply<K> {
  if (frame.length > maxReplyBytes) throw malformed(`more than ${maxReplyBytes} bytes`)
  try {
    const reply = readJson(frame, maxReplyValues)
    if (reply instanceof Map) return decodeObject(reply, type)
  } catch (error) {
    throw error instanceof WorkerError ? error : malformed(problemOf(error), error)
  }
  throw malformed('not a JSON object')
}

function decodeObject<K extends MessageType>(reply: JsonObject, type: K): DecodedReply<K> {
  const id = idOf(reply)?.id ?? noId
  const replyType = textOf(reply, 'type')
  const result = reply.get('result')
  const message = textOf(reply, 'msg')
  if (message !== undefined && result === undefined) {
    const requestType = textOf(reply, 'requestType') ?? replyType
    return { kind: 'error', id, requestType, message: printable(message, maxMessageLength) }
  }
  if (result === undefined) throw malformed('neither result nor msg')
  const { isTask, echoesAddress, result: codec } = messageOf(type)
  if (isTask && replyType === replies.FailedTask.type) {
    const failure = within('result', () => replies.FailedTask.result.decode(result))
    return { kind: 'failedTask', id, result: failure } as DecodedReply<K>
  }
  if (replyType !== type && !(type === 'PTTResponse' && replyType === 'GetPTTRequest')) {
    throw malformed(`type: expected ${type}`)
  }
  const echo = echoesAddress ? reply.get('address') : undefined
  return {
    kind: 'result',
    id,
    ...(echo != null && { address: within('address', () => address.decode(echo)) }),
    result: within('result', () => codec.decode(result)) as ReplyResult<K>,
  }
}

/** The `id` of a reply, found without reading what stands after it; undefined if it has none. */
export function replyId(frame: Uint8Array): MessageId | undefined {
  return findMember(frame, 'id')
}

function malformed(problem: string, cause?: unknown): WorkerError<'malformed_reply'> {
  return new WorkerError('malformed_reply', { problem }, { cause })
}
