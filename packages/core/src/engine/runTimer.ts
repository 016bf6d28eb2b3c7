/** Parts that a run's time is counted in. */
const parts = 16

/**
 * Ends what runs for too long, by the time in which this process ran as well: while it is stopped, by a signal or with its
 * machine, no timer fires, and the one that fires late is one part of the time however late it is.
 */
export class RunTimer {
  readonly #limitMs: number
  readonly #onEnd: () => void
  #timer: NodeJS.Timeout | undefined

  /** @param limitMs milliseconds from `start` on until `onEnd` is called, if `stop` is not */
  constructor(limitMs: number, onEnd: () => void) {
    this.#limitMs = limitMs
    this.#onEnd = onEnd
  }

  /** Begins anew. */
  start(): void {
    this.stop()
    this.#wait(parts)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #wait(left: number): void {
    this.#timer = setTimeout(() => {
      if (left > 1) this.#wait(left - 1)
      else this.#onEnd()
    }, this.#limitMs / parts)
  }
}
