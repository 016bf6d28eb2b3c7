import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { isLoopback } from './loopback.ts'

type Guard = MiddlewareHandler<{ Bindings: HttpBindings }>

/**
 * Lets in who asks for a loopback name with this server's port, and of web pages those of that very origin. A page from
 * elsewhere, also one that had its name rebound to this address, must not read what only this machine may see.
 */
export const ownPagesOnly: Guard = async (context, next) => {
  const { host, origin, 'sec-fetch-site': site, 'sec-fetch-dest': destination } = context.req.header()
  if (!isOurs(host, context.env.incoming.socket.localPort)) return context.text('Unknown host\n', 403)
  // Without an origin a page cannot read the answer, but have many of them made. A link to a page here may be followed.
  const isElsewhere = (site === 'cross-site' || site === 'same-site') && destination !== 'document'
  if (isElsewhere || (origin !== undefined && origin !== `http://${host}`)) {
    return context.text('Not for pages from elsewhere\n', 403)
  }
  return next()
}

/** Lets no web page in: only browsers send an origin, also for a page that had its name rebound to this address. */
export const noPages: Guard = async (context, next) => {
  if (context.req.header('origin') !== undefined) return context.text('Not for web pages', 403)
  return next()
}

function isOurs(host: string | undefined, port: number | undefined): boolean {
  const match = /^(.+):(\d+)$/.exec(host ?? '')
  return match !== null && isLoopback(match[1]!) && Number(match[2]) === port
}
