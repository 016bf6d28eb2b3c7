import { maxReplyBytes } from '@bletchley/protocol'
import type { ContractStore } from '@bletchley/store'
import type { ReplyRoom } from '../server/replyRoom.ts'
import { waitForRoom } from './replyRows.ts'

/** What a reading found, and how many bytes that takes in a reply, at most. */
export interface Found<T> {
  readonly found: T
  readonly bytes: number
}

interface Reading<T> {
  /** Of the store, when it began. */
  readonly revision: number
  readonly result: Promise<Found<T>>
}

/**
 * A reading of the whole store, which requests share: a thousand that ask at once are answered from one.
 *
 * None of them gets an older state of the store than that in which it was asked for, or got its room: a reading counts until
 * something is written, and whoever comes then has part in the next one. There is one at a time, and the last one is kept as
 * long as anybody asks. So what is in memory, but for replies that are written, does not grow with the number of requests.
 */
export class SharedReading<T> {
  readonly #store: ContractStore
  readonly #readAll: () => Promise<Found<T>>
  /** The one under way, or the last. */
  #current: Reading<T> | undefined
  /** Has not begun. */
  #next: Promise<Found<T>> | undefined
  /** What the last one took in a reply. */
  #bytes = 0
  #asking = 0

  constructor(store: ContractStore, readAll: () => Promise<Found<T>>) {
    this.#store = store
    this.#readAll = readAll
  }

  /**
   * What is stored, with room taken for it in a reply. Others have it too: it must not be changed.
   *
   * @throws WorkerError `busy` if the peer does not read
   */
  async inRoom(room: ReplyRoom): Promise<T> {
    this.#asking++
    try {
      for (;;) {
        // As much as it was the last time: so it is read when there is room.
        if (!room.tryTake(this.#bytes)) await waitForRoom(room, withGrowth(this.#bytes))
        const fits = await this.#within(room)
        if (fits !== undefined) return fits.found
      }
    } finally {
      if (--this.#asking === 0) this.#current = undefined
    }
  }

  /** In a function of its own: the caller would hold on to what does not fit while it waits. */
  async #within(room: ReplyRoom): Promise<Found<T> | undefined> {
    const found = await this.#read()
    const { bytes } = found
    if (bytes > room.bytes && !room.tryTake(bytes - room.bytes)) return undefined
    room.shrink(bytes)
    return found
  }

  #read(): Promise<Found<T>> {
    const current = this.#current
    if (current?.revision === this.#store.revision) return current.result
    this.#next ??= this.#readBehind(current)
    return this.#next
  }

  async #readBehind(earlier: Reading<T> | undefined): Promise<Found<T>> {
    await earlier?.result.catch(() => {})
    this.#next = undefined
    const reading = { revision: this.#store.revision, result: this.#readAll() }
    this.#current = reading
    try {
      const found = await reading.result
      this.#bytes = found.bytes
      return found
    } catch (error) {
      if (this.#current === reading) this.#current = undefined
      throw error
    }
  }
}

/** What comes while a request waits for room should not make it wait again. */
function withGrowth(bytes: number): number {
  return Math.min(maxReplyBytes, Math.ceil(bytes * 1.1))
}
