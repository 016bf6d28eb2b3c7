import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'
import type { Logger } from 'pino'
import { Connections } from './connections.ts'
import { withoutBrackets } from './loopback.ts'
import { turnOf } from './turns.ts'

/** What handlers find in `context.env`: request and response of Node. */
export type { HttpBindings }
/** What a handler returns that has answered by itself. */
export { RESPONSE_ALREADY_SENT }

export interface HttpAddress {
  /** A name or an address; one of IPv6 with or without brackets. */
  host: string
  /** 0 takes a free one. */
  port: number
}

export interface ConnectionLimits {
  /** Connections at the same time. */
  connections: number
  /** Of them those of one peer: an address of IPv4, or a network (/64) of IPv6. */
  connectionsOfPeer: number
}

export interface HttpServer {
  /** With the real port. */
  readonly url: string
  /** Stops listening, and resolves when the calls under way are answered, or cut off after so long a grace. */
  close(graceMs: number): Promise<void>
}

/** Nobody who is slow may hold a connection for long. A whole request, with its body, has 5 s to arrive. */
const deadlines = {
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
}
const maxHeaderSize = 16 * 1024

/**
 * Serves an app, to whoever comes: what is slow, silent or too much is cut off, see `deadlines` and `Connections`.
 *
 * @throws Error of Node if it cannot listen
 */
export async function openHttpServer(
  app: Hono<{ Bindings: HttpBindings }>,
  address: HttpAddress,
  limits: ConnectionLimits,
  logger?: Logger,
): Promise<HttpServer> {
  const answer = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    overrideGlobalObjects: false,
  })
  const server = createServer({ ...deadlines, maxHeaderSize }, (request, response) => {
    if (!connections.admit(request, response)) return
    // Not at once: Node would have requests that come in one piece answered in one go, and nobody else's in between.
    void turnOf(request.socket).then(async () => {
      if (request.socket.destroyed) return
      await answer(request, response)
      connections.boundKept(request.socket)
    })
  })
  const connections = new Connections(server, limits.connections, limits.connectionsOfPeer, () =>
    logger?.warn(limits, 'there are as many HTTP connections as may be: some of those who have most are ended'),
  )
  const url = await listen(server, address)
  let closed: Promise<void> | undefined
  return {
    url,
    close: (graceMs) => {
      closed ??= new Promise((resolve) => {
        const deadline = setTimeout(() => connections.destroy(), graceMs)
        server.close(() => {
          clearTimeout(deadline)
          resolve()
        })
        connections.end()
      })
      return closed
    },
  }
}

async function listen(server: Server, { host, port }: HttpAddress): Promise<string> {
  server.listen({ host: withoutBrackets(host), port })
  await once(server, 'listening')
  const bound = server.address() as AddressInfo // A string only for pipes and UNIX sockets.
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`
}
