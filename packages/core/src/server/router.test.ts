import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { encodeZ85 } from '@bletchley/crypto'
import { type CurveKeyPair, generateCurveKeyPair } from '@bletchley/crypto/curve-key-file'
import { maxFramesPerMessage } from '@bletchley/protocol'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { Dealer, Request, Router } from 'zeromq'
import { collectGarbage } from '../../test/collectGarbage.ts'
import { ClientList } from './clientList.ts'
import {
  defaultServerLimits,
  type FrameHandler,
  type RouterServer,
  type ServerLimits,
  serveRouter,
  startOfRequests,
} from './router.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

const options = { logger: pino({ level: 'silent' }) }

/** A handler that answers so, and refuses with the text of the error, or with `no` what was not looked at. */
function handler(answer: FrameHandler['answer']): FrameHandler {
  return { answer, refuse: ({ message }, frame) => bytes(frame === undefined ? 'no' : message), reuse() {} }
}

async function serve(handle: (text: string) => Promise<string>, limits?: Partial<ServerLimits>): Promise<RouterServer> {
  const server = await serveRouter(
    ['tcp://127.0.0.1:0'],
    handler(async (frame) => bytes(await handle(frame.toString()))),
    { ...options, limits: { ...defaultServerLimits, ...limits } },
  )
  open.push({ close: () => server.close(0) })
  return server
}

function connect<T extends Dealer | Request>(socket: T, { endpoints }: RouterServer): T {
  socket.connect(endpoints[0]!)
  open.push(socket)
  return socket
}

