import type { AnyMessage } from './message.ts'
import { ComputeTask } from './messages/computeTask.ts'
import { DeploySecretContract } from './messages/deploySecretContract.ts'
import { ErrorReply } from './messages/error.ts'
import { FailedTask } from './messages/failedTask.ts'
import { GetAllAddrs } from './messages/getAllAddrs.ts'
import { GetAllTips } from './messages/getAllTips.ts'
import { GetContract } from './messages/getContract.ts'
import { GetDelta } from './messages/getDelta.ts'
import { GetDeltas } from './messages/getDeltas.ts'
import { GetPTTRequest } from './messages/getPttRequest.ts'
import { GetRegistrationParams } from './messages/getRegistrationParams.ts'
import { GetTip } from './messages/getTip.ts'
import { GetTips } from './messages/getTips.ts'
import { NewTaskEncryptionKey } from './messages/newTaskEncryptionKey.ts'
import { PTTResponse } from './messages/pttResponse.ts'
import { RemoveContract } from './messages/removeContract.ts'
import { RemoveDeltas } from './messages/removeDeltas.ts'
import { UpdateDeltas } from './messages/updateDeltas.ts'
import { UpdateNewContract } from './messages/updateNewContract.ts'
import { UpdateNewContractOnDeployment } from './messages/updateNewContractOnDeployment.ts'
import type { Decoded, Encodable } from './wire.ts'

/** Every request, in the order of the protocol document: the only list. */
export const messages = {
  GetRegistrationParams,
  GetTip,
  GetTips,
  GetAllTips,
  GetAllAddrs,
  GetDelta,
  GetDeltas,
  GetContract,
  UpdateNewContract,
  UpdateNewContractOnDeployment,
  RemoveContract,
  UpdateDeltas,
  RemoveDeltas,
  GetPTTRequest,
  PTTResponse,
  NewTaskEncryptionKey,
  DeploySecretContract,
  ComputeTask,
} as const

/** The replies that answer a request of another type. */
export const replies = { FailedTask, Error: ErrorReply } as const

type Messages = typeof messages
export type MessageType = keyof Messages
/** Messages that run a contract and may be answered with a FailedTask. */
export type TaskType = { [K in MessageType]: Messages[K] extends { isTask: true } ? K : never }[MessageType]
/** Messages whose reply repeats the address of the request. */
export type AddressedType = { [K in MessageType]: Messages[K] extends { echoesAddress: true } ? K : never }[MessageType]

/** What a handler gets: the decoded input. */
export type Input<K extends MessageType> = Decoded<Messages[K]['input']>
/** What a client gives; an {@link Input} will do. */
export type RequestInput<K extends MessageType> = Encodable<Messages[K]['input']>
/** What a handler returns. */
export type Result<K extends MessageType> = Encodable<Messages[K]['result']>
/** What a client gets; the document dialect leaves out what the request already says. */
export type ReplyResult<K extends MessageType> = Decoded<Messages[K]['result']>
export type FailedTaskResult = Encodable<typeof FailedTask.result>

/** A handler's answer to a task that failed inside the contract, or whose inputs cannot be opened: billed and signed. */
export interface TaskFailure {
  readonly failedTask: FailedTaskResult
}
export type Outcome<K extends MessageType> = Result<K> | (K extends TaskType ? TaskFailure : never)

/** One handler for each message; it throws a WorkerError to refuse. A missing one does not compile. */
export type Handlers<Ctx> = {
  readonly [K in MessageType]: (input: Input<K>, ctx: Ctx) => Outcome<K> | Promise<Outcome<K>>
}

export const messageTypes = Object.keys(messages) as MessageType[]

export function isMessageType(type: unknown): type is MessageType {
  return typeof type === 'string' && Object.hasOwn(messages, type)
}

/** A message of the registry, for code that treats them all alike. */
export function messageOf(type: MessageType): AnyMessage {
  return messages[type]
}
