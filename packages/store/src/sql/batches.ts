import { OutcomeUnknown, StorageError } from '../errors.ts'
import { verdictOf } from './sqlErrors.ts'

/** Two at a time: while one waits for the disk, the next one is on its way. */
const mostUnderWay = 2
/** What one batch has: the first of these that is reached. An item that has more is alone. */
const mostItems = 64
const mostBytes = 1 << 20

interface Waiting<Item, Result> {
  item: Item
  bytes: number
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Gathers what comes while others are being written, so that as many share a trip and a flush. Who comes alone does not wait.
 */
export class Batches<Item, Result> {
  readonly #sizeOf: (item: Item) => number
  readonly #send: (items: Item[]) => Promise<Result[]>
  #waiting: Waiting<Item, Result>[] = []
  #underWay = 0

  /**
   * @param sizeOf bytes of an item
   * @param send writes items, all together or none of them, and gives a result for each, in their order
   */
  constructor(sizeOf: (item: Item) => number, send: (items: Item[]) => Promise<Result[]>) {
    this.#sizeOf = sizeOf
    this.#send = send
  }

  /** @throws what `send` throws for this item */
  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, bytes: this.#sizeOf(item), resolve, reject })
      this.#start()
    })
  }

  #start(): void {
    while (this.#underWay < mostUnderWay && this.#waiting.length > 0) {
      this.#underWay++
      void this.#carryOut(this.#take()).finally(() => {
        this.#underWay--
        this.#start()
      })
    }
  }

  #take(): Waiting<Item, Result>[] {
    let bytes = 0
    let count = 0
    for (const next of this.#waiting) {
      bytes += next.bytes
      if (count > 0 && (count === mostItems || bytes > mostBytes)) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #carryOut(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#send(batch.map(({ item }) => item))
      for (const [index, { resolve }] of batch.entries()) resolve(results[index]!)
    } catch (error) {
      if (batch.length > 1 && isOfOneItem(error)) for (const one of batch) await this.#carryOut([one])
      else for (const { reject } of batch) reject(error)
    }
  }
}

/** Whether others of the batch may succeed without the one that is to blame. */
function isOfOneItem(error: unknown): boolean {
  if (!(error instanceof StorageError) || error instanceof OutcomeUnknown) return false
  const verdict = verdictOf(error)
  return verdict === 'refused' || verdict === 'again'
}
