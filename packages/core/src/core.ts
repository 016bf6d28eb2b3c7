import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { bytesToHex } from '@bletchley/bytes'
import { encodeZ85 } from '@bletchley/crypto'
import { curveKeyFileName, readCurveKeyFile } from '@bletchley/crypto/curve-key-file'
import { type FolderLock, lockFolder } from '@bletchley/crypto/folder-lock'
import {
  modeIfOpen,
  openSealingKey,
  removeLeftovers,
  type SealingOptions,
  systemPath,
} from '@bletchley/crypto/key-file'
import { watchInFolder, watchKeyFiles } from '@bletchley/crypto/watched-file'
import { boundLines } from '@bletchley/http/bound-lines'
import type { Dialect } from '@bletchley/protocol'
import { type ContractChange, KeyValueStore, openLmdb } from '@bletchley/store'
import type { Logger } from 'pino'
import { simulatedRegistration } from './attestation.ts'
import { storeFolder } from './dataFolder.ts'
import { DataFolderWatch } from './dataFolderWatch.ts'
import { Dispatcher, type MessageObserver } from './dispatch.ts'
import { assertAddressSpace } from './engine/addressSpace.ts'
import { ComputePool } from './engine/computePool.ts'
import { TaskEngine } from './engine/taskEngine.ts'
import { HeldTasks } from './handlers/heldTasks.ts'
import { readingsOf } from './handlers/readings.ts'
import { TipOmissions } from './handlers/tipOmissions.ts'
import { type HttpAddress, loopbackAddress } from './http/httpAddress.ts'
import type { HttpDoor } from './http/httpDoor.ts'
import { KeyFetcher } from './keys/keyFetcher.ts'
import { loadSigningIdentity } from './keys/signingKey.ts'
import { StateKeys } from './keys/stateKeys.ts'
import { MemoryUserKeys } from './keys/userKeys.ts'
import { hashWithPauses } from './largeBytes.ts'
import { logged } from './observation/messageLog.ts'
import type { Observation } from './observation/observation.ts'
import { availableProcessors } from './processors.ts'
import { ClientList } from './server/clientList.ts'
import { assertEndpoint, assertLocal, folderRisk, isLocal, withAddress } from './server/endpoints.ts'
import { defaultServerLimits, type RouterCounts, type ServerLimits, serveRouter } from './server/router.ts'

export interface CoreOptions {
  /** ZeroMQ endpoints to bind; port 0 takes a free one. */
  endpoints: readonly string[]
  /** Folder of the database and the signing key; made if it is not there, for its owner only. */
  dataFolder: string
  /** Where the key lies that seals the signing key, and what unlocks it; in the data folder, unlocked, by default. */
  sealing?: SealingOptions
  dialect: Dialect
  /** 20 bytes: the only principal whose state keys are taken; anybody's are if absent. */
  principal?: Uint8Array
  /** The principal's JSON-RPC endpoint, for a core that fetches the keys of its contracts by itself. */
  principalUrl?: string
  /** Threads that run contracts; as many as processors by default, or as its quota of them has. */
  threads?: number
  /** Wall-clock limit of one step of a task, in milliseconds. */
  runLimitMs?: number
  /** Encrypts all that passes, and lets in only the clients that are listed. */
  curve?: CurveOptions
  /** Serves endpoints that others can reach to whoever comes, where there is no `curve`. */
  insecure?: boolean
  limits?: Partial<CoreLimits>
  /** Where to show health, metrics and the console; nowhere if absent, and then little of it is kept. */
  http?: HttpAddress
  /** Folder of the console's files. */
  consoleFolder?: string
  logger: Logger
  /** Lines that the logger has dropped so far; none if absent. */
  countDroppedLogLines?: () => number
}

export interface CurveOptions {
  /** The core's key pair (`bletchley keys curve`); `curve.key` in the data folder by default. */
  keyPath?: string
  /** The public keys of the clients, one on a line; read again when it changes. */
  clientsPath: string
}

/** Beyond these a request is refused at once, with an error that says so. */
export interface CoreLimits extends ServerLimits {
  /** Requests that change one contract and run or wait. */
  queue: number
}

export const defaultCoreLimits: CoreLimits = { ...defaultServerLimits, queue: 1000 }

/** A worker core that answers. */
export interface Core {
  /** The bound endpoints, with real ports. */
  readonly endpoints: readonly string[]
  /** The HTTP door, with its real port, if there is one. */
  readonly httpUrl: string | undefined
  /** 20 bytes: the address that the network knows the worker by. */
  readonly signingAddress: Uint8Array
  /** What happens at the socket. */
  readonly traffic: RouterCounts
  /** Reads the list of clients again, now; absent if there is none. */
  reload?(): Promise<void>
  /** Refuses further requests, lets running ones finish for a moment, answers the rest with an error, lets go of all. */
  close(): Promise<void>
}

