/** How much a {@link BoundedMap} may hold. */
export interface Bounds<V> {
  /** Greatest number of entries; unlimited when absent. */
  entries?: number
  /** Milliseconds after which an entry is gone; for ever when absent. */
  lifetimeMs?: number
  /** Greatest sum of what the entries weigh (bytes, say), each when it is put in; unlimited when absent. */
  weight?: { most: number; of(value: V): number }
}

/** How much is held. */
export interface CacheSize {
  entries: number
  /** An estimate of what they take in memory. */
  bytes: number
}

interface Entry<V> {
  value: V
  weight: number
  expiresAt: number
}

/**
 * A map from text to values that cannot grow without bound: the oldest entries give way, and old ones expire.
 *
 * The reference's maps of user keys and pending key exchanges grow for ever; a peer could fill the memory with them.
 */
export class BoundedMap<V> {
  readonly #entries = new Map<string, Entry<V>>()
  readonly #bounds: Bounds<V>
  readonly #now: () => number
  readonly #onGone: (key: string, value: V) => void
  #weight = 0
  /** Walks from the oldest entry to the newest. A walk from the start steps over all that were deleted there, one by one. */
  #walk = this.#entries.entries()
  /** Where the walk is, unless that entry is gone or the newest again. */
  #oldest: [string, Entry<V>] | undefined

  /**
   * @param now the clock, in milliseconds; by default one that nobody sets, unlike the time of day
   * @param onGone is told of every entry that goes, for whatever reason
   */
  constructor(
    bounds: Bounds<V>,
    {
      now = () => performance.now(),
      onGone = () => {},
    }: { now?: () => number; onGone?: (key: string, value: V) => void } = {},
  ) {
    this.#bounds = bounds
    this.#now = now
    this.#onGone = onGone
  }

  get size(): number {
    return this.#entries.size
  }

  /** Sum of the entries' weights. */
  get weight(): number {
    return this.#weight
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (entry.expiresAt <= this.#now()) {
      this.delete(key)
      return undefined
    }
    return entry.value
  }

  /** As `get`, and makes the entry the newest, so that of entries which are read like this the least used one gives way. */
  use(key: string): V | undefined {
    const value = this.get(key)
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#remove(key, entry)
    this.#entries.set(key, entry)
    return value
  }

  /** Puts a value in as the newest entry, in place of an older one of the same key; one that weighs too much is gone at once. */
  set(key: string, value: V): void {
    this.delete(key)
    const unlimited = Number.POSITIVE_INFINITY
    const { entries = unlimited, lifetimeMs = unlimited, weight: bound } = this.#bounds
    const weight = bound?.of(value) ?? 0
    const now = this.#now()
    this.#entries.set(key, { value, weight, expiresAt: now + lifetimeMs })
    this.#weight += weight
    for (let oldest = this.#findOldest(); oldest !== undefined; oldest = this.#findOldest()) {
      const fits = this.#entries.size <= entries && this.#weight <= (bound?.most ?? unlimited)
      if (fits && oldest[1].expiresAt > now) break
      this.delete(oldest[0])
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#remove(key, entry)
    this.#weight -= entry.weight
    this.#onGone(key, entry.value)
  }

  /** Takes a value out: it can be taken once. */
  take(key: string): V | undefined {
    const value = this.get(key)
    this.delete(key)
    return value
  }

  #remove(key: string, entry: Entry<V>): void {
    this.#entries.delete(key)
    if (this.#oldest?.[1] === entry) this.#oldest = undefined
  }

  #findOldest(): [string, Entry<V>] | undefined {
    if (this.#oldest !== undefined) return this.#oldest
    const step = this.#walk.next()
    // Behind its end a walk stays there: all entries that it met are gone.
    if (step.done) this.#walk = this.#entries.entries()
    this.#oldest = step.done ? undefined : step.value
    return this.#oldest
  }
}
