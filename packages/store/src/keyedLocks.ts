/** Mutual exclusion per name, in the order of the calls. */
export class KeyedLocks {
  /** Per name, what the next caller must wait for. */
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs `task` while it alone holds all the names. They are claimed in one step, so callers cannot block each other. */
  async run<T>(names: Iterable<string>, task: () => Promise<T>): Promise<T> {
    const claimed = new Set(names)
    const before = [...claimed].map((name) => this.#tails.get(name))
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    for (const name of claimed) this.#tails.set(name, released)
    try {
      await Promise.all(before)
      return await task()
    } finally {
      for (const name of claimed) if (this.#tails.get(name) === released) this.#tails.delete(name)
      release()
    }
  }
}