describe('serveRouter', () => {
  it('serves REQ peers in lock-step', async () => {
    const server = await serve(async (text) => `re: ${text}`)
    const peer = connect(new Request(), server)
    for (const text of ['one', 'two', '']) {
      await peer.send(text)
      expect(String(await peer.receive())).toBe(`re: ${text}`)
    }
  })

  it('answers DEALER peers in the order of completion, with and without delimiter', async () => {
    const waiting = new Map<string, () => void>()
    const server = await serve(async (text) => {
      if (text === 'slow') await new Promise<void>((resolve) => waiting.set(text, resolve))
      return `re: ${text}`
    })
    const peer = connect(new Dealer(), server)
    await peer.send(['', 'slow'])
    await peer.send(['', 'quick'])
    await peer.send('bare')
    expect((await peer.receive()).map(String)).toEqual(['', 're: quick'])
    expect((await peer.receive()).map(String)).toEqual(['re: bare'])
    waiting.get('slow')!()
    expect((await peer.receive()).map(String)).toEqual(['', 're: slow'])
  })

  it('answers each frame of a message, in order', async () => {
    const server = await serve(async (text) => text.toUpperCase())
    const peer = connect(new Request(), server)
    await peer.send(['a', '', 'c'])
    expect((await peer.receive()).map(String)).toEqual(['A', '', 'C'])
  })

  it('answers as many frames as a DEALER peer sends, with empty ones among them', async () => {
    const server = await serve(async (text) => `re: ${text}`)
    const peer = connect(new Dealer(), server)
    for (const frames of [
      ['{a', '', '{b'],
      ['{a', ''],
      ['{a', '', ''],
      ['{a', '{b', '', '', '{c'],
    ]) {
      await peer.send(frames)
      expect((await peer.receive()).map(String)).toEqual(frames.map((frame) => `re: ${frame}`))
    }
  })

  it('serves peers behind a proxy, whatever they call themselves', async () => {
    const server = await serve(async (text) => `re: ${text}`)
    const front = new Router()
    open.push(front)
    await front.bind('tcp://127.0.0.1:0')
    const back = connect(new Dealer(), server)
    for (const [from, to] of [
      [front, back],
      [back, front],
    ] as const) {
      void (async () => {
        for await (const parts of from) await to.send(parts)
      })().catch(() => {})
    }
    for (const routingId of [undefined, 'named', 'x'.repeat(255)]) {
      const peer = new Request(routingId === undefined ? {} : { routingId })
      open.push(peer)
      peer.connect(front.lastEndpoint!)
      await peer.send(['{a', '', '{b'])
      expect((await peer.receive()).map(String)).toEqual(['re: {a', 're: ', 're: {b'])
    }
  })

  it('does not look at the frames of a message that has too many, but answers each', async () => {
    const heard: string[] = []
    const server = await serve(async (text) => {
      heard.push(text)
      return text
    })
    const peer = connect(new Dealer(), server)
    await peer.send(new Array(maxFramesPerMessage + 1).fill('x'))
    expect((await peer.receive()).map(String)).toEqual(new Array(maxFramesPerMessage + 1).fill('no'))
    expect(heard).toEqual([])
    await peer.send(new Array(maxFramesPerMessage).fill('x'))
    expect(await peer.receive()).toHaveLength(maxFramesPerMessage)
  })

  it('lets running requests finish when it closes, and hears no further ones', async () => {
    let finish!: () => void
    let started!: () => void
    const start = new Promise<void>((resolve) => {
      started = resolve
    })
    const heard: string[] = []
    const server = await serveRouter(
      ['tcp://127.0.0.1:0'],
      handler(async (frame) => {
        heard.push(frame.toString())
        started()
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        return frame
      }),
      options,
    )
    const peer = connect(new Dealer(), server)
    await peer.send('first')
    await start
    const closed = server.close(10_000)
    await peer.send('late')
    finish()
    await closed
    expect((await peer.receive()).map(String)).toEqual(['first'])
    expect(heard).toEqual(['first'])
  })

  it('does not wait for ever for a request that hangs', async () => {
    const server = await serveRouter(
      ['tcp://127.0.0.1:0'],
      handler(() => new Promise<Uint8Array>(() => {})),
      options,
    )
    const peer = connect(new Dealer(), server)
    await peer.send('hanging')
    await server.close(20)
  })

  it('closes while requests hang, and as many were refused', async () => {
    const server = await serveRouter(
      ['tcp://127.0.0.1:0'],
      handler(() => new Promise<Uint8Array>(() => {})),
      { ...options, limits: { ...defaultServerLimits, inFlightPerPeer: 2 } },
    )
    const peer = connect(new Dealer(), server)
    for (let message = 0; message < 4; message++) await peer.send('x')
    for (let message = 0; message < 2; message++) expect(String(await peer.receive())).toMatch(/^Busy/)
    await server.close(20)
  })

  it('goes on when peers vanish without taking their reply', async () => {
    const server = await serve(async (text) => text)
    for (let peers = 0; peers < 20; peers++) {
      const peer = new Dealer({ linger: 1000 })
      peer.connect(server.endpoints[0]!)
      await peer.send('gone')
      peer.close()
    }
    const peer = connect(new Request(), server)
    await peer.send('here')
    expect(String(await peer.receive())).toBe('here')
  })

  it('rejects an endpoint that is taken, and lets go of the ones before it', async () => {
    const first = await serve(async (text) => text)
    await expect(
      serveRouter(
        ['tcp://127.0.0.1:0', first.endpoints[0]!],
        handler(async (frame) => frame),
        options,
      ),
    ).rejects.toThrow()
  })
})

