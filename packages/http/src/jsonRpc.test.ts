import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Hono } from 'hono'
import { type DestinationStream, pino } from 'pino'
import { describe, expect, it, vi } from 'vitest'
import {
  type Caller,
  createJsonRpcRoute,
  type HttpBindings,
  openHttpServer,
  RpcError,
  type RpcMethods,
  rpcErrorCodes,
} from './index.ts'

const maxBodyBytes = 1 << 18

async function serve(methods: Record<string, (params: unknown, caller: Caller) => unknown>, log?: DestinationStream) {
  const map: RpcMethods = new Map(
    Object.entries(methods).map(([name, method]) => [name, async (params, caller) => method(params, caller)]),
  )
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.route('/', createJsonRpcRoute(map, maxBodyBytes, log ? pino({ level: 'debug' }, log) : pino({ enabled: false })))
  const limits = { connections: 8, connectionsOfPeer: 8 }
  const server = await openHttpServer(app, { host: '127.0.0.1', port: 0 }, limits)
  return {
    port: Number(new URL(server.url).port),
    post: (body: BodyInit) => {
      const init: RequestInit & { duplex: 'half' } = { method: 'POST', body, duplex: 'half' }
      return fetch(server.url, init)
    },
    [Symbol.asyncDispose]: () => server.close(0),
  }
}

const call = (method: string, id?: number, params?: unknown) => ({ jsonrpc: '2.0', method, id, params })

/** A body in pieces of 1, 2, 3 ... bytes, each a chunk of its own. */
const inPieces = (text: string) =>
  new ReadableStream<Uint8Array>({
    start: (controller) => {
      const bytes = new TextEncoder().encode(text)
      for (let start = 0, length = 1; start < bytes.length; start += length++) {
        controller.enqueue(bytes.slice(start, start + length))
      }
      controller.close()
    },
  })

describe('an id', () => {
  it.each(['1', '-1', '9007199254740991', '1.5', '""', '"9007199254740993"', 'null'])('%s comes back', async (id) => {
    await using server = await serve({ echo: () => true })
    const reply = await server.post(`{"jsonrpc":"2.0","method":"echo","id":${id}}`)
    expect(await reply.text()).toBe(`{"jsonrpc":"2.0","result":true,"id":${id}}`)
  })

  it.each(['9007199254740993', '9007199254740992', '-9007199254740993', '1e300', '1e999', '[]', 'true'])(
    '%s, which could not come back as it is, is refused, and nothing is called',
    async (id) => {
      let calls = 0
      await using server = await serve({ echo: () => ++calls })
      const reply = await server.post(`{"jsonrpc":"2.0","method":"echo","id":${id}}`)
      expect(await reply.json()).toEqual({
        jsonrpc: '2.0',
        error: { code: -32600, message: 'An id is text, null or a number below 2^53' },
        id: null,
      })
      expect(calls).toBe(0)
    },
  )
})

