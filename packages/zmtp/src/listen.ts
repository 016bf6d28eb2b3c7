import { createServer, type Socket } from 'node:net'
import { boxKeys, keyBytes } from './box.ts'
import { Connection, type ConnectionLimits } from './connection.ts'
import type { CurveOptions } from './curve.ts'
import { type PlaceLimits, Places } from './places.ts'
import type { EndReason } from './reasons.ts'
import type { Message } from './session.ts'
import { clearSocketFile, listenOnFile, maxSocketPathBytes } from './socketFile.ts'
import { Turns } from './turns.ts'

/** Connections that wait until they are taken; beyond it they are lost, or come a second later. The system may have a lower bound. */
const backlog = 4096
/** A peer's machine that is gone without a word is noticed: after this, TCP asks. */
const keepaliveMs = 30_000

export interface Limits extends ConnectionLimits, PlaceLimits {}

export const defaultLimits: Limits = {
  maxFrameBytes: 128 * 1024 * 1024,
  maxFrames: 1000,
  maxMessageBytes: 256 * 1024 * 1024,
  handshakeMs: 30_000,
  deafnessMs: 300_000,
  maxConnections: 1000,
  maxConnectionsPerShare: 500,
}

/** Whoever serves the peers. None of these may throw. */
export interface ListenOptions {
  readonly limits?: Partial<Limits>
  /** Without it whoever connects is served, and nothing is encrypted. */
  readonly curve?: CurveOptions
  /**
   * Takes room for what a connection has begun to send. Where there is none, nothing more of it is read before its `resume()`.
   * What exceeds all room by itself has to get it when nothing else has any.
   */
  takeRoom?(connection: Connection, bytes: number): boolean
  /** Room comes back from a message that was never handed out; that of a message is given back by whoever got it. */
  giveRoom?(connection: Connection, bytes: number): void
  /** A handshake is done. */
  onOpen?(connection: Connection): void
  onMessage(connection: Connection, message: Message): void
  /** Each connection that was taken ends once, also one that was never open. */
  onEnd?(connection: Connection, reason: EndReason): void
  /** There are too many connections; said once a minute at most. */
  onFull?(): void
  /**
   * The system could not take a connection. When no files are left it is not told: then libuv takes those that come, and ends
   * them at once, with a file that it keeps for that.
   */
  onAcceptError?(error: Error): void
  /** Whether a connection may give up its place; else those of which nothing waits for the kernel. */
  isIdle?(connection: Connection): boolean
  /** Which addresses share their places; else each is for itself. A socket in a file has no share, only the total counts. */
  shareOf?(address: string): string
}

export interface Listener {
  /** With real ports, in the order given. */
  readonly endpoints: readonly string[]
  /** That are there now, also those that are not open yet. */
  readonly connections: Iterable<Connection> & { readonly size: number }
  /** Takes no connections and reads nothing any more, sends what waits within `graceMs`, and ends all. */
  close(graceMs: number): Promise<void>
}

/**
 * Listens as a ROUTER socket of ZeroMQ does, for REQ, DEALER and ROUTER peers.
 *
 * @param endpoints `tcp://<address>:<port>`, `*` for any address of IPv4 or any port, IPv6 in brackets; `ipc://<path>`, which is
 *                  the owner's alone (mode 0600). A socket that a dead process has left there is replaced, and nothing else; and
 *                  what others put there later is not removed at the end
 * @throws RangeError if an endpoint is of no such kind, Error if it cannot be bound: then none is
 */
export async function listen(endpoints: readonly string[], options: ListenOptions): Promise<Listener> {
  const wanted = endpoints.map(parseEndpoint)
  const door = new Door(options)
  const bound: string[] = []
  for (const address of wanted) {
    try {
      bound.push(await door.bind(address))
    } catch (cause) {
      await door.close(0)
      throw new Error(`${address.endpoint} cannot be bound: ${(cause as Error).message}`, { cause })
    }
  }
  return {
    endpoints: bound,
    connections: door.places,
    close: (graceMs) => door.close(graceMs),
  }
}

/** That this process has taken, at whichever door: each has a number of its own. */
let connections = 0

