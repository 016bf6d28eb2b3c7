import { randomBytes } from 'node:crypto'
import {
  type DecodedRequest,
  type Dialect,
  decodeRequest,
  decodeRequestInPieces,
  type ErrorCode,
  encodeReply,
  encodeReplyInPieces,
  handle,
  isWorkerError,
  type MessageId,
  ReplyMemory,
  replyTo,
  salvage,
  toWireMessage,
  WorkerError,
} from '@bletchley/protocol'
import { KeyedQueue, Pacer, paced, StorageError } from '@bletchley/store'
import type { Logger } from 'pino'
import { contextOf, type WorkerContext } from './handlers/handler.ts'
import { handlers } from './handlers/index.ts'
import { storeFailed } from './refusals.ts'
import type { ReplyRoom } from './server/replyRoom.ts'
import type { FrameHandler } from './server/router.ts'

/** A request and what became of it, without anything of their content. Id and type are the peer's: of any length. */
export interface AnsweredMessage {
  type: string | undefined
  id: MessageId
  /** The contract that it is about, 32 bytes; absent where it is about none, or about several. */
  address: Uint8Array | undefined
  requestBytes: number
  replyBytes: number
  /** When it was answered, in milliseconds of the process. */
  at: number
  /** How long that took. */
  milliseconds: number
  outcome: 'ok' | 'failed_task' | 'error'
  /** Of an error. */
  code: ErrorCode | undefined
  /** Of a task that was answered for. */
  gas: bigint | undefined
}

/** Looks on at requests; it may neither fail nor take long, nor keep the message's long texts. */
export type MessageObserver = (message: AnsweredMessage) => void

const noFrame = new Uint8Array()

/** A request of no more is read in less time than it takes to wait. */
const quickBytes = 1024
/** A larger request is read with pauses for others. */
const readAtOnceBytes = 16 * 1024
/** Where a refused request is searched for its id: a message may have a thousand of them, and costs its peer nothing. */
const searchedBytes = 1024
/** A larger reply is written with pauses for others. */
const writtenAtOnceBytes = 256 * 1024

/** What is told of a message besides its sizes. */
type Outcome = Pick<AnsweredMessage, 'outcome' | 'code' | 'gas'>

/** Joins codec and handlers: every frame gets exactly one reply frame, whatever happens. */
export class Dispatcher implements FrameHandler {
  readonly #worker: WorkerContext
  readonly #dialect: Dialect
  readonly #observe: MessageObserver | undefined
  readonly #replyMemory = new ReplyMemory()
  /** Requests that are being read, by their peers: those of one peer are read in the order in which they came. */
  readonly #reading = new KeyedQueue()
  #stopping = false
  #inFlight = 0

  constructor(worker: WorkerContext, dialect: Dialect, observe?: MessageObserver) {
    this.#worker = worker
    this.#dialect = dialect
    this.#observe = observe
  }

  /** Requests that are being answered. */
  get inFlight(): number {
    return this.#inFlight
  }

  get stopping(): boolean {
    return this.#stopping
  }

  /** From now on requests are refused; those that are under way go on. */
  stop(): void {
    this.#stopping = true
  }

