import { generateKeyPair } from '@bletchley/crypto'
import { readSealingKey } from '@bletchley/crypto/key-file'
import { type CoreOptions, defaultRunLimitMs } from './core.ts'
import { withReader } from './dataFolder.ts'
import { ComputePool } from './engine/computePool.ts'
import type { Simulated, SimulateRequest } from './engine/simulator.ts'
import { storedRecords, storedTip } from './engine/storedRecords.ts'
import { fetchStateKeys } from './keys/fetchStateKeys.ts'
import { readSigningIdentity } from './keys/signingKey.ts'
import { StateKeys } from './keys/stateKeys.ts'
import { enclaveError, notFound } from './refusals.ts'

/** As of the core whose data folder it is. The principal's endpoint is needed: keys are nowhere on disk. */
export type SimulateOptions = Pick<CoreOptions, 'dataFolder' | 'sealing' | 'principal' | 'runLimitMs' | 'logger'> & {
  principalUrl: string
}

export type SimulatedCall = Pick<SimulateRequest, 'address' | 'callable' | 'args' | 'gasLimit'>

/**
 * Runs a function of a deployed contract on its newest state, as a task would, without being one: nothing is encrypted,
 * signed or stored. Works on the data folder of a worker, also while its core runs, and changes nothing in it but
 * LMDB's table of readers.
 *
 * @throws WorkerError as a task's, if it cannot be answered for: contract or key missing, state unusable, run too long
 * @throws KeyFileError or Error if the folder is not a worker's, or the principal gives no keys
 */
export async function simulate(options: SimulateOptions, call: SimulatedCall): Promise<Simulated> {
  const { dataFolder, sealing, runLimitMs = defaultRunLimitMs, logger } = options
  const { address } = call
  const sealingKey = await readSealingKey(dataFolder, sealing)
  const { keyPair } = await readSigningIdentity(dataFolder, sealingKey)
  return withReader(dataFolder, async (store) => {
    // Before the principal is asked: it would make a key for a contract that is not there.
    if (!(await store.hasBytecode(address))) throw notFound('get_contract', address)
    const stateKey = await fetchStateKey(
      new StateKeys(keyPair.secretKey, options.principal),
      options.principalUrl,
      address,
    )
    // A simulation signs nothing; without the worker's key it cannot.
    const signingKey = generateKeyPair().secretKey.bytes
    const pool = new ComputePool(
      { threads: 1, runLimitMs, signingKey, encryptEmptyOutput: false, logger },
      storedRecords(store),
    )
    try {
      for (;;) {
        const request = { ...call, args: call.args.slice(), stateKey, tip: await storedTip(store, address) }
        const run = await pool.run('simulate', request)
        if (run.kind === 'refused') throw enclaveError(run.name)
        if (run.kind === 'simulated') return run
        // The core that runs beside this has written meanwhile.
        if (!(await store.hasBytecode(address))) throw notFound('get_contract', address)
      }
    } finally {
      await pool.close()
    }
  })
}

async function fetchStateKey(stateKeys: StateKeys, url: string, address: Uint8Array): Promise<Uint8Array> {
  try {
    await fetchStateKeys(stateKeys, url, [address])
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`The principal at ${url} gave no state key: ${reason}`, { cause: error })
  }
  const stateKey = stateKeys.get(address)
  if (stateKey === undefined) throw enclaveError('KeysError')
  return stateKey
}
