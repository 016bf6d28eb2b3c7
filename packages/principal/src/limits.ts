/** How often workers may ask. `Infinity` is no limit. */
export interface RateLimits {
  /** Requests a minute of one worker. */
  perWorker: number
  /** Requests a minute of all workers together. */
  inAll: number
  /** Keys of contracts that had none, an hour, for one worker. */
  newKeys: number
  /**
   * Contracts an hour that one worker may ask about, and ten times as many from one address. A request that names none is
   * about all.
   */
  contracts: number
}

/** A core that starts asks for 1000 contracts at a time, and then for each contract that is deployed. */
export const defaultLimits: RateLimits = { perWorker: 600, inAll: 6000, newKeys: 1000, contracts: 1_000_000 }
