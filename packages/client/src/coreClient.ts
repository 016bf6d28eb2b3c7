import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import { encodeZ85 } from '@bletchley/crypto'
import {
  decodeReply,
  encodeRequest,
  type FailedTaskReply,
  fromWireMessage,
  type MessageType,
  messages,
  messageTypes,
  type ReplyResult,
  type RequestInput,
  replyId,
  type TaskType,
  WorkerError,
} from '@bletchley/protocol'
import { Dealer } from 'zeromq'
import { assertAnswers } from './answers.ts'

/** The signed failure that a deployment or a computation may end in. */
export type FailedTask = FailedTaskReply['result']

/** What a request brings: for a task, a result or a failure, told apart by `kind`; for the rest, the result. */
export type Answer<K extends MessageType> = K extends TaskType
  ? { kind: 'success'; result: ReplyResult<K> } | { kind: 'failed'; result: FailedTask }
  : ReplyResult<K>

export interface CallOptions {
  /** Milliseconds to wait for the reply; the client's default if absent. */
  timeoutMs?: number
}

/** One method per message, named as the message: `getTip`, `computeTask`, `getPTTRequest`, `pTTResponse`. */
export type CoreMethods = {
  [K in MessageType as Uncapitalize<K>]: (input: RequestInput<K>, options?: CallOptions) => Promise<Answer<K>>
}

/** The keys of a connection that is encrypted, and lets each side know the other (ZeroMQ CURVE; X25519). */
export interface ClientCurve {
  /** The core's public key, 32 bytes. */
  serverKey: Uint8Array
  /** This client's, 32 bytes, which is on the core's list of clients. */
  publicKey: Uint8Array
  /** 32 bytes, secret. */
  secretKey: Uint8Array
}

export interface ClientOptions extends CallOptions {
  curve?: ClientCurve
  /**
   * Milliseconds without a whole message from the core, not even the answer to a heartbeat, after which a connection is
   * given up; 10 000 if absent. A reply that takes longer to come through needs more.
   */
  maxSilenceMs?: number
  /** Requests that are sent before their replies are there; further ones wait here. No more than the core's limit. */
  maxInFlight?: number
}

interface Pending {
  resolve(frame: Uint8Array): void
  reject(error: Error): void
  deadline: NodeJS.Timeout
}

const defaultTimeoutMs = 60_000
const defaultMaxInFlight = 1024

const defaultMaxSilenceMs = 10_000

/** How often a client asks whether the core is still there; a part of the silence that it takes. */
const heartbeatPart = 0.2

/** The core drops this client's connection when it has been silent for so long. */
const timeToLiveMs = 60_000

const maxPort = 65_535

/** libzmq has 16 bits for it, in tenths of a second. */
const maxTimeToLiveMs = 6_553_500

/** Where packets are lost without a word, the system would try for two minutes. */
const connectTimeoutMs = 5000

/** How soon a client that was refused, or finds nobody at one address of a name, asks again: libzmq does not by itself. */
const otherReconnectMs = 1000

/**
 * A connection to a worker core, for p2p nodes and tools.
 *
 * Any number of requests may be made at once; replies are matched by `id`. A lost reply ends its own request at the
 * deadline and disturbs no other. When the connection is lost, so are the replies to what was sent by it, and these
 * requests end at once; the connection is made anew by itself when the core comes back, and sends what came since. One that
 * died without a word (a cable, a NAT that forgot it) is noticed by heartbeats.
 *
 * In a worker thread, close it before the thread ends or is terminated: ZeroMQ's binding ends the whole process otherwise.
 */
export class CoreClient {
  readonly #socket: Dealer
  readonly #endpoint: string
  readonly #curve: ClientCurve | undefined
  readonly #maxInFlight: number
  readonly #pending = new Map<string, Pending>()
  readonly #timeoutMs: number
  /** Frames of pending requests that are not sent yet, the oldest first. */
  readonly #outbox = new Map<string, Uint8Array>()
  /** How far the outbox is sent: a look from its start would pass the holes of all that has left it. */
  #unsent = this.#outbox.entries()
  readonly #session = randomBytes(6).toString('hex')
  #requests = 0
  #closed = false
  #isConnected = false
  /** Why the core cannot be talked to, as far as one can tell from here. */
  #obstacle: string | undefined
  #reconnect: NodeJS.Timeout | undefined
  /** Of the endpoint, if it has a name and no address. */
  readonly #hostName: string | undefined
  #nameProblem: string | undefined

  /** The messages as methods. */
  readonly methods: CoreMethods

