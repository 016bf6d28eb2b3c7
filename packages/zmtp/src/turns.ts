/** So long, and for so many messages, connections have the processor before everything else has its turn. */
const turnMs = 3
const turnMessages = 64
/** One connection, before the others have theirs. */
const sliceMs = 0.5
const sliceMessages = 16

/** Something that has work to do, and is told when. It may ask for another time at once. */
export interface Job {
  work(): void
}

/** Shares the main thread out among connections: each may send as much as it likes, and holds up nobody for long. */
export class Turns {
  readonly #waiting = new Set<Job>()
  #isTurn = false
  #end = 0
  #messages = 0
  #sliceEnd = 0
  #sliceMessages = 0

  /** A connection begins with what it has. */
  beginSlice(): void {
    const now = performance.now()
    this.#begin(now)
    this.#sliceEnd = Math.min(this.#end, now + sliceMs)
    this.#sliceMessages = Math.min(this.#messages, sliceMessages)
  }

  /** A message was handed out. */
  count(): void {
    this.#messages--
    this.#sliceMessages--
  }

  /** Whether the connection has to leave the rest for later. */
  get isSliceOver(): boolean {
    return this.#sliceMessages <= 0 || performance.now() >= this.#sliceEnd
  }

  later(job: Job): void {
    this.#waiting.add(job)
    this.#begin(performance.now())
  }

  drop(job: Job): void {
    this.#waiting.delete(job)
  }

  #begin(now: number): void {
    if (this.#isTurn) return
    this.#isTurn = true
    this.#end = now + turnMs
    this.#messages = turnMessages
    setImmediate(() => this.#next())
  }

  #next(): void {
    this.#isTurn = false
    if (this.#waiting.size === 0) return
    this.#begin(performance.now())
    // Those that ask again meanwhile come behind the others.
    for (const job of this.#waiting) {
      this.#waiting.delete(job)
      job.work()
      if (this.#messages <= 0 || performance.now() >= this.#end) return
    }
  }
}
