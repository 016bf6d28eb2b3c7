import { bytesToHex } from '@bletchley/bytes'
import { WorkerError } from '@bletchley/protocol'
import { RefusedResponse } from '../keys/stateKeys.ts'
import type { Handler } from './handler.ts'

/** The reply names them all; a line for each would let a peer fill the log. */
const loggedAddresses = 10

/** Reports only contracts of this response: a p2p node takes any error for the failure of its own deployment. */
export const pttResponse: Handler<'PTTResponse'> = async ({ response, sig }, { stateKeys, engine, logger, room }) => {
  try {
    const keys = stateKeys.install(response, sig)
    const failed = await engine.rebuild(
      keys.map(({ address }) => address),
      room.peer,
    )
    if (failed.length > 0) {
      const first = failed.slice(0, loggedAddresses).map(bytesToHex)
      logger.warn({ contracts: failed.length, first }, 'contracts do not rebuild from their deltas')
    }
    return { errors: failed.map((address) => ({ address, status: -1 })) }
  } catch (error) {
    if (error instanceof WorkerError) {
      const { cause } = error
      const why = cause instanceof RefusedResponse ? { because: cause.message, signer: cause.signer } : {}
      logger.warn({ reason: error.message, ...why }, 'state keys refused')
    }
    throw error
  }
}
