import { request } from 'node:http'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createHealthRoutes,
  type HttpBindings,
  type HttpServer,
  noPages,
  openHttpServer,
  ownPagesOnly,
} from './index.ts'

let server: HttpServer
let port: number
let reasons: string[] = []

beforeAll(async () => {
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.get('/own', ownPagesOnly, (context) => context.text('shown'))
  app.get('/none', noPages, (context) => context.text('shown'))
  const metrics = async () => ({ text: 'up 1\n', contentType: 'text/plain; version=0.0.4' })
  app.route('/', createHealthRoutes({ readinessReasons: () => reasons, metrics }))
  server = await openHttpServer(app, { host: '127.0.0.1', port: 0 }, { connections: 8, connectionsOfPeer: 8 })
  port = Number(new URL(server.url).port)
})
afterAll(() => server.close(0))

/** Not `fetch`, which sends no Host and no Origin but its own. */
const get = (path: string, headers: Record<string, string> = {}) =>
  new Promise<{ status: number | undefined; type: string | undefined; text: string }>((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, headers, agent: false }, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString()
      resolve({ status: response.statusCode, type: response.headers['content-type'], text })
    })
    asking.on('error', reject).end()
  })

describe('what is for pages of its own only', () => {
  it.each(['127.0.0.1', 'localhost', '127.1.2.3', '[::1]'])('is shown to who asks for %s', async (name) => {
    const host = `${name}:${port}`
    expect(await get('/own', { host })).toMatchObject({ status: 200, text: 'shown' })
    expect(await get('/own', { host, origin: `http://${host}` })).toMatchObject({ status: 200, text: 'shown' })
  })

  it.each([
    ['another name', () => `rebound.example:${port}`],
    ['no port', () => '127.0.0.1'],
    ['another port', () => `127.0.0.1:${port + 1}`],
  ])('is not shown to who asks for %s', async (_, host) => {
    expect(await get('/own', { host: host() })).toMatchObject({ status: 403, text: 'Unknown host\n' })
  })

  it.each(['http://evil.example', 'null', 'https://HOST', 'http://localhost:PORT'])(
    'is not shown to a page from %s',
    async (page) => {
      const host = `127.0.0.1:${port}`
      const origin = page.replace('HOST', host).replace('PORT', String(port))
      expect(await get('/own', { host, origin })).toMatchObject({ status: 403, text: 'Not for pages from elsewhere\n' })
    },
  )
})

it.each(['cross-site', 'same-site'])(
  'is not shown to a %s page that does not say which, unless it is a link',
  async (site) => {
    const headers = { host: `127.0.0.1:${port}`, 'sec-fetch-site': site }
    for (const destination of ['empty', 'image']) {
      expect(await get('/own', { ...headers, 'sec-fetch-dest': destination }), destination).toMatchObject({
        status: 403,
      })
    }
    expect(await get('/own', { ...headers, 'sec-fetch-dest': 'document' })).toMatchObject({ status: 200 })
    expect(await get('/own', { ...headers, 'sec-fetch-site': 'same-origin' })).toMatchObject({ status: 200 })
  },
)

it('what is for no pages is shown to whoever sends no origin', async () => {
  expect(await get('/none')).toMatchObject({ status: 200, text: 'shown' })
  expect(await get('/none', { origin: `http://127.0.0.1:${port}` })).toMatchObject({ status: 403 })
})

it('health: alive, ready or why not, and the numbers', async () => {
  expect(await get('/livez')).toMatchObject({ status: 200, text: 'ok\n' })
  const ready = await get('/readyz')
  expect([ready.status, JSON.parse(ready.text)]).toEqual([200, { ready: true, reasons: [] }])
  reasons = ['the disk is full']
  const unready = await get('/readyz')
  expect([unready.status, JSON.parse(unready.text)]).toEqual([503, { ready: false, reasons }])
  expect(await get('/metrics')).toEqual({ status: 200, type: 'text/plain; version=0.0.4', text: 'up 1\n' })
})
