import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { peerOfSocket } from './peer.ts'

/** Requests that a peer may send on one connection without waiting for the replies. */
const maxPipelined = 16
/** How long a peer may take to read a reply. */
const readingMs = 30_000
/** Bytes that all peers together may have kept for them: what is held, see below, and replies that they have not read. */
const maxKeptBytes = 64 * 1024 * 1024
/** When so much more is held than at the last look, it is looked at again, which takes as long as there are connections. */
const lookEachBytes = 1024 * 1024
/** How often it is told that there are too many. */
const fullEachMs = 60_000

interface Connection {
  readonly peer: string
  /** Those that have no whole reply yet, also those that have not wholly arrived. */
  readonly requests: Map<IncomingMessage, ServerResponse>
  /** Requests that have come on it. */
  asked: number
  held: number
}

interface Kept {
  bytes: number
  readonly connections: { socket: Socket; bytes: number }[]
}

const accounts = new WeakMap<Socket, (bytes: number) => void>()

/**
 * Takes into account what is held in memory to answer a connection: it counts as replies do that are not read. If that is too
 * much of all, whoever has most is cut off, which may be this one.
 *
 * @param bytes negative for what is held no more
 */
export function hold(socket: Socket, bytes: number): void {
  accounts.get(socket)?.(bytes)
}

/**
 * The connections of a server, and who has to go if there are too many: of whoever has most, the oldest that waits for its
 * peer, and not its peer for us; if there is none, one on which a request is being answered. So neither silence nor half
 * requests keep others out, nor does much to be done, and whoever has little keeps it.
 *
 * A newcomer who would have as many as whoever has most can displace of these alone, and of those that wait for us only one that
 * has asked before: what was just let in is answered.
 */
export class Connections {
  readonly #most: number
  readonly #mostOfPeer: number
  readonly #connections = new Map<Socket, Connection>()
  readonly #ofPeer = new Map<string, Set<Socket>>()
  readonly #onFull: () => void
  #fullAt = Number.NEGATIVE_INFINITY
  #heldSinceLook = 0
  #closing = false

