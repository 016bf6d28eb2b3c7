import { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bytesToHex } from '@bletchley/crypto'
import { lockFolder } from '@bletchley/crypto/folder-lock'
import { openSealingKey, openSigningKey, type SealingOptions } from '@bletchley/crypto/key-file'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { type Logger, pino } from 'pino'
import { AuditLog } from './auditLog.ts'
import { getStateKeys } from './getStateKeys.ts'
import { answerJsonRpc, errorResponse, type RpcMethods } from './jsonRpc.ts'
import { RateLimiter, type RateLimits } from './rateLimits.ts'
import { RpcError, rpcErrorCodes } from './rpcError.ts'
import { principalKeyPurpose } from './sealedFiles.ts'
import { StateKeys } from './stateKeys.ts'
import { WorkerList } from './workerList.ts'

/** Room for a batch of requests with many addresses. */
const maxBodyBytes = 1 << 20
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
  /** Reads the list of workers again, which every request does by itself. */
  reload(): Promise<void>
  /** Stops listening; resolves once the calls under way are answered, or cut off after 2 s. */
  close(): Promise<void>
}

/**
 * Starts a principal: the node that makes a random state key per contract and hands it to workers, as JSON-RPC 2.0
 * over HTTP (POST /), with the methods `getStateKeys` and `getHealthCheck`.
 *
 * @throws KeyFileError if the data folder holds keys that cannot be read
 * @throws FolderLockedError if another process has the data folder
 * @throws Error of Node if it cannot listen
 */
export async function startPrincipal(options: PrincipalOptions): Promise<Principal> {
  const { host, workersFile, authorize, insecure } = options
  if ((workersFile ?? authorize) === undefined && !insecure && host !== undefined && !isLoopback(host)) {
    throw new Error(
      `Other machines can reach ${host}: list the workers that may have keys (--workers), or say --insecure`,
    )
  }
  const lock = await lockFolder(options.dataFolder, 'principal')
  try {
    const principal = await startLocked(options)
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

async function startLocked(options: PrincipalOptions): Promise<Principal> {
  const { host = '127.0.0.1', port = 0, dataFolder, workersFile } = options
  const logger = options.logger ?? pino({ enabled: false })

  const sealingKey = await openSealingKey(dataFolder, options.sealing)
  const identity = await openSigningKey(dataFolder, sealingKey, principalKeyPurpose)
  const { secretKey } = identity.keyPair
  const stateKeys = new StateKeys(dataFolder, sealingKey)
  const workers = workersFile === undefined ? undefined : await WorkerList.open(workersFile, logger)
  const authorize = options.authorize ?? (workers && ((worker: string) => workers.has(worker)))
  const limiter = new RateLimiter(options.limits)
  const audit = await AuditLog.open(dataFolder)
  const methods: RpcMethods = new Map<string, (params: unknown) => Promise<unknown>>([
    ['getStateKeys', getStateKeys({ stateKeys, secretKey, authorize, limiter, audit, logger })],
    ['getHealthCheck', async () => true],
  ])

  const server = createAdaptorServer({ fetch: createApp(methods, logger).fetch, overrideGlobalObjects: false })
  if (!(server instanceof Server)) throw new Error('The adaptor should have made an HTTP/1.1 server')
  const close = prepareClose(server)
  const url = await listen(server, host, port).catch(async (error: unknown) => {
    await audit.close()
    throw error
  })
  const address = bytesToHex(identity.address)
  logger.info({ url, address, ...(workers && { workers: workers.size }) }, 'principal ready')
  if (authorize === undefined) logger.warn('no worker is refused: whoever reaches this address may have state keys')
  return {
    url,
    address,
    reload: async () => workers?.refresh(),
    close: async () => {
      await close()
      await audit.close()
    },
  }
}

function createApp(methods: RpcMethods, logger: Logger): Hono {
  const app = new Hono()
  app.use(async (context, next) => {
    // Only browsers send it: a page, also one that had its name rebound to this address, has no business here.
    if (context.req.header('origin') !== undefined) return context.text('Not for web pages', 403)
    return next()
  })
  const tooLarge = new RpcError(rpcErrorCodes.invalidRequest, `A body has at most ${maxBodyBytes} bytes`)
  app.post(
    '/',
    bodyLimit({
      maxSize: maxBodyBytes,
      // The rest of the body stays unread, so the connection is of no further use.
      onError: (context) => context.json(errorResponse(tooLarge, null), 413, { connection: 'close' }),
    }),
    async (context) => {
      const response = await answerJsonRpc(await context.req.text(), methods, logger)
      return response === undefined ? context.body(null, 204) : context.json(response)
    },
  )
  app.onError((error, context) => {
    logger.warn({ err: error }, 'request broken off')
    return context.text('Bad request', 400)
  })
  return app
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host)
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const bound = server.address() as AddressInfo // A string only for pipes and UNIX sockets.
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`
}

/** Returns what closes the server: at once where nobody waits for an answer, after a grace where somebody does. */
function prepareClose(server: Server): () => Promise<void> {
  let answering = 0
  server.on('request', (_request, response) => {
    answering++
    response.once('close', () => {
      answering--
      if (answering === 0 && !server.listening) server.closeAllConnections()
    })
  })
  let closed: Promise<void> | undefined
  return () => {
    closed ??= new Promise((resolve) => {
      const deadline = setTimeout(() => server.closeAllConnections(), closeGraceMs)
      server.close(() => {
        clearTimeout(deadline)
        resolve()
      })
      if (answering === 0) server.closeAllConnections()
    })
    return closed
  }
}
