import type { Connection } from './connection.ts'

export interface PlaceLimits {
  /** Connections, of all peers. */
  readonly maxConnections: number
  /** Of peers that share an address. */
  readonly maxConnectionsPerShare: number
}

/** How often it is told that there are too many. */
const fullEachMs = 60_000

/**
 * The places of connections, and who gives one up to a newcomer: one that has not finished its handshake, else the one that has been
 * idle for longest, of those that have the most. So whoever has nothing finds a place, and crowds displace themselves.
 */
export class Places {
  readonly #limits: PlaceLimits
  readonly #isIdle: (connection: Connection) => boolean
  readonly #onFull: () => void
  readonly #shares = new Map<string, Set<Connection>>()
  readonly #connections = new Set<Connection>()
  #fullAt = Number.NEGATIVE_INFINITY

  /** @param onFull is called when there are too many, once a minute at most */
  constructor(limits: PlaceLimits, isIdle: (connection: Connection) => boolean, onFull: () => void) {
    this.#limits = limits
    this.#isIdle = isIdle
    this.#onFull = onFull
  }

  get size(): number {
    return this.#connections.size
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#connections.values()
  }

  /** Makes sure that there is a place, and ends a connection for it. @returns false if there is none */
  make(share: string): boolean {
    const own = this.#shares.get(share)
    const isOwnFault = share !== '' && (own?.size ?? 0) >= this.#limits.maxConnectionsPerShare
    if (!isOwnFault && this.size < this.#limits.maxConnections) return true
    this.#tellFull()
    const crowds = isOwnFault ? [own!] : [...this.#shares.values()]
    const displaced = mostOf(crowds, isUnfinished) ?? mostOf(crowds, this.#isIdle)
    displaced?.close('displaced')
    return displaced !== undefined
  }

  add(connection: Connection): void {
    const { share } = connection
    this.#connections.add(connection)
    const crowd = this.#shares.get(share) ?? new Set()
    this.#shares.set(share, crowd.add(connection))
  }

  remove(connection: Connection): void {
    if (!this.#connections.delete(connection)) return
    const crowd = this.#shares.get(connection.share)!
    crowd.delete(connection)
    if (crowd.size === 0) this.#shares.delete(connection.share)
  }

  #tellFull(): void {
    const now = performance.now()
    if (now - this.#fullAt < fullEachMs) return
    this.#fullAt = now
    this.#onFull()
  }
}

function isUnfinished(connection: Connection): boolean {
  return !connection.isReady
}

/** Of the crowd that has the most of that kind, the one that has said nothing for longest. */
function mostOf(
  crowds: Iterable<ReadonlySet<Connection>>,
  isOfKind: (connection: Connection) => boolean,
): Connection | undefined {
  let [found, most]: [Connection | undefined, number] = [undefined, 0]
  for (const crowd of crowds) {
    // Those that cannot have more need not be counted.
    if (crowd.size <= most) continue
    let [longest, count]: [Connection | undefined, number] = [undefined, 0]
    for (const connection of crowd) {
      if (!isOfKind(connection)) continue
      count++
      if (longest === undefined || connection.lastReceivedAt < longest.lastReceivedAt) longest = connection
    }
    if (count > most) [found, most] = [longest, count]
  }
  return found
}
