import { forEachPaced } from './pacer.ts'

/** The jobs of one key. */
interface Line {
  /** Settles when the last of them has ended. */
  tail: Promise<void>
  /** How many run or wait. */
  jobs: number
}

/**
 * Runs jobs of one key one after another, in the order of arrival; jobs of different keys run side by side.
 *
 * A job may name several keys: it starts when all of them are free. The keys of a job are claimed in one synchronous
 * step, so two jobs can never wait for each other.
 */
export class KeyedQueue {
  readonly #lines = new Map<string, Line>()

  /** Keys that have a job running or waiting. */
  get size(): number {
    return this.#lines.size
  }

  /** Jobs of a key that run or wait. */
  length(key: string): number {
    return this.#lines.get(key)?.jobs ?? 0
  }

  /** How many jobs each key has, running or waiting, if it has any. */
  *lengths(): Generator<[key: string, jobs: number]> {
    for (const [key, { jobs }] of this.#lines) yield [key, jobs]
  }

  async run<T>(keys: Iterable<string>, job: () => Promise<T>): Promise<T> {
    const claimed = keys instanceof Set ? (keys as ReadonlySet<string>) : new Set(keys)
    let release!: () => void
    const mine = new Promise<void>((resolve) => {
      release = resolve
    })
    // Many keys may be behind the same job.
    const earlier = new Set<Promise<void>>()
    for (const key of claimed) {
      const line = this.#lines.get(key)
      if (line === undefined) this.#lines.set(key, { tail: mine, jobs: 1 })
      else {
        earlier.add(line.tail)
        line.tail = mine
        line.jobs += 1
      }
    }
    await Promise.all(earlier)
    try {
      return await job()
    } finally {
      // Those who come meanwhile find the key free, or wait for all of them: the job has ended either way.
      await forEachPaced(claimed, (key) => {
        const line = this.#lines.get(key)!
        line.jobs -= 1
        if (line.jobs === 0) this.#lines.delete(key)
      })
      release()
    }
  }
}
