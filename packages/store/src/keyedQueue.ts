/**
 * Runs jobs of one key one after another, in the order of arrival; jobs of different keys run side by side.
 *
 * A job may name several keys: it starts when all of them are free. The keys of a job are claimed in one synchronous
 * step, so two jobs can never wait for each other.
 */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>()
  readonly #lengths = new Map<string, number>()

  /** Keys that have a job running or waiting. */
  get size(): number {
    return this.#tails.size
  }

  /** Jobs of a key that run or wait. */
  length(key: string): number {
    return this.#lengths.get(key) ?? 0
  }

  /** How many jobs each of these keys has, running or waiting. */
  get lengths(): ReadonlyMap<string, number> {
    return this.#lengths
  }

  async run<T>(keys: Iterable<string>, job: () => Promise<T>): Promise<T> {
    const claimed = [...new Set(keys)]
    const earlier = claimed.map((key) => this.#tails.get(key))
    let release!: () => void
    const mine = new Promise<void>((resolve) => {
      release = resolve
    })
    for (const key of claimed) {
      this.#tails.set(key, mine)
      this.#lengths.set(key, (this.#lengths.get(key) ?? 0) + 1)
    }
    await Promise.all(earlier)
    try {
      return await job()
    } finally {
      for (const key of claimed) {
        const left = this.#lengths.get(key)! - 1
        if (left > 0) this.#lengths.set(key, left)
        else {
          this.#lengths.delete(key)
          this.#tails.delete(key)
        }
      }
      release()
    }
  }
}
