import { WorkerError } from '@bletchley/protocol'
import { isWithinShare } from '../shares.ts'

/** How many requests may be under way: a message that goes beyond is refused at once, as a whole. */
export interface AdmissionLimits {
  /** Of all peers together. */
  readonly inFlight: number
  /** Of one connection. */
  readonly inFlightPerPeer: number
  /**
   * Bytes of requests that one connection may have under way while the others have none: half of what they leave of twice as
   * many, so nobody takes the last. They are in memory: a flood of large ones would fill it.
   */
  readonly bytesInFlight: number
}

export const defaultAdmissionLimits: AdmissionLimits = {
  inFlight: 4096,
  inFlightPerPeer: 1024,
  bytesInFlight: 256 * 1024 * 1024,
}

/** A request of no more is taken of a connection that has none under way, whatever the others have. */
export const firstRequestBytes = 32 * 1024

/** What one connection has under way. */
interface Share {
  requests: number
  bytes: number
}

/** Keeps count of what is under way. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #ofPeer = new Map<string, Share>()
  #requests = 0
  #bytes = 0

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** Requests under way. */
  get requests(): number {
    return this.#requests
  }

  /** Whether a peer has requests under way. */
  isServing(peer: string): boolean {
    return this.#ofPeer.has(peer)
  }

  /** Takes the requests of one message in; or says why not, and takes none. */
  admit(peer: string, requests: number, bytes: number): WorkerError | undefined {
    const share = this.#ofPeer.get(peer)
    const refusal = this.#refusal(share, requests, bytes)
    if (refusal !== undefined) return refusal
    if (share === undefined) this.#ofPeer.set(peer, { requests, bytes })
    else {
      share.requests += requests
      share.bytes += bytes
    }
    this.#requests += requests
    this.#bytes += bytes
    return undefined
  }

  #refusal(share: Share | undefined, requests: number, bytes: number): WorkerError | undefined {
    const { inFlight, inFlightPerPeer, bytesInFlight } = this.#limits
    const own = share ?? { requests: 0, bytes: 0 }
    if (own.requests + requests > inFlightPerPeer) return busy('requests of this peer under way', inFlightPerPeer)
    // Those who connect again and again have a first one each: bounded as well.
    const isFirst = share === undefined && requests === 1 && bytes <= firstRequestBytes
    if (this.#requests + requests > (isFirst ? 2 * inFlight : inFlight)) return busy('requests under way', inFlight)
    const others = this.#bytes - own.bytes
    if (isFirst || isWithinShare(own.bytes + bytes, others, bytesInFlight)) return undefined
    return busy('bytes of requests under way', bytesInFlight)
  }

  /** What was admitted has ended. */
  release(peer: string, requests: number, bytes: number): void {
    const share = this.#ofPeer.get(peer)!
    share.requests -= requests
    share.bytes -= bytes
    if (share.requests === 0) this.#ofPeer.delete(peer)
    this.#requests -= requests
    this.#bytes -= bytes
  }
}

function busy(limit: string, maximum: number): WorkerError {
  return new WorkerError('busy', { limit, maximum })
}