describe('a call', () => {
  const methods = {
    echo: (params: unknown) => ({ params }),
    refuse: () => {
      throw new RpcError(-32_000, 'not now')
    },
    later: () => {
      throw new RpcError(-32_005, 'too often', { retryAfterMs: 7 })
    },
    crash: () => {
      throw new Error('the secret')
    },
  }

  it.each([
    ['a result', call('echo', 1, [1]), { result: { params: [1] } }],
    ['no parameters', call('echo', 1), { result: {} }],
    ['null for no parameters', call('echo', 1, null), { result: {} }],
    ['a refusal', call('refuse', 1), { error: { code: -32_000, message: 'not now' } }],
    [
      'when to come again',
      call('later', 1),
      { error: { code: -32_005, message: 'too often', data: { retryAfterMs: 7 } } },
    ],
    ['no such method', call('toString', 1), { error: { code: -32_601, message: 'There is no such method' } }],
    [
      'parameters that are none',
      call('echo', 1, 'text'),
      { error: { code: -32_600, message: 'This is not a JSON-RPC 2.0 call' } },
    ],
  ])('is answered with its id: %s', async (_, request, answer) => {
    await using server = await serve(methods)
    const reply = await server.post(JSON.stringify(request))
    expect([reply.status, reply.headers.get('content-type')]).toEqual([200, 'application/json'])
    expect(await reply.json()).toEqual({ jsonrpc: '2.0', ...answer, id: 1 })
  })

  it.each([
    ['no JSON', '{', -32_700],
    ['a number', '7', -32_600],
    ['null', 'null', -32_600],
    ['another version', '{"jsonrpc":"1.0","method":"echo","id":[]}', -32_600],
    ['an empty batch', '[]', -32_600],
    ['a batch of 101', JSON.stringify(Array(101).fill(call('echo', 1))), -32_600],
  ])('that is none is refused: %s', async (_, body, code) => {
    await using server = await serve(methods)
    const reply = await server.post(body)
    expect(await reply.json()).toMatchObject({ error: { code }, id: null })
  })

  it('without an id is made, and not answered, whatever becomes of it', async () => {
    let calls = 0
    await using server = await serve({ ...methods, count: () => ++calls })
    for (const method of ['count', 'refuse', 'crash', 'toString']) {
      const reply = await server.post(JSON.stringify(call(method)))
      expect([method, reply.status, await reply.text()]).toEqual([method, 204, ''])
    }
    const reply = await server.post(JSON.stringify([call('count'), call('count', 2), call('refuse')]))
    expect(await reply.json()).toEqual([{ jsonrpc: '2.0', result: 3, id: 2 }])
  })

  it('that fails unforeseen shows the caller a number, under which the log has the reason', async () => {
    const lines: string[] = []
    await using server = await serve(methods, { write: (line) => void lines.push(line) })
    const reply = (await (await server.post(JSON.stringify(call('crash', 1)))).json()) as { error: { message: string } }
    expect(reply).toMatchObject({
      error: { code: -32_603, message: expect.stringMatching(/^Internal error [0-9a-f]{8}$/) },
      id: 1,
    })
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { method: 'crash', incident: reply.error.message.slice(-8), err: { message: 'the secret' } },
    ])
  })

  it('that is refused is logged with its method, unless there is none of that name', async () => {
    const lines: string[] = []
    await using server = await serve(methods, { write: (line) => void lines.push(line) })
    for (const method of ['refuse', 'whatever a peer sends']) await server.post(JSON.stringify(call(method, 1)))
    const logged = lines.map((line) => JSON.parse(line))
    expect(logged).toMatchObject([{ method: 'refuse', code: -32_000 }, { code: -32_601 }])
    expect(logged[1]).not.toHaveProperty('method')
  })
})

it('the numbers of errors are those of the standard, and of Ethereum nodes', () => {
  expect(rpcErrorCodes).toEqual({
    parseError: -32700,
    invalidRequest: -32600,
    methodNotFound: -32601,
    invalidParams: -32602,
    internal: -32603,
    limitExceeded: -32005,
  })
})

it('a result that is no JSON is a fault of ours, and takes no other call of the batch with it', async () => {
  await using server = await serve({ large: () => 1n, small: () => 1 })
  const error = { code: -32_603, message: expect.stringMatching(/^Internal error [0-9a-f]{8}$/) }
  const alone = await server.post(JSON.stringify(call('large', 1)))
  expect([alone.status, await alone.json()]).toEqual([200, { jsonrpc: '2.0', error, id: 1 }])
  const batch = await server.post(JSON.stringify([call('small', 1), call('large', 2), call('large')]))
  expect(await batch.json()).toEqual([
    { jsonrpc: '2.0', result: 1, id: 1 },
    { jsonrpc: '2.0', error, id: 2 },
  ])
})

