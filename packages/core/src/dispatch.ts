import { randomBytes } from 'node:crypto'
import {
  answer,
  type Dialect,
  decodeRequest,
  encodeReply,
  isWorkerError,
  type MessageId,
  type MessageType,
  toWireMessage,
  WorkerError,
} from '@bletchley/protocol'
import { StorageError } from '@bletchley/store'
import type { Logger } from 'pino'
import type { WorkerContext } from './handlers/handler.ts'
import { handlers } from './handlers/index.ts'
import { storeFailed } from './refusals.ts'
import { type FrameHandler, maxFramesPerMessage } from './server/router.ts'

/** Joins codec and handlers: every frame gets exactly one reply frame, whatever happens. */
export class Dispatcher implements FrameHandler {
  readonly #worker: WorkerContext
  readonly #dialect: Dialect
  #stopping = false

  constructor(worker: WorkerContext, dialect: Dialect) {
    this.#worker = worker
    this.#dialect = dialect
  }

  /** From now on requests are refused; those that are under way go on. */
  stop(): void {
    this.#stopping = true
  }

  async answer(frame: Uint8Array): Promise<Uint8Array> {
    const request = decodeRequest(frame)
    if (!request.ok) return this.#refuse(request.id, request.requestType, request.message)
    const { id, type } = request
    try {
      if (this.#stopping) throw new WorkerError('shutting_down', {})
      return encodeReply(await answer(handlers, request, this.#worker), this.#dialect)
    } catch (error) {
      return this.#refuse(id, type, messageFor(error, type, this.#worker.logger))
    }
  }

  refuseCrowd(): Uint8Array {
    const error = new WorkerError('limit_exceeded', { limit: 'frames in a message', maximum: maxFramesPerMessage })
    return this.#refuse('', undefined, error.message)
  }

  #refuse(id: MessageId, requestType: string | undefined, message: string): Uint8Array {
    return encodeReply({ kind: 'error', id, requestType, message }, this.#dialect)
  }
}

/** The text for the peer; what is not meant for him goes to the log. */
function messageFor(error: unknown, type: MessageType, logger: Logger): string {
  if (isWorkerError(error)) return error.message
  if (error instanceof StorageError) {
    logger.error({ type, err: error }, 'the database failed')
    return storeFailed(error).message
  }
  return reportIncident(error, type, logger)
}

/** What went wrong goes to the log; the wire gets a number to look it up by, since the text could hold anything. */
function reportIncident(error: unknown, type: MessageType, logger: Logger): string {
  const incident = randomBytes(6).toString('hex')
  logger.error({ incident, type, err: error }, 'request failed')
  return toWireMessage(error, incident)
}
