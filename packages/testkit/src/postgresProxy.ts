import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'

/** One message of PostgreSQL's protocol 3.0. */
export interface Frame {
  /** Its first byte as a character; empty for what has none: the client's first packets and the answer to SSLRequest. */
  type: string
  body: Buffer
  /** All of it, as it is sent. */
  bytes: Buffer
}

/** From the client to the server, or back. */
export type Direction = 'request' | 'reply'

/** What a client had the server execute: a simple Query, with all that stands in it, or an Execute. */
export interface Statement {
  text: string
  /** The name under which it was prepared; empty if it has none. */
  name: string
}

export interface Cut {
  direction: Direction
  /** 1 is the first frame of that direction, on whichever connection, that comes from now on. */
  frame: number
  /** Whether that frame is still passed on; `halfReply` passes half of its bytes. */
  when?: 'before' | 'after'
  /**
   * `reset` resets its connection, on both sides. `halfReply` does so in the middle of the frame. With `blackHole` nothing
   * passes any more, in either direction, and the sockets stay open until the proxy is closed.
   */
  how: 'reset' | 'blackHole' | 'halfReply'
}

export interface Injection {
  /** Which statements are meant; all if absent. */
  matching?: (statement: Statement) => boolean
  /** Which of those that match from now on; the first if absent. */
  nth?: number
  sqlState: string
  /**
   * ERROR is told in place of the statement's reply. FATAL also ends the connection. WARNING is a notice before the
   * statement's CommandComplete, which stays.
   */
  severity?: 'ERROR' | 'FATAL' | 'WARNING'
  /** Whether the server executes the statement for all that; it always does beside a WARNING. */
  passOn?: boolean
}

/** Whether it has happened. */
export interface Planned {
  readonly done: boolean
}

interface PlannedCut extends Cut {
  done: boolean
}

interface PlannedInjection extends Injection {
  left: number
  done: boolean
}

/**
 * A TCP proxy on 127.0.0.1 that follows PostgreSQL's protocol. It passes everything on unchanged, but for what a test plans. It
 * knows no encryption, of requests nor of connections, and no COPY from the client. It keeps in memory whatever is not
 * taken from it.
 */
export class PostgresProxy implements AsyncDisposable {
  /**
   * How long each reply takes longer, in ms. It is on replies only: a statement arrives, and takes its locks, at once. As on
   * a long line, what comes together is delayed together, and a trip is delayed once.
   */
  delayMs = 0
  /** What clients had executed so far. BEGIN and COMMIT count. */
  readonly statements: Statement[] = []
  readonly #server: Server
  readonly #cuts: PlannedCut[] = []
  readonly #injections: PlannedInjection[] = []
  readonly #connections = new Set<ProxiedConnection>()
  #partitioned = false
  #healed: Promise<void> = Promise.resolve()
  #heal = (): void => {}

