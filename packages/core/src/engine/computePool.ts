import { bytesToHex } from '@bletchley/bytes'
import { BoundedMap, type CacheSize } from '@bletchley/store'
import type { Logger } from 'pino'
import { ComputeWorker, type Home, type PoolOptions, type QueuedJob, type ThreadStatus } from './computeWorker.ts'
import type { SharedModule } from './contractRunner.ts'
import type { ContractRecords } from './contractStates.ts'
import type { Job, JobKind, JobResult, Jobs } from './threadMessages.ts'

/** Contracts whose home is remembered; another can be chosen at any time. */
const rememberedHomes = { entries: 100_000 }

/**
 * Memory for compiled modules, in bytes, of all threads together. What V8 keeps of one was measured on Node 20: about
 * 0.3 MB, and when all its functions are compiled up to 16 times the bytes of the contract's code.
 */
const memoryPerModule = 300 * 1024
const memoryPerCodeByte = 16
const cachedModules = {
  weight: {
    most: 256 * 1024 * 1024,
    of: ({ codeBytes }: SharedModule) => memoryPerModule + codeBytes * memoryPerCodeByte,
  },
}

/** A job waits at least so long for the home of its contract before it goes to another thread. */
const minPatienceMs = 5

/**
 * Threads that run contracts. All jobs of a contract run on its home thread, where its state is in memory.
 *
 * A contract moves when one of its jobs has waited for its home for as long as settling in on an idle thread would take:
 * so waiting costs at most twice what the better choice had cost, and states do not move back and forth.
 */
export class ComputePool {
  readonly #threads: ComputeWorker[]
  readonly #logger: Logger
  readonly #homes = new BoundedMap<Home>(rememberedHomes)
  readonly #modules = new BoundedMap<SharedModule>(cachedModules)
  #turn = -1
  #balancing: NodeJS.Timeout | undefined

  constructor(options: PoolOptions, records: ContractRecords) {
    this.#logger = options.logger
    this.#threads = Array.from(
      { length: options.threads },
      (_, slot) =>
        new ComputeWorker(slot, options, {
          records,
          keepModule: (module) => this.#keepModule(module),
          findModule: (codeHash) => this.#modules.use(bytesToHex(codeHash))?.prepared,
          becameIdle: () => this.#balance(),
        }),
    )
  }

  /**
   * Runs a job on the contract's home thread, behind the jobs that it already has. Jobs of one contract that matter to
   * each other are run one after the other.
   *
   * @throws WorkerError `task_aborted` if the thread dies in it; it has had no effect, and may be tried again
   */
  run<K extends JobKind>(kind: K, request: Jobs[K]['request']): Promise<Jobs[K]['result']> {
    const home = this.#homeOf(request.address)
    return new Promise<JobResult>((resolve, reject) => {
      // The compiler cannot see that a request of kind K makes one of the jobs.
      const job = { kind, request } as unknown as Job
      this.#threads[home.thread]!.take({ job, home, since: performance.now(), resolve, reject })
      this.#balance()
    })
  }

  get threads(): ThreadStatus[] {
    return this.#threads.map(({ status }) => status)
  }

  get modules(): CacheSize {
    return { entries: this.#modules.size, bytes: this.#modules.weight }
  }

  /** Of all threads. */
  get states(): CacheSize {
    return this.threads.reduce(
      (all, { states }) => ({ entries: all.entries + states.entries, bytes: all.bytes + states.bytes }),
      { entries: 0, bytes: 0 },
    )
  }

  /** The number of the contract's home thread, if it has one. */
  home(address: Uint8Array): number | undefined {
    return this.#homes.get(bytesToHex(address))?.thread
  }

  /** Whether a thread may know something of a contract. */
  knows(address: Uint8Array): boolean {
    return this.#homes.has(bytesToHex(address))
  }

  /** What threads know of contracts' states is not used any more: somebody else has changed their deltas. */
  forget(addresses: readonly Uint8Array[]): void {
    const names = this.#threads.map((): string[] => [])
    for (const name of addresses.map(bytesToHex)) {
      const home = this.#homes.get(name)
      if (home === undefined) continue
      home.isNew = true
      names[home.thread]!.push(name)
    }
    // At once: a contract that is gone has no next job.
    for (const [slot, some] of names.entries()) if (some.length > 0) this.#threads[slot]!.forget(some)
  }

  /** Ends the threads; jobs that are running or waiting are lost. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()))
    clearTimeout(this.#balancing)
  }

  /** A new contract's home is one of the threads with the fewest jobs, each in its turn. */
  #homeOf(address: Uint8Array): Home {
    const name = bytesToHex(address)
    const known = this.#homes.use(name)
    if (known !== undefined) return known
    const least = Math.min(...this.#threads.map(({ load }) => load))
    do this.#turn = (this.#turn + 1) % this.#threads.length
    while (this.#threads[this.#turn]!.load > least)
    const home: Home = { thread: this.#turn, isNew: true, settlingMs: 0 }
    this.#homes.set(name, home)
    return home
  }

  #keepModule(module: SharedModule): void {
    const codeHash = bytesToHex(module.codeHash)
    this.#logger.debug({ codeHash }, 'contract compiled')
    this.#modules.set(codeHash, module)
  }

  /** Gives idle threads the jobs that have waited long enough for others, and looks again when the next ones have. */
  #balance(): void {
    clearTimeout(this.#balancing)
    for (const idle of this.#threads.filter(({ isIdle }) => isIdle)) {
      const first = this.#mostImpatient()
      if (first === undefined) return
      const left = first.since + patienceOf(first) - performance.now()
      if (left > 0) {
        this.#balancing = setTimeout(() => this.#balance(), left)
        return
      }
      const { home, job } = first
      const moved = this.#threads[home.thread]!.giveUp(home)
      this.#threads[home.thread]!.forget([bytesToHex(job.request.address)])
      home.thread = this.#threads.indexOf(idle)
      home.isNew = true
      this.#logger.debug({ address: bytesToHex(job.request.address), thread: home.thread }, 'contract moved')
      for (const queued of moved) idle.take(queued)
    }
  }

  /** The waiting job that is the first to lose patience. */
  #mostImpatient(): QueuedJob | undefined {
    let found: QueuedJob | undefined
    for (const { waiting } of this.#threads) {
      for (const queued of waiting) {
        if (found === undefined || queued.since + patienceOf(queued) < found.since + patienceOf(found)) found = queued
      }
    }
    return found
  }
}

function patienceOf({ home }: QueuedJob): number {
  return Math.max(minPatienceMs, home.settlingMs)
}
