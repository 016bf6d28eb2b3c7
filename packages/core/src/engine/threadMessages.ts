import type {
  Computed,
  ComputeRequest,
  Deployed,
  DeployRequest,
  FailedRun,
  RebuildRequest,
  RefusedRun,
} from './contractRunner.ts'
import type { ContractRecords } from './contractStates.ts'

/** What a compute thread is started with. */
export interface ThreadData {
  /** 32 bytes, secret. */
  signingKey: Uint8Array
  encryptEmptyOutput: boolean
}

/** The kinds of work that a compute thread does, and what each brings. */
export interface Jobs {
  deploy: { request: DeployRequest; result: Deployed | FailedRun | RefusedRun }
  compute: { request: ComputeRequest; result: Computed | FailedRun | RefusedRun }
  rebuild: { request: RebuildRequest; result: boolean }
}
export type JobKind = keyof Jobs
export type JobResult = Jobs[JobKind]['result']

/** Work for a compute thread: it takes one job at a time. */
export interface JobOf<K extends JobKind> {
  kind: K
  request: Jobs[K]['request']
  /** What the thread knows of the contract's state is forgotten first: somebody else has changed its deltas. */
  forget: boolean
}
export type Job = { [K in JobKind]: JobOf<K> }[JobKind]

/** A call of {@link ContractRecords} from the thread: threads have no access to the store of their own. */
export type RecordsCall = {
  [K in keyof ContractRecords]: { name: K; args: Parameters<ContractRecords[K]> }
}[keyof ContractRecords]

export type MessageToThread =
  | { kind: 'job'; job: Job }
  | { kind: 'records'; value: unknown }
  | { kind: 'noRecords'; reason: string }

export type MessageFromThread =
  | { kind: 'ready' }
  | { kind: 'records'; call: RecordsCall }
  | { kind: 'done'; result: JobResult }
  | { kind: 'failed'; reason: string }
