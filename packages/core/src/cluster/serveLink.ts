import { encodeZ85, type SecretKey } from '@bletchley/crypto'
import { clusterCurveKeyPair } from '@bletchley/crypto/curve-key-file'
import { salvage, WorkerError } from '@bletchley/protocol'
import type { Logger } from 'pino'
import type { ReplyRoom } from '../server/replyRoom.ts'
import { type FrameHandler, type RouterServer, type ServerLimits, serveRouter } from '../server/router.ts'
import { handedOnMark, mayBeHandedOn, notTaken } from './handedOn.ts'

/** What a core does with the frames that others hand on to it. As with those of peers, none of the methods may fail. */
export interface HandedOnHandler extends Pick<FrameHandler, 'refuse' | 'reuse'> {
  /** Whether it would refuse whatever comes: then the other core is told to answer by itself. */
  readonly stopping: boolean
  /** As {@link FrameHandler.answer}, but here: whatever this core thinks of homes, it is not handed on again. */
  answerHandedOn(frame: Uint8Array, room: ReplyRoom, isAlone: boolean): Promise<Uint8Array>
}

/**
 * Listens for the other cores of a worker, and for nobody else: with CURVE, by the key that follows from the signing key.
 * What they may send is bounded as it is at the door, lest an error of theirs end this process.
 *
 * @param endpoint as {@link serveRouter} has them
 * @throws Error if it cannot be bound
 */
export function serveLink(
  endpoint: string,
  handler: HandedOnHandler,
  signingKey: SecretKey,
  logger: Logger,
  limits?: ServerLimits,
): Promise<RouterServer> {
  const { publicKey, secretKey } = clusterCurveKeyPair(signingKey)
  const ours = encodeZ85(publicKey)
  const clients = { has: (key: string) => key === ours, onChange() {} }
  const curve = { secretKey: secretKey.bytes, clients }
  return serveRouter([endpoint], linkHandler(handler), { curve, logger, ...(limits && { limits }) })
}

function linkHandler(handler: HandedOnHandler): FrameHandler {
  return {
    async answer(message, room, isAlone) {
      if (message[0] !== handedOnMark || handler.stopping) return notTaken
      const frame = message.subarray(1)
      if (mayBeHandedOn(frame)) return handler.answerHandedOn(frame, room, isAlone)
      const { type = '' } = salvage(frame)
      return handler.refuse(new WorkerError('unknown_type', { type }), frame)
    },
    refuse: (error, message) => handler.refuse(error, message?.subarray(1)),
    reuse: (reply) => handler.reuse(reply),
  }
}