  async answer(frame: Uint8Array, room: ReplyRoom, isAlone = false): Promise<Uint8Array> {
    const start = performance.now()
    if (this.#reading.length(room.peer) === 0 && (isQuick(frame, isAlone) || isNextToGo(frame))) {
      return this.#answer(decodeRequest(frame), frame, room, start)
    }
    // The work on a request begins before the next one is read.
    const { reply } = await this.#reading.run([room.peer], async () => {
      const request = await paced(decodeRequestInPieces(frame), new Pacer(room.peer))
      return { reply: this.#answer(request, frame, room, start) }
    })
    return reply
  }

  async #answer(request: DecodedRequest, frame: Uint8Array, room: ReplyRoom, start: number): Promise<Uint8Array> {
    if (!request.ok) {
      const { id, requestType, code, message } = request
      const reply = this.#refuse(id, requestType, message)
      return this.#seen(start, frame, reply, id, requestType, undefined, { outcome: 'error', code, gas: undefined })
    }
    const { id, type, input } = request
    this.#inFlight += 1
    try {
      if (this.#stopping) throw new WorkerError('shutting_down', {})
      const outcome = await handle(handlers, request, contextOf(this.#worker, room))
      const written = replyTo(request, outcome)
      const reply =
        // A reply that takes no room is not larger than its request, about.
        Math.max(room.bytes, frame.length) < writtenAtOnceBytes
          ? encodeReply(written, this.#dialect, this.#replyMemory)
          : await paced(
              encodeReplyInPieces(written, this.#dialect, room.bytes, this.#replyMemory),
              new Pacer(room.peer),
            )
      return this.#seen(start, frame, reply, id, type, input, outcomeOf(outcome))
    } catch (error) {
      const { code, message } = refusalOf(error, type, this.#worker.logger)
      const reply = this.#refuse(id, type, message)
      return this.#seen(start, frame, reply, id, type, input, { outcome: 'error', code, gas: undefined })
    } finally {
      this.#inFlight -= 1
    }
  }

  refuse({ code, message }: WorkerError, frame: Uint8Array = noFrame): Uint8Array {
    const start = performance.now()
    const { id, type } = salvage(frame, searchedBytes)
    const reply = this.#refuse(id, type, message)
    return this.#seen(start, frame, reply, id, type, undefined, { outcome: 'error', code, gas: undefined })
  }

  reuse(reply: Uint8Array): void {
    this.#replyMemory.giveBack(reply)
  }

  #refuse(id: MessageId, requestType: string | undefined, message: string): Uint8Array {
    return encodeReply({ kind: 'error', id, requestType, message }, this.#dialect)
  }

  /** Shows a message to the observer, if there is one. Returns the reply. */
  #seen(
    start: number,
    frame: Uint8Array,
    reply: Uint8Array,
    id: MessageId,
    type: string | undefined,
    input: object | undefined,
    { outcome, code, gas }: Outcome,
  ): Uint8Array {
    if (this.#observe === undefined) return reply
    const at = performance.now()
    this.#observe({
      type,
      id,
      address: addressIn(input),
      requestBytes: frame.length,
      replyBytes: reply.length,
      at,
      milliseconds: at - start,
      outcome,
      code,
      gas,
    })
    return reply
  }
}

/** Small requests one by one need not wait for those who keep the worker busy, in however many connections. */
function isQuick(frame: Uint8Array, isAlone: boolean): boolean {
  return isAlone && frame.length <= quickBytes
}

function isNextToGo(frame: Uint8Array): boolean {
  return frame.length <= readAtOnceBytes && !new Pacer().due
}

function outcomeOf(result: object | undefined): Outcome {
  if (result !== undefined && 'failedTask' in result) {
    return { outcome: 'failed_task', code: undefined, gas: (result.failedTask as { usedGas: bigint }).usedGas }
  }
  const gas = result !== undefined && 'usedGas' in result ? (result.usedGas as bigint) : undefined
  return { outcome: 'ok', code: undefined, gas }
}

function addressIn(input: object | undefined): Uint8Array | undefined {
  if (input === undefined) return undefined
  if ('address' in input) return input.address as Uint8Array
  return 'contractAddress' in input ? (input.contractAddress as Uint8Array) : undefined
}

/** Code and text for the peer; what is not meant for him goes to the log. */
function refusalOf(error: unknown, type: string, logger: Logger): { code: ErrorCode; message: string } {
  if (isWorkerError(error)) return error
  if (error instanceof StorageError) {
    logger.error({ type, err: error }, 'the database failed')
    return storeFailed(error)
  }
  return { code: 'internal', message: reportIncident(error, type, logger) }
}

/** What went wrong goes to the log; the wire gets a number to look it up by, since the text could hold anything. */
function reportIncident(error: unknown, type: string, logger: Logger): string {
  const incident = randomBytes(6).toString('hex')
  logger.error({ incident, type, err: error }, 'request failed')
  return toWireMessage(error, incident)
}
