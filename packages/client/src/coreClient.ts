import { randomBytes } from 'node:crypto'
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

interface Pending {
  resolve(frame: Uint8Array): void
  reject(error: Error): void
  deadline: NodeJS.Timeout
}

const defaultTimeoutMs = 60_000

/**
 * A connection to a worker core, for p2p nodes and tools.
 *
 * Any number of requests may be in flight; replies are matched by `id`. A lost reply ends its own request at the
 * deadline and disturbs no other. The connection is made anew by itself when the core comes back.
 */
export class CoreClient {
  readonly #socket = new Dealer({ linger: 0, reconnectInterval: 50, reconnectMaxInterval: 1000, sendHighWaterMark: 0 })
  readonly #pending = new Map<string, Pending>()
  readonly #timeoutMs: number
  readonly #outbox: Uint8Array[] = []
  readonly #session = randomBytes(6).toString('hex')
  #sending = false
  #requests = 0
  #closed = false

  /** The messages as methods. */
  readonly methods: CoreMethods

  /**
   * @param endpoint a ZeroMQ endpoint, `tcp://127.0.0.1:5552` say; it need not be there yet
   * @param options the default deadline
   */
  constructor(endpoint: string, { timeoutMs = defaultTimeoutMs }: CallOptions = {}) {
    this.#timeoutMs = timeoutMs
    this.#socket.connect(endpoint)
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
   * @throws WorkerError with the code of the refusal; `deadline_exceeded` if no reply comes in time
   */
  async request<K extends MessageType>(type: K, input: RequestInput<K>, options: CallOptions = {}): Promise<Answer<K>> {
    const id = this.createId()
    return answerOf(type, await this.exchange(id, encodeRequest(type, id, input), options))
  }

  /** An id that no other request of this client has. */
  createId(): string {
    return `${this.#session}${(this.#requests++).toString(36)}`
  }

  /**
   * Sends a frame as it is and waits for the frame that answers it; for tools that look at the wire itself.
   *
   * @param id the `id` in the frame
   * @throws WorkerError `deadline_exceeded` if no reply with this id comes in time
   */
  exchange(id: string, frame: Uint8Array, { timeoutMs = this.#timeoutMs }: CallOptions = {}): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new WorkerError('disconnected', {}))
      const deadline = setTimeout(() => {
        this.#pending.delete(id)
        reject(new WorkerError('deadline_exceeded', { deadlineMs: timeoutMs }))
      }, timeoutMs)
      this.#pending.set(id, { resolve, reject, deadline })
      this.#outbox.push(frame)
      if (!this.#sending) void this.#send()
    })
  }

  /** Closes the connection; requests in flight are rejected. */
  close(): void {
    this.#closed = true
    this.#socket.close()
    for (const id of this.#pending.keys()) this.#settle(id, ({ reject }) => reject(new WorkerError('disconnected', {})))
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #send(): Promise<void> {
    this.#sending = true
    try {
      // The empty frame is what a REQ socket would send, so that any REP or ROUTER peer understands.
      for (let frame = this.#outbox.shift(); frame !== undefined; frame = this.#outbox.shift()) {
        await this.#socket.send(['', frame])
      }
    } catch {
      // The socket was closed; close() has told the callers.
    } finally {
      this.#sending = false
    }
  }

  async #receive(): Promise<void> {
    try {
      for await (const parts of this.#socket) {
        const frame = parts.at(-1)
        if (frame !== undefined) this.#take(frame)
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
    clearTimeout(pending.deadline)
    settle(pending)
  }
}

function answerOf<K extends MessageType>(type: K, frame: Uint8Array): Answer<K> {
  const reply = decodeReply(frame, type)
  if (reply.kind === 'error') throw fromWireMessage(reply.message)
  if (reply.kind === 'failedTask') return { kind: 'failed', result: reply.result } as Answer<K>
  return ('isTask' in messages[type] ? { kind: 'success', result: reply.result } : reply.result) as Answer<K>
}
