/** How much a {@link BoundedMap} may hold. */
export interface Bounds {
  /** Greatest number of entries. */
  entries: number
  /** Milliseconds after which an entry is gone; for ever when absent. */
  lifetimeMs?: number
  /** Greatest sum of the entries' weights (bytes, say); unlimited when absent. */
  weight?: number
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
  readonly #bounds: Bounds
  readonly #now: () => number
  #weight = 0

  /** @param now the clock, in milliseconds; a parameter so that expiry can be tested without waiting */
  constructor(bounds: Bounds, now: () => number = Date.now) {
    this.#bounds = bounds
    this.#now = now
  }

  get size(): number {
    return this.#entries.size
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

  /** Puts a value in as the newest entry, in place of an older one of the same key. */
  set(key: string, value: V, weight = 0): void {
    this.delete(key)
    const { entries, lifetimeMs = Number.POSITIVE_INFINITY, weight: greatest = Number.POSITIVE_INFINITY } = this.#bounds
    this.#entries.set(key, { value, weight, expiresAt: this.#now() + lifetimeMs })
    this.#weight += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= entries && this.#weight <= greatest) break
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#weight -= entry.weight
  }

  /** Takes a value out: it can be taken once. */
  take(key: string): V | undefined {
    const value = this.get(key)
    this.delete(key)
    return value
  }

  /** Drops every entry whose value matches. */
  deleteWhere(matches: (value: V) => boolean): void {
    for (const [key, entry] of this.#entries) if (matches(entry.value)) this.delete(key)
  }
}
