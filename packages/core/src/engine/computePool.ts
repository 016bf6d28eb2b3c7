import { Worker } from 'node:worker_threads'
import { type ErrorData, WorkerError } from '@bletchley/protocol'
import type { Logger } from 'pino'
import type { ContractRecords } from './contractStates.ts'
import type {
  Job,
  JobKind,
  JobOf,
  JobResult,
  Jobs,
  MessageFromThread,
  MessageToThread,
  RecordsCall,
  ThreadData,
} from './threadMessages.ts'

export interface PoolOptions extends ThreadData {
  threads: number
  /**
   * Wall-clock limit of a job, in milliseconds: the last resort against what gas does not stop. It starts anew whenever
   * the thread gets the records that it waits for, so a long rebuild is not cut off as long as it moves on.
   */
  runLimitMs: number
  logger: Logger
}

/**
 * Stack of a compute thread. V8's default ends before the documented stack limiter does; under this one 65 536
 * activations fit whatever their shape (architecture, section 6).
 */
const stackSizeMb = 64

/** A state that does not fit ends its task, and not the process. */
const maxOldGenerationSizeMb = 1024

const restartPauseMs = 1000

type LossReason = ErrorData['task_aborted']['reason']

interface QueuedJob {
  job: Job
  resolve(result: JobResult): void
  reject(error: Error): void
}

/** Threads that run contracts. Each takes one job at a time, and is replaced when it dies. */
export class ComputePool {
  readonly #threads: ComputeThread[]
  #turn = -1

  constructor(options: PoolOptions, records: ContractRecords) {
    this.#threads = Array.from({ length: options.threads }, (_, slot) => new ComputeThread(slot, options, records))
  }

  /** A thread for a new contract: of those with the fewest jobs running and waiting, each in its turn. */
  nextThread(): number {
    const least = Math.min(...this.#threads.map((thread) => thread.load))
    do this.#turn = (this.#turn + 1) % this.#threads.length
    while (this.#threads[this.#turn]!.load > least)
    return this.#turn
  }

  /**
   * Runs a job on a thread, behind the jobs that it already has.
   *
   * @throws WorkerError `task_aborted` if the thread dies in it; it has had no effect, and may be tried again
   */
  run<K extends JobKind>(slot: number, job: JobOf<K>): Promise<Jobs[K]['result']> {
    // The compiler cannot see that a job of kind K is one of the jobs.
    return this.#threads[slot]!.run(job as Job)
  }

  /** Ends the threads; jobs that are running or waiting are lost. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()))
  }
}

class ComputeThread {
  readonly #slot: number
  readonly #options: PoolOptions
  readonly #records: ContractRecords
  readonly #waiting: QueuedJob[] = []
  #running: QueuedJob | undefined
  #worker: Worker | undefined
  #becameReady = false
  #lossReason: LossReason = 'crashed'
  #restart: NodeJS.Timeout | undefined
  #watchdog: NodeJS.Timeout | undefined
  #closed = false

  constructor(slot: number, options: PoolOptions, records: ContractRecords) {
    this.#slot = slot
    this.#options = options
    this.#records = records
    this.#start()
  }

  get load(): number {
    return this.#waiting.length + (this.#running === undefined ? 0 : 1)
  }

  run(job: Job): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new WorkerError('shutting_down', {}))
      this.#waiting.push({ job, resolve, reject })
      this.#next()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#watchdog)
    clearTimeout(this.#restart)
    await this.#worker?.terminate()
    for (const { reject } of this.#waiting.splice(0)) reject(new WorkerError('shutting_down', {}))
  }

  #start(): void {
    const { signingKey, encryptEmptyOutput } = this.#options
    const workerData: ThreadData = { signingKey, encryptEmptyOutput }
    const worker = new Worker(new URL('./computeThread.js', import.meta.url), {
      workerData,
      resourceLimits: { stackSizeMb, maxOldGenerationSizeMb },
      // Contract code must not see what the operator's environment holds.
      env: {},
    })
    worker.on('message', (message: MessageFromThread) => this.#receive(worker, message))
    worker.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') this.#lossReason = 'ran out of memory'
      this.#options.logger.error({ thread: this.#slot, error: error.code ?? error.name }, 'compute thread failed')
    })
    worker.on('exit', () => this.#replace())
    this.#worker = worker
    this.#becameReady = false
    this.#lossReason = 'crashed'
    this.#next()
  }

  #receive(worker: Worker, message: MessageFromThread): void {
    switch (message.kind) {
      case 'ready':
        this.#becameReady = true
        return
      case 'records':
        void this.#serveRecords(worker, message.call)
        return
      case 'done':
        this.#finish((job) => job.resolve(message.result))
        return
      case 'failed':
        this.#options.logger.error({ thread: this.#slot, reason: message.reason }, 'job failed')
        this.#finish((job) => job.reject(aborted('crashed')))
    }
  }

  async #serveRecords(worker: Worker, call: RecordsCall): Promise<void> {
    let answer: MessageToThread
    try {
      answer = { kind: 'records', value: await callRecords(this.#records, call) }
    } catch (error) {
      answer = { kind: 'noRecords', reason: error instanceof Error ? error.name : 'unknown' }
    }
    worker.postMessage(answer)
    this.#watch()
  }

  /** Gives the job on the thread its time, from now on. */
  #watch(): void {
    clearTimeout(this.#watchdog)
    const worker = this.#worker
    if (worker === undefined || this.#running === undefined) return
    this.#watchdog = setTimeout(() => {
      this.#lossReason = 'took too long'
      void worker.terminate()
    }, this.#options.runLimitMs)
  }

  #finish(settle: (job: QueuedJob) => void): void {
    clearTimeout(this.#watchdog)
    const job = this.#running
    this.#running = undefined
    if (job !== undefined) settle(job)
    this.#next()
  }

  #next(): void {
    if (this.#running !== undefined || this.#worker === undefined) return
    this.#running = this.#waiting.shift()
    if (this.#running === undefined) return
    this.#worker.postMessage({ kind: 'job', job: this.#running.job })
    this.#watch()
  }

  #replace(): void {
    this.#worker = undefined
    if (!this.#closed) {
      this.#options.logger.warn({ thread: this.#slot }, 'compute thread ended and is replaced')
      // One that cannot even start would otherwise be started again in a tight loop.
      this.#restart = setTimeout(() => this.#start(), this.#becameReady ? 0 : restartPauseMs)
    }
    const error = this.#closed ? new WorkerError('shutting_down', {}) : aborted(this.#lossReason)
    this.#finish((job) => job.reject(error))
  }
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