/** Far beyond what honest gas limits allow; a run that is still going then is stopped, and its thread replaced. */
export const defaultRunLimitMs = 30_000

/** Of this package, or of the command whose bundle holds it: they have one. */
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

/** Running requests get this long to end when the core stops; the whole stop must fit in 5 s. */
const closeGraceMs = 2500

/** And the errors for those that did not end get this long to be sent. */
const lastRepliesMs = 500

/**
 * Starts a worker core.
 *
 * @throws FolderLockedError if another process has the data folder
 * @throws Error if the data folder, the signing key or an endpoint cannot be opened
 */
export async function startCore(asked: CoreOptions): Promise<Core> {
  const options = {
    ...asked,
    // The working directory may go away.
    dataFolder: resolve(systemPath(asked.dataFolder)),
    endpoints: await checkEndpoints(asked),
    ...(asked.http && { http: await loopbackAddress(asked.http) }),
  }
  const lock = await lockFolder(options.dataFolder, 'core')
  const opened: Close[] = [() => lock.release()]
  try {
    return await startLocked(options, lock, opened)
  } catch (error) {
    for (const close of opened.reverse()) await close()
    throw error
  }
}

type Close = () => void | Promise<void>

/** @param opened takes how to let go of what is opened here, for the case that something behind it cannot be */
async function startLocked(options: CoreOptions, lock: FolderLock, opened: Close[]): Promise<Core> {
  const { dataFolder, dialect, principal, principalUrl } = options
  const logger = boundLines(options.logger)
  const startedAt = Date.now()
  const limits = { ...defaultCoreLimits, ...options.limits }
  const sealingKey = await openSealingKey(dataFolder, options.sealing)
  const identity = await loadSigningIdentity(dataFolder, sealingKey)
  const leftovers = await removeLeftovers(dataFolder)
  if (leftovers > 0) logger.info({ dataFolder, leftovers }, 'temporary key files of a killed process were removed')
  const curve = options.curve && (await openCurve(options.curve, dataFolder, logger))
  opened.push(() => curve?.clients.close())
  const keyFiles = watchKeyFiles(dataFolder, options.sealing, sealingKey)
  const curveKeyFile = options.curve && watchInFolder(dataFolder, curveKeyPath(dataFolder, options.curve.keyPath))
  const { secretKey } = identity.keyPair
  const mode = modeIfOpen(dataFolder)
  if (mode !== undefined) logger.warn({ dataFolder, mode }, 'the data folder is open to other users (chmod 700)')
  const backend = await openLmdb({ folder: storeFolder(dataFolder) })
  opened.push(() => backend.close())
  const threads = options.threads ?? availableProcessors()
  const web = (options.http ?? principalUrl) !== undefined
  await assertAddressSpace({ threads, web, store: storeFolder(dataFolder) })
  // What only the HTTP door needs is loaded with it: a third of all modules.
  const observation = options.http && new (await import('./observation/observation.ts')).Observation(dataFolder)
  opened.push(() => observation?.close())
  const store = await KeyValueStore.open(observation?.watchCommits(backend) ?? backend, {
    hash: hashWithPauses,
    ...(observation && { onChange: (change: ContractChange) => observation.contractChanged(change) }),
  })
  const folderWatch = new DataFolderWatch(dataFolder, store, lock, keyFiles, logger)
  opened.push(() => folderWatch.close())
  const userKeys = new MemoryUserKeys(secretKey)
  const stateKeys = new StateKeys(secretKey, principal)
  const keyFetcher = principalUrl === undefined ? undefined : new KeyFetcher(stateKeys, principalUrl, logger)
  opened.push(() => keyFetcher?.close())
  const engine = new TaskEngine(
    {
      store,
      userKeys,
      stateKeys,
      ...(keyFetcher && { fetchStateKey: (address: Uint8Array) => keyFetcher.fetchNow(address) }),
      ...(observation && { observer: observation.tasks }),
      maxQueue: limits.queue,
      logger,
    },
    (records) =>
      new ComputePool(
        {
          threads,
          runLimitMs: options.runLimitMs ?? defaultRunLimitMs,
          signingKey: secretKey.bytes,
          encryptEmptyOutput: dialect === 'enigma-p2p',
          logger,
        },
        records,
      ),
  )
  opened.push(() => engine.close())
  const registration = simulatedRegistration(identity.address)
  const omissions = new TipOmissions(logger)
  const dispatcher = new Dispatcher(
    {
      store,
      engine,
      userKeys,
      stateKeys,
      ...(keyFetcher && { keyFetcher }),
      readings: readingsOf(store),
      omissions,
      heldTasks: new HeldTasks(),
      registration,
      logger,
    },
    dialect,
    messageObserver(observation, logger),
  )
  await observation?.start(store, () => engine.jobs)
  const server = await serveRouter(options.endpoints, dispatcher, { limits, logger, ...(curve && { curve }) })
  opened.push(() => server.close(0))
  folderWatch.watchDoors(server, curveKeyFile)
  const traffic: RouterCounts = server
  logger.info(
    {
      endpoints: server.endpoints,
      signingKey: bytesToHex(identity.address),
      dialect,
      ...(curve && { curve: encodeZ85(curve.publicKey), clients: curve.clients.size }),
    },
    'core answers',
  )
  if (principal === undefined) {
    logger.warn('no principal is set: whoever reaches this socket may install state keys (set --principal <address>)')
    if (principalUrl !== undefined) {
      logger.warn('keys are fetched from whoever answers at --principal-url: set --principal <address> as well')
    }
  }
  // In the background: a principal that is down holds up nothing but the tasks that need its keys.
  keyFetcher?.want(await store.allAddresses())
  let door: HttpDoor | undefined
  if (observation !== undefined) {
    const facts = {
      version,
      signingAddress: identity.address,
      endpoints: server.endpoints,
      curve: curve !== undefined,
      dialect,
      principal,
      startedAt,
    }
    const { countDroppedLogLines = () => 0 } = options
    const observed = {
      observation,
      folderWatch,
      store,
      engine,
      stateKeys,
      keyFetcher,
      userKeys,
      dispatcher,
      omissions,
      traffic,
      facts,
      countDroppedLogLines,
    }
    const { openHttpDoor } = await import('./http/httpDoor.ts')
    door = await openHttpDoor(observed, options.http!, options.consoleFolder, logger)
  }
  return {
    endpoints: server.endpoints,
    httpUrl: door?.url,
    signingAddress: identity.address,
    traffic,
    ...(curve && { reload: () => curve.clients.reload() }),
    async close() {
      curve?.clients.close()
      dispatcher.stop()
      keyFetcher?.close()
      await server.drain(closeGraceMs)
      // What is still running is given up, and its peers are told so.
      await engine.close()
      await server.close(lastRepliesMs)
      await door?.close()
      observation?.close()
      folderWatch.close()
      await store.close()
      logger.info('core stopped')
      lock.release()
    },
  }
}

