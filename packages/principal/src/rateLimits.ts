/** How often workers may ask. `Infinity` is no limit. */
export interface RateLimits {
  /** Requests a minute of one worker. */
  perWorker: number
  /** Requests a minute of all workers together. */
  inAll: number
  /** Keys of contracts that had none, an hour, for one worker. */
  newKeys: number
}

/** A core that starts asks for 1000 contracts at a time, and then for each contract that is deployed. */
export const defaultLimits: RateLimits = { perWorker: 600, inAll: 6000, newKeys: 1000 }

/** Requests a minute of those who may have no keys, together: more are not even written down. */
const strangersPerMinute = 60
/** Workers that are told apart; beyond, the one that asked longest ago starts afresh. */
const maxWorkers = 10_000
const minuteMs = 60_000
const hourMs = 60 * minuteMs

interface Buckets {
  requests: Bucket
  newKeys: Bucket
}

/** Says how long a request has to wait; 0 if it need not. */
export class RateLimiter {
  readonly #limits: RateLimits
  readonly #now: () => number
  readonly #inAll: Bucket
  readonly #strangers: Bucket
  readonly #workers = new Map<string, Buckets>()

  /** @param now the clock, in milliseconds */
  constructor(limits: Partial<RateLimits> = {}, now: () => number = performance.now.bind(performance)) {
    this.#limits = { ...defaultLimits, ...limits }
    this.#now = now
    this.#inAll = new Bucket(this.#limits.inAll, minuteMs, now)
    this.#strangers = new Bucket(strangersPerMinute, minuteMs, now)
  }

  request(worker: string): number {
    return this.#of(worker).requests.take(1) || this.#inAll.take(1)
  }

  newKeys(worker: string, count: number): number {
    return this.#of(worker).newKeys.take(count)
  }

  stranger(): number {
    return this.#strangers.take(1)
  }

  #of(worker: string): Buckets {
    const buckets = this.#workers.get(worker) ?? {
      requests: new Bucket(this.#limits.perWorker, minuteMs, this.#now),
      newKeys: new Bucket(this.#limits.newKeys, hourMs, this.#now),
    }
    this.#workers.delete(worker)
    this.#workers.set(worker, buckets)
    const [oldest] = this.#workers.keys()
    if (this.#workers.size > maxWorkers && oldest !== undefined) this.#workers.delete(oldest)
    return buckets
  }
}

/** Holds a period's worth of tokens, and fills evenly. */
class Bucket {
  readonly #capacity: number
  readonly #perMs: number
  readonly #now: () => number
  #tokens: number
  #filledAt: number

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
