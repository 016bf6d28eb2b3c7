import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { type Context, Hono } from 'hono'
import { type Logger, pino } from 'pino'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type HttpBindings, openHttpServer } from './index.ts'

afterEach(() => {
  vi.useRealTimers()
})

type Answer = (context: Context<{ Bindings: HttpBindings }>) => Response | Promise<Response>

/** A server whose every path answers so, and peers that connect to it. */
async function serve(answer: Answer = (context) => context.text('here'), limits = {}, logger?: Logger) {
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.all('*', answer)
  app.onError((_, context) => context.text('broken off', 400))
  const server = await openHttpServer(
    app,
    { host: '127.0.0.1', port: 0 },
    { connections: 64, connectionsOfPeer: 64, ...limits },
    logger,
  )
  const port = Number(new URL(server.url).port)
  const peers: Peer[] = []
  return {
    ...server,
    open: async (text: string | Uint8Array = '', address = '127.0.0.1') => {
      const peer = new Peer(connect({ port, host: '127.0.0.1', localAddress: address }), text)
      peers.push(peer)
      await peer.connected
      return peer
    },
    /** What one request on a connection of its own is answered, or how it failed. */
    ask: (address = '127.0.0.1') =>
      new Promise<string>((resolve) => {
        const asking = request(server.url, { localAddress: address, agent: false }, async (response) => {
          resolve(Buffer.concat(await response.toArray()).toString())
        })
        asking.on('error', () => resolve('cut off')).end()
      }),
    [Symbol.asyncDispose]: async () => {
      for (const { socket } of peers) socket.destroy()
      await server.close(0)
    },
  }
}

class Peer {
  readonly socket: Socket
  readonly connected: Promise<unknown>
  readonly closed: Promise<unknown>
  text = ''

  constructor(socket: Socket, text: string | Uint8Array) {
    this.socket = socket
    // Not `once` of node:events, which fails on an error: a reset is as good an end.
    this.closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve))
    this.connected = new Promise((resolve) => socket.once('connect', () => socket.write(text, resolve)))
    socket.setEncoding('latin1').on('data', (more) => {
      this.text += more
    })
  }

  get isOpen(): boolean {
    return !this.socket.closed
  }
}

const head = 'POST / HTTP/1.1\r\nHost: a\r\n'
const halfRequest = `${head}Content-Length: 1000\r\n\r\nhalf`

