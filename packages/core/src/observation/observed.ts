import type { Dialect } from '@bletchley/protocol'
import type { ContractStore } from '@bletchley/store'
import type { DataFolderWatch } from '../dataFolderWatch.ts'
import type { Dispatcher } from '../dispatch.ts'
import type { TaskEngine } from '../engine/taskEngine.ts'
import type { TipOmissions } from '../handlers/tipOmissions.ts'
import type { KeyFetcher } from '../keys/keyFetcher.ts'
import type { StateKeys } from '../keys/stateKeys.ts'
import type { UserKeys } from '../keys/userKeys.ts'
import type { RouterCounts } from '../server/router.ts'
import type { Observation } from './observation.ts'

/** A running core as it is looked at from outside. */
export interface Observed {
  observation: Observation
  folderWatch: DataFolderWatch
  store: ContractStore
  engine: TaskEngine
  stateKeys: StateKeys
  /** Absent if a p2p node brings the state keys. */
  keyFetcher: KeyFetcher | undefined
  userKeys: UserKeys
  dispatcher: Dispatcher
  /** What happens at the socket. */
  omissions: TipOmissions
  traffic: RouterCounts
  countDroppedLogLines(): number
  /** Listeners to the live feed. */
  listeners(): number
  facts: Facts
}

/** What does not change while the core runs. */
export interface Facts {
  version: string
  /** 20 bytes. */
  signingAddress: Uint8Array
  endpoints: readonly string[]
  /** Whether peers need a key. */
  curve: boolean
  dialect: Dialect
  /** 20 bytes; absent if anybody's keys are taken. */
  principal: Uint8Array | undefined
  /** Milliseconds since 1970. */
  startedAt: number
}
