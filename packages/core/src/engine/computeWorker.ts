import { realpathSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import { type ErrorData, WorkerError } from '@bletchley/protocol'
import type { Prepared } from '@bletchley/sandbox'
import type { CacheSize } from '@bletchley/store'
import type { Logger } from 'pino'
import { roomForMemories } from './addressSpace.ts'
import type { SharedModule } from './contractRunner.ts'
import type { ContractRecords } from './contractStates.ts'
import { RunTimer } from './runTimer.ts'
import { startThread } from './startThread.ts'
import type {
  Job,
  JobKind,
  JobResult,
  MessageFromThread,
  MessageToThread,
  RecordsCall,
  ThreadData,
} from './threadMessages.ts'

export interface PoolOptions extends ThreadData {
  threads: number
  /**
   * Limit of the time that a job takes, in milliseconds: the last resort against what gas does not stop. It starts anew whenever
   * the thread gets the records that it waits for, so a long rebuild is not cut off as long as it moves on.
   */
  runLimitMs: number
  logger: Logger
}

/** Where a contract lives. */
export interface Home {
  /** The thread that runs its jobs. */
  thread: number
  /** Whether what the thread may know of its state must be forgotten before the next job. */
  isNew: boolean
  /** How long the first job took after that, in milliseconds: what it costs, at most, to move. */
  settlingMs: number
}

export interface QueuedJob {
  job: Omit<Job, 'forget' | 'module'>
  home: Home
  /** When it began to wait, in milliseconds of the process. */
  since: number
  resolve(result: JobResult): void
  reject(error: Error): void
}

/** What a thread needs of the pool. */
interface Surroundings {
  records: ContractRecords
  keepModule(module: SharedModule): void
  findModule(codeHash: Uint8Array): Prepared | undefined
  becameIdle(): void
}

/** Smaller arrays are copied, which is cheaper. */
const movedBytes = 64 * 1024

const restartPauseMs = 1000

type LossReason = ErrorData['task_aborted']['reason']

/** What a thread is doing. */
export interface ThreadStatus {
  /** Whether it has started, and takes jobs. */
  alive: boolean
  running?: { kind: JobKind; address: Uint8Array; milliseconds: number }
  /** How often it was replaced. */
  replaced: number
  states: CacheSize
}

/** A compute thread as the main thread sees it: it has one job at a time, and is replaced when it dies. */
export class ComputeWorker {
  readonly #slot: number
  readonly #options: PoolOptions
  readonly #surroundings: Surroundings
  readonly #waiting: QueuedJob[] = []
  #running: { queued: QueuedJob; settles: boolean; start: number } | undefined
  #worker: Worker | undefined
  #becameReady = false
  #lossReason: LossReason = 'crashed'
  #restart: NodeJS.Timeout | undefined
  readonly #watchdog: RunTimer
  #closed = false
  #replaced = 0
  #states: CacheSize = { entries: 0, bytes: 0 }

  constructor(slot: number, options: PoolOptions, surroundings: Surroundings) {
    this.#slot = slot
    this.#options = options
    this.#surroundings = surroundings
    this.#watchdog = new RunTimer(options.runLimitMs, () => {
      this.#lossReason = 'took too long'
      void this.#worker?.terminate()
    })
    this.#start()
  }

  get load(): number {
    return this.#waiting.length + (this.#running === undefined ? 0 : 1)
  }

  get status(): ThreadStatus {
    const running = this.#running
    return {
      alive: this.#becameReady,
      ...(running && {
        running: {
          kind: running.queued.job.kind,
          address: running.queued.job.request.address,
          milliseconds: performance.now() - running.start,
        },
      }),
      replaced: this.#replaced,
      states: this.#states,
    }
  }

  get isIdle(): boolean {
    return this.load === 0 && this.#worker !== undefined
  }

  get waiting(): Iterable<QueuedJob> {
    return this.#waiting
  }

  /** Runs a job behind those that wait already. */
  take(queued: QueuedJob): void {
    if (this.#closed) {
      queued.reject(new WorkerError('shutting_down', {}))
      return
    }
    this.#waiting.push(queued)
    this.#next()
  }

  /** Lets go of the waiting jobs of a contract that moves to another thread. */
  giveUp(home: Home): QueuedJob[] {
    const all = this.#waiting.splice(0)
    this.#waiting.push(...all.filter((queued) => queued.home !== home))
    return all.filter((queued) => queued.home === home)
  }

  /** @param names addresses in hex of contracts whose states are of no use any more */
  forget(names: readonly string[]): void {
    this.#post({ kind: 'forget', names })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    for (const { reject } of this.#waiting.splice(0)) reject(new WorkerError('shutting_down', {}))
    // Told before the thread has ended, which takes it long where others keep the processors busy.
    this.#finish(({ reject }) => reject(new WorkerError('shutting_down', {})))
    await this.#worker?.terminate()
  }

  #start(): void {
    const { signingKey, encryptEmptyOutput } = this.#options
    leaveRemovedFolder()
    const worker = startThread({ signingKey, encryptEmptyOutput })
    worker.on('message', (message: MessageFromThread) => this.#receive(worker, message))
    worker.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') this.#lossReason = 'ran out of memory'
      this.#options.logger.error({ thread: this.#slot, error: error.code ?? error.name }, 'compute thread failed')
    })
    worker.on('exit', () => this.#replace())
    this.#worker = worker
    this.#next()
  }

  #receive(worker: Worker, message: MessageFromThread): void {
    switch (message.kind) {
      case 'ready':
        this.#becameReady = true
        this.#watch()
        return
      case 'noRoom':
        this.#options.logger.error({ thread: this.#slot, remedy: roomForMemories }, 'no contract can run on a thread')
        return
      case 'records':
        void this.#serveRecords(worker, message.call)
        return
      case 'compiled':
        this.#surroundings.keepModule(message.module)
        return
      case 'done':
        this.#states = message.states
        this.#finish((queued) => queued.resolve(message.result))
        return
      case 'failed':
        this.#states = message.states
        this.#options.logger.error({ thread: this.#slot, reason: message.reason }, 'job failed')
        this.#finish((queued) => queued.reject(aborted('crashed')))
    }
  }

  async #serveRecords(worker: Worker, call: RecordsCall): Promise<void> {
    let answer: MessageToThread
    try {
      answer = { kind: 'records', value: await callRecords(this.#surroundings.records, call) }
    } catch (error) {
      answer = { kind: 'noRecords', reason: error instanceof Error ? error.name : 'unknown' }
    }
    worker.postMessage(answer, buffersOf(answer))
    this.#watch()
  }

  /** Gives the job on the thread its time, from now on; a thread that is still starting is not at its job yet. */
  #watch(): void {
    this.#watchdog.stop()
    if (this.#becameReady && this.#running !== undefined) this.#watchdog.start()
  }

  #finish(settle: (queued: QueuedJob) => void): void {
    this.#watchdog.stop()
    const running = this.#running
    this.#running = undefined
    if (running !== undefined) {
      const { queued, settles, start } = running
      if (settles) queued.home.settlingMs = performance.now() - start
      settle(queued)
    }
    this.#next()
    if (this.isIdle) this.#surroundings.becameIdle()
  }

  #next(): void {
    if (this.#running !== undefined || this.#worker === undefined) return
    const queued = this.#waiting.shift()
    if (queued === undefined) return
    this.#running = { queued, settles: queued.home.isNew, start: performance.now() }
    const { job, home } = queued
    const module = 'codeHash' in job.request ? this.#surroundings.findModule(job.request.codeHash) : undefined
    this.#post(
      { kind: 'job', job: { ...job, forget: home.isNew, ...(module && { module }) } as Job },
      buffersOf(job.request),
    )
    home.isNew = false
    this.#watch()
  }

  #post(message: MessageToThread, moved: ArrayBuffer[] = []): void {
    this.#worker?.postMessage(message, moved)
  }

  #replace(): void {
    this.#worker = undefined
    this.#states = { entries: 0, bytes: 0 }
    if (!this.#closed) {
      this.#options.logger.warn({ thread: this.#slot }, 'compute thread ended and is replaced')
      this.#replaced += 1
      // One that cannot even start would otherwise be started again in a tight loop.
      this.#restart = setTimeout(() => this.#start(), this.#becameReady ? 0 : restartPauseMs)
    }
    const error = this.#closed ? new WorkerError('shutting_down', {}) : aborted(this.#lossReason)
    this.#becameReady = false
    this.#lossReason = 'crashed'
    this.#finish((queued) => queued.reject(error))
  }
}

/** No thread starts in a working directory that was removed: Node asks where it is. Nothing else here depends on it. */
function leaveRemovedFolder(): void {
  try {
    realpathSync.native('.')
  } catch {
    process.chdir('/')
  }
}

/** Large arrays are moved to the thread: to copy them takes long. Nobody needs them here any more. */
function buffersOf(value: unknown): ArrayBuffer[] {
  if (typeof value !== 'object' || value === null) return []
  if (!(value instanceof Uint8Array)) return Object.values(value).flatMap(buffersOf)
  const { buffer, length } = value
  return length >= movedBytes && length === buffer.byteLength ? [buffer as ArrayBuffer] : []
}

function aborted(reason: LossReason): WorkerError {
  return new WorkerError('task_aborted', { reason })
}

function callRecords(records: ContractRecords, call: RecordsCall): Promise<unknown> {
  switch (call.name) {
    case 'bytecode':
      return records.bytecode(...call.args)
    case 'snapshot':
      return records.snapshot(...call.args)
    case 'deltas':
      return records.deltas(...call.args)
  }
}
