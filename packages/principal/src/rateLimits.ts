import { RecentlyUsed, TokenBucket } from '@bletchley/http'
import { defaultLimits, type RateLimits } from './limits.ts'

/** Requests a minute of those who may have no keys, together: more are not even written down. */
const strangersPerMinute = 60
/** Workers, and peers, that are told apart; beyond, the one that asked longest ago starts afresh. */
const maxWorkers = 10_000
/** Workers may have one address in common. */
const workersOfPeer = 10
const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** Says how long a request has to wait; 0 if it need not. */
export class RateLimiter {
  readonly #inAll: TokenBucket
  readonly #strangers: TokenBucket
  readonly #maxContracts: number
  readonly #peers: RecentlyUsed<{ requests: TokenBucket; contracts: TokenBucket }>
  readonly #workers: RecentlyUsed<{ requests: TokenBucket; newKeys: TokenBucket; contracts: TokenBucket }>

  /** @param now the clock, in milliseconds */
  constructor(limits: Partial<RateLimits> = {}, now: () => number = performance.now.bind(performance)) {
    const { perWorker, inAll, newKeys, contracts } = { ...defaultLimits, ...limits }
    this.#inAll = new TokenBucket(inAll, minuteMs, now)
    this.#strangers = new TokenBucket(strangersPerMinute, minuteMs, now)
    this.#maxContracts = contracts
    const ofPeer = () => ({
      requests: new TokenBucket(inAll, minuteMs, now),
      contracts: new TokenBucket(workersOfPeer * contracts, hourMs, now),
    })
    this.#peers = new RecentlyUsed(ofPeer, maxWorkers)
    const ofWorker = () => ({
      requests: new TokenBucket(perWorker, minuteMs, now),
      newKeys: new TokenBucket(newKeys, hourMs, now),
      contracts: new TokenBucket(contracts, hourMs, now),
    })
    this.#workers = new RecentlyUsed(ofWorker, maxWorkers)
  }

  /** For a request of which nothing is known but the address, before it is looked at. No address needs more than all workers may ask. */
  peer(address: string): number {
    return this.#peers.get(address).requests.take(1)
  }

  request(worker: string): number {
    return this.#workers.get(worker).requests.take(1) || this.#inAll.take(1)
  }

  newKeys(worker: string, count: number): number {
    return this.#workers.get(worker).newKeys.take(count)
  }

  /** A request about more than there ever is room for takes all the room there is. */
  contracts(worker: string, address: string, count: number): number {
    const taken = Math.min(count, this.#maxContracts)
    return this.#workers.get(worker).contracts.take(taken) || this.#peers.get(address).contracts.take(taken)
  }

  stranger(): number {
    return this.#strangers.take(1)
  }
}