  /**
   * @param endpoint a ZeroMQ endpoint, `tcp://127.0.0.1:5552` say; it need not be there yet
   * @param options the default deadline, and the keys if the core demands CURVE
   * @throws TypeError if the endpoint has no form that ZeroMQ knows
   */
  constructor(endpoint: string, options: ClientOptions = {}) {
    const { timeoutMs = defaultTimeoutMs, curve, maxInFlight = defaultMaxInFlight } = options
    const { maxSilenceMs = defaultMaxSilenceMs } = options
    const heartbeatInterval = Math.ceil(maxSilenceMs * heartbeatPart)
    this.#timeoutMs = timeoutMs
    this.#endpoint = endpoint
    this.#curve = curve
    this.#maxInFlight = maxInFlight
    this.#hostName = hostNameOf(endpoint)
    this.#socket = new Dealer({
      linger: 0,
      reconnectInterval: 50,
      reconnectMaxInterval: 1000,
      // Without a limit and a wait, sending is done when it returns.
      sendHighWaterMark: 0,
      sendTimeout: 0,
      ipv6: endpoint.startsWith('tcp://['),
      connectTimeout: connectTimeoutMs,
      heartbeatInterval,
      heartbeatTimeout: maxSilenceMs - heartbeatInterval,
      heartbeatTimeToLive: Math.min(Math.max(timeToLiveMs, maxSilenceMs), maxTimeToLiveMs),
      ...(curve && {
        curveServerKey: encodeZ85(curve.serverKey),
        curvePublicKey: encodeZ85(curve.publicKey),
        curveSecretKey: encodeZ85(curve.secretKey),
      }),
    })
    void this.#watch()
    try {
      // libzmq would take the lower 16 bits of a larger port.
      if (Number(/^tcp:.*:(\d+)$/.exec(endpoint)?.[1]) > maxPort) throw new RangeError(`ports end at ${maxPort}`)
      this.#socket.connect(endpoint)
    } catch (cause) {
      // Left open, it would keep the process from ending.
      this.#socket.close()
      throw new TypeError(`${JSON.stringify(endpoint)} is no ZeroMQ endpoint, as tcp://127.0.0.1:5552 is one`, {
        cause,
      })
    }
    this.methods = Object.fromEntries(
      messageTypes.map((type) => [
        type[0]!.toLowerCase() + type.slice(1),
        (input: never, options?: CallOptions) => this.request(type, input, options),
      ]),
    ) as unknown as CoreMethods
    void this.#receive()
  }

  /**
   * Sends one request and waits for its reply.
   *
   * @throws WorkerError with the code of the refusal; `deadline_exceeded` if no reply comes in time, `disconnected` if
   *   none can come any more; `malformed_reply` if it is none, or one to another question: of a contract that was not asked
   *   for, say
   */
  async request<K extends MessageType>(type: K, input: RequestInput<K>, options: CallOptions = {}): Promise<Answer<K>> {
    const id = this.createId()
    return answerOf(type, input, await this.exchange(id, encodeRequest(type, id, input), options))
  }

  /** An id that no other request of this client has. */
  createId(): string {
    return `${this.#session}${(this.#requests++).toString(36)}`
  }

  /**
   * Sends a frame as it is and waits for the frame that answers it; for tools that look at the wire itself.
   *
   * @param id the `id` in the frame
   * @throws TypeError if a request with this id has no reply yet
   * @throws WorkerError `deadline_exceeded` if no reply with this id comes in time
   */
  exchange(id: string, frame: Uint8Array, { timeoutMs = this.#timeoutMs }: CallOptions = {}): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new WorkerError('disconnected', {}))
      // Their replies could not be told apart.
      if (this.#pending.has(id))
        return reject(new TypeError(`A request with the id ${JSON.stringify(id)} is under way`))
      const deadline = setTimeout(() => {
        const reason = this.#obstacle ?? this.#noConnection()
        const data = { deadlineMs: timeoutMs, ...(reason !== undefined && { reason }) }
        this.#settle(id, (pending) => pending.reject(new WorkerError('deadline_exceeded', data)))
      }, timeoutMs)
      this.#pending.set(id, { resolve, reject, deadline })
      this.#outbox.set(id, frame)
      this.#send()
    })
  }

  /** Closes the connection; requests in flight are rejected. */
  close(): void {
    this.#closed = true
    this.#isConnected = false
    clearTimeout(this.#reconnect)
    this.#socket.close()
    for (const id of this.#pending.keys()) this.#settle(id, ({ reject }) => reject(new WorkerError('disconnected', {})))
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Nothing is given to libzmq that it cannot send: it drops what waits for a connection that it gives up. */
  #send(): void {
    while (this.#isConnected && this.#pending.size - this.#outbox.size < this.#maxInFlight) {
      const { done, value } = this.#unsent.next()
      if (done) {
        this.#unsent = this.#outbox.entries()
        return
      }
      const [id, frame] = value
      this.#outbox.delete(id)
      // The empty frame is what a REQ socket would send, so that any REP or ROUTER peer understands.
      this.#socket.send(['', frame]).catch(() => {
        // The connection was lost, of which the next event tells.
      })
    }
  }

  async #receive(): Promise<void> {
    try {
      for await (const parts of this.#socket) {
        this.#take(parts.at(-1)!)
      }
    } catch {
      // The socket was closed.
    }
  }

  #take(frame: Uint8Array): void {
    const id = replyId(frame)
    // A reply that comes after its deadline has nobody waiting for it.
    if (typeof id === 'string') this.#settle(id, (pending) => pending.resolve(frame))
  }

  #settle(id: string, settle: (pending: Pending) => void): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    this.#outbox.delete(id)
    clearTimeout(pending.deadline)
    settle(pending)
    this.#send()
  }

  /** Keeps in mind why the connection does not come about, for the error at the deadline. */
  async #watch(): Promise<void> {
    try {
      for await (const event of this.#socket.events) {
        if (event?.type === 'handshake') this.#connected()
        if (event?.type === 'disconnect') this.#disconnected()
        if (event?.type === 'handshake:error:other') this.#obstacle = hangUpReason(this.#curve)
        if (event?.type === 'connect') this.#stay()
        if (event?.type === 'connect:retry') this.#tryOtherAddress()
        if (event?.type === 'handshake:error:auth')
          this.#refused(`${keyText(this.#curve)} is not on the list of the core`)
        if (event?.type === 'handshake:error:protocol') this.#refused(mismatchReason(this.#curve))
      }
    } catch {
      // The socket was closed.
    }
  }

  #connected(): void {
    this.#obstacle = undefined
    this.#isConnected = true
    this.#send()
  }

  /** The core answers on the connection that a request came by, or not at all: what was sent by this one is lost. */
  #disconnected(): void {
    this.#isConnected = false
    for (const id of this.#pending.keys()) {
      if (!this.#outbox.has(id)) this.#settle(id, ({ reject }) => reject(new WorkerError('disconnected', {})))
    }
  }

  /** libzmq gives up on a core that refuses; the operator may put the key on the list yet. */
  #refused(reason: string): void {
    this.#obstacle = reason
    this.#connectAgain()
  }

  /** A name may stand for an IPv4 and an IPv6 address, and libzmq tries one of them for ever. */
  #tryOtherAddress(): void {
    if (this.#hostName === undefined || this.#reconnect !== undefined) return
    this.#connectAgain(() => {
      this.#socket.ipv6 = !this.#socket.ipv6
    })
    lookup(this.#hostName, (error) => {
      this.#nameProblem = error ? `the name ${this.#hostName} does not resolve (${error.code})` : undefined
    })
  }

  #stay(): void {
    clearTimeout(this.#reconnect)
    this.#reconnect = undefined
  }

  #connectAgain(change = (): void => {}): void {
    this.#reconnect = setTimeout(() => {
      this.#reconnect = undefined
      this.#socket.disconnect(this.#endpoint)
      change()
      this.#socket.connect(this.#endpoint)
    }, otherReconnectMs)
  }

  #noConnection(): string | undefined {
    if (this.#isConnected) return undefined
    if (this.#nameProblem !== undefined) return this.#nameProblem
    return `there is no connection to ${this.#endpoint}: nobody listens there, or it cannot be reached`
  }
}

