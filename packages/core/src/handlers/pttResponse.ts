import { bytesToHex } from '@bletchley/crypto'
import { WorkerError } from '@bletchley/protocol'
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
    if (error instanceof WorkerError) logger.warn({ reason: error.message }, 'state keys refused')
    throw error
  }
}
