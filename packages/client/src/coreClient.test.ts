import { randomUUID } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeZ85, encodeZ85 } from '@bletchley/crypto'
import type { WorkerError } from '@bletchley/protocol'
import { lastingPort } from '@bletchley/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { curveKeyPair, Dealer, Reply, Router, type SocketOptions } from 'zeromq'
import { type ClientCurve, type ClientOptions, CoreClient } from './coreClient.ts'

// The peer is a bare socket that the test drives by hand: a real core never loses a reply.

interface Received {
  /** The connection that it came by, as text. */
  from: string
  id: string
  type: string
  reply(members: object): Promise<void>
  /** Sends the client whatever this is, behind an empty frame. */
  send(frame: string | Uint8Array): Promise<void>
}

class Peer {
  readonly #socket: Router

  private constructor(endpoint: string, options: SocketOptions<Router>) {
    // A ROUTER drops replies beyond its mark.
    this.#socket = new Router({ linger: 0, sendHighWaterMark: 0, ipv6: endpoint.includes('['), ...options })
  }

  static async bind(endpoint = 'tcp://127.0.0.1:0', options: SocketOptions<Router> = {}): Promise<Peer> {
    const peer = new Peer(endpoint, options)
    // The port of a socket that was closed is free a moment later.
    for (let bound = false; !bound; ) {
      bound = await peer.#socket.bind(endpoint).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EADDRINUSE') throw error
          return false
        },
      )
    }
    return peer
  }

  get endpoint(): string {
    return this.#socket.lastEndpoint!
  }

  get readable(): boolean {
    return this.#socket.readable
  }

  async receive(): Promise<Received> {
    const [identity, delimiter, frame] = await this.#socket.receive()
    const { id, type } = JSON.parse(frame!.toString()) as { id: string; type: string }
    const send = (answer: string | Uint8Array) => this.#socket.send([identity!, delimiter!, answer])
    return {
      from: identity!.toString('hex'),
      id,
      type,
      send,
      reply: (members) => send(JSON.stringify({ id, type, ...members })),
    }
  }

  /** Ends when a connection does, after this call. */
  async untilLeft(): Promise<void> {
    for await (const { type } of this.#socket.events) if (type === 'disconnect') return
  }

  close(): void {
    this.#socket.close()
  }
}

