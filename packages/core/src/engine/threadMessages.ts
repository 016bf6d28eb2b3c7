import type { Prepared } from '@bletchley/sandbox'
import type { CacheSize } from '@bletchley/store'
import type {
  CodeRequest,
  Computed,
  ComputeRequest,
  Deployed,
  DeployRequest,
  FailedRun,
  MovedRun,
  PrepareRequest,
  RebuildRequest,
  Rebuilt,
  RefusedRun,
  SharedModule,
} from './contractRunner.ts'
import type { ContractRecords } from './contractStates.ts'
import type { Simulated, SimulateRequest } from './simulator.ts'

/** What a compute thread is started with. */
export interface ThreadData {
  /** 32 bytes, secret. */
  signingKey: Uint8Array
  encryptEmptyOutput: boolean
}

/** The kinds of work that a compute thread does, and what each brings. */
export interface Jobs {
  deploy: { request: DeployRequest; result: Deployed | FailedRun | RefusedRun }
  compute: { request: ComputeRequest; result: Computed | FailedRun | RefusedRun | MovedRun }
  simulate: { request: SimulateRequest; result: Simulated | RefusedRun | MovedRun }
  rebuild: { request: RebuildRequest; result: Rebuilt }
  prepare: { request: PrepareRequest; result: undefined }
  hashCode: { request: CodeRequest; result: Uint8Array | undefined }
}
export type JobKind = keyof Jobs
export type JobResult = Jobs[JobKind]['result']

/** Work for a compute thread: it takes one job at a time. */
export interface JobOf<K extends JobKind> {
  kind: K
  request: Jobs[K]['request']
  /** What the thread knows of the contract's state is forgotten first: somebody else has changed its deltas. */
  forget: boolean
  /** The contract's compiled module, for a computation; absent if none is at hand. Threads share the code in it. */
  module?: Prepared
}
export type Job = { [K in JobKind]: JobOf<K> }[JobKind]

/** A call of {@link ContractRecords} from the thread: threads have no access to the store of their own. */
export type RecordsCall = {
  [K in keyof ContractRecords]: { name: K; args: Parameters<ContractRecords[K]> }
}[keyof ContractRecords]

export type MessageToThread =
  | { kind: 'job'; job: Job }
  /** Addresses in hex of contracts that live on another thread from now on, or whose deltas somebody else has changed. */
  | { kind: 'forget'; names: readonly string[] }
  | { kind: 'records'; value: unknown }
  | { kind: 'noRecords'; reason: string }

export type MessageFromThread =
  | { kind: 'ready' }
  /** Before it is ready: no contract can run on it, since there is no address space for its memory. */
  | { kind: 'noRoom' }
  | { kind: 'records'; call: RecordsCall }
  | { kind: 'compiled'; module: SharedModule }
  | { kind: 'done'; result: JobResult; states: CacheSize }
  | { kind: 'failed'; reason: string; states: CacheSize }
