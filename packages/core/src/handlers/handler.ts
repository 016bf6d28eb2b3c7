import type { Input, MessageType, Outcome, Result } from '@bletchley/protocol'
import type { ContractStore } from '@bletchley/store'
import type { Logger } from 'pino'
import type { TaskEngine } from '../engine/taskEngine.ts'
import type { KeyFetcher } from '../keys/keyFetcher.ts'
import type { StateKeys } from '../keys/stateKeys.ts'
import type { UserKeys } from '../keys/userKeys.ts'
import type { ReplyRoom } from '../server/replyRoom.ts'
import type { HeldTasks } from './heldTasks.ts'
import type { Readings } from './readings.ts'
import type { TipOmissions } from './tipOmissions.ts'

/** What a handler may reach. */
export interface WorkerContext {
  store: ContractStore
  engine: TaskEngine
  userKeys: UserKeys
  stateKeys: StateKeys
  /** Absent if a p2p node brings the keys. */
  keyFetcher?: KeyFetcher | undefined
  readings: Readings
  omissions: TipOmissions
  /** Results that wait for room. */
  heldTasks: HeldTasks
  registration: Result<'GetRegistrationParams'>
  logger: Logger
}

/** What the handler of one request may reach besides. */
export interface RequestContext extends WorkerContext {
  /** Where a large reply takes room before it is made. */
  room: ReplyRoom
}

/** Member by member: to spread the worker would take as long as half of a small request. */
export function contextOf(worker: WorkerContext, room: ReplyRoom): RequestContext {
  const { store, engine, userKeys, stateKeys, keyFetcher, readings, omissions, heldTasks, registration, logger } =
    worker
  return { store, engine, userKeys, stateKeys, keyFetcher, readings, omissions, heldTasks, registration, logger, room }
}

/** Answers one type of message; refuses by throwing a WorkerError. */
export type Handler<K extends MessageType> = (input: Input<K>, request: RequestContext) => Promise<Outcome<K>>
