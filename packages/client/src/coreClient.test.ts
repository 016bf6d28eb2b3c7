import { randomUUID } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Router } from 'zeromq'
import { type ClientOptions, CoreClient } from './coreClient.ts'

// The peer is a bare socket that the test drives by hand: a real core never loses a reply.

interface Received {
  id: string
  type: string
  reply(members: object): Promise<void>
}

class Peer {
  readonly #socket: Router

  private constructor(endpoint: string) {
    this.#socket = new Router({ linger: 0, ipv6: endpoint.includes('[') })
  }

  static async bind(endpoint = 'tcp://127.0.0.1:0'): Promise<Peer> {
    const peer = new Peer(endpoint)
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
    return {
      id,
      type,
      reply: (members) => this.#socket.send([identity!, delimiter!, JSON.stringify({ id, type, ...members })]),
    }
  }

  close(): void {
    this.#socket.close()
  }
}

/** Passes on what comes, on each connection, until it is silenced: then it takes all, passes nothing on and says nothing. */
async function silentWire(port: number) {
  const silenced = new Set<Socket>()
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = createConnection(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (bytes) => silenced.has(from) || to.write(bytes))
      from.on('error', () => {})
      from.on('close', () => silenced.has(from) || to.destroy())
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
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
const tip = (key: number) => ({ result: { key, data: [key] } })
/** Longer than any test: only deadlines that a test sets itself decide. */
const forEver = 2 ** 31 - 1
const open: { close(): void }[] = []

afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

async function connect(options: ClientOptions = {}) {
  const peer = await Peer.bind()
  const client = new CoreClient(peer.endpoint, { timeoutMs: forEver, ...options })
  open.push(client, peer)
  return { peer, client }
}

describe('CoreClient', () => {
  it('refuses an endpoint that is none', () => {
    for (const endpoint of ['nonsense', 'http://127.0.0.1:1', 'tcp://127.0.0.1:port', '']) {
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

  it('has no more requests in flight than it may, and sends the others as replies come', async () => {
    const { peer, client } = await connect({ maxInFlight: 2 })
    const answers = Array.from({ length: 5 }, () => client.methods.getTip({ address }))
    const first = [await peer.receive(), await peer.receive()]
    expect(peer.readable).toBe(false)
    for (const request of first) await request.reply(tip(0))
    for (let rest = 2; rest < 5; rest++) await (await peer.receive()).reply(tip(0))
    expect(await Promise.all(answers)).toHaveLength(5)
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

  it('says at the deadline that there is no connection, to where, and why', async () => {
    const endpoint = `ipc://${join(tmpdir(), randomUUID())}`
    const nobody = new CoreClient(endpoint, { timeoutMs: 1000 })
    const nowhere = new CoreClient('tcp://core.invalid:5552', { timeoutMs: 1000 })
    open.push(nobody, nowhere)
    await expect(nobody.methods.getTip({ address })).rejects.toThrow(
      `No reply within 1000 ms: there is no connection to ${endpoint}: nobody listens there`,
    )
    await expect(nowhere.methods.getTip({ address })).rejects.toThrow(/core\.invalid/)
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

  it('ends its requests when it is closed', async () => {
    const { peer, client } = await connect()
    const pending = client.methods.getTip({ address })
    await peer.receive()
    client.close()
    await expect(pending).rejects.toMatchObject({ code: 'disconnected' })
    await expect(client.methods.getTip({ address })).rejects.toMatchObject({ code: 'disconnected' })
  })
})
