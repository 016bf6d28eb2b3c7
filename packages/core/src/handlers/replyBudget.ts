import { maxReplyBytes, WorkerError } from '@bletchley/protocol'

/** A byte is a digit and a comma at least. */
const maxDataBytes = maxReplyBytes / 2

/** Rows of one reply; writing more of them keeps everybody else waiting. */
const maxRows = 100_000

/** Of all replies that are collected side by side. */
const maxDataBytesInAll = 4 * maxDataBytes

/** What the replies of a worker hold that are being collected now. */
export interface Collecting {
  bytes: number
}

/** Adds up what a reply will hold. What cannot be sent need not be collected: it may be larger than the memory. */
export class ReplyBudget implements Disposable {
  readonly #all: Collecting
  #bytes = 0
  #rows = 0

  constructor(all: Collecting) {
    this.#all = all
  }

  /** @throws WorkerError `limit_exceeded` when the reply gets too large, `busy` when all of them together do */
  add(data: Uint8Array): void {
    this.#bytes += data.length
    this.#all.bytes += data.length
    this.#rows += 1
    if (this.#bytes > maxDataBytes)
      throw new WorkerError('limit_exceeded', { limit: 'bytes of deltas', maximum: maxDataBytes })
    if (this.#rows > maxRows) throw new WorkerError('limit_exceeded', { limit: 'deltas in a reply', maximum: maxRows })
    if (this.#all.bytes > maxDataBytesInAll)
      throw new WorkerError('busy', { limit: 'bytes of replies in work', maximum: maxDataBytesInAll })
  }

  /** The reply is collected, or was given up. */
  [Symbol.dispose](): void {
    this.#all.bytes -= this.#bytes
  }
}
