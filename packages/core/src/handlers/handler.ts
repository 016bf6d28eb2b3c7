import type { Input, MessageType, Outcome, Result } from '@bletchley/protocol'
import type { ContractStore } from '@bletchley/store'
import type { Logger } from 'pino'
import type { TaskEngine } from '../engine/taskEngine.ts'
import type { StateKeys } from '../keys/stateKeys.ts'
import type { UserKeys } from '../keys/userKeys.ts'

/** What a handler may reach. */
export interface WorkerContext {
  store: ContractStore
  engine: TaskEngine
  userKeys: UserKeys
  stateKeys: StateKeys
  registration: Result<'GetRegistrationParams'>
  logger: Logger
}

/** Answers one type of message; refuses by throwing a WorkerError. */
export type Handler<K extends MessageType> = (input: Input<K>, worker: WorkerContext) => Promise<Outcome<K>>
