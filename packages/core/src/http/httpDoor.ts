import {
  type ConnectionLimits,
  createHealthRoutes,
  type HttpBindings,
  openHttpServer,
  ownPagesOnly,
  RESPONSE_ALREADY_SENT,
} from '@bletchley/http'
import { openFiles, reservedFiles } from '@bletchley/http/open-files'
import { Hono } from 'hono'
import type { Logger } from 'pino'
import { createRegistry } from '../observation/metrics.ts'
import type { Observed } from '../observation/observed.ts'
import { readinessReasons } from '../observation/readiness.ts'
import { statusOf } from '../observation/status.ts'
import { createApi } from './api.ts'
import { loadConsole } from './consoleFiles.ts'
import { EventFeed } from './eventFeed.ts'
import { assertLoopbackHost, type HttpAddress } from './httpAddress.ts'

/** A door that answers. */
export interface HttpDoor {
  /** With the real port. */
  readonly url: string
  close(): Promise<void>
}

const maxConnections = 64

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
    return next()
  })
  app.use(ownPagesOnly)
  app.use(async (context, next) => {
    if (context.req.method !== 'GET' && context.req.method !== 'HEAD') {
      return context.text('Only GET and HEAD\n', 405, { allow: 'GET, HEAD', connection: 'close' })
    }
    return next()
  })
  const health = createHealthRoutes({
    readinessReasons: () => readinessReasons(observed),
    metrics: async () => {
      parts.observation.settle()
      return { text: await registry.metrics(), contentType: registry.contentType }
    },
  })
  app.route('/', health)
  app.get('/api/events', (context) => {
    if (context.req.method === 'HEAD') return context.body(null, 200, { 'content-type': 'text/event-stream' })
    const response = context.env.outgoing
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

  const { url, close } = await openHttpServer(app, address, connectionLimits(), logger)
  logger.info({ url }, 'HTTP door answers')
  return {
    url,
    close: () => {
      feed.close()
      return close(0)
    },
  }
}

/** Files that peers of the core leave to others are not all for the door. Whoever comes is of this machine, and may have all. */
function connectionLimits(): ConnectionLimits {
  const files = openFiles()
  const spare = files === undefined ? maxConnections : Math.floor(reservedFiles(files.limit) / 2)
  const connections = Math.min(maxConnections, spare)
  return { connections, connectionsOfPeer: connections }
}
