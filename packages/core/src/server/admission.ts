import { WorkerError } from '@bletchley/protocol'

/** How many requests may be under way: a message that goes beyond is refused at once, as a whole. */
export interface AdmissionLimits {
  /** Of all peers together. */
  readonly inFlight: number
  /** Of one connection. */
  readonly inFlightPerPeer: number
  /** Bytes of all requests under way. They are in memory: a flood of large ones would fill it. */
  readonly bytesInFlight: number
}

export const defaultAdmissionLimits: AdmissionLimits = {
  inFlight: 4096,
  inFlightPerPeer: 1024,
  bytesInFlight: 256 * 1024 * 1024,
}

/** Keeps count of what is under way. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #ofPeer = new Map<string, number>()
  #requests = 0
  #bytes = 0

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** Requests under way. */
  get requests(): number {
    return this.#requests
  }

  /** Takes the requests of one message in; or says why not, and takes none. */
  admit(peer: string, requests: number, bytes: number): WorkerError | undefined {
    const { inFlight, inFlightPerPeer, bytesInFlight } = this.#limits
    const ofPeer = (this.#ofPeer.get(peer) ?? 0) + requests
    if (ofPeer > inFlightPerPeer) return busy('requests of this peer under way', inFlightPerPeer)
    if (this.#requests + requests > inFlight) return busy('requests under way', inFlight)
    if (this.#bytes + bytes > bytesInFlight) return busy('bytes of requests under way', bytesInFlight)
    this.#ofPeer.set(peer, ofPeer)
    this.#requests += requests
    this.#bytes += bytes
    return undefined
  }

  /** What was admitted has ended. */
  release(peer: string, requests: number, bytes: number): void {
    const ofPeer = this.#ofPeer.get(peer)! - requests
    if (ofPeer === 0) this.#ofPeer.delete(peer)
    else this.#ofPeer.set(peer, ofPeer)
    this.#requests -= requests
    this.#bytes -= bytes
  }
}

function busy(limit: string, maximum: number): WorkerError {
  return new WorkerError('busy', { limit, maximum })
}
