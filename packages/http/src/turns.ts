import type { Socket } from 'node:net'
import { peerOfSocket } from './peer.ts'

/** What waits to be done for a connection. */
interface Line {
  readonly peer: string
  /** Each is told whether it is its turn, or the connection has ended. */
  readonly waiting: ((isTurn: boolean) => void)[]
}

/** Those who wait: the peers by turns, and of each peer its connections. */
class Waiting {
  readonly #lines = new Map<Socket, Line>()
  /** Connections for which something waits, by peer: both in the order in which they come next. */
  readonly #peers = new Map<string, Set<Socket>>()
  readonly #watched = new WeakSet<Socket>()

  get isEmpty(): boolean {
    return this.#peers.size === 0
  }

  /** @returns whether its turn has come; false as soon as the connection has ended, for which nothing need be done any more */
  async turnOf(socket: Socket): Promise<boolean> {
    if (socket.destroyed) return false
    return new Promise((resolve) => {
      const line = this.#lines.get(socket)
      if (line === undefined) this.#join(socket, { peer: peerOfSocket(socket), waiting: [resolve] })
      else line.waiting.push(resolve)
    })
  }

  /** Gives the next its turn. @returns false if nobody waits */
  next(): boolean {
    const [next] = this.#peers
    if (next === undefined) return false
    const [peer, sockets] = next
    const [socket] = sockets as Set<Socket> & [Socket]
    const line = this.#lines.get(socket)!
    const resolve = line.waiting.shift()!
    // Behind the others.
    this.#leave(socket, line)
    if (line.waiting.length > 0) this.#join(socket, line)
    const others = this.#peers.get(peer)
    if (others !== undefined) {
      this.#peers.delete(peer)
      this.#peers.set(peer, others)
    }
    resolve(true)
    return true
  }

  #join(socket: Socket, line: Line): void {
    this.#lines.set(socket, line)
    const sockets = this.#peers.get(line.peer) ?? new Set()
    this.#peers.set(line.peer, sockets.add(socket))
    if (this.#watched.has(socket)) return
    this.#watched.add(socket)
    socket.once('close', () => {
      const line = this.#lines.get(socket)
      if (line === undefined) return
      this.#leave(socket, line)
      for (const resolve of line.waiting) resolve(false)
    })
  }

  #leave(socket: Socket, { peer }: Line): void {
    this.#lines.delete(socket)
    const sockets = this.#peers.get(peer)!
    sockets.delete(socket)
    if (sockets.size === 0) this.#peers.delete(peer)
  }
}

const turns = new Waiting()
let isScheduled = false

/**
 * Waits until it is the turn of a connection. One of all begins in each turn of the event loop, the peers by turns, and of
 * each peer its connections: so whoever has little to be done waits for one piece of each other peer's at most.
 *
 * @returns also when the connection has ended
 */
export async function turnOf(socket: Socket): Promise<void> {
  schedule()
  await turns.turnOf(socket)
}

function schedule(): void {
  if (isScheduled) return
  isScheduled = true
  setImmediate(() => {
    isScheduled = false
    turns.next()
    if (!turns.isEmpty) schedule()
  })
}

/** Does work of which each takes much memory: one at a time, the peers by turns. */
export class OneAtATime {
  readonly #waiting = new Waiting()
  #isBusy = false

  /** @returns undefined if the connection ended before its turn came: then nothing was done */
  async run<T>(socket: Socket, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#isBusy && !(await this.#waiting.turnOf(socket))) return undefined
    this.#isBusy = true
    try {
      return await work()
    } finally {
      // Whoever is next finds it busy, as it stays.
      this.#isBusy = this.#waiting.next()
    }
  }
}