describe('admission', () => {
  /** Serves requests that end only when they are let go. */
  async function serveSlowly(limits: Partial<ServerLimits>) {
    const waiting: (() => void)[] = []
    const server = await serve(async (text) => {
      await new Promise<void>((resolve) => waiting.push(resolve))
      return `re: ${text}`
    }, limits)
    const letGo = () => {
      for (const resume of waiting.splice(0)) resume()
    }
    return { server, letGo }
  }
  const receive = async (peer: Dealer): Promise<string> => String((await peer.receive()).at(-1))

  it('takes as many requests of a peer as it may have under way, and refuses one more at once', async () => {
    const { server, letGo } = await serveSlowly({ inFlightPerPeer: 3 })
    const peer = connect(new Dealer(), server)
    const other = connect(new Dealer(), server)
    for (let request = 0; request < 4; request++) await peer.send(`${request}`)
    expect(await receive(peer)).toBe('Busy: too many requests of this peer under way, at most 3')
    expect([server.inFlight, server.refusedRequests]).toEqual([3, 1])
    letGo()
    expect(await Promise.all([receive(peer)])).toEqual(['re: 0'])
    expect([await receive(peer), await receive(peer)]).toEqual(['re: 1', 're: 2'])
    // There is room again, and another peer was never in the way of it.
    await other.send('other')
    await peer.send('again')
    while (server.inFlight < 2) await new Promise((resolve) => setImmediate(resolve))
    letGo()
    expect(await receive(peer)).toBe('re: again')
    expect(await receive(other)).toBe('re: other')
  })

  it('takes as many requests of all peers as may be under way, and refuses one more at once', async () => {
    const { server, letGo } = await serveSlowly({ inFlight: 4, inFlightPerPeer: 3 })
    const [one, two] = [connect(new Dealer(), server), connect(new Request(), server)]
    for (let request = 0; request < 3; request++) await one.send(`${request}`)
    const three = connect(new Dealer(), server)
    await three.send('4th')
    while (server.inFlight < 4) await new Promise((resolve) => setImmediate(resolve))
    await three.send('5th')
    expect(await receive(three)).toBe('Busy: too many requests under way, at most 4')
    // Who has nothing under way gets a small one in.
    await two.send('6th')
    while (server.inFlight < 5) await new Promise((resolve) => setImmediate(resolve))
    letGo()
    expect(await receive(three)).toBe('re: 4th')
    expect(String(await two.receive())).toBe('re: 6th')
  })

  it('counts each frame of a message, and refuses a message as a whole', async () => {
    const { server, letGo } = await serveSlowly({ inFlightPerPeer: 3 })
    const peer = connect(new Dealer(), server)
    await peer.send(['a', 'b', 'c', 'd'])
    const refused = await peer.receive()
    expect(refused.map(String)).toEqual(new Array(4).fill('Busy: too many requests of this peer under way, at most 3'))
    await peer.send(['a', 'b', 'c'])
    while (server.inFlight < 3) await new Promise((resolve) => setImmediate(resolve))
    letGo()
    expect((await peer.receive()).map(String)).toEqual(['re: a', 're: b', 're: c'])
  })

  it('bounds the bytes under way', async () => {
    const { server, letGo } = await serveSlowly({ bytesInFlight: 4000 })
    const peer = connect(new Dealer(), server)
    const quarter = Buffer.alloc(1000)
    for (let request = 0; request < 4; request++) await peer.send(quarter)
    await peer.send('x')
    expect(await receive(peer)).toBe('Busy: too many bytes of requests under way, at most 4000')
    expect(server.inFlight).toBe(4)
    const other = connect(new Request(), server)
    await other.send('y')
    while (server.inFlight < 5) await new Promise((resolve) => setImmediate(resolve))
    letGo()
    expect(String(await other.receive())).toBe('re: y')
  })

  it('drops the replies of a peer that never reads, and answers the others', async () => {
    const server = await serve(async (text) => text, { unreadBytesPerPeer: 8_000_000, unreadPatienceMs: 0 })
    const deaf = connect(new Dealer({ receiveHighWaterMark: 1, linger: 0 }), server)
    const other = connect(new Request(), server)
    // Its replies fill what the two sockets and the system between them hold, and then the server's own queue.
    const frame = Buffer.alloc(4096)
    while (server.droppedReplies === 0) for (let request = 0; request < 100; request++) await deaf.send(frame)
    await other.send('here')
    expect(String(await other.receive())).toBe('here')
  })
})

