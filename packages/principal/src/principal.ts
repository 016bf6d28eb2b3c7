import { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { addressOf, bytesToHex, generateKeyPair, keyPairFromSecret } from '@bletchley/crypto'
import { openSealingKey, readOrCreateSealed } from '@bletchley/crypto/key-file'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { type Logger, pino } from 'pino'
import { getStateKeys } from './getStateKeys.ts'
import { answerJsonRpc, errorResponse, type RpcMethods } from './jsonRpc.ts'
import { RpcError, rpcErrorCodes } from './rpcError.ts'
import { StateKeys } from './stateKeys.ts'

/** Room for a batch of requests with many addresses. */
const maxBodyBytes = 1 << 20
/** How long calls under way may take to finish when the principal closes. */
const closeGraceMs = 2000

export interface PrincipalOptions {
  /** Where to listen. Off loopback anybody who reaches it gets keys, unless `authorize` says no. */
  host?: string | undefined
  /** 0 takes a free one. */
  port?: number | undefined
  /** Keeps the signing key and the state keys, sealed; created if absent. One principal per folder. */
  dataFolder: string
  /** File of the key that seals them, to keep it apart from the data folder. */
  sealingKeyPath?: string | undefined
  logger?: Logger | undefined
  /**
   * Whether a worker may have state keys; by its address, 40 lower-case digits. Every worker may if absent, for in
   * simulation no chain assigns contracts to workers.
   */
  authorize?: ((worker: string) => boolean) | undefined
}

export interface Principal {
  /** The JSON-RPC endpoint, with the real port. */
  readonly url: string
  /** The address that signs responses, 40 lower-case digits without 0x: what a worker must be told to trust. */
  readonly address: string
  /** Stops listening; resolves once the calls under way are answered, or cut off after 2 s. */
  close(): Promise<void>
}

/**
 * Starts a principal: the node that makes a random state key per contract and hands it to workers, as JSON-RPC 2.0
 * over HTTP (POST /), with the methods `getStateKeys` and `getHealthCheck`.
 *
 * @throws KeyFileError if the data folder holds keys that cannot be read
 * @throws Error of Node if it cannot listen
 */
export async function startPrincipal(options: PrincipalOptions): Promise<Principal> {
  const { host = '127.0.0.1', port = 0, dataFolder, sealingKeyPath, authorize } = options
  const logger = options.logger ?? pino({ enabled: false })

  const sealingKey = await openSealingKey(dataFolder, { path: sealingKeyPath })
  const secret = await readOrCreateSealed(
    join(dataFolder, 'signing-key.sealed'),
    sealingKey,
    'signing key of the principal',
    () => generateKeyPair().secretKey.bytes,
  )
  const { secretKey, publicKey } = keyPairFromSecret(secret)
  const stateKeys = new StateKeys(dataFolder, sealingKey)
  const methods: RpcMethods = new Map<string, (params: unknown) => Promise<unknown>>([
    ['getStateKeys', getStateKeys({ stateKeys, secretKey, authorize, logger })],
    ['getHealthCheck', async () => true],
  ])

  const server = createAdaptorServer({ fetch: createApp(methods, logger).fetch, overrideGlobalObjects: false })
  if (!(server instanceof Server)) throw new Error('The adaptor should have made an HTTP/1.1 server')
  const close = prepareClose(server)
  const url = await listen(server, host, port)
  const address = bytesToHex(addressOf(publicKey))
  logger.info({ url, address }, 'principal ready')
  if (authorize === undefined) logger.warn('no worker is refused: whoever reaches this address may have state keys')
  return { url, address, close }
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
