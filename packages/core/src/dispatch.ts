import { randomBytes } from 'node:crypto'
import {
  answer,
  type Dialect,
  decodeRequest,
  encodeReply,
  isWorkerError,
  type MessageType,
  toWireMessage,
} from '@bletchley/protocol'
import type { Logger } from 'pino'
import type { WorkerContext } from './handlers/handler.ts'
import { handlers } from './handlers/index.ts'
import type { FrameHandler } from './server/router.ts'

/** Joins codec and handlers: every frame gets exactly one reply frame, whatever happens. */
export function createDispatcher(worker: WorkerContext, dialect: Dialect): FrameHandler {
  return async (frame) => {
    const request = decodeRequest(frame)
    if (!request.ok) {
      const { id, requestType, message } = request
      return encodeReply({ kind: 'error', id, requestType, message }, dialect)
    }
    const { id, type } = request
    try {
      return encodeReply(await answer(handlers, request, worker), dialect)
    } catch (error) {
      const message = isWorkerError(error) ? error.message : reportIncident(error, type, worker.logger)
      return encodeReply({ kind: 'error', id, requestType: type, message }, dialect)
    }
  }
}

/** What went wrong goes to the log; the wire gets a number to look it up by, since the text could hold anything. */
function reportIncident(error: unknown, type: MessageType, logger: Logger): string {
  const incident = randomBytes(6).toString('hex')
  logger.error({ incident, type, err: error }, 'request failed')
  return toWireMessage(error, incident)
}
