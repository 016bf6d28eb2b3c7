/** Holds a period's worth of tokens, and fills evenly. A capacity of `Infinity` is no limit. */
export class TokenBucket {
  readonly #capacity: number
  readonly #perMs: number
  readonly #now: () => number
  #tokens: number
  #filledAt: number

  /** @param now the clock, in milliseconds */
  constructor(capacity: number, periodMs: number, now: () => number) {
    this.#capacity = capacity
    this.#perMs = capacity / periodMs
    this.#now = now
    this.#tokens = capacity
    this.#filledAt = now()
  }

  /** @returns 0 if the tokens were there and are taken; else, and nothing is taken, milliseconds until they are there */
  take(count: number): number {
    if (this.#capacity === Number.POSITIVE_INFINITY) return 0
    const now = this.#now()
    this.#tokens = Math.min(this.#capacity, this.#tokens + (now - this.#filledAt) * this.#perMs)
    this.#filledAt = now
    if (this.#tokens < count) return Math.ceil((count - this.#tokens) / this.#perMs)
    this.#tokens -= count
    return 0
  }
}

/** What is counted for each key, as buckets; of so many keys: beyond, the one that asked longest ago starts afresh. */
export class RecentlyUsed<T> {
  readonly #create: () => T
  readonly #most: number
  readonly #values = new Map<string, T>()

  constructor(create: () => T, most: number) {
    this.#create = create
    this.#most = most
  }

  get(key: string): T {
    const value = this.#values.get(key) ?? this.#create()
    this.#values.delete(key)
    this.#values.set(key, value)
    const [oldest] = this.#values.keys()
    if (this.#values.size > this.#most && oldest !== undefined) this.#values.delete(oldest)
    return value
  }
}
