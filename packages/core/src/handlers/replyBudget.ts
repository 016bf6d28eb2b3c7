import { maxReplyBytes, WorkerError } from '@bletchley/protocol'

/** A byte is a digit and a comma at least. */
const maxDataBytes = maxReplyBytes / 2

/** Rows of one reply; writing more of them keeps everybody else waiting. */
const maxRows = 100_000

/** Adds up what a reply will hold. What cannot be sent need not be collected: it may be larger than the memory. */
export class ReplyBudget {
  #bytes = 0
  #rows = 0

  /** @throws WorkerError `limit_exceeded` when the reply gets too large */
  add(data: Uint8Array): void {
    this.#bytes += data.length
    this.#rows += 1
    if (this.#bytes > maxDataBytes)
      throw new WorkerError('limit_exceeded', { limit: 'bytes of deltas', maximum: maxDataBytes })
    if (this.#rows > maxRows) throw new WorkerError('limit_exceeded', { limit: 'deltas in a reply', maximum: maxRows })
  }
}
