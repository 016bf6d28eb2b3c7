import { bytesToHex } from '@bletchley/bytes'
import { WorkerError } from '@bletchley/protocol'
import { RefusedResponse } from '../keys/stateKeys.ts'
import type { Handler } from './handler.ts'

/** Reports only contracts of this response: a p2p node takes any error for the failure of its own deployment. */
export const pttResponse: Handler<'PTTResponse'> = async ({ response, sig }, { stateKeys, engine, logger }) => {
  try {
    const keys = stateKeys.install(response, sig)
    const failed = await engine.rebuild(keys.map(({ address }) => address))
    for (const address of failed)
      logger.warn({ address: bytesToHex(address) }, 'contract does not rebuild from its deltas')
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
