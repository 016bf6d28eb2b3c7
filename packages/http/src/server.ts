import type { Server, ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'

/** What handlers find in `context.env`: request and response of Node. */
export type { HttpBindings }
/** What a handler returns that has answered by itself. */
export { RESPONSE_ALREADY_SENT }

export interface HttpAddress {
  /** A name or an address. */
  host: string
  /** 0 takes a free one. */
  port: number
}

export interface HttpLimits extends ServerOptions {
  /** Connections at the same time. */
  maxConnections?: number
  /** How long a connection may be without a byte in either direction. */
  idleTimeout?: number
}

export interface HttpServer {
  /** With the real port. */
  readonly url: string
  /** Stops listening, and resolves when the calls under way are answered, or cut off after so long a grace. */
  close(graceMs: number): Promise<void>
}

/**
 * Serves an app.
 *
 * @throws Error of Node if it cannot listen
 */
export async function openHttpServer(
  app: Hono<{ Bindings: HttpBindings }>,
  address: HttpAddress,
  { maxConnections, idleTimeout, ...serverOptions }: HttpLimits = {},
): Promise<HttpServer> {
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false, serverOptions }) as Server
  if (maxConnections !== undefined) server.maxConnections = maxConnections
  if (idleTimeout !== undefined) server.setTimeout(idleTimeout)
  const close = prepareClose(server)
  return { url: await listen(server, address), close }
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

/** Returns what closes the server: at once where nobody waits for an answer, after a grace where somebody does. */
function prepareClose(server: Server): (graceMs: number) => Promise<void> {
  let answering = 0
  server.on('request', (_request, response) => {
    answering++
    response.once('close', () => {
      answering--
      if (answering === 0 && !server.listening) server.closeAllConnections()
    })
  })
  let closed: Promise<void> | undefined
  return (graceMs) => {
    closed ??= new Promise((resolve) => {
      const deadline = setTimeout(() => server.closeAllConnections(), graceMs)
      server.close(() => {
        clearTimeout(deadline)
        resolve()
      })
      if (answering === 0 || graceMs === 0) server.closeAllConnections()
    })
    return closed
  }
}
