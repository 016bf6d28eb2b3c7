import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, keccak256 } from '@bletchley/crypto'
import { openSealingKey } from '@bletchley/crypto/key-file'
import type { Dialect } from '@bletchley/protocol'
import { ContractStore, openLmdb } from '@bletchley/store'
import type { Logger } from 'pino'
import { simulatedRegistration } from './attestation.ts'
import { Dispatcher } from './dispatch.ts'
import { ComputePool } from './engine/computePool.ts'
import { TaskEngine } from './engine/taskEngine.ts'
import { fetchStateKeys } from './keys/fetchStateKeys.ts'
import { loadSigningIdentity } from './keys/signingKey.ts'
import { StateKeys } from './keys/stateKeys.ts'
import { UserKeys } from './keys/userKeys.ts'
import { assertLoopback } from './server/endpoints.ts'
import { serveRouter } from './server/router.ts'

export interface CoreOptions {
  /** ZeroMQ endpoints to bind; port 0 takes a free one. */
  endpoints: readonly string[]
  /** Folder of the database and the signing key; made if it is not there, for its owner only. */
  dataFolder: string
  /** Where the key lies that seals the signing key; in the data folder by default. */
  sealingKeyPath?: string
  dialect: Dialect
  /** 20 bytes: the only principal whose state keys are taken; anybody's are if absent. */
  principal?: Uint8Array
  /** The principal's JSON-RPC endpoint, for a core that fetches the keys of its contracts by itself. */
  principalUrl?: string
  /** Threads that run contracts; as many as processors by default. */
  threads?: number
  /** Wall-clock limit of one step of a task, in milliseconds. */
  runLimitMs?: number
  /** Serves endpoints that other machines can reach, without any protection. */
  insecure?: boolean
  logger: Logger
}

/** A worker core that answers. */
export interface Core {
  /** The bound endpoints, with real ports. */
  readonly endpoints: readonly string[]
  /** 20 bytes: the address that the network knows the worker by. */
  readonly signingAddress: Uint8Array
  /** Refuses further requests, lets running ones finish for a moment, answers the rest with an error, lets go of all. */
  close(): Promise<void>
}

/** Far beyond what honest gas limits allow; a run that is still going then is stopped, and its thread replaced. */
const defaultRunLimitMs = 30_000

/** Running requests get this long to end when the core stops; the whole stop must fit in 5 s. */
const closeGraceMs = 2500

/** And the errors for those that did not end get this long to be sent. */
const lastRepliesMs = 500

/**
 * Starts a worker core.
 *
 * @throws Error if the data folder, the signing key or an endpoint cannot be opened
 */
export async function startCore(options: CoreOptions): Promise<Core> {
  const { dataFolder, dialect, principal, principalUrl, logger } = options
  if (options.insecure !== true) for (const endpoint of options.endpoints) assertLoopback(endpoint)

  const sealingKey = await openSealingKey(dataFolder, options.sealingKeyPath ? { path: options.sealingKeyPath } : {})
  const identity = await loadSigningIdentity(dataFolder, sealingKey)
  const { secretKey } = identity.keyPair
  const store = await ContractStore.open(openLmdb({ folder: join(dataFolder, 'store') }), { hashDelta: keccak256 })
  const userKeys = new UserKeys(secretKey)
  const stateKeys = new StateKeys(secretKey, principal)
  const engine = new TaskEngine(
    {
      store,
      userKeys,
      stateKeys,
      ...(principalUrl && {
        fetchStateKey: (address: Uint8Array) => fetchStateKeys(stateKeys, principalUrl, [address]),
      }),
      logger,
    },
    (records) =>
      new ComputePool(
        {
          threads: options.threads ?? availableParallelism(),
          runLimitMs: options.runLimitMs ?? defaultRunLimitMs,
          signingKey: secretKey.bytes,
          encryptEmptyOutput: dialect === 'enigma-p2p',
          logger,
        },
        records,
      ),
  )
  const registration = simulatedRegistration(identity.address)
  const dispatcher = new Dispatcher({ store, engine, userKeys, stateKeys, registration, logger }, dialect)
  try {
    const server = await serveRouter(options.endpoints, dispatcher)
    logger.info({ endpoints: server.endpoints, signingKey: bytesToHex(identity.address), dialect }, 'core answers')
    if (principal === undefined) {
      logger.warn('no principal is set: whoever reaches this socket may install state keys (set --principal <address>)')
    }
    return {
      endpoints: server.endpoints,
      signingAddress: identity.address,
      async close() {
        dispatcher.stop()
        await server.drain(closeGraceMs)
        // What is still running is given up, and its peers are told so.
        await engine.close()
        await server.close(lastRepliesMs)
        await store.close()
        logger.info('core stopped')
      },
    }
  } catch (error) {
    await engine.close()
    await store.close()
    throw error
  }
}