/** The sockets that listen, and all that came by them. */
class Door {
  readonly places: Places
  readonly #options: ListenOptions
  readonly #limits: Limits
  readonly #turns = new Turns()
  /** Of each socket that listens. */
  readonly #closings: ((onClosed: () => void) => void)[] = []
  readonly #keys: ReturnType<typeof boxKeys> | undefined
  /** Heartbeats come once a second at most; whoever sends them waits for several. */
  readonly #reassuring = setInterval(() => {
    for (const connection of this.places) connection.reassure()
  }, 1000).unref()
  #closing: Promise<void> | undefined
  #emptied: (() => void) | undefined

  constructor(options: ListenOptions) {
    const { curve, limits, isIdle, onFull } = options
    if (curve !== undefined && curve.secretKey.length !== keyBytes) {
      throw new RangeError(`a secret key has ${keyBytes} bytes, not ${curve.secretKey.length}`)
    }
    this.#options = options
    this.#limits = { ...defaultLimits, ...limits }
    this.#keys = curve && boxKeys(curve.secretKey)
    this.places = new Places(this.#limits, isIdle ?? ((connection) => connection.unsentBytes === 0), () => onFull?.())
  }

  /** @returns the endpoint */
  async bind(address: Address): Promise<string> {
    if ('path' in address) await clearSocketFile(address.path)
    // A peer that has said all may still be answered, and what it has said is not read yet: so ends are this side's affair.
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepaliveMs,
    })
    server.on('connection', (socket) => this.#accept(socket))
    const listening = new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.once('listening', () => {
        server.off('error', reject)
        server.on('error', (error) => this.#options.onAcceptError?.(error))
        resolve()
      })
    })
    if ('path' in address) this.#closings.push(listenOnFile(server, address.path, backlog))
    else {
      server.listen({ ...address, backlog })
      this.#closings.push((onClosed) => server.close(onClosed))
    }
    await listening
    const at = server.address()
    if (at === null || typeof at === 'string') return address.endpoint
    const { address: host, port } = at
    return `tcp://${host.includes(':') ? `[${host}]` : host}:${port}`
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    clearInterval(this.#reassuring)
    const closed = this.#closings.map((close) => new Promise<void>(close))
    const all = [...this.places]
    for (const connection of all) {
      if (connection.isReady && graceMs > 0) connection.finish('closed', graceMs)
      else connection.close()
    }
    if (this.places.size > 0) {
      await new Promise<void>((resolve) => {
        this.#emptied = resolve
      })
    }
    await Promise.all(closed)
  }

  #accept(socket: Socket): void {
    const address = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '')
    const share = this.#options.shareOf?.(address) ?? address
    if (this.#closing !== undefined || !this.places.make(share)) {
      socket.on('error', ignore)
      socket.destroy()
      return
    }
    const { curve, takeRoom, giveRoom, onOpen, onMessage, onEnd } = this.#options
    const keys = this.#keys
    const connection: Connection = new Connection(`${++connections}`, address, share, socket, {
      limits: this.#limits,
      turns: this.#turns,
      room: {
        take: (bytes) => takeRoom?.(connection, bytes) ?? true,
        give: (bytes) => giveRoom?.(connection, bytes),
      },
      curve: curve && keys && { keys, authorize: (key) => curve.authorize(key, address) },
      opened: () => onOpen?.(connection),
      message: (message) => onMessage(connection, message),
      ended: (reason) => {
        this.places.remove(connection)
        onEnd?.(connection, reason)
        if (this.places.size === 0) this.#emptied?.()
      },
    })
    this.places.add(connection)
  }
}

type Address = { endpoint: string; path: string } | { endpoint: string; host: string; port: number }

function parseEndpoint(endpoint: string): Address {
  // With a @ libzmq means a name in no file (the abstract namespace of Linux): libuv makes names there that libzmq cannot reach.
  const path = /^ipc:\/\/([^*@].*)$/.exec(endpoint)?.[1]
  if (path !== undefined && Buffer.byteLength(path) <= maxSocketPathBytes) return { endpoint, path }
  const [, inBrackets, plain, port] = /^tcp:\/\/(?:\[([^\]]+)\]|([^[\]:]+)):(\d+|\*)$/.exec(endpoint) ?? []
  const host = inBrackets ?? (plain === '*' ? '0.0.0.0' : plain)
  if (host === undefined || Number(port) > 65_535) throw new RangeError(`${endpoint} is no endpoint`)
  return { endpoint, host, port: port === '*' ? 0 : Number(port) }
}

function ignore(): void {}