describe('a peer that is slow', () => {
  it('has its connection closed, whatever it stops in', async () => {
    await using server = await serve(async (context) => context.text(await context.req.text()))
    const peers = await Promise.all([
      server.open(),
      server.open('POST / HTT'),
      server.open('GET / HTTP/1.1\r\nHost: a\r\nX-'),
      server.open(halfRequest),
      server.open(`${head}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`),
      server.open(`${head}Transfer-Encoding: chunked\r\n\r\nffffff\r\nhalf`),
      server.open('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    ])
    await Promise.all(peers.map(({ closed }) => closed))
    expect(peers.at(-1)!.text).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(await server.ask()).toBe('')
  })

  it('has half a minute to read a reply', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let whole: Promise<unknown> | undefined
    await using server = await serve((context) => {
      whole = once(context.env.outgoing, 'prefinish')
      return context.body(new Uint8Array(64 << 20))
    })
    const peer = await server.open()
    peer.socket.pause()
    peer.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await vi.waitUntil(() => whole !== undefined, { timeout: 60_000 })
    await whole
    vi.advanceTimersByTime(29_999)
    await setImmediate()
    expect(peer.isOpen).toBe(true)
    vi.advanceTimersByTime(1)
    peer.socket.resume()
    await peer.closed
    expect(peer.text.length).toBeLessThan(64 << 20)
  })
})

describe('replies that nobody reads', () => {
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const replyBytes = 16 << 20

  /** Answers with much; what is written is counted, also what waits behind other replies. */
  async function serveMuch() {
    let written = 0
    const server = await serve((context) => {
      void setImmediate().then(() => written++)
      return context.body(new Uint8Array(replyBytes))
    })
    const asked = async (text: string, count: number, address?: string) => {
      const before = written
      const peer = await server.open('', address)
      peer.socket.pause()
      peer.socket.write(text)
      await vi.waitUntil(() => written === before + count, { timeout: 60_000, interval: 1 })
      return peer
    }
    return { ...server, asked }
  }
  const wholeOf = async (peers: Peer[], replies = 1) => {
    const whole = await Promise.all(
      peers.map(async (peer) => {
        peer.socket.resume()
        await Promise.race([
          peer.closed,
          vi.waitUntil(() => peer.text.length > replies * replyBytes, { timeout: 60_000 }),
        ])
        return peer.text.length > replies * replyBytes
      }),
    )
    return whole.map(Number).join('')
  }

  it('cost whoever has most of them the oldest, and nobody else', async () => {
    await using server = await serveMuch()
    const other = await server.asked(get, 1, '127.0.0.2')
    const peers: Peer[] = []
    for (let i = 0; i < 12; i++) peers.push(await server.asked(get, 1))
    expect(await wholeOf([other])).toBe('1')
    expect(await wholeOf(peers)).toMatch(/^0{6,10}1{2,6}$/)
  })

  it('count also behind others on one connection', async () => {
    await using server = await serveMuch()
    const many = await server.asked(get.repeat(6), 6)
    const other = await server.asked(get, 1, '127.0.0.2')
    expect(await wholeOf([other])).toBe('1')
    expect(await wholeOf([many], 6)).toBe('0')
  })

  it('may be of any length where there is one', async () => {
    await using server = await serve((context) => context.body(new Uint8Array(80 << 20)))
    expect(await server.ask()).toHaveLength(80 << 20)
  })
})

it('who has read a reply in time keeps the connection: nothing is left that would end it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  await using server = await serve()
  const peer = await server.open('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await vi.waitUntil(() => peer.text.endsWith('here') && vi.getTimerCount() === 0, { timeout: 60_000, interval: 1 })
})

describe('many connections', () => {
  const readWhole: Answer = async (context) => context.text(`here${await context.req.text()}`)

  it('leave room for others of their peer: the oldest half request gives way', async () => {
    await using server = await serve(readWhole, { connectionsOfPeer: 4 })
    const peers = []
    for (let count = 0; count < 4; count++) peers.push(await server.open(halfRequest))
    expect(await server.ask()).toBe('here')
    await peers[0]!.closed
    expect(peers.map(({ isOpen }) => isOpen)).toEqual([false, true, true, true])
    expect(await server.ask('127.0.0.2')).toBe('here')
    expect(peers.map(({ isOpen }) => isOpen)).toEqual([false, true, true, true])
  })

  it('leave room for other peers: who has most gives way', async () => {
    await using server = await serve(readWhole, { connections: 6, connectionsOfPeer: 4 })
    const modest = [await server.open(halfRequest, '127.0.0.2')]
    const greedy = []
    for (let count = 0; count < 4; count++) greedy.push(await server.open(halfRequest))
    modest.push(await server.open('', '127.0.0.3'))
    expect(await server.ask('127.0.0.4')).toBe('here')
    await greedy[0]!.closed
    expect([...modest, ...greedy].map(({ isOpen }) => isOpen)).toEqual([true, true, false, true, true, true])
  })

  it('leave room for other peers where who has most waits for replies: who has fewer gives way', async () => {
    let waiting = 0
    await using server = await serve(
      (context) => {
        waiting++
        return new Promise((resolve) => context.env.incoming.once('close', () => resolve(context.text('late'))))
      },
      { connections: 3, connectionsOfPeer: 3 },
    )
    const one = await server.open('', '127.0.0.2')
    const busy = [server.ask(), server.ask()]
    await vi.waitUntil(() => waiting === 2, { timeout: 60_000 })
    const third = server.ask('127.0.0.3')
    await one.closed
    await vi.waitUntil(() => waiting === 3, { timeout: 60_000 })
    await server.close(1)
    expect(await Promise.all([...busy, third])).toEqual(['cut off', 'cut off', 'cut off'])
  })

  it('that are too many are told of once a minute', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const lines: string[] = []
    const logger = pino({}, { write: (line) => void lines.push(line) })
    await using server = await serve(undefined, { connectionsOfPeer: 1 }, logger)
    /** The one before has to go. */
    const displaced = async () => {
      const peer = await server.open()
      await server.open()
      await peer.closed
    }
    for (let count = 0; count < 3; count++) await displaced()
    expect(lines).toHaveLength(1)
    vi.advanceTimersByTime(59_999)
    await displaced()
    expect(lines).toHaveLength(1)
    vi.advanceTimersByTime(1)
    await displaced()
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 40, connections: 64, connectionsOfPeer: 1 },
      { level: 40, connections: 64, connectionsOfPeer: 1 },
    ])
  })

  it('count as long as they are there: those that are closed displace nobody', async () => {
    await using server = await serve(readWhole, { connectionsOfPeer: 32 })
    const waiting = await server.open(halfRequest)
    for (let count = 0; count < 64; count++) expect(await server.ask()).toBe('here')
    waiting.socket.write('x'.repeat(996))
    await vi.waitUntil(() => waiting.text !== '' || !waiting.isOpen, { timeout: 60_000, interval: 1 })
    // On a machine that is too slow it has its answer to a slow request: whoever is displaced has none.
    expect(waiting.text).toMatch(/^HTTP\/1.1 (200|408) /)
  })

  it('do not cut off who waits for a reply', async () => {
    const waiting: (() => void)[] = []
    await using server = await serve(
      async (context) => {
        await new Promise<void>((resolve) => waiting.push(resolve))
        return context.text('late')
      },
      { connectionsOfPeer: 3 },
    )
    const answers = [server.ask(), server.ask(), server.ask()]
    await vi.waitUntil(() => waiting.length === 3, { timeout: 60_000 })
    expect(await server.ask()).toBe('cut off')
    for (const resolve of waiting) resolve()
    expect(await Promise.all(answers)).toEqual(['late', 'late', 'late'])
  })

  /** A server that answers no request but those for `/`. */
  async function hold(limits: object) {
    let held = 0
    const server = await serve((context) => {
      if (context.req.path === '/') return context.text('here')
      held++
      return new Promise<Response>(() => {})
    }, limits)
    const untilHeld = (count: number) => vi.waitUntil(() => held === count, { timeout: 60_000, interval: 1 })
    return { ...server, untilHeld }
  }
  const held = 'GET /held HTTP/1.1\r\nHost: a\r\n\r\n'

  it('that are always busy leave room for one that has nothing under way: that on which most was asked gives way', async () => {
    await using server = await hold({ connections: 4, connectionsOfPeer: 4 })
    const busy = []
    for (const requests of [1, 3, 2, 1]) busy.push(await server.open(held.repeat(requests)))
    await server.untilHeld(7)
    expect(await server.ask()).toBe('here')
    await busy[1]!.closed
    expect(busy.map(({ isOpen }) => isOpen)).toEqual([true, false, true, true])
    // There is room again.
    expect(await server.ask()).toBe('here')
    expect(busy.map(({ isOpen }) => isOpen)).toEqual([true, false, true, true])
  })

  it('of one peer that are all busy leave room for another peer', async () => {
    await using server = await hold({ connections: 4, connectionsOfPeer: 2 })
    const busy = []
    for (const address of ['127.0.0.2', '127.0.0.2', '127.0.0.3', '127.0.0.3'])
      busy.push(await server.open(held, address))
    await server.untilHeld(4)
    expect(await server.ask()).toBe('here')
    await Promise.any(busy.map(({ closed }) => closed))
    expect(busy.filter(({ isOpen }) => isOpen)).toHaveLength(3)
  })

  it('take no room from peers that have fewer', async () => {
    await using server = await hold({ connections: 5, connectionsOfPeer: 5 })
    const modest = [await server.open('', '127.0.0.2'), await server.open('GET / HT', '127.0.0.3')]
    const greedy = []
    for (let count = 0; count < 3; count++) greedy.push(await server.open(held))
    await server.untilHeld(3)
    expect(await server.ask()).toBe('cut off')
    expect([...modest, ...greedy].map(({ isOpen }) => isOpen)).toEqual(Array(5).fill(true))
  })

  it('of honest peers behind one address are all answered', async () => {
    await using server = await serve(async (context) => {
      await setImmediate()
      return context.text('here')
    })
    const answers = await Promise.all(Array.from({ length: 60 }, () => server.ask()))
    expect(new Set(answers)).toEqual(new Set(['here']))
  })
})

