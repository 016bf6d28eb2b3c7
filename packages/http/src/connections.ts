import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { peerOf } from './peer.ts'

/** Requests that a peer may send on one connection without waiting for the replies. */
const maxPipelined = 16
/** How long a peer may take to read a reply. */
const readingMs = 30_000
/** How often it is told that there are too many. */
const fullEachMs = 60_000

interface Connection {
  readonly peer: string
  /** Those that have no whole reply yet, also those that have not wholly arrived. */
  readonly requests: Set<IncomingMessage>
}

/**
 * The connections of a server, and who has to go if there are too many: the oldest that waits for its peer, and not its
 * peer for us. So neither silence nor half requests keep others out.
 */
export class Connections {
  readonly #most: number
  readonly #mostOfPeer: number
  readonly #connections = new Map<Socket, Connection>()
  readonly #ofPeer = new Map<string, Set<Socket>>()
  readonly #onFull: () => void
  #fullAt = Number.NEGATIVE_INFINITY
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
    requests.add(request)
    let reading: NodeJS.Timeout | undefined
    response.once('prefinish', () => {
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

  /** Ends those on which nobody waits for a reply, and the others when they have it. */
  end(): void {
    this.#closing = true
    for (const [socket, { requests }] of this.#connections) if (requests.size === 0) socket.destroy()
  }

  destroy(): void {
    for (const socket of this.#connections.keys()) socket.destroy()
  }

  #add(socket: Socket): void {
    const peer = peerOf(socket.remoteAddress ?? '')
    if (!this.#makeRoom(peer)) {
      socket.destroy()
      return
    }
    this.#connections.set(socket, { peer, requests: new Set() })
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
    const own = this.#ofPeer.get(peer)
    const isOwnFault = own !== undefined && own.size >= this.#mostOfPeer
    if (!isOwnFault && this.#connections.size < this.#most) return true
    this.#tellFull()
    if (isOwnFault) return this.#displaceOneOf(own)
    const crowds = [...this.#ofPeer.values()].sort((one, other) => other.size - one.size)
    return crowds.some((crowd) => this.#displaceOneOf(crowd))
  }

  #tellFull(): void {
    const now = performance.now()
    if (now - this.#fullAt < fullEachMs) return
    this.#fullAt = now
    this.#onFull()
  }

  #displaceOneOf(sockets: ReadonlySet<Socket>): boolean {
    for (const socket of sockets) {
      if ([...this.#connections.get(socket)!.requests].some(({ complete }) => complete)) continue
      this.#remove(socket)
      socket.destroy()
      return true
    }
    return false
  }
}