/** Passes on what comes, on each connection, until it is silenced: then it takes all, passes nothing on and says nothing. */
async function silentWire(port: number) {
  const silenced = new Set<Socket>()
  const sockets = new Set<Socket>()
  const heard: Buffer[] = []
  const server = createServer((near) => {
    const far = createConnection(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (bytes: Buffer) => {
        if (from === near) heard.push(bytes)
        if (!silenced.has(from)) to.write(bytes)
      })
      from.on('error', () => {})
      from.on('close', () => silenced.has(from) || to.destroy())
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** All that the clients have sent. */
    get heard(): Buffer {
      return Buffer.concat(heard)
    },
    silence(): void {
      for (const socket of sockets) silenced.add(socket)
    },
    close(): void {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

const address = new Uint8Array(32).fill(1)
const tip = (key: number) => ({ result: { key, data: [key % 256] } })
/** Longer than any test: only deadlines that a test sets itself decide. */
const forEver = 2 ** 31 - 1
const open: { close(): void }[] = []

afterEach(() => {
  for (const each of open.splice(0)) each.close()
  vi.useRealTimers()
})

async function connect(options: ClientOptions = {}) {
  const peer = await Peer.bind()
  const client = new CoreClient(peer.endpoint, { timeoutMs: forEver, ...options })
  open.push(client, peer)
  return { peer, client }
}

describe('CoreClient', () => {
  it('refuses an endpoint that is none', () => {
    for (const endpoint of ['nonsense', 'http://127.0.0.1:1', 'tcp://127.0.0.1:port', 'tcp://127.0.0.1:65536', '']) {
      expect(() => new CoreClient(endpoint), endpoint).toThrow(`${JSON.stringify(endpoint)} is no ZeroMQ endpoint`)
    }
  })

  it('has many requests in flight, and matches replies that come in any order', async () => {
    const { peer, client } = await connect()
    const answers = Array.from({ length: 50 }, () => client.methods.getTip({ address }))
    const requests = []
    for (const _ of answers) requests.push(await peer.receive())
    expect(new Set(requests.map(({ id }) => id)).size).toBe(50)
    for (const [index, request] of [...requests.entries()].reverse()) await request.reply(tip(index))
    expect((await Promise.all(answers)).map(({ key }) => key)).toEqual(Array.from({ length: 50 }, (_, index) => index))
  })

  it('has 1024 requests in flight and no more, if not told otherwise', async () => {
    const { peer, client } = await connect()
    const answers = Array.from({ length: 1024 }, () => client.methods.getTip({ address }))
    const requests: Received[] = []
    for (const _ of answers) requests.push(await peer.receive())
    await expect(client.methods.getTip({ address }, { timeoutMs: 1 })).rejects.toThrow('No reply within 1 ms')
    const last = client.methods.getAllAddrs(undefined)
    await requests[0]!.reply(tip(0))
    // Whatever had been sent beyond the limit would come before it.
    const next = await peer.receive()
    expect(next.type).toBe('GetAllAddrs')
    await next.reply({ result: { addresses: [] } })
    for (const [index, request] of requests.slice(1).entries()) await request.reply(tip(index + 1))
    expect((await Promise.all(answers)).map(({ key }) => key)).toEqual(answers.map((_, index) => index))
    expect(await last).toEqual({ addresses: [] })
  })

  it('has no more requests in flight than it may, and sends the others as replies come', async () => {
    const { peer, client } = await connect({ maxInFlight: 2 })
    const answers = Array.from({ length: 5 }, () => client.methods.getTip({ address }))
    const first = [await peer.receive(), await peer.receive()]
    expect(peer.readable).toBe(false)
    for (const request of first) await request.reply(tip(0))
    for (let rest = 2; rest < 5; rest++) await (await peer.receive()).reply(tip(0))
    expect(await Promise.all(answers)).toHaveLength(5)
  })

  it('has one request with an id under way, and keeps it when a second is asked for', async () => {
    const { peer, client } = await connect()
    const frame = Buffer.from(JSON.stringify({ id: 'one', type: 'GetAllAddrs' }))
    for (let turn = 0; turn < 2; turn++) {
      const first = client.exchange('one', frame)
      await expect(client.exchange('one', frame)).rejects.toThrow('A request with the id "one" is under way')
      await (await peer.receive()).reply({ turn })
      expect(JSON.parse(String(await first))).toMatchObject({ id: 'one', turn })
    }
    expect(peer.readable).toBe(false)
  })

  it('does not send what nobody waits for any more', async () => {
    const { peer, client } = await connect({ maxInFlight: 1 })
    const first = client.methods.getTip({ address })
    const late = client.methods.getTip({ address }, { timeoutMs: 1 })
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' })
    const last = client.methods.getTip({ address })
    await (await peer.receive()).reply(tip(1))
    await (await peer.receive()).reply(tip(3))
    expect([(await first).key, (await last).key]).toEqual([1, 3])
    expect(peer.readable).toBe(false)
  })

  it('does not take what was never sent for answered: no more are in flight after time-outs', async () => {
    const { peer, client } = await connect({ maxInFlight: 1 })
    const first = client.methods.getTip({ address })
    const request = await peer.receive()
    const late = [1, 2, 3].map(() => client.methods.getTip({ address }, { timeoutMs: 1 }))
    for (const each of late) await expect(each).rejects.toMatchObject({ code: 'deadline_exceeded' })
    const next = client.methods.getTip({ address })
    // Another client's request comes behind all that this one would have sent.
    const other = new CoreClient(peer.endpoint, { timeoutMs: forEver })
    open.push(other)
    const marker = other.methods.getTip({ address }, { timeoutMs: forEver })
    const second = await peer.receive()
    await second.reply(tip(2))
    expect((await marker).key).toBe(2)
    await request.reply(tip(1))
    await (await peer.receive()).reply(tip(3))
    expect([(await first).key, (await next).key]).toEqual([1, 3])
  })

  it('gives a request up at its deadline; a reply that comes later disturbs nobody', async () => {
    const { peer, client } = await connect()
    // What is asked before there is a connection may never be sent.
    const connected = client.methods.getTip({ address })
    await (await peer.receive()).reply(tip(0))
    await connected
    const lost = client.methods.getTip({ address }, { timeoutMs: 20 })
    // Listened to from the start: on a busy machine the deadline comes before the peer has heard of the request.
    const givenUp = expect(lost).rejects.toMatchObject({ code: 'deadline_exceeded', retryable: true })
    const first = await peer.receive()
    await givenUp
    const next = client.methods.getTip({ address })
    const second = await peer.receive()
    await first.reply(tip(1))
    await second.reply(tip(2))
    expect((await next).key).toBe(2)
  })

  it('connects again by itself when the peer comes back', async () => {
    const { peer, client } = await connect()
    const before = client.methods.getTip({ address })
    await peer.receive()
    const { endpoint } = peer
    peer.close()
    // Nobody can answer it any more, so it does not wait for its deadline.
    await expect(before).rejects.toMatchObject({ code: 'disconnected', retryable: true })
    const again = await Peer.bind(endpoint)
    open.push(again)
    const after = client.methods.getTip({ address })
    await (await again.receive()).reply(tip(3))
    expect((await after).key).toBe(3)
  })

  it('ends what it had sent by a connection that is lost, and sends what waited by the next', async () => {
    const { peer, client } = await connect({ maxInFlight: 1 })
    const sent = client.methods.getTip({ address })
    await peer.receive()
    const waiting = client.methods.getTip({ address })
    const { endpoint } = peer
    peer.close()
    await expect(sent).rejects.toThrow('Disconnected before the reply came')
    const again = await Peer.bind(endpoint)
    open.push(again)
    await (await again.receive()).reply(tip(4))
    expect((await waiting).key).toBe(4)
  })

  it('asks whether the core is there: by default each 2 s, and names how long its silence is to be taken', async () => {
    for (const options of [{}, { maxSilenceMs: 500 }]) {
      const peer = await Peer.bind()
      const wire = await silentWire(Number(peer.endpoint.split(':').at(-1)))
      const client = new CoreClient(wire.endpoint, { timeoutMs: forEver, ...options })
      open.push(client, peer, wire)
      const name = Buffer.from('\x04PING')
      await expect.poll(() => wire.heard.includes(name)).toBe(true)
      // In tenths of a second: a minute.
      expect(wire.heard.readUInt16BE(wire.heard.indexOf(name) + name.length)).toBe(600)
    }
  })

  it('takes any silence that is asked for', async () => {
    for (const maxSilenceMs of [1, 6_553_500, 6_553_600, forEver]) {
      new CoreClient('tcp://127.0.0.1:1', { maxSilenceMs }).close()
    }
  })

  it('gives up a connection that died without a word, tells what was under way, and makes another', async () => {
    const peer = await Peer.bind()
    const wire = await silentWire(Number(peer.endpoint.split(':').at(-1)))
    const client = new CoreClient(wire.endpoint, { timeoutMs: forEver, maxSilenceMs: 5000 })
    open.push(client, peer, wire)
    const lost = client.methods.getTip({ address })
    await peer.receive()
    wire.silence()
    await expect(lost).rejects.toMatchObject({ code: 'disconnected', retryable: true })
    const next = client.methods.getTip({ address })
    await (await peer.receive()).reply(tip(1))
    expect((await next).key).toBe(1)
  })

  it('finds the core at either address of a name', async () => {
    for (const { address: host, family } of await lookup('localhost', { all: true })) {
      const peer = await Peer.bind(family === 6 ? `tcp://[${host}]:0` : `tcp://${host}:0`)
      const client = new CoreClient(`tcp://localhost:${peer.endpoint.split(':').at(-1)}`, { timeoutMs: forEver })
      open.push(client, peer)
      const answer = client.methods.getTip({ address })
      await (await peer.receive()).reply(tip(1))
      expect((await answer).key).toBe(1)
    }
  })

  it('says at the deadline that there is no connection, and to where', async () => {
    const endpoint = `ipc://${join(tmpdir(), randomUUID())}`
    const nobody = new CoreClient(endpoint)
    open.push(nobody)
    const text = `No reply within 1 ms: there is no connection to ${endpoint}: nobody listens there, or it cannot be reached`
    await expect(nobody.methods.getTip({ address }, { timeoutMs: 1 })).rejects.toThrow(text)
  })

  it('says at the deadline that a name does not resolve', async () => {
    const nowhere = new CoreClient('tcp://core.invalid:5552')
    open.push(nowhere)
    expect(await reasonOf(nowhere, /resolve/)).toMatch(/^the name core\.invalid does not resolve \(E[A-Z_]+\)$/)
  })

  it('says at the deadline nothing but how long it was while there is a connection', async () => {
    const { peer, client } = await connect()
    const first = client.methods.getTip({ address })
    await (await peer.receive()).reply(tip(1))
    await first
    const error: unknown = await client.methods.getTip({ address }, { timeoutMs: 20 }).catch((error: unknown) => error)
    expect(error).toMatchObject({ message: 'No reply within 20 ms', data: { deadlineMs: 20 } })
    expect((error as WorkerError).data).not.toHaveProperty('reason')
  })

  it('waits a minute for a reply, if not told otherwise', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const client = new CoreClient('tcp://127.0.0.1:1')
    open.push(client)
    const ended = vi.fn<(error: Error) => void>()
    void client.methods.getTip({ address }).catch(ended)
    await vi.advanceTimersByTimeAsync(59_999)
    expect(ended).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(ended.mock.lastCall![0].message).toMatch(/^No reply within 60000 ms/)
  })

  it('throws what the core refuses with, in either dialect', async () => {
    const { peer, client } = await connect()
    const msg = `Error while trying to get_tip, Because: The following Key doesn't exist: ${'01'.repeat(32)}`
    for (const members of [{ msg }, { type: 'Error', msg, error: msg, requestType: 'GetTip' }]) {
      const refused = client.methods.getTip({ address })
      await (await peer.receive()).reply(members)
      await expect(refused).rejects.toMatchObject({ code: 'not_found', message: msg, data: { address } })
    }
  })

  it('refuses replies that are not what the message promises', async () => {
    const { peer, client } = await connect()
    for (const members of [
      {},
      { result: null },
      { result: { key: -1, data: [] } },
      { result: { key: 0, data: [256] } },
      { type: 7 },
    ]) {
      const answer = client.methods.getTip({ address })
      await (await peer.receive()).reply(members)
      await expect(answer, JSON.stringify(members)).rejects.toMatchObject({ code: 'malformed_reply' })
    }
  })

  it('tells a failed task from a result', async () => {
    const { peer, client } = await connect()
    const bytes = new Uint8Array(64)
    const input = { encryptedFn: bytes, encryptedArgs: bytes, userDHKey: bytes, gasLimit: 1n, contractAddress: address }
    const answer = client.methods.computeTask(input)
    const result = { output: 'ab', usedGas: 5, signature: '00'.repeat(65) }
    await (await peer.receive()).reply({ type: 'FailedTask', result })
    expect(await answer).toMatchObject({ kind: 'failed', result: { usedGas: 5n, output: Uint8Array.of(0xab) } })
  })

  it('refuses bad input before anything is sent', async () => {
    const { client } = await connect()
    await expect(client.methods.getTip({ address: new Uint8Array(31) })).rejects.toThrow(/32 bytes/)
  })

  it('does not mind what is no reply to any request', async () => {
    const { peer, client } = await connect()
    const answer = client.methods.getTip({ address })
    const request = await peer.receive()
    for (const frame of ['', '{', '{"id":', '[]', '{"id":7}', '{"id":"unknown","type":"GetTip"}', Uint8Array.of(255)]) {
      await request.send(frame)
    }
    await request.reply(tip(5))
    expect((await answer).key).toBe(5)
  })

  it.each([
    ['close()', (client: CoreClient) => client.close()],
    ['using', (client: CoreClient) => client[Symbol.dispose]()],
  ])('ends its requests when it is closed by %s, sent or not, and leaves no timer', async (_, close) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { peer, client } = await connect({ maxInFlight: 1 })
    const answered = client.methods.getTip({ address })
    await (await peer.receive()).reply(tip(0))
    await answered
    expect(vi.getTimerCount()).toBe(0)
    const sent = client.methods.getTip({ address })
    const waiting = client.methods.getTip({ address })
    await peer.receive()
    const left = peer.untilLeft()
    close(client)
    for (const each of [sent, waiting, client.methods.getTip({ address })]) {
      await expect(each).rejects.toMatchObject({ code: 'disconnected' })
    }
    expect(vi.getTimerCount()).toBe(0)
    await left
  })
})

/** Asks until the error at the deadline gives a reason of this kind: on a busy machine that takes its time. */
async function reasonOf(client: CoreClient, kind: RegExp): Promise<string> {
  for (;;) {
    const error = await client.methods.getTip({ address }, { timeoutMs: 50 }).catch((error: Error) => error)
    if (!(error instanceof Error)) throw new Error('it was answered')
    const [, reason = ''] = /^No reply within 50 ms: (.*)$/.exec(error.message) ?? []
    if (kind.test(reason)) return reason
  }
}

function keys(): { bytes: { publicKey: Uint8Array; secretKey: Uint8Array }; text: { curveSecretKey: string } } {
  const pair = curveKeyPair()
  return {
    bytes: { publicKey: decodeZ85(pair.publicKey)!, secretKey: decodeZ85(pair.secretKey)! },
    text: { curveSecretKey: pair.secretKey },
  }
}

describe('CoreClient, refused', () => {
  const server = keys()
  const client = keys()
  const stranger = keys()
  const curve: ClientCurve = { serverKey: server.bytes.publicKey, ...client.bytes }
  const demanding = { curveServer: true, ...server.text }

  /** Refuses, as a core does, whoever has not this key. */
  async function letInOnly(publicKey?: Uint8Array): Promise<void> {
    const socket = new Reply({ linger: 0 })
    await socket.bind('inproc://zeromq.zap.01')
    open.push(socket)
    const answer = async (): Promise<void> => {
      for await (const [, id, , , , , key] of socket) {
        const isWelcome = publicKey !== undefined && key !== undefined && Buffer.compare(key, publicKey) === 0
        await socket.send(['1.0', id!, isWelcome ? '200' : '400', '', '', ''])
      }
    }
    answer().catch((error: unknown) => {
      if (!socket.closed) throw error
    })
  }

  async function connectTo(peerOptions: SocketOptions<Router>, curve?: ClientCurve) {
    const peer = await Peer.bind('tcp://127.0.0.1:0', peerOptions)
    const client = new CoreClient(peer.endpoint, { timeoutMs: forEver, ...(curve && { curve }) })
    open.push(client, peer)
    return { peer, client }
  }

  it('says that the core demands keys, or has none', async () => {
    const keyless = await connectTo(demanding)
    expect(await reasonOf(keyless.client, /CURVE/)).toBe('the core demands CURVE, and no keys were given')
    const needless = await connectTo({}, curve)
    expect(await reasonOf(needless.client, /CURVE/)).toBe('the core does not use CURVE, but keys for it were given')
  })

  it('says that its key is not on the list', async () => {
    await letInOnly(stranger.bytes.publicKey)
    const unlisted = await connectTo(demanding, curve)
    expect(await reasonOf(unlisted.client, /list/)).toBe(
      `the public key ${encodeZ85(client.bytes.publicKey)} is not on the list of the core`,
    )
    const keyless = await connectTo({ zapDomain: 'core' })
    expect(await reasonOf(keyless.client, /list/)).toBe('no key was shown, and it is not on the list of the core')
  })

  it('says that the core hangs up, and what it takes for the reason', async () => {
    const other = await connectTo(demanding, { ...curve, serverKey: stranger.bytes.publicKey })
    expect(await reasonOf(other.client, /hangs up/)).toBe(
      `the core hangs up during the handshake: ${encodeZ85(stranger.bytes.publicKey)} is probably not its public key`,
    )
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const keyless = new CoreClient(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`)
    open.push(keyless, server)
    expect(await reasonOf(keyless, /hangs up/)).toBe(
      'the core hangs up during the handshake: it may demand CURVE, or have no room for more connections',
    )
  })

  it('is served with the keys of the core and its own', async () => {
    await letInOnly(client.bytes.publicKey)
    const { peer, client: listed } = await connectTo(demanding, curve)
    const answer = listed.methods.getTip({ address })
    await (await peer.receive()).reply(tip(1))
    expect((await answer).key).toBe(1)
  })

  it('asks again after a second, and loses nothing of what was asked before and meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { peer, client } = await connectTo(demanding)
    const before = client.methods.getTip({ address })
    // The deadline and the next try.
    await expect.poll(() => vi.getTimerCount()).toBe(2)
    const meanwhile = [client.methods.getTip({ address }), client.methods.getTip({ address })]
    const { endpoint } = peer
    peer.close()
    const lax = await Peer.bind(endpoint)
    open.push(lax)
    vi.advanceTimersByTime(999)
    expect(vi.getTimerCount()).toBe(4)
    vi.advanceTimersByTime(1)
    for (const key of [1, 2, 3]) await (await lax.receive()).reply(tip(key))
    expect((await Promise.all([before, ...meanwhile])).map(({ key }) => key)).toEqual([1, 2, 3])
    // It is forgotten why there was no connection.
    const late = client.methods.getTip({ address }, { timeoutMs: 10 }).catch((error: Error) => error.message)
    await lax.receive()
    vi.advanceTimersByTime(10)
    expect(await late).toBe('No reply within 10 ms')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('asks again as long as it is refused, once at a time, and not when it is closed', async () => {
    await letInOnly()
    for (const options of [demanding, { zapDomain: 'core' }]) {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const { client } = await connectTo(options, 'curveServer' in options ? curve : undefined)
      for (const _ of [1, 2, 3]) {
        await expect.poll(() => vi.getTimerCount()).toBe(1)
        vi.advanceTimersByTime(1000)
        expect(vi.getTimerCount()).toBe(0)
      }
      await expect.poll(() => vi.getTimerCount()).toBe(1)
      client.close()
      expect(vi.getTimerCount()).toBe(0)
      vi.useRealTimers()
    }
  })
})

describe('CoreClient, where nobody listens', () => {
  /** Until another socket has tried so often to connect there. */
  async function tries(endpoint: string, count: number): Promise<void> {
    const socket = new Dealer({ linger: 0, reconnectInterval: 50 })
    open.push(socket)
    socket.connect(endpoint)
    let left = count
    for await (const { type } of socket.events) if (type === 'connect:retry' && --left === 0) return
  }

  async function nobodyAt(host: string) {
    const port = await lastingPort()
    const client = new CoreClient(`tcp://${host}:${port}`, { timeoutMs: forEver })
    open.push(client)
    return { client, endpoint: `tcp://127.0.0.1:${port}` }
  }

  it('tries the other address of a name a second later, once at a time, until it is connected', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { client, endpoint } = await nobodyAt('localhost')
    const answer = client.methods.getTip({ address })
    // The deadline and the next try.
    await expect.poll(() => vi.getTimerCount()).toBe(2)
    await tries(endpoint, 5)
    expect(vi.getTimerCount()).toBe(2)
    vi.advanceTimersByTime(999)
    expect(vi.getTimerCount()).toBe(2)
    vi.advanceTimersByTime(1)
    expect(vi.getTimerCount()).toBe(1)
    await expect.poll(() => vi.getTimerCount()).toBe(2)
    vi.advanceTimersByTime(1000)
    await expect.poll(() => vi.getTimerCount()).toBe(2)
    const peer = await Peer.bind(endpoint)
    open.push(peer)
    await (await peer.receive()).reply(tip(1))
    expect((await answer).key).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
    // Of two connections each would get every other request.
    const answers = [2, 3, 4, 5].map(() => client.methods.getTip({ address }))
    const requests: Received[] = []
    for (const _ of answers) requests.push(await peer.receive())
    expect(new Set(requests.map(({ from }) => from)).size).toBe(1)
    for (const request of requests) await request.reply(tip(1))
    await Promise.all(answers)
    // It does so again when the core is lost.
    peer.close()
    await expect.poll(() => vi.getTimerCount()).toBe(1)
  })

  it('has no other address to try where it was given an address', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    for (const host of ['127.0.0.1', '[::1]']) {
      const { endpoint } = await nobodyAt(host)
      await tries(endpoint, 5)
      expect(vi.getTimerCount(), host).toBe(0)
    }
  })
})