describe('a batch', () => {
  it('may have a hundred calls', async () => {
    await using server = await serve({ echo: (params) => params })
    const calls = Array.from({ length: 100 }, (_, id) => call('echo', id, [id]))
    const replies = await (await server.post(JSON.stringify(calls))).json()
    expect(replies).toEqual(calls.map(({ id }) => ({ jsonrpc: '2.0', result: [id], id })))
  })

  it('lets others have their turn between its calls', async () => {
    let turns = 0
    const turnsAt: number[] = []
    await using server = await serve({
      next: () => {
        turnsAt.push(turns)
        setImmediate(() => turns++)
      },
    })
    await server.post(JSON.stringify(Array.from({ length: 5 }, (_, id) => call('next', id))))
    await server.post(JSON.stringify(Array(5).fill(call('next'))))
    expect(turnsAt).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it.each<[string, string, number, number]>([
    ['another peer, however many connections it has', '127.0.0.2', 6, 1],
    ['another connection of the same peer, however much comes on it', '127.0.0.1', 1, 10],
  ])('waits for no more than a call of %s', async (_, address, connections, requests) => {
    const made: string[] = []
    let start = () => {}
    const started = new Promise<void>((resolve) => {
      start = resolve
    })
    let waiting = 0
    let allWait = () => {}
    const areWaiting = new Promise<void>((resolve) => {
      allWait = resolve
    })
    await using server = await serve({
      wait: () => {
        if (++waiting === connections * requests) allWait()
        return started
      },
      flood: () => void made.push('flood'),
      honest: () => void made.push('honest'),
      start: () => start(),
    })
    const raw = (...calls: object[]) => {
      const body = JSON.stringify(calls)
      return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    }
    const flood = raw(call('wait'), ...Array(99).fill(call('flood'))).repeat(requests)
    const sockets = Array.from({ length: connections }, () => {
      const socket = connect({ port: server.port, host: '127.0.0.1', localAddress: address })
      socket.on('error', () => {}).write(flood)
      return socket
    })
    await areWaiting
    await server.post(JSON.stringify([call('start'), ...Array(20).fill(call('honest'))]))
    for (const socket of sockets) socket.destroy()
    const [before, ...between] = made.join(' ').split('honest')
    expect(before!.match(/flood/g)?.length ?? 0).toBeLessThanOrEqual(2)
    for (const calls of between.slice(0, -1)) expect(calls.match(/flood/g)?.length ?? 0).toBeLessThanOrEqual(2)
    expect(between).toHaveLength(20)
  })

  it('is not carried on when its peer is gone', async () => {
    let calls = 0
    let goOn = () => {}
    const mayGoOn = new Promise<void>((resolve) => {
      goOn = resolve
    })
    let begin = () => {}
    const hasBegun = new Promise<void>((resolve) => {
      begin = resolve
    })
    await using server = await serve({
      count: () => {
        calls++
        begin()
        return mayGoOn
      },
      echo: () => true,
    })
    const body = JSON.stringify(Array(100).fill(call('count')))
    const socket = connect(server.port, '127.0.0.1')
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await hasBegun
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.destroy()
    await closed
    // By then its end has come, and then each of its calls could have been made.
    for (let turn = 0; turn < 20; turn++) await server.post(JSON.stringify(call('echo', 1)))
    goOn()
    for (let turn = 0; turn < 100; turn++) await server.post(JSON.stringify(call('echo', 1)))
    expect(calls).toBe(1)
  })

  it('makes no more calls when its replies are long, and says so for each', async () => {
    let calls = 0
    await using server = await serve({
      long: () => {
        calls++
        return 'x'.repeat(1 << 20)
      },
    })
    const reply = await server.post(JSON.stringify(Array.from({ length: 100 }, (_, id) => call('long', id))))
    const responses = (await reply.json()) as { id: number; error?: { code: number } }[]
    expect(responses.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, id) => id))
    expect(calls).toBe(4)
    expect(responses.filter(({ error }) => error?.code === -32005)).toHaveLength(96)
  })

  it('makes the next call when its replies are just as long as they may be', async () => {
    let calls = 0
    const around = JSON.stringify({ jsonrpc: '2.0', result: '', id: 1 }).length
    await using server = await serve({
      long: () => {
        calls++
        return 'x'.repeat((4 << 20) - around)
      },
    })
    await server.post(JSON.stringify([call('long', 1), call('long', 2), call('long', 3)]))
    expect(calls).toBe(2)
  })
})

