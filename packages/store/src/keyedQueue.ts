/**
 * Runs jobs of one key one after another, in the order of arrival; jobs of different keys run side by side.
 *
 * A job may name several keys: it starts when all of them are free. The keys of a job are claimed in one synchronous
 * step, so two jobs can never wait for each other.
 */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>()

  /** Keys that have a job running or waiting. */
  get size(): number {
    return this.#tails.size
  }

  async run<T>(keys: Iterable<string>, job: () => Promise<T>): Promise<T> {
    const claimed = [...new Set(keys)]
    const earlier = claimed.map((key) => this.#tails.get(key))
    let release!: () => void
    const mine = new Promise<void>((resolve) => {
      release = resolve
    })
    for (const key of claimed) this.#tails.set(key, mine)
    await Promise.all(earlier)
    try {
      return await job()
    } finally {
      for (const key of claimed) if (this.#tails.get(key) === mine) this.#tails.delete(key)
      release()
    }
  }
}
