import { bytesToHex } from '@bletchley/bytes'
import { type FolderLock, lockFolder } from '@bletchley/crypto/folder-lock'
import {
  KeyFileError,
  modeIfOpen,
  openSealingKey,
  openSigningKey,
  readKeyFolders,
  removeLeftovers,
  type SealingOptions,
  sealedIn,
  signingKeyFileName,
} from '@bletchley/crypto/key-file'
import { watchKeyFiles } from '@bletchley/crypto/watched-file'
import {
  type ConnectionLimits,
  createJsonRpcRoute,
  type HttpBindings,
  noPages,
  openHttpServer,
  type RpcMethod,
  type RpcMethods,
} from '@bletchley/http'
import { boundLines } from '@bletchley/http/bound-lines'
import { isLoopback, resolveHost } from '@bletchley/http/loopback'
import { connectionsWithin, openFiles } from '@bletchley/http/open-files'
import { Hono } from 'hono'
import { type Logger, pino } from 'pino'
import { AuditLog } from './auditLog.ts'
import { DataFolderWatch } from './dataFolderWatch.ts'
import { getStateKeys } from './getStateKeys.ts'
import type { RateLimits } from './limits.ts'
import { RateLimiter } from './rateLimits.ts'
import { principalKeyPurpose } from './sealedFiles.ts'
import { StateKeys } from './stateKeys.ts'
import { WorkerList } from './workerList.ts'

/** Room for a batch of three requests with as many addresses as one may name. */
const maxBodyBytes = 1 << 18
/** A worker needs one, for the moment of a call; several may have one address. */
const maxConnections = 512
/** How long calls under way may take to finish when the principal closes. */
const closeGraceMs = 2000

export interface PrincipalOptions {
  /** Where to listen. An address that other machines can reach needs a list of workers, or `insecure`. */
  host?: string | undefined
  /** 0 takes a free one. */
  port?: number | undefined
  /** Keeps the signing key and the state keys, sealed; created if absent. One principal per folder. */
  dataFolder: string
  /** Where the key lies that seals them, and what unlocks it; in the data folder, unlocked, by default. */
  sealing?: SealingOptions | undefined
  /** File of the workers that may have state keys (`WorkerList`). Every worker may if absent. */
  workersFile?: string | undefined
  /** Gives keys to whoever reaches it, also from other machines. */
  insecure?: boolean | undefined
  /** How often workers may ask; `defaultLimits` where it says nothing. */
  limits?: Partial<RateLimits> | undefined
  logger?: Logger | undefined
  /**
   * Whether a worker may have state keys; by its address, 40 lower-case digits. In place of `workersFile`, for
   * programs; in simulation no chain assigns contracts to workers.
   */
  authorize?: ((worker: string) => boolean | Promise<boolean>) | undefined
}

export interface Principal {
  /** The JSON-RPC endpoint, with the real port. */
  readonly url: string
  /** The address that signs responses, 40 lower-case digits without 0x: what a worker must be told to trust. */
  readonly address: string
  /** Reads the list of workers again, as every request does if the file has changed, and says so in the log. */
  reload(): Promise<void>
  /** Stops listening; resolves once the calls under way are answered, or cut off after 2 s. */
  close(): Promise<void>
}

/**
 * Starts a principal: the node that makes a random state key per contract and hands it to workers, as JSON-RPC 2.0
 * over HTTP (POST /), with the methods `getStateKeys` and `getHealthCheck`.
 *
 * @throws KeyFileError if the data folder holds keys that cannot be read, or lacks the one that signs
 * @throws FolderLockedError if another process has the data folder
 * @throws Error of Node if it cannot listen
 */