describe('a message of many small replies', () => {
  const unread = { unreadBytesPerPeer: 2_000_000, unreadBytes: 8_000_000, unreadPatienceMs: 100 }
  const message = Array(1000).fill('1') as string[]

  it('counts as a large one: who never reads them has them dropped, long before there are 10 000', async () => {
    const text = '1'.repeat(300)
    const server = await serve(async () => text, unread)
    const deaf = connect(new Dealer({ receiveHighWaterMark: 1, linger: 0 }), server)
    const other = connect(new Request(), server)
    let sent = 0
    for (; server.droppedReplies === 0; sent++) {
      await deaf.send(message)
      // As fast as they are answered, and no faster.
      await other.send('here')
      expect(String(await other.receive())).toBe(text)
    }
    expect(sent).toBeLessThan(9000)
  })

  it.each([
    ['answered', {}],
    ['refused', { inFlightPerPeer: 100 }],
  ])('waits for who reads them, however many there are: %s', async (_, limits) => {
    const server = await serve(async () => '7', { ...unread, ...limits })
    const peer = connect(new Dealer(), server)
    for (let sent = 0; sent < 40; sent++) {
      await peer.send(message)
      const replies = (await peer.receive()).map(String)
      expect(replies).toHaveLength(1000)
      expect(new Set(replies).size).toBe(1)
    }
    expect(server.droppedReplies).toBe(0)
  })

  it('of more than a thousand requests is counted as well', async () => {
    const server = await serve(async () => '7', unread)
    const deaf = connect(new Dealer({ receiveHighWaterMark: 1, linger: 0 }), server)
    const other = connect(new Request(), server)
    while (server.droppedReplies === 0) {
      await deaf.send(Array(20_000).fill(''))
      await other.send('here')
      expect(String(await other.receive())).toBe('7')
    }
  })
})

describe('what the loop over requests holds', () => {
  it('is no turn of others: behind a few milliseconds comes the event loop, also if all is refused', async () => {
    let inThisTurn = 0
    let most = 0
    let busy = true
    void (async () => {
      for (; busy; inThisTurn = 0) await nextTurn()
    })()
    const server = await serveRouter(
      ['tcp://127.0.0.1:0'],
      {
        answer: async () => bytes('yes'),
        // Each takes a whole stretch.
        refuse: () => {
          most = Math.max(most, ++inThisTurn)
          for (const start = performance.now(); performance.now() - start < 4; );
          return bytes('no')
        },
        reuse() {},
      },
      { ...options, limits: { ...defaultServerLimits, inFlightPerPeer: 0 } },
    )
    const peer = connect(new Dealer(), server)
    open.push({ close: () => server.close(0) })
    open.push({
      close() {
        busy = false
      },
    })
    for (let request = 0; request < 50; request++) await peer.send('?')
    for (let reply = 0; reply < 50; reply++) expect(String(await peer.receive())).toBe('no')
    // Which of the two loops has its turn first may change once.
    expect(most).toBeLessThanOrEqual(2)
  })

  it('is no reply that was sent, however long nothing else comes', async ({ signal }) => {
    let read = false
    const replies = new FinalizationRegistry(() => {
      read = true
    })
    const server = await serveRouter(
      ['tcp://127.0.0.1:0'],
      handler(async () => {
        const reply = Buffer.alloc(100_000)
        replies.register(reply, undefined)
        return reply
      }),
      options,
    )
    open.push({ close: () => server.close(0) })
    const peer = connect(new Request(), server)
    await peer.send('one')
    await peer.receive()
    while (!read) {
      await collectGarbage()
      await nextTurn(undefined, { signal })
    }
  })
})