  /** @internal Clients use `startProxy`. */
  constructor(server: Server, targetPort: number) {
    this.#server = server
    server.on('connection', (client) => {
      if (this.#partitioned) client.resetAndDestroy()
      else this.#connections.add(new ProxiedConnection(client, connect(targetPort, '127.0.0.1'), this))
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The same database by way of the proxy. */
  urlOf(databaseUrl: string): string {
    return Object.assign(new URL(databaseUrl), { port: String(this.port) }).href
  }

  /** Plans that a connection is cut. */
  cut(cut: Cut): Planned {
    const planned = { ...cut, done: false }
    this.#cuts.push(planned)
    return planned
  }

  /** Plans that a statement gets another reply. It is the only one before its Sync, as drivers have it. */
  inject(injection: Injection): Planned {
    const planned = { ...injection, left: injection.nth ?? 1, done: false }
    this.#injections.push(planned)
    return planned
  }

  /**
   * Whether the two sides are parted. Connections stand still meanwhile: what was sent, the end of a connection as well, arrives
   * afterwards, as TCP has it. New ones are reset.
   */
  get partitioned(): boolean {
    return this.#partitioned
  }

  set partitioned(partitioned: boolean) {
    if (partitioned === this.#partitioned) return
    this.#partitioned = partitioned
    if (!partitioned) this.#heal()
    else
      this.#healed = new Promise((resolve) => {
        this.#heal = resolve
      })
  }

  /** @internal Resolves while the two sides are not parted. */
  async untilHealed(): Promise<void> {
    while (this.#partitioned) await this.#healed
  }

  /** @internal The cut that is due at this frame. */
  cutAt(direction: Direction): Cut | undefined {
    for (const cut of this.#cuts) if (!cut.done && cut.direction === direction) cut.frame--
    const due = this.#cuts.find((cut) => !cut.done && cut.direction === direction && cut.frame === 0)
    if (due) due.done = true
    return due
  }

  /** @internal The injection that this statement gets. */
  injectionFor(statement: Statement): Injection | undefined {
    const meant = this.#injections.filter(({ done, matching }) => !done && (matching?.(statement) ?? true))
    for (const injection of meant) injection.left--
    const due = meant.find(({ left }) => left === 0)
    if (due) due.done = true
    return due
  }

  /** @internal */
  forget(connection: ProxiedConnection): void {
    this.#connections.delete(connection)
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Starts a proxy of the server at a port of 127.0.0.1. */
export async function startProxy(targetPort: number): Promise<PostgresProxy> {
  const server = createServer({ noDelay: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new PostgresProxy(server, targetPort)
}

class ProxiedConnection {
  readonly #proxy: PostgresProxy
  readonly #sockets: Readonly<Record<Direction, { from: Socket; to: Socket }>>
  readonly #readers = { request: new FrameReader('packet'), reply: new FrameReader('message') }
  /** What has been read is handled in order, each direction for itself. */
  readonly #queues = { request: Promise.resolve(), reply: Promise.resolve() }
  /** Texts of prepared statements by name, and names of statements by the portal that they are bound to. */
  readonly #texts = new Map<string, string>()
  readonly #portals = new Map<string, string>()
  /** ReadyForQuery comes once after the start, and once for each of these; so the replies are told apart. */
  #asked = 0
  #answered = -1
  /** What waits for its exchange's replies, in order. */
  readonly #injections: { injection: Injection; exchange: number }[] = []
  /** Whether it ends with the frames that are at hand. */
  #ending = false
  /** Whether nothing passes any more. */
  #cut = false

  constructor(client: Socket, server: Socket, proxy: PostgresProxy) {
    this.#proxy = proxy
    this.#sockets = { request: { from: client, to: server }, reply: { from: server, to: client } }
    server.setNoDelay(true)
    for (const direction of ['request', 'reply'] as const) {
      const { from, to } = this.#sockets[direction]
      from.on('data', (chunk: Buffer) => {
        const frames = [...this.#read(direction, chunk)]
        this.#enqueue(direction, () => this.#pass(direction, frames))
      })
      // The end follows.
      from.on('error', () => {})
      from.on('close', (failed) => {
        this.#enqueue(direction, () => void (failed ? to.resetAndDestroy() : to.end()))
        if (to.destroyed) proxy.forget(this)
      })
    }
  }

  close(): void {
    this.#cut = true
    this.#sockets.request.from.destroy()
    this.#sockets.request.to.destroy()
  }

  *#read(direction: Direction, chunk: Buffer): Generator<Frame> {
    for (const frame of this.#readers[direction].read(chunk)) {
      yield frame
      if (direction === 'reply' || frame.type !== '') continue
      const kind = startKinds[frame.body.readInt32BE()]
      if (kind === 'encryption') this.#readers.reply.next = 'byte'
      else if (kind === undefined) this.#readers.request.next = 'message'
    }
  }

  #enqueue(direction: Direction, step: () => void | Promise<void>): void {
    const due = direction === 'reply' ? performance.now() + this.#proxy.delayMs : 0
    this.#queues[direction] = this.#queues[direction].then(async () => {
      const left = due - performance.now()
      // Timers cut fractions off: it is up to a millisecond longer, not shorter.
      if (left > 0) await setTimeout(Math.ceil(left), undefined, { ref: false })
      await this.#proxy.untilHealed()
      if (!this.#cut) await step()
    })
  }

  async #pass(direction: Direction, frames: readonly Frame[]): Promise<void> {
    const { from, to } = this.#sockets[direction]
    const passed: Buffer[] = []
    for (const read of frames) {
      for (const frame of direction === 'request' ? this.#request(read) : this.#reply(read)) {
        const cut = this.#proxy.cutAt(direction)
        if (cut === undefined) {
          passed.push(frame.bytes)
          continue
        }
        this.#cut = true
        if (cut.how === 'halfReply') passed.push(frame.bytes.subarray(0, frame.bytes.length / 2))
        else if (cut.when === 'after') passed.push(frame.bytes)
        await write(to, passed)
        if (cut.how !== 'blackHole') this.#reset()
        return
      }
    }
    await write(to, passed)
    if (!this.#ending) return
    this.#cut = true
    to.end()
    from.destroy()
  }

  #reset(): void {
    this.#sockets.request.from.resetAndDestroy()
    this.#sockets.request.to.resetAndDestroy()
  }

  /** What the server gets in place of a frame of the client's. */
  #request(frame: Frame): Frame[] {
    switch (frame.type) {
      case 'P': {
        const [name, text] = texts(frame.body)
        this.#texts.set(name!, text!)
        return [frame]
      }
      case 'B': {
        const [portal, name] = texts(frame.body)
        this.#portals.set(portal!, name!)
        return [frame]
      }
      case 'S':
        this.#asked++
        return [frame]
      case 'E': {
        const name = this.#portals.get(texts(frame.body)[0]!)!
        return this.#isExecuted({ text: this.#texts.get(name)!, name }) ? [frame] : []
      }
      case 'Q': {
        const executed = this.#isExecuted({ text: texts(frame.body)[0]!, name: '' })
        this.#asked++
        // The end of the exchange is the server's in any case: about an empty query it says nothing else.
        return executed ? [frame] : [makeFrame('Q', '\0')]
      }
      default:
        return [frame]
    }
  }

  /** Whether a statement reaches the server. */
  #isExecuted(statement: Statement): boolean {
    this.#proxy.statements.push(statement)
    const injection = this.#proxy.injectionFor(statement)
    if (injection === undefined) return true
    this.#injections.push({ injection, exchange: this.#asked + 1 })
    return injection.passOn === true || injection.severity === 'WARNING'
  }

  /** What the client gets in place of a frame of the server's. */
  #reply(frame: Frame): Frame[] {
    const { injection, exchange } = this.#injections[0] ?? {}
    const ready = frame.type === 'Z'
    if (ready) this.#answered++
    if (injection === undefined || exchange! > this.#answered + (ready ? 0 : 1)) return [frame]
    const { severity = 'ERROR', sqlState } = injection
    if (severity === 'WARNING') {
      if (frame.type !== 'C' && !ready) return [frame]
      this.#injections.shift()
      return ready ? [frame] : [makeFrame('N', told(severity, sqlState)), frame]
    }
    if (!ready) return executionReplies.has(frame.type) ? [] : [frame]
    this.#injections.shift()
    const error = makeFrame('E', told(severity, sqlState))
    if (severity === 'ERROR') return [error, frame]
    this.#ending = true
    return [error]
  }
}

/** What a client may send before it starts: requests for encryption (SSL, GSSAPI), or to cancel what another one does. */
const startKinds: Readonly<Record<number, 'encryption' | 'cancel'>> = {
  80877102: 'cancel',
  80877103: 'encryption',
  80877104: 'encryption',
}

/** DataRow, CommandComplete, EmptyQueryResponse, PortalSuspended, ErrorResponse. */
const executionReplies: ReadonlySet<string> = new Set(['D', 'C', 'I', 's', 'E'])

/** Parts a stream into frames. What comes in pieces is joined once. */
export class FrameReader {
  /** What comes next: a message with its type, a packet without one, or one byte alone. */
  next: 'message' | 'packet' | 'byte'
  #pieces: Buffer[] = []
  #length = 0
  /** Bytes without which nothing more can be said. */
  #needed = 1

  constructor(next: 'message' | 'packet') {
    this.next = next
  }

  /** The frames that are complete now. Between two of them, `next` may be changed. */
  *read(chunk: Buffer): Generator<Frame> {
    this.#pieces.push(chunk)
    this.#length += chunk.length
    if (this.#length < this.#needed) return
    let bytes = Buffer.concat(this.#pieces)
    for (let length = this.#frameLength(bytes); length <= bytes.length; length = this.#frameLength(bytes)) {
      const frame = bytes.subarray(0, length)
      bytes = bytes.subarray(length)
      const type = this.next === 'message' ? frame.toString('latin1', 0, 1) : ''
      const header = { message: 5, packet: 4, byte: 0 }[this.next]
      if (this.next === 'byte') this.next = 'message'
      yield { type, body: frame.subarray(header), bytes: frame }
    }
    this.#pieces = [bytes]
    this.#length = bytes.length
    this.#needed = bytes.length === 0 ? 1 : this.#frameLength(bytes)
  }

  #frameLength(bytes: Buffer): number {
    if (this.next === 'byte') return 1
    const typed = this.next === 'message' ? 1 : 0
    return bytes.length < typed + 4 ? typed + 4 : typed + bytes.readInt32BE(typed)
  }
}

/** A message with its type and length. */
export function makeFrame(type: string, text: string): Frame {
  const body = Buffer.from(text)
  const header = Buffer.alloc(5)
  header.write(type, 'latin1')
  header.writeInt32BE(4 + body.length, 1)
  return { type, body, bytes: Buffer.concat([header, body]) }
}

/** The body of an ErrorResponse or a NoticeResponse. */
function told(severity: string, sqlState: string): string {
  return `S${severity}\0V${severity}\0C${sqlState}\0Mby the test's proxy\0\0`
}

/** The first two texts of a body, each ended by a zero byte. */
function texts(body: Buffer): [first: string | undefined, second: string | undefined] {
  const end = body.indexOf(0)
  if (end < 0) return [undefined, undefined]
  const second = body.indexOf(0, end + 1)
  return [body.toString('utf8', 0, end), second < 0 ? undefined : body.toString('utf8', end + 1, second)]
}

/** Resolves when the system has taken it, or when the connection has ended. */
function write(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  if (pieces.length === 0) return Promise.resolve()
  return new Promise((resolve) => void socket.write(Buffer.concat(pieces), () => resolve()))
}
