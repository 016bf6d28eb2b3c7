import type { Pieces } from '@bletchley/bytes'
import { type ContractChange, type ContractStore, type KeyValueBackend, paced } from '@bletchley/store'
import { storeFolder } from '../dataFolder.ts'
import type { AnsweredMessage } from '../dispatch.ts'
import type { StateKeys } from '../keys/stateKeys.ts'
import { ChainSizes } from './chainSizes.ts'
import { ContractIndex } from './contractIndex.ts'
import { EventLoopDelay } from './eventLoopDelay.ts'
import { History, stepMs } from './history.ts'
import { LatencyMetrics } from './latencyMetrics.ts'
import { logged, loggedMessages, MessageLog, shorten } from './messageLog.ts'
import { knownType, MessageTallies } from './messageTallies.ts'
import { RecordFacts } from './recordFacts.ts'
import { StoreWatch } from './storeWatch.ts'
import { TaskMemory } from './taskMemory.ts'

const lookMs = 1000

/** Contracts whose keys are looked for before others have their turn: 2 ms. */
const lookedAtOnce = 10_000

/** Messages wait so long, or for so many others, to be counted together. */
const settleMs = 100
const maxUnsettled = 256

/** All that a core remembers of what it did, for those who look on. It is there only if the HTTP door is. */
export class Observation {
  readonly messages = new MessageLog()
  readonly tallies = new MessageTallies()
  readonly tasks = new TaskMemory()
  readonly contracts = new ContractIndex()
  readonly history = new History()
  readonly latencies = new LatencyMetrics()
  readonly storeWatch: StoreWatch
  readonly #eventLoop = new EventLoopDelay()
  #chains: ChainSizes | undefined
  #records: RecordFacts | undefined
  #looking: NodeJS.Timeout | undefined
  #unsettled: AnsweredMessage[] = []
  #settling: NodeJS.Timeout | undefined
  /** 99th percentile of the main thread's delay in the last second, in milliseconds. */
  eventLoopMs = 0
  #missing = { contracts: -1, keys: -1, count: 0 }
  #countsMissing = false

  constructor(dataFolder: string) {
    this.storeWatch = new StoreWatch(storeFolder(dataFolder), (seconds) => this.latencies.commitTook(seconds))
  }

  watchCommits(backend: KeyValueBackend): KeyValueBackend {
    return this.storeWatch.watch(backend)
  }

  /** Keeps a message for {@link settle}: between two wake-ups of the process every line of code is a slow one. */
  messageAnswered(message: AnsweredMessage): void {
    this.#unsettled.push(shorten(message))
    if (this.#unsettled.length === 1) this.#settling = setTimeout(() => this.settle(), settleMs).unref()
    else if (this.#unsettled.length >= maxUnsettled) this.settle()
  }

  /** Counts the messages so far. Whoever shows a number that depends on them calls it first. */
  settle(): void {
    if (this.#unsettled.length === 0) return
    clearTimeout(this.#settling)
    const settled = this.#unsettled
    this.#unsettled = []
    for (const message of settled) {
      this.tallies.add(message)
      this.latencies.messageTook(knownType(message.type), message.milliseconds / 1000)
    }
    const shown = settled.slice(-loggedMessages)
    this.messages.pass(settled.length - shown.length)
    for (const message of shown) this.messages.add(logged(message))
  }

  contractChanged(change: ContractChange): void {
    this.contracts.take(change)
    this.tasks.take(change)
    this.#chains?.take(change)
    this.#records?.take(change)
  }

  /** The sizes of chains; there from {@link start} on. */
  get chains(): ChainSizes {
    return this.#chains!
  }

  /** Sizes and hashes of records; there from {@link start} on. */
  get records(): RecordFacts {
    return this.#records!
  }

  /** Reads what is stored, before anybody can change it, and looks again every second from now on. */
  async start(store: ContractStore, queueLength: () => number): Promise<void> {
    this.contracts.load(await store.allAddresses())
    this.#chains = new ChainSizes(store)
    this.#records = new RecordFacts(store)
    await this.storeWatch.look()
    let sums = { messages: 0, errors: 0, gas: 0n }
    let slowest = 0
    let looks = 0
    const look = async (): Promise<void> => {
      this.eventLoopMs = this.#eventLoop.take()
      slowest = Math.max(slowest, this.eventLoopMs)
      await this.storeWatch.look()
      // A disk that has room again is found without waiting for somebody's write.
      if (this.storeWatch.broken) await store.probe().catch(() => {})
      looks += 1
      if (looks % (stepMs / lookMs) !== 0) return
      this.settle()
      const { messages, errorCount: errors, gas, latency } = this.tallies
      this.history.add({
        at: Date.now(),
        messages: messages - sums.messages,
        errors: errors - sums.errors,
        medianMs: latency.percentile(50) / 1000,
        p99Ms: latency.percentile(99) / 1000,
        gas: (gas - sums.gas).toString(),
        queue: queueLength(),
        eventLoopMs: slowest,
        storeBytes: this.storeWatch.bytes,
        contracts: this.contracts.size,
      })
      latency.reset()
      slowest = 0
      sums = { messages, errors, gas }
    }
    this.#looking = setInterval(() => void look(), lookMs).unref()
  }

  /**
   * Contracts whose state key is not held. All of them are looked at, but only if something has changed, and with pauses
   * for others where they are many: until then it is the number of before.
   */
  missingKeys(stateKeys: StateKeys): number {
    const { version, size } = this.contracts
    const isKnown = this.#missing.contracts === version && this.#missing.keys === stateKeys.size
    if (isKnown || this.#countsMissing) return this.#missing.count
    // Before the first look no key is known of.
    if (this.#missing.contracts === -1) this.#missing.count = size
    const counting = this.#countMissing(stateKeys)
    if (!counting.next().done) void paced(counting)
    return this.#missing.count
  }

  *#countMissing(stateKeys: StateKeys): Pieces {
    this.#countsMissing = true
    const { version, names } = this.contracts
    const keys = stateKeys.size
    let [count, looked] = [0, 0]
    for (const name of names) {
      if (!stateKeys.has(name)) count += 1
      if (++looked % lookedAtOnce === 0) yield
    }
    this.#missing = { contracts: version, keys, count }
    this.#countsMissing = false
  }

  close(): void {
    clearInterval(this.#looking)
    clearTimeout(this.#settling)
    this.#eventLoop.close()
  }
}