describe('work that is done one at a time', () => {
  const raw = (body: string) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`

  /** Has work asked for from several connections, the first of which is under way meanwhile. */
  async function line() {
    const begun: string[] = []
    const asked: string[] = []
    const ends: (() => void)[] = []
    const server = await serve({
      work: (params, caller) => {
        const [name] = params as [string]
        asked.push(name)
        return caller.oneAtATime(async () => {
          begun.push(name)
          await new Promise<void>((resolve) => ends.push(resolve))
          if (name === 'fails') throw new RpcError(-32_000, 'it failed')
        })
      },
    })
    return {
      begun,
      ask: async (name: string, localAddress = '127.0.0.1') => {
        const socket = connect({ port: server.port, host: '127.0.0.1', localAddress })
        socket.on('error', () => {}).write(raw(JSON.stringify(call('work', 1, [name]))))
        await vi.waitUntil(() => asked.includes(name), { timeout: 60_000, interval: 1 })
        return socket
      },
      endOne: async () => {
        const { length } = begun
        ends.shift()!()
        await vi.waitUntil(() => begun.length > length, { timeout: 60_000, interval: 1 })
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  }

  it('is done for the peers by turns, also behind work that fails', async () => {
    await using asking = await line()
    for (const name of ['fails', 'a', 'b', 'c']) await asking.ask(name)
    await asking.ask('other', '127.0.0.2')
    expect(asking.begun).toEqual(['fails'])
    for (let count = 2; count <= 5; count++) {
      await asking.endOne()
      expect(asking.begun).toHaveLength(count)
    }
    expect(asking.begun).toEqual(['fails', 'a', 'other', 'b', 'c'])
  })

  it('is not done for whom it would come too late', async () => {
    await using asking = await line()
    await asking.ask('a')
    const gone = await asking.ask('gone')
    await asking.ask('b')
    const closed = once(gone, 'close')
    gone.destroy()
    await closed
    // By then the server knows.
    await asking.ask('c')
    for (let count = 2; count <= 3; count++) await asking.endOne()
    expect(asking.begun).toEqual(['a', 'b', 'c'])
  })
})

describe('what is held to answer batches', () => {
  const raw = (calls: object) => {
    const body = JSON.stringify(calls)
    return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  }

  // Each of one connection alone is far from too much.
  it.each([
    ['the calls', raw([call('wait'), { junk: Array(60_000).fill(1) }])],
    ['a call that waits for its turn', raw(call('alone', 1, { junk: Array(60_000).fill(1) }))],
    ['the replies', raw([...Array(3).fill(call('long', 1)), call('wait')])],
  ])('is bounded for all connections together: %s', async (_, batch) => {
    let waiting = 0
    await using server = await serve({
      wait: () => {
        waiting++
        return new Promise<void>(() => {})
      },
      alone: (_, caller) => {
        waiting++
        return caller.oneAtATime(() => new Promise<void>(() => {}))
      },
      long: () => 'x'.repeat(1 << 20),
      echo: () => true,
    })
    const open = async (batches: number, localAddress: string) => {
      const before = waiting
      const socket = connect({ port: server.port, host: '127.0.0.1', localAddress })
      const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve))
      socket.write(batch.repeat(batches))
      await Promise.race([closed, vi.waitUntil(() => waiting === before + batches, { timeout: 60_000, interval: 1 })])
      return { socket, closed }
    }
    const other = await open(1, '127.0.0.2')
    const first = await open(11, '127.0.0.1')
    expect(first.socket.destroyed).toBe(false)
    const second = await open(11, '127.0.0.1')
    await first.closed
    await server.post(JSON.stringify(call('echo', 1)))
    expect([other.socket.destroyed, second.socket.destroyed]).toEqual([false, false])
    for (const { socket } of [other, second]) socket.destroy()
  })
})

it('is not looked at when its connection has ended before its turn', async () => {
  let calls = 0
  let ended: Socket | undefined
  await using server = await serve({ end: () => void ended!.destroy(), count: () => ++calls, echo: () => true })
  const note = (message: unknown): void => {
    ended ??= (message as { socket: Socket }).socket
  }
  subscribe('http.server.request.start', note)
  const raw = (method: string) => {
    const body = JSON.stringify(call(method, 1))
    return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  }
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => {}).write(raw('end') + raw('count').repeat(9))
  await new Promise((resolve) => socket.once('close', resolve))
  unsubscribe('http.server.request.start', note)
  await server.post(JSON.stringify(call('echo', 1)))
  expect(calls).toBe(0)
})

it('is not answered faster for sending many requests in one piece', async () => {
  let calls = 0
  await using server = await serve({ next: () => ++calls })
  const body = JSON.stringify(call('next', 1))
  const socket = connect(server.port, '127.0.0.1')
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`.repeat(40))
  let text = ''
  socket.setEncoding('latin1').on('data', (piece) => {
    text += piece
  })
  // A reset is as good an end.
  await new Promise((resolve) => socket.on('error', () => {}).once('close', resolve))
  expect(text.match(/HTTP\/1.1 \d+/g)).toEqual([...Array(16).fill('HTTP/1.1 200'), 'HTTP/1.1 429'])
  expect(calls).toBe(16)
})

