import type { Connection } from '@bletchley/zmtp'
import { isWithinShare } from '../shares.ts'
import { firstRequestBytes } from './admission.ts'

/** While something waits, it is looked so often whether it can go on. */
const lookMs = 250

/** Whoever holds room that others wait for has this long, … */
const patienceMs = 10_000
/** … and from then on has to be as fast as this. */
const leastBytesPerSecond = 256 * 1024

export interface ArrivalLimits {
  /**
   * Bytes of requests that have begun to arrive, of one connection while the others have none: half of what they leave of twice
   * as many. What would be more is not read until there is room.
   */
  readonly bytesArriving: number
}

export const defaultArrivalLimits: ArrivalLimits = { bytesArriving: 256 * 1024 * 1024 }

/** What has arrived of a request that is not whole. */
interface Arrival {
  bytes: number
  /** When it was last allowed to go on, and what had come on its connection then. */
  since: number
  receivedBefore: number
}

/**
 * Room for requests while they arrive. Each connection has some for a small one; beyond that who finds none waits, and what it
 * sends waits with the system. If all wait for each other, the one that has waited for longest goes on whatever it takes. Whoever
 * lets others wait and sends nothing, or very slowly, is sent away.
 */
export class Arrivals {
  readonly #limits: ArrivalLimits
  readonly #arrivals = new Map<Connection, Arrival>()
  /** In the order in which they began to wait. */
  readonly #blocked = new Set<Connection>()
  /** May take what it needs. */
  #favored: Connection | undefined
  #bytes = 0
  #looking: NodeJS.Timeout | undefined

  constructor(limits: ArrivalLimits) {
    this.#limits = limits
  }

  /** That are taken, of all connections. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether a part of a request is there. */
  isArriving(connection: Connection): boolean {
    return this.#of(connection).bytes > 0
  }

  /** @returns whether there is room; if not, the connection is told to resume when there is */
  take(connection: Connection, bytes: number): boolean {
    const arrival = this.#of(connection)
    if (!this.#fits(connection, arrival, bytes)) {
      this.#blocked.add(connection)
      this.#looking ??= setTimeout(() => this.#look(), lookMs)
      return false
    }
    const wasSmall = arrival.bytes <= firstRequestBytes
    arrival.bytes += bytes
    this.#bytes += bytes
    const waited = this.#blocked.size > 0 && this.#blocked.delete(connection)
    if (waited || (wasSmall && arrival.bytes > firstRequestBytes)) this.#goOn(connection, arrival)
    if (waited) this.#resumeNext()
    return true
  }

  /** A part of a request is whole, or was given up. */
  give(connection: Connection, bytes: number): void {
    const arrival = this.#of(connection)
    arrival.bytes -= bytes
    this.#bytes -= bytes
    if (connection === this.#favored && arrival.bytes <= firstRequestBytes) this.#favored = undefined
    if (this.#blocked.size > 0) this.#resumeNext()
  }

  end(connection: Connection): void {
    this.#arrivals.delete(connection)
    this.#blocked.delete(connection)
    if (connection === this.#favored) this.#favored = undefined
  }

  close(): void {
    clearTimeout(this.#looking)
  }

  #of(connection: Connection): Arrival {
    const known = this.#arrivals.get(connection)
    if (known !== undefined) return known
    const arrival = { bytes: 0, since: 0, receivedBefore: 0 }
    this.#arrivals.set(connection, arrival)
    return arrival
  }

  #fits(connection: Connection, arrival: Arrival, bytes: number): boolean {
    const wanted = arrival.bytes + bytes
    if (wanted <= firstRequestBytes || connection === this.#favored) return true
    return isWithinShare(wanted, this.#bytes - arrival.bytes, this.#limits.bytesArriving)
  }

  #goOn(connection: Connection, arrival: Arrival): void {
    arrival.since = performance.now()
    arrival.receivedBefore = connection.receivedBytes
  }

  /** The one that has waited for longest tries again; when it has found room, the next one does. */
  #resumeNext(): void {
    const [next] = this.#blocked
    next?.resume()
  }

  #look(): void {
    let isAnyMoving = false
    for (const [connection, arrival] of this.#arrivals) {
      if (arrival.bytes <= firstRequestBytes || this.#blocked.has(connection)) continue
      if (this.#isTooSlow(connection, arrival)) connection.close('slow')
      else isAnyMoving = true
    }
    if (!isAnyMoving) [this.#favored] = this.#blocked
    // Each: the first one may wait for much, and the others for little.
    for (const connection of this.#blocked) connection.resume()
    this.#looking = this.#blocked.size > 0 ? setTimeout(() => this.#look(), lookMs) : undefined
  }

  #isTooSlow({ receivedBytes }: Connection, { since, receivedBefore }: Arrival): boolean {
    const lateMs = performance.now() - since - patienceMs
    return lateMs > 0 && receivedBytes - receivedBefore < (lateMs / 1000) * leastBytesPerSecond
  }
}