  /** @param onFull is called when there are too many, once a minute at most */
  constructor(server: Server, most: number, mostOfPeer: number, onFull: () => void) {
    this.#most = most
    this.#mostOfPeer = mostOfPeer
    this.#onFull = onFull
    server.on('connection', (socket) => this.#add(socket))
  }

  /** Takes a request into account. @returns false if it is refused, and answered */
  admit(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request
    const connection = this.#connections.get(socket)
    if (connection === undefined) return false
    const { requests } = connection
    requests.set(request, response)
    connection.asked++
    let reading: NodeJS.Timeout | undefined
    response.once('prefinish', () => {
      // Nothing would end the timer any more, and it would keep all that has come on the connection.
      if (socket.destroyed) return
      reading = setTimeout(() => socket.destroy(), readingMs).unref()
    })
    response.once('close', () => {
      clearTimeout(reading)
      requests.delete(request)
      if (this.#closing && requests.size === 0) socket.destroy()
    })
    if (requests.size <= maxPipelined) return true
    if (requests.size === maxPipelined + 1) {
      response.writeHead(429, { 'content-type': 'text/plain', connection: 'close' })
      response.end(`At most ${maxPipelined} requests of one connection at a time\n`)
      // What comes behind it is not even read. Node reads on at the end of each message, so this waits for what it has.
      process.nextTick(() => socket.on('resume', () => socket.pause()).pause())
    }
    return false
  }

  /**
   * Cuts off who has most kept for him, where this has become too many bytes: his oldest connection, until it is few enough, or
   * what is kept for one.
   *
   * @param socket for which something more is kept than before
   */
  boundKept(socket: Socket): void {
    if (this.#keptFor(socket) === 0) return
    this.#heldSinceLook = 0
    const ofPeer = new Map<string, Kept>()
    let total = 0
    let count = 0
    for (const [socket, { peer }] of this.#connections) {
      const bytes = this.#keptFor(socket)
      if (bytes === 0) continue
      const kept = ofPeer.get(peer) ?? { bytes: 0, connections: [] }
      ofPeer.set(peer, kept)
      kept.bytes += bytes
      kept.connections.push({ socket, bytes })
      total += bytes
      count++
    }
    for (; total > maxKeptBytes && count > 1; count--) {
      const [most] = [...ofPeer.values()].sort((one, other) => other.bytes - one.bytes)
      const { socket, bytes } = most!.connections.shift()!
      most!.bytes -= bytes
      total -= bytes
      this.#remove(socket)
      socket.destroy()
    }
  }

  #keptFor(socket: Socket): number {
    const connection = this.#connections.get(socket)
    let bytes = socket.writableLength + (connection?.held ?? 0)
    // Replies behind another one have no socket yet.
    for (const response of connection?.requests.values() ?? []) {
      if (response.socket === null) bytes += response.writableLength
    }
    return bytes
  }

  /** Ends those on which nobody waits for a reply, and the others when they have it. */
  end(): void {
    this.#closing = true
    for (const [socket, { requests }] of this.#connections) if (requests.size === 0) socket.destroy()
  }

  destroy(): void {
    for (const socket of this.#connections.keys()) socket.destroy()
  }

  #add(socket: Socket): void {
    const peer = peerOfSocket(socket)
    if (!this.#makeRoom(peer)) {
      socket.destroy()
      return
    }
    const connection: Connection = { peer, requests: new Map(), asked: 0, held: 0 }
    this.#connections.set(socket, connection)
    accounts.set(socket, (bytes) => {
      connection.held += bytes
      this.#heldSinceLook += Math.max(0, bytes)
      if (this.#heldSinceLook >= lookEachBytes) this.boundKept(socket)
    })
    const sockets = this.#ofPeer.get(peer) ?? new Set()
    this.#ofPeer.set(peer, sockets.add(socket))
    socket.once('close', () => this.#remove(socket))
  }

  #remove(socket: Socket): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    this.#connections.delete(socket)
    const sockets = this.#ofPeer.get(connection.peer)!
    sockets.delete(socket)
    if (sockets.size === 0) this.#ofPeer.delete(connection.peer)
  }

  #makeRoom(peer: string): boolean {
    const own = this.#ofPeer.get(peer) ?? new Set()
    const isOwnFault = own.size >= this.#mostOfPeer
    if (!isOwnFault && this.#connections.size < this.#most) return true
    this.#tellFull()
    const crowds = [...this.#ofPeer.values()].sort((one, other) => other.size - one.size)
    const [largest = own] = crowds
    const hasLess = !isOwnFault && own.size + 1 < largest.size
    const most = hasLess ? [largest] : isOwnFault ? [own] : crowds.filter(({ size }) => size >= own.size)
    const sockets = most.flatMap((crowd) => [...crowd])
    const victim = sockets.find((socket) => this.#isWaiting(socket)) ?? this.#busiest(sockets, hasLess ? 1 : 2)
    if (victim === undefined) return false
    this.#remove(victim)
    victim.destroy()
    return true
  }

  #tellFull(): void {
    const now = performance.now()
    if (now - this.#fullAt < fullEachMs) return
    this.#fullAt = now
    this.#onFull()
  }

  #isWaiting(socket: Socket): boolean {
    return ![...this.#connections.get(socket)!.requests.keys()].some(({ complete }) => complete)
  }

  /** The one on which most was asked, and so much at least; of several the newest, which has waited least. */
  #busiest(sockets: readonly Socket[], least: number): Socket | undefined {
    let busiest: Socket | undefined
    let most = least
    for (const socket of sockets) {
      const { asked } = this.#connections.get(socket)!
      if (asked < most) continue
      busiest = socket
      most = asked
    }
    return busiest
  }
}