describe('unread replies', () => {
  const mebibyte = 1024 * 1024
  let refused: number

  /** Replies have a mebibyte each, and find room for eight of a peer. */
  async function serveLarge(unreadPatienceMs: number, { deafnessMs } = defaultServerLimits): Promise<RouterServer> {
    refused = 0
    const server = await serveRouter(
      ['tcp://127.0.0.1:0'],
      handler(async (_, room) => {
        try {
          await room.take(mebibyte)
        } catch (error) {
          refused++
          return bytes((error as Error).message)
        }
        return Buffer.alloc(mebibyte)
      }),
      {
        ...options,
        limits: {
          ...defaultServerLimits,
          unreadBytesPerPeer: 8 * mebibyte,
          unreadPatienceMs,
          deafnessMs,
        },
      },
    )
    open.push({ close: () => server.close(0) })
    return server
  }

  it('are no matter to a peer that reads, however much it has asked for', async () => {
    const server = await serveLarge(300_000)
    const peer = connect(new Dealer(), server)
    for (let request = 0; request < 40; request++) await peer.send(`${request}`)
    for (let reply = 0; reply < 40; reply++) expect((await peer.receive())[0]).toHaveLength(mebibyte)
    for (let request = 0; request < 40; request++) {
      await peer.send(`${request}`)
      expect((await peer.receive())[0]).toHaveLength(mebibyte)
    }
    expect(refused).toBe(0)
  })

  it('are let go with the connection of a peer that takes nothing for too long', async ({ signal }) => {
    const server = await serveLarge(300_000, { ...defaultServerLimits, deafnessMs: 500 })
    const deaf = connect(new Dealer({ receiveHighWaterMark: 1, linger: 0 }), server)
    for (let request = 0; request < 100; request++) await deaf.send(`${request}`)
    while (server.endedConnections.deaf === 0) await nextTurn(undefined, { signal })
  })

  it('are bounded, and the others are served; who reads again is served again', async () => {
    const server = await serveLarge(0)
    const other = connect(new Request(), server)
    const deaf = connect(new Dealer({ receiveHighWaterMark: 1, linger: 0 }), server)
    for (let request = 0; request < 100; request++) await deaf.send(`${request}`)
    // What the sockets of the system hold has left the memory.
    while (refused < 40) await new Promise((resolve) => setImmediate(resolve))
    await other.send('here')
    expect((await other.receive())[0]).toHaveLength(mebibyte)

    let large = 0
    for (let reply = 0; reply < 100; reply++) {
      const [frame] = await deaf.receive()
      if (frame!.length === mebibyte) large++
      else
        expect(String(frame)).toBe(
          `Busy: too many bytes of replies that this peer has not read, at most ${8 * mebibyte}`,
        )
    }
    expect(large).toBe(100 - refused)
    expect(large).toBeGreaterThanOrEqual(8)
    for (let taken = false; !taken; ) {
      await deaf.send('again')
      taken = (await deaf.receive())[0]!.length === mebibyte
    }
  })

  it('of a message with many frames are bounded as well', async () => {
    const server = await serveLarge(0)
    const peer = connect(new Dealer(), server)
    await peer.send(new Array(9).fill('x'))
    const sizes = (await peer.receive()).map((frame) => frame.length)
    expect(sizes.filter((size) => size === mebibyte)).toHaveLength(8)
    expect(refused).toBe(1)
  })

  it('keep no refusal from a peer that reads', async () => {
    const waiting: (() => void)[] = []
    const server = await serveRouter(
      ['tcp://127.0.0.1:0'],
      handler(async (frame, room) => {
        await room.take(mebibyte)
        await new Promise<void>((resolve) => waiting.push(resolve))
        return Buffer.alloc(mebibyte, frame)
      }),
      { ...options, limits: { ...defaultServerLimits, unreadBytesPerPeer: mebibyte, inFlightPerPeer: 2 } },
    )
    open.push({ close: () => server.close(0) })
    const peer = connect(new Dealer(), server)
    for (const request of ['1', '2']) await peer.send(request)
    while (server.inFlight < 2 || waiting.length < 1) await nextTurn()
    // The second one waits for room, and then the refusal of the third one does.
    await peer.send('3')
    while (server.refusedRequests < 1) await nextTurn()
    waiting.shift()!()
    const replies = [String((await peer.receive())[0]!.subarray(0, 1))]
    while (replies.length < 3) {
      waiting.shift()?.()
      if (peer.readable) replies.push(String((await peer.receive())[0]!.subarray(0, 1)))
      await nextTurn()
    }
    expect(replies.sort()).toEqual(['1', '2', 'B'])
    expect(server.droppedReplies).toBe(0)
  })

  it('of peers that never read do not hold up the end', async () => {
    const server = await serveLarge(300_000)
    const deaf = connect(new Dealer({ receiveHighWaterMark: 1, linger: 0 }), server)
    for (let request = 0; request < 50; request++) await deaf.send(`${request}`)
    while (server.inFlight === 0) await new Promise((resolve) => setImmediate(resolve))
    await server.close(100_000)
    expect(refused).toBeGreaterThan(0)
  })
})

