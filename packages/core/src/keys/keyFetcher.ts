import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex } from '@bletchley/bytes'
import type { Logger } from 'pino'
import { FetchError, fetchStateKeys, maxAddresses } from './fetchStateKeys.ts'
import type { StateKeys } from './stateKeys.ts'

/** Pauses after failures: between half of it and the whole, doubling from the least to the greatest. */
const pauses = { leastMs: 1000, greatestMs: 60_000 }
/** How long a task waits for its key. */
const taskWaitMs = 10_000

/** A task that waits for a key; several of one contract share it. */
interface Waiting {
  address: Uint8Array
  attempted: Promise<void>
  resolve: () => void
}

/**
 * Gets state keys from the principal's endpoint: those of stored contracts in the background, those of tasks at once.
 *
 * One request is under way at a time, with up to 1000 contracts, so that any number of tasks at once costs one request.
 * After a failure it pauses, longer each time, as long as the keys of stored contracts are all that is wanted; a task
 * has the principal asked again after the shortest pause. A batch that is refused is halved, so that one contract that
 * the principal has trouble with does not keep the keys of others.
 */
export class KeyFetcher {
  readonly #stateKeys: StateKeys
  readonly #url: string
  readonly #logger: Logger
  readonly #closed = new AbortController()
  /** Stored contracts, by address in hex. */
  readonly #pending = new Map<string, Uint8Array>()
  readonly #waiting = new Map<string, Waiting>()
  #running = false
  #batchSize = maxAddresses
  #failures = 0
  #lastError: string | undefined
  #wake: () => void = () => {}

  constructor(stateKeys: StateKeys, url: string, logger: Logger) {
    this.#stateKeys = stateKeys
    this.#url = url
    this.#logger = logger
  }

  /** Why the last attempt failed; undefined if it did not. */
  get lastError(): string | undefined {
    return this.#lastError
  }

  /** Fetches the keys of stored contracts, however long it takes. */
  want(addresses: readonly Uint8Array[]): void {
    for (const address of addresses) this.#pending.set(bytesToHex(address), address)
    this.#start()
  }

  /** Fetches a key that a task needs. Resolves when that was tried, or took too long; it may still not be there. */
  async fetchNow(address: Uint8Array): Promise<void> {
    const name = bytesToHex(address)
    let waiting = this.#waiting.get(name)
    if (waiting === undefined) {
      let resolve = () => {}
      const attempted = new Promise<void>((resolveNow) => {
        resolve = resolveNow
      })
      waiting = { address, attempted, resolve }
      this.#waiting.set(name, waiting)
    }
    this.#start()
    this.#wake()
    const tooLate = new AbortController()
    const signal = AbortSignal.any([tooLate.signal, this.#closed.signal])
    await Promise.race([waiting.attempted, sleep(taskWaitMs, undefined, { signal }).catch(() => {})])
    tooLate.abort()
  }

  /** Breaks off what is under way; tasks that wait go on without a key. */
  close(): void {
    this.#closed.abort()
  }

  #start(): void {
    if (this.#running || this.#closed.signal.aborted) return
    this.#running = true
    void this.#run()
  }

  async #run(): Promise<void> {
    for (;;) {
      const batch = this.#nextBatch()
      if (batch.size === 0 || this.#closed.signal.aborted) {
        this.#running = false
        return
      }
      const error = await this.#attempt(batch)
      for (const [name, address] of batch) {
        this.#waiting.get(name)?.resolve()
        this.#waiting.delete(name)
        // What was refused comes last.
        if (this.#pending.delete(name) && error !== undefined) this.#pending.set(name, address)
      }
      if (error === undefined) this.#succeeded()
      else await this.#failed(error, batch.size)
    }
  }

  /** Tasks first, and after a failure on their own; without those whose key has come another way. */
  #nextBatch(): Map<string, Uint8Array> {
    const batch = new Map<string, Uint8Array>()
    const tasks = [...this.#waiting].map(([name, { address }]) => [name, address] as const)
    const alone = tasks.length > 0 && this.#failures > 0
    for (const [name, address] of alone ? tasks : [...tasks, ...this.#pending]) {
      if (batch.size === this.#batchSize) break
      if (!this.#stateKeys.has(name)) batch.set(name, address)
      else {
        this.#pending.delete(name)
        this.#waiting.get(name)?.resolve()
        this.#waiting.delete(name)
      }
    }
    return batch
  }

  async #attempt(batch: ReadonlyMap<string, Uint8Array>): Promise<FetchError | undefined> {
    try {
      await fetchStateKeys(this.#stateKeys, this.#url, [...batch.values()], this.#closed.signal)
      return undefined
    } catch (error) {
      if (error instanceof FetchError) return error
      this.#logger.error({ err: error }, 'state keys could not be fetched')
      return new FetchError('a defect of this program, see the log')
    }
  }

  #succeeded(): void {
    if (this.#lastError !== undefined) this.#logger.info('the principal gives state keys again')
    this.#lastError = undefined
    this.#failures = 0
    this.#batchSize = Math.min(2 * this.#batchSize, maxAddresses)
  }

  async #failed(error: FetchError, size: number): Promise<void> {
    if (this.#closed.signal.aborted) return
    // Once for each reason: it can go on for long.
    const level = error.message === this.#lastError ? 'debug' : 'warn'
    this.#logger[level]({ reason: error.message, contracts: size }, 'state keys could not be fetched')
    this.#lastError = error.message
    this.#batchSize = Math.max(1, Math.floor(size / 2))
    const { leastMs, greatestMs } = pauses
    const longest = Math.max(leastMs * 2 ** this.#failures++, error.retryAfterMs ?? 0)
    const pauseMs = Math.min(longest, greatestMs) * (0.5 + Math.random() / 2)
    await this.#pause(leastMs / 2)
    if (this.#waiting.size > 0) return
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await this.#pause(pauseMs - leastMs / 2, woken.signal)
    this.#wake = () => {}
  }

  async #pause(ms: number, woken?: AbortSignal): Promise<void> {
    if (ms <= 0) return
    const { signal } = this.#closed
    await sleep(ms, undefined, { signal: woken ? AbortSignal.any([signal, woken]) : signal, ref: false }).catch(
      () => {},
    )
  }
}