describe('a body', () => {
  it('may come in pieces of any size', async () => {
    await using server = await serve({ echo: (params) => params })
    const params = ['é', 'x'.repeat(40_000), 'é']
    const reply = await server.post(inPieces(JSON.stringify(call('echo', 1, params))))
    expect(await reply.json()).toEqual({ jsonrpc: '2.0', result: params, id: 1 })
  })

  it('has its bound to the byte, announced or not', async () => {
    await using server = await serve({ echo: () => true })
    const text = JSON.stringify(call('echo', 1))
    for (const asBody of [(body: string) => body, (body: string) => new Blob([body]).stream()]) {
      const fits = await server.post(asBody(text.padEnd(maxBodyBytes)))
      expect(await fits.json()).toMatchObject({ result: true })
      const answer = await server.post(asBody(text.padEnd(maxBodyBytes + 1)))
      expect(answer.headers.get('connection')).toBe('close')
      expect([answer.status, await answer.json()]).toMatchObject([413, { id: null, error: { code: -32600 } }])
    }
  })

  it('that says it is too long is refused before any of it has come', async () => {
    await using server = await serve({ echo: () => true })
    const peer = connect(server.port, '127.0.0.1')
    peer.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${maxBodyBytes + 1}\r\n\r\n`)
    const [answer] = await once(peer.setEncoding('latin1'), 'data')
    expect(answer).toMatch(/^HTTP\/1.1 413 /)
    peer.destroy()
  })

  it('that breaks off calls nothing, and is no fault of ours', async () => {
    let calls = 0
    const lines: string[] = []
    await using server = await serve({ echo: () => ++calls }, { write: (line) => void lines.push(line) })
    const text = JSON.stringify(call('echo', 1))
    const peer = connect(server.port, '127.0.0.1')
    const half = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${text.length + 1}\r\n\r\n${text}`
    await new Promise((resolve) => peer.write(half, resolve))
    // Its turn has come before theirs: what is gone by then is not even begun.
    for (let turn = 0; turn < 3; turn++) await fetch(`http://127.0.0.1:${server.port}/`)
    peer.resetAndDestroy()
    await vi.waitUntil(() => lines.length > 0, { timeout: 60_000, interval: 1 })
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: 20, msg: 'request broken off' }])
    expect(calls).toBe(0)
  })

  it('may be as deep as it is long', async () => {
    await using server = await serve({ count: () => true })
    const depth = (maxBodyBytes - 100) / 2
    const reply = await server.post(
      `{"jsonrpc":"2.0","method":"count","id":1,"params":${'['.repeat(depth)}${']'.repeat(depth)}}`,
    )
    expect(await reply.json()).toEqual({ jsonrpc: '2.0', result: true, id: 1 })
  })
})