/**
 * Refuses endpoints that others can reach, and says loudly what is served all the same.
 *
 * @returns the endpoints with addresses in place of names
 */
async function checkEndpoints({ endpoints, curve, insecure, logger }: CoreOptions): Promise<string[]> {
  const addresses: string[] = []
  for (const endpoint of endpoints) {
    assertEndpoint(endpoint)
    const risk = folderRisk(endpoint)
    const isGuarded = curve !== undefined || insecure === true
    if (!isGuarded) assertLocal(endpoint)
    const address = await withAddress(endpoint)
    if (!isGuarded) assertLocal(endpoint, address)
    if (risk?.replaceable && !isGuarded) throw new Error(`${endpoint} is not safe: ${risk.text}`)
    if (curve === undefined && !isLocal(address)) {
      logger.warn({ endpoint }, 'INSECURE: whoever reaches this endpoint may read, change and remove all contracts')
    }
    if (risk !== undefined) logger.warn({ endpoint, reason: risk.text }, 'the folder of the socket is not safe')
    addresses.push(address)
  }
  return addresses
}

function curveKeyPath(dataFolder: string, path: string | undefined): string {
  return path ?? join(dataFolder, curveKeyFileName)
}

async function openCurve({ keyPath, clientsPath }: CurveOptions, dataFolder: string, logger: Logger) {
  const { publicKey, secretKey } = await readCurveKeyFile(curveKeyPath(dataFolder, keyPath), 'server')
  return { publicKey, secretKey: secretKey.bytes, clients: await ClientList.open(clientsPath, logger) }
}

/** Who looks on at messages: the observation, and the log at level debug; nobody is cheapest. */
function messageObserver(observation: Observation | undefined, logger: Logger): MessageObserver | undefined {
  if (!logger.isLevelEnabled('debug')) return observation && ((message) => observation.messageAnswered(message))
  return (message) => {
    observation?.messageAnswered(message)
    logger.debug(logged(message), 'message answered')
  }
}