/** Undefined if there is an address, or no host at all. */
function hostNameOf(endpoint: string): string | undefined {
  const host = /^tcp:\/\/([^[\]:;*]+):\d+$/.exec(endpoint)?.[1]
  return host === undefined || isIP(host) !== 0 ? undefined : host
}

function keyText(curve: ClientCurve | undefined): string {
  return curve === undefined ? 'no key was shown, and it' : `the public key ${encodeZ85(curve.publicKey)}`
}

/** The other side ended the connection before the handshake was over. */
function hangUpReason(curve: ClientCurve | undefined): string {
  return curve === undefined
    ? 'the core hangs up during the handshake: it may demand CURVE, or have no room for more connections'
    : `the core hangs up during the handshake: ${encodeZ85(curve.serverKey)} is probably not its public key`
}

function mismatchReason(curve: ClientCurve | undefined): string {
  return curve === undefined
    ? 'the core demands CURVE, and no keys were given'
    : 'the core does not use CURVE, but keys for it were given'
}

function answerOf<K extends MessageType>(type: K, input: RequestInput<K>, frame: Uint8Array): Answer<K> {
  const reply = decodeReply(frame, type)
  if (reply.kind === 'error') throw fromWireMessage(reply.message)
  if (reply.kind === 'failedTask') return { kind: 'failed', result: reply.result } as Answer<K>
  assertAnswers(type, input, reply.result, reply.address)
  return ('isTask' in messages[type] ? { kind: 'success', result: reply.result } : reply.result) as Answer<K>
}
