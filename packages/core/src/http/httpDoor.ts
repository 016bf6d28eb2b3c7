import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { Logger } from 'pino'
import { createRegistry } from '../observation/metrics.ts'
import type { Observed } from '../observation/observed.ts'
import { readinessReasons } from '../observation/readiness.ts'
import { statusOf } from '../observation/status.ts'
import { createApi } from './api.ts'
import { loadConsole } from './consoleFiles.ts'
import { EventFeed } from './eventFeed.ts'
import { assertLoopbackHost, type HttpAddress, isLoopback } from './httpAddress.ts'

/** A door that answers. */
export interface HttpDoor {
  /** With the real port. */
  readonly url: string
  close(): Promise<void>
}

/** Nobody who is slow may hold a connection for long, and there are not many of them. */
const limits = { headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 5000, maxHeaderSize: 16 * 1024 }
const maxConnections = 64
const idleTimeoutMs = 30_000
const timeoutCheckMs = 1000

const securityHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
}

/**
 * Serves health, metrics, the JSON API and the console to whoever is on the machine; it only shows, and takes nothing.
 *
 * @param consoleFolder of the web page; none is served if absent
 * @throws RangeError, or the error of Node if it cannot listen
 */
export async function openHttpDoor(
  parts: Omit<Observed, 'listeners'>,
  address: HttpAddress,
  consoleFolder: string | undefined,
  logger: Logger,
): Promise<HttpDoor> {
  assertLoopbackHost(address.host)
  const feed = new EventFeed(parts.observation, (): object => statusOf(observed))
  const observed: Observed = { ...parts, listeners: () => feed.size }
  const registry = createRegistry(observed)
  const files = consoleFolder === undefined ? undefined : await loadConsole(consoleFolder)

  const app = new Hono<{ Bindings: HttpBindings }>()
  app.use(async (context, next) => {
    for (const [name, value] of Object.entries(securityHeaders)) context.header(name, value)
    const { host, origin } = context.req.header()
    // A page from elsewhere, also one that had its name rebound to this address, must not read what is shown here.
    if (!isOurs(host, server)) return context.text('Unknown host\n', 403)
    if (origin !== undefined && origin !== `http://${host}`) return context.text('Not for pages from elsewhere\n', 403)
    if (context.req.method !== 'GET' && context.req.method !== 'HEAD') {
      return context.text('Only GET and HEAD\n', 405, { allow: 'GET, HEAD', connection: 'close' })
    }
    return next()
  })
  app.get('/livez', (context) => context.text('ok\n'))
  app.get('/readyz', (context) => {
    const reasons = readinessReasons(observed)
    return context.json({ ready: reasons.length === 0, reasons }, reasons.length === 0 ? 200 : 503)
  })
  app.get('/metrics', async (context) => {
    parts.observation.settle()
    const text = await registry.metrics()
    return context.body(text, 200, { 'content-type': registry.contentType })
  })
  app.get('/api/events', (context) => {
    if (context.req.method === 'HEAD') return context.body(null, 200, { 'content-type': 'text/event-stream' })
    const response = context.env.outgoing as ServerResponse
    if (!feed.add(response, securityHeaders)) return context.json({ error: 'too many listeners' }, 503)
    return RESPONSE_ALREADY_SENT
  })
  app.route('/api', createApi(observed))
  app.get('*', (context) => {
    const { pathname } = new URL(context.req.url)
    const file = files?.get(pathname)
    if (file === undefined) {
      const none = pathname === '/' ? 'No console is installed; see /api/status and /metrics\n' : 'Not found\n'
      return context.text(none, 404)
    }
    return context.body(file.bytes, 200, { 'content-type': file.type, 'cache-control': 'no-cache' })
  })
  app.onError((error, context) => {
    logger.warn({ path: context.req.path.slice(0, 200), err: error }, 'HTTP request failed')
    return context.json({ error: 'internal error' }, 500)
  })

  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    serverOptions: { ...limits, connectionsCheckingInterval: timeoutCheckMs },
  }) as Server
  server.maxConnections = maxConnections
  server.setTimeout(idleTimeoutMs)
  const url = await listen(server, address)
  logger.info({ url }, 'HTTP door answers')
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        feed.close()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Whether a request was meant for this door: a loopback name, with its port. */
function isOurs(host: string | undefined, server: Server): boolean {
  const match = /^(?:\[(::1)\]|([^:[\]]+)):(\d+)$/.exec(host ?? '')
  const port = (server.address() as AddressInfo | null)?.port
  return match !== null && isLoopback((match[1] ?? match[2])!.toLowerCase()) && Number(match[3]) === port
}

async function listen(server: Server, { host, port }: HttpAddress): Promise<string> {
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
