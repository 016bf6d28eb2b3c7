export { type MessageId, salvage } from './envelope.ts'
export type { AnyWorkerError, DbCommand, DbFailure, EnclaveErrorName, ErrorCode, ErrorData } from './errors.ts'
export {
  dbCommands,
  dbFailures,
  dbFailureText,
  enclaveErrorNames,
  enclaveErrorText,
  errorKinds,
  existingKeyText,
  fromWireMessage,
  isWorkerError,
  missingKeyText,
  parseErrorText,
  toWireMessage,
  WorkerError,
} from './errors.ts'
export { ExactNumber } from './internal/jsonReader.ts'
export { numbersLength } from './internal/jsonWriter.ts'
export * from './limits.ts'
export type { MessageDoc } from './message.ts'
export type {
  AddressedType,
  FailedTaskResult,
  Handlers,
  Input,
  MessageType,
  Outcome,
  ReplyResult,
  RequestInput,
  Result,
  TaskFailure,
  TaskType,
} from './registry.ts'
export { isMessageType, messages, messageTypes, replies } from './registry.ts'
export type { DecodedReply, Dialect, ErrorReply, FailedTaskReply, Reply, ResultReply } from './reply.ts'
export { decodeReply, dialects, encodeReply, encodeReplyInPieces, handle, replyId, replyTo } from './reply.ts'
export { ReplyMemory } from './replyMemory.ts'
export type { DecodedRequest, RefusedRequest, Request } from './request.ts'
export { decodeRequest, decodeRequestInPieces, encodeRequest } from './request.ts'