it('who is gone before his reply leaves nothing that would keep what he has sent', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let answers = 0
  await using server = await serve(async (context) => {
    if (context.req.path === '/late') await released
    answers++
    return context.text('here')
  })
  let closed = false
  const watch = (message: unknown): void => {
    const { request, socket } = message as { request: IncomingMessage; socket: Socket }
    if (request.url !== '/late') return
    socket.once('close', () => {
      closed = true
    })
  }
  subscribe('http.server.request.start', watch)
  const peer = await server.open('GET /late HTTP/1.1\r\nHost: a\r\n\r\n')
  await server.ask()
  unsubscribe('http.server.request.start', watch)
  peer.socket.destroy()
  await vi.waitUntil(() => closed, { timeout: 60_000, interval: 1 })
  release()
  await vi.waitUntil(() => answers === 2, { timeout: 60_000, interval: 1 })
  await server.ask()
  await vi.waitUntil(() => vi.getTimerCount() === 0, { timeout: 60_000, interval: 1 })
})

describe('one connection', () => {
  it('has sixteen requests under way, and no more', async () => {
    let calls = 0
    await using server = await serve(async (context) => {
      calls++
      await setImmediate()
      return context.text('here')
    })
    const peer = await server.open('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100))
    await peer.closed
    expect(calls).toBe(16)
    expect(peer.text.match(/HTTP\/1.1 \d+/g)).toEqual([...Array(16).fill('HTTP/1.1 200'), 'HTTP/1.1 429'])
  })

  it('is not read any further behind them', async () => {
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    await using server = await serve(async (context) => {
      if (context.req.path === '/flood') await released
      return context.text('here')
    })
    let read = 0
    const count = (message: unknown): void => {
      if ((message as { request: IncomingMessage }).request.url === '/flood') read++
    }
    subscribe('http.server.request.start', count)
    const one = 'GET /flood HTTP/1.1\r\nHost: a\r\n\r\n'
    const flood = await server.open()
    flood.socket.write(one.repeat(100_000))
    // Each of them is a turn in which the server could read more.
    for (let turn = 0; turn < 100; turn++) await server.ask()
    unsubscribe('http.server.request.start', count)
    release()
    await flood.closed
    // What was read with them is cut into requests; Node reads 64 KiB at a time.
    expect(read).toBeGreaterThan(16)
    expect(read).toBeLessThan((2 * 65_536) / one.length)
  })

  it('may be used for many, one after the other', async () => {
    await using server = await serve()
    const peer = await server.open()
    for (let count = 1; count <= 50; count++) {
      peer.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      await vi.waitUntil(() => peer.text.split('here').length === count + 1, { timeout: 60_000, interval: 1 })
    }
  })
})

it('leaves what the process has for requests and responses as it is', async () => {
  const before = [globalThis.Request, globalThis.Response]
  await using server = await serve()
  expect(await server.ask()).toBe('here')
  expect([globalThis.Request, globalThis.Response]).toEqual(before)
})

it.each([
  [
    'headers of nearly 16 KiB',
    `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ${'x'.repeat(16_000)}\r\n\r\n`,
    200,
  ],
  ['headers of a little more than 16 KiB', `${head}X: ${'x'.repeat(16_500)}\r\n\r\n`, 431],
  ['a header of 100 kB', `${head}X: ${'x'.repeat(100_000)}\r\n\r\n`, 431],
  ['ten thousand headers', `${head}${'a: b\r\n'.repeat(10_000)}\r\n`, 431],
  ['HTTP/1.1 without Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['HTTP/1.0 without Host', 'GET / HTTP/1.0\r\n\r\n', 400],
  ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', 200],
  ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a/b@c\r\nConnection: close\r\n\r\n', 400],
  ['two lengths', `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, 400],
  ['a length and chunks', `${head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['a chunk of no length', `${head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, 400],
  ['no HTTP', '\u0000\u0001\u0002', 400],
])('answers %s once, and goes on', async (_, text, status) => {
  await using server = await serve(async (context) => context.text(await context.req.text()))
  const peer = await server.open(text)
  await peer.closed
  expect(peer.text.match(/HTTP\/1.1 \d+/g)).toEqual([`HTTP/1.1 ${status}`])
  expect(await server.ask()).toBe('')
})

describe('a server that closes', () => {
  it('ends who waits for nothing at once, answers who waits, and takes nobody else', async () => {
    let answer = () => {}
    await using server = await serve(async (context) => {
      await new Promise<void>((resolve) => {
        answer = resolve
      })
      return context.text('late')
    })
    const [idle, half, busy] = [await server.open(), await server.open(halfRequest), server.ask()]
    const initial = answer
    await vi.waitUntil(() => answer !== initial, { timeout: 60_000 })
    const closed = server.close(3_600_000)
    expect(server.close(0)).toBe(closed)
    await idle.closed
    expect(await server.ask()).toBe('cut off')
    answer()
    expect(await busy).toBe('late')
    half.socket.destroy()
    await closed
  })

  it('answers all that was asked on a connection', async () => {
    const waiting: (() => void)[] = []
    await using server = await serve(async (context) => {
      await new Promise<void>((resolve) => waiting.push(resolve))
      return context.text('late')
    })
    const peer = await server.open('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3))
    await vi.waitUntil(() => waiting.length === 3, { timeout: 60_000 })
    const closed = server.close(3_600_000)
    for (const resolve of waiting) resolve()
    await closed
    await peer.closed
    expect(peer.text.match(/late/g)).toHaveLength(3)
  })

  it('ends a connection with the last answer: what comes behind it is not heard', async () => {
    let calls = 0
    let answer = () => {}
    await using server = await serve(async (context) => {
      if (++calls === 1) await new Promise<void>((resolve) => (answer = resolve))
      return context.text('here')
    })
    const peer = await server.open('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await vi.waitUntil(() => calls === 1, { timeout: 60_000 })
    peer.socket.once('data', () => peer.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
    const closed = server.close(3_600_000)
    answer()
    await peer.closed
    await closed
    expect(peer.text.match(/here/g)).toHaveLength(1)
    expect(calls).toBe(1)
  })

  it('leaves no timer behind, which would keep the process', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const server = await serve()
    expect(await server.ask()).toBe('here')
    await server.close(3_600_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('cuts off who still waits after the grace', async () => {
    let calls = 0
    await using server = await serve(() => {
      calls++
      return new Promise(() => {})
    })
    const busy = server.ask()
    await vi.waitUntil(() => calls === 1, { timeout: 60_000 })
    await server.close(1)
    expect(await busy).toBe('cut off')
  })
})

it('says where it listens, and that it cannot where another does', async () => {
  const limits = { connections: 1, connectionsOfPeer: 1 }
  const server = await openHttpServer(new Hono(), { host: '[::1]', port: 0 }, limits)
  expect(server.url).toMatch(/^http:\/\/\[::1\]:[1-9]\d*$/)
  await expect(
    openHttpServer(new Hono(), { host: '::1', port: Number(new URL(server.url).port) }, limits),
  ).rejects.toThrow('EADDRINUSE')
  await server.close(0)
})