export async function startPrincipal(options: PrincipalOptions): Promise<Principal> {
  const { host = '127.0.0.1', workersFile, authorize, insecure } = options
  const isOpen = (workersFile ?? authorize) === undefined && !insecure
  if (isOpen && !isLoopback(host)) throw reachable(host)
  const address = await resolveHost(host)
  if (isOpen && !isLoopback(address)) throw reachable(`${host}, which is ${address} on this machine`)
  const lock = await lockFolder(options.dataFolder, 'principal')
  try {
    const principal = await startLocked({ ...options, host: address }, lock)
    return {
      ...principal,
      close: async () => {
        await principal.close()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

function reachable(host: string): Error {
  return new Error(
    `Other machines can reach ${host}: list the workers that may have keys (--workers), or say --insecure`,
  )
}

async function startLocked(options: PrincipalOptions & { host: string }, lock: FolderLock): Promise<Principal> {
  const { host, port = 0, dataFolder, workersFile } = options
  const logger = boundLines(options.logger ?? pino({ enabled: false }))

  const sealingKey = await openSealingKey(dataFolder, options.sealing)
  const folders = await readKeyFolders(dataFolder)
  assertNoIdentityLost(dataFolder, sealedIn(folders))
  const leftovers = await removeLeftovers(dataFolder, folders)
  if (leftovers > 0) logger.info({ dataFolder, leftovers }, 'temporary key files of a killed process were removed')
  const identity = await openSigningKey(dataFolder, sealingKey, principalKeyPurpose)
  const { secretKey } = identity.keyPair
  const keyFiles = watchKeyFiles(dataFolder, options.sealing, sealingKey)
  const workers = workersFile === undefined ? undefined : await WorkerList.open(workersFile, logger)
  const authorize = options.authorize ?? (workers && ((worker: string) => workers.has(worker)))
  const limiter = new RateLimiter(options.limits)
  const stateKeys = new StateKeys(dataFolder, sealingKey)
  const audit = await AuditLog.open(dataFolder, [lock, ...keyFiles, stateKeys])
  const mode = modeIfOpen(dataFolder)
  if (mode !== undefined) logger.warn({ dataFolder, mode }, 'the data folder is open to other users (chmod 700)')
  const methods: RpcMethods = new Map<string, RpcMethod>([
    ['getStateKeys', getStateKeys({ stateKeys, secretKey, authorize, limiter, audit, logger })],
    ['getHealthCheck', async () => true],
  ])

  const app = new Hono<{ Bindings: HttpBindings }>()
  app.use(noPages)
  app.route('/', createJsonRpcRoute(methods, maxBodyBytes, logger))
  const serve = async () => {
    const reason = await stateKeys.load(audit.given())
    if (reason !== undefined) logger.error({ dataFolder, reason }, 'keys that were given are missing')
    return openHttpServer(app, { host, port }, connectionLimits(), logger)
  }
  const { url, close } = await serve().catch(async (error: unknown) => {
    await audit.close()
    throw error
  })
  const folderWatch = new DataFolderWatch(dataFolder, audit, logger)
  const address = bytesToHex(identity.address)
  logger.info({ url, address, ...(workers && { workers: workers.size }) }, 'principal ready')
  if (authorize === undefined) logger.warn('no worker is refused: whoever reaches this address may have state keys')
  return {
    url,
    address,
    reload: async () => workers?.reload(),
    close: async () => {
      await close(closeGraceMs)
      folderWatch.close()
      await audit.close()
    },
  }
}

/** A new signing key would be a new address, and the workers have the one before pinned. */
function assertNoIdentityLost(dataFolder: string, files: readonly string[]): void {
  if (files.length === 0 || files.includes(signingKeyFileName)) return
  throw new KeyFileError(
    'missing',
    `${dataFolder} has sealed files, but no ${signingKeyFileName}. Put it back, from a copy or a backup of the keys`,
  )
}

/** No more than the limit of open files allows, and half of them for one peer. */
function connectionLimits(): ConnectionLimits {
  const files = openFiles()
  const connections = Math.min(maxConnections, files === undefined ? maxConnections : connectionsWithin(files))
  return { connections, connectionsOfPeer: Math.ceil(connections / 2) }
}