describe('a list of clients', () => {
  /** A server with CURVE, whose list of clients is a file; requests end when they are let go. */
  async function serveListed() {
    const [core, one, two] = [generateCurveKeyPair(), generateCurveKeyPair(), generateCurveKeyPair()]
    const folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
    const path = join(folder, 'clients')
    const list = async (...listed: CurveKeyPair[]): Promise<void> => {
      await writeFile(`${path}.new`, listed.map(({ publicKey }) => `${encodeZ85(publicKey)} name`).join('\n'))
      await rename(`${path}.new`, path)
    }
    await list(one, two)
    const clients = await ClientList.open(path, options.logger)
    const waiting = new Map<string, () => void>()
    const server = await serveRouter(
      ['tcp://127.0.0.1:0', `ipc://${join(folder, 'socket')}`],
      handler(async (frame) => {
        const text = frame.toString()
        if (text.startsWith('slow')) await new Promise<void>((resolve) => waiting.set(text, resolve))
        return bytes(`re: ${text}`)
      }),
      { ...options, curve: { secretKey: core.secretKey.bytes, clients } },
    )
    open.push({ close: () => rm(folder, { recursive: true }) }, clients, { close: () => server.close(0) })
    const connectAs = (pair: CurveKeyPair): Dealer => {
      const peer = new Dealer({
        linger: 0,
        curveServerKey: encodeZ85(core.publicKey),
        curvePublicKey: encodeZ85(pair.publicKey),
        curveSecretKey: encodeZ85(pair.secretKey.bytes),
      })
      return connect(peer, server)
    }
    const letGo = async (text: string): Promise<void> => {
      while (!waiting.has(text)) await new Promise((resolve) => setImmediate(resolve))
      waiting.get(text)!()
    }
    return { server, clients, list, letGo, one, two, peers: { one: connectAs(one), two: connectAs(two) } }
  }
  const ask = async (peer: Dealer, text: string): Promise<string> => {
    await peer.send(text)
    return String(await peer.receive())
  }

  it('ends the connections of a client that is removed, at once, and nobody else’s', async ({ signal }) => {
    const { server, clients, list, letGo, one, peers } = await serveListed()
    expect(await ask(peers.two, 'hello')).toBe('re: hello')
    await peers.one.send('slow of one')
    await peers.two.send('slow of two')
    while (server.inFlight < 2) await nextTurn(undefined, { signal })
    expect(server.connections).toBe(2)
    await list(one)
    await clients.reload()
    expect(server.connections).toBe(1)
    expect(await ask(peers.one, 'still here')).toBe('re: still here')
    await letGo('slow of two')
    await letGo('slow of one')
    expect(String(await peers.one.receive())).toBe('re: slow of one')
    expect(server.inFlight).toBe(0)
    // It comes again, and is refused.
    while (server.refusals.not_listed === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(peers.two.readable).toBe(false)
    expect(await ask(peers.one, 'alone')).toBe('re: alone')
  })

  it('is no matter to the socket in a file; of one that others have replaced it is known', async () => {
    const { server, clients, list, one, peers } = await serveListed()
    const path = server.endpoints[1]!.replace('ipc://', '')
    await ask(peers.one, 'hello')
    await list(one)
    await clients.reload()
    expect(server.look()).toBe(undefined)
    await rename(path, `${path}.away`)
    await writeFile(path, '')
    expect(server.look()).toBe(`the file of ipc://${path} was replaced: nobody can connect to it`)
  })

  it('lets a client in that is added, and leaves connections alone', async () => {
    const { server, clients, list, one, two, peers, letGo } = await serveListed()
    await peers.one.send('slow')
    for (const listed of [
      [one, two, generateCurveKeyPair()],
      [one, two],
    ]) {
      await list(...listed)
      await clients.reload()
    }
    expect(await ask(peers.one, 'quick')).toBe('re: quick')
    await letGo('slow')
    expect(String(await peers.one.receive())).toBe('re: slow')
    expect(server.refusals.not_listed).toBe(0)
  })

  it('is asked again when the endpoints are bound: who was removed meanwhile is not there', async ({ signal }) => {
    const { server, clients, list, peers } = await serveListed()
    expect(await ask(peers.one, 'hello')).toBe('re: hello')
    await list()
    await clients.reload()
    while (server.connections > 0) await nextTurn(undefined, { signal })
    while (server.refusals.not_listed === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  })

  it('tells who was refused, by reason', async ({ signal }) => {
    const { server } = await serveListed()
    const stranger = generateCurveKeyPair()
    const { port } = new URL(server.endpoints[0]!)
    const keys = { curvePublicKey: encodeZ85(stranger.publicKey), curveSecretKey: encodeZ85(stranger.secretKey.bytes) }
    connect(new Dealer({ linger: 0, curveServerKey: encodeZ85(stranger.publicKey), ...keys }), server)
    connect(new Dealer({ linger: 0 }), server)
    // No frame has such flags.
    const greeting = '\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE'.padEnd(64, '\0')
    createConnection(Number(port), '127.0.0.1')
      .on('error', () => {})
      .end(`${greeting}\x08\0`, 'latin1')
    const { refusals } = server
    while (refusals.wrong_server_key === 0 || refusals.no_key === 0 || refusals.malformed === 0) {
      await nextTurn(undefined, { signal })
    }
    expect([refusals.not_listed, refusals.frame_too_large, refusals.handshake_timeout]).toEqual([0, 0, 0])
  })
})

describe('startOfRequests', () => {
  const split = (...parts: string[]): [string[], string[]] => {
    const start = startOfRequests(parts.map(bytes))
    return [parts.slice(0, start), parts.slice(start)]
  }

  it('finds the requests behind the delimiter, or at the beginning', () => {
    expect(split('', 'a')).toEqual([[''], ['a']])
    expect(split('', 'a', '', 'b')).toEqual([[''], ['a', '', 'b']])
    expect(split('proxy', '', 'a')).toEqual([['proxy', ''], ['a']])
    expect(split('a')).toEqual([[], ['a']])
    expect(split('', '')).toEqual([[''], ['']])
    expect(split('')).toEqual([[], ['']])
    expect(split('a', '')).toEqual([[], ['a', '']])
  })

  it('takes no request for a way back', () => {
    const long = 'x'.repeat(256)
    for (const first of ['{"id":1}', ' \n\r\t{', long]) {
      expect(split(first, '', 'b'), first).toEqual([[], [first, '', 'b']])
      expect(split('proxy', first, '', 'b'), first).toEqual([[], ['proxy', first, '', 'b']])
      expect(split('', first, '', 'b'), first).toEqual([[''], [first, '', 'b']])
    }
    for (const hop of ['\u0000{abc', 'x'.repeat(255), '[', ' ']) {
      expect(split(hop, '', 'b'), hop).toEqual([[hop, ''], ['b']])
    }
  })
})
