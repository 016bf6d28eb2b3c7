import type { Connection } from '@bletchley/zmtp'
import { isWithinShare } from '../shares.ts'
import { firstRequestBytes } from './admission.ts'

/** While something waits, it is looked so often whether it can go on. */
const lookMs = 250

/**
 * In so many looks, 10 s, something has to come from whoever holds room that others wait for. Time itself says nothing: the
 * process may have stood still, and its peers with it.
 */
const patienceLooks = 40
/** So much; it is 256 KiB/s. */
const leastBytes = 2.5 * 1024 * 1024

export interface ArrivalLimits {
  /**
   * Bytes of requests that have begun to arrive, of one connection while the others have none: half of what they leave of twice
   * as many. What would be more is not read until there is room; but one connection at a time goes on with its request.
   */
  readonly bytesArriving: number
}

export const defaultArrivalLimits: ArrivalLimits = { bytesArriving: 256 * 1024 * 1024 }

/** Whoever sends requests. */
export type Sender = Pick<Connection, 'share' | 'receivedBytes' | 'resume' | 'close'>

/** What has arrived of a request that is not whole. */
interface Arrival {
  bytes: number
  /** What had come on its connection when it ceased to be small. */
  begunAt: number
  /** While others waited for the room that it has: looks at it, and what had come at the first one. */
  looks: number
  receivedBefore: number
}

/**
 * Room for requests while they arrive. Each connection has some for a small one; beyond that who finds none waits, and what it
 * sends waits with the system. The first one that finds none goes on whatever it takes, and behind its request another one: so they
 * never wait for each other. It is the one that has waited for longest, of the address that has had no turn for longest: a crowd is in
 * the way of others by one turn. Whoever lets others wait and sends nothing, or very slowly, or a message
 * without an end, is sent away.
 */
export class Arrivals {
  readonly #limits: ArrivalLimits
  readonly #arrivals = new Map<Sender, Arrival>()
  /** In the order in which they began to wait, and how many bytes each would take. */
  readonly #blocked = new Map<Sender, number>()
  /** May take what it needs for its request; there is one whenever somebody waits. */
  #favored: Sender | undefined
  /** When, in turns, an address last had one. */
  readonly #turns = new Map<string, number>()
  #turn = 0
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
  isArriving(connection: Sender): boolean {
    return (this.#arrivals.get(connection)?.bytes ?? 0) > 0
  }

  /** @returns whether there is room; if not, the connection is told to resume when there is */
  take(connection: Sender, bytes: number): boolean {
    const arrival = this.#of(connection)
    if (!this.#fits(connection, arrival, bytes)) {
      if (this.#favored !== undefined) {
        this.#blocked.set(connection, bytes)
        this.#looking ??= setTimeout(() => this.#look(), lookMs)
        return false
      }
      this.#favor(connection)
    }
    const wasSmall = arrival.bytes <= firstRequestBytes
    arrival.bytes += bytes
    this.#bytes += bytes
    if (wasSmall && arrival.bytes > firstRequestBytes) {
      arrival.begunAt = connection.receivedBytes
      arrival.looks = 0
    }
    if (this.#blocked.size > 0 && this.#blocked.delete(connection)) this.#resumeNext()
    return true
  }

  /** A part of a request is whole, or was given up. */
  give(connection: Sender, bytes: number): void {
    const arrival = this.#arrivals.get(connection)
    if (arrival === undefined) return
    arrival.bytes -= bytes
    this.#bytes -= bytes
    this.#cameBack(connection, arrival.bytes)
  }

  /** Whatever it has not given back comes back. */
  end(connection: Sender): void {
    this.#bytes -= this.#arrivals.get(connection)?.bytes ?? 0
    this.#arrivals.delete(connection)
    this.#blocked.delete(connection)
    this.#cameBack(connection, 0)
  }

  close(): void {
    clearTimeout(this.#looking)
  }

  #of(connection: Sender): Arrival {
    const known = this.#arrivals.get(connection)
    if (known !== undefined) return known
    const arrival = { bytes: 0, begunAt: 0, looks: 0, receivedBefore: 0 }
    this.#arrivals.set(connection, arrival)
    return arrival
  }

  #fits(connection: Sender, arrival: Arrival, bytes: number): boolean {
    const wanted = arrival.bytes + bytes
    if (wanted <= firstRequestBytes || connection === this.#favored) return true
    return isWithinShare(wanted, this.#bytes - arrival.bytes, this.#limits.bytesArriving)
  }

  #favor(connection: Sender | undefined): void {
    this.#favored = connection
    if (connection === undefined) this.#turns.clear()
    else this.#turns.set(connection.share, ++this.#turn)
  }

  #nextOfBlocked(): Sender | undefined {
    let [next, itsTurn] = [undefined as Sender | undefined, Number.POSITIVE_INFINITY]
    for (const connection of this.#blocked.keys()) {
      const turn = this.#turns.get(connection.share) ?? 0
      if (turn < itsTurn) [next, itsTurn] = [connection, turn]
    }
    return next
  }

  /** Room has come back from a connection that has so much left. */
  #cameBack(connection: Sender, left: number): void {
    if (connection === this.#favored && left <= firstRequestBytes) this.#favor(this.#nextOfBlocked())
    this.#resumeNext()
  }

  /** Whose turn it is, or else the one that has waited for longest, tries again, if there may be room; behind it the next one does. */
  #resumeNext(): void {
    const [first] = this.#blocked.keys()
    const next = this.#favored !== undefined && this.#blocked.has(this.#favored) ? this.#favored : first
    if (next !== undefined) this.#resume(next, this.#blocked.get(next)!)
  }

  #resume(connection: Sender, bytes: number): void {
    if (this.#fits(connection, this.#of(connection), bytes)) connection.resume()
  }

  #look(): void {
    for (const [connection, arrival] of this.#arrivals) {
      if (arrival.bytes <= firstRequestBytes || this.#blocked.has(connection)) continue
      if (isTooSlow(connection, arrival)) connection.close('slow')
    }
    // Also those behind one that finds no room: it may wait for much, and they for little.
    for (const [connection, bytes] of this.#blocked) this.#resume(connection, bytes)
    this.#looking = this.#blocked.size > 0 ? setTimeout(() => this.#look(), lookMs) : undefined
  }
}

/** Looks at one that lets others wait. */
function isTooSlow({ receivedBytes }: Sender, arrival: Arrival): boolean {
  if (arrival.looks++ % patienceLooks !== 0) return false
  const { begunAt, bytes, looks, receivedBefore } = arrival
  arrival.receivedBefore = receivedBytes
  if (looks === 1) return false
  // What is kept has as much room at least as has come of it: where far more has come, most of it is dropped.
  const isEndless = receivedBytes - begunAt > 2 * bytes + leastBytes
  return isEndless || receivedBytes - receivedBefore < leastBytes
}
