import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { curveKeyPair, Dealer, Request, Router } from 'zeromq'
import { boxKeys } from '../src/box.ts'
import type { Connection, EndReason, Limits, Listener, ListenOptions, Message } from '../src/index.ts'
import { listen } from '../src/index.ts'
import { CurvePeer, frame, framesOf, greeting, largeHead, message, openings, ready, Wire } from './wire.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const each of cleanups.splice(0).reverse()) await each()
})

/** What a server under test has seen. */
interface Served {
  listener: Listener
  endpoint: string
  open: Connection[]
  ends: EndReason[]
  messages: { connection: Connection; message: Message }[]
}

/** Serves whoever comes; what a peer sends goes back to it, unless the test does something else. */
async function serve(options: Partial<ListenOptions> & { endpoint?: string } = {}): Promise<Served> {
  const served: Served = { listener: undefined as never, endpoint: '', open: [], ends: [], messages: [] }
  served.listener = await listen([options.endpoint ?? 'tcp://127.0.0.1:*'], {
    onMessage: (connection, { parts }) => void connection.send(parts),
    ...options,
    onOpen: (connection) => void served.open.push(connection),
    onEnd: (_, reason) => void served.ends.push(reason),
  })
  served.endpoint = served.listener.endpoints[0]!
  cleanups.push(() => served.listener.close(0))
  return served
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
  cleanups.push(() => rm(path, { recursive: true }))
  return path
}

function peerOf<Kind extends Request | Dealer | Router>(peer: Kind, endpoint: string): Kind {
  cleanups.push(() => peer.close())
  peer.connect(endpoint)
  return peer
}

function wireTo(endpoint: string): Wire {
  const wire = new Wire(endpoint)
  cleanups.push(() => wire.socket.destroy())
  return wire
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate()
}

const texts = (parts: readonly Uint8Array[]): string[] => parts.map(String)
const serverPair = curveKeyPair()
const clientPair = curveKeyPair()
const curvePeerOptions = {
  curveServerKey: serverPair.publicKey,
  curvePublicKey: clientPair.publicKey,
  curveSecretKey: clientPair.secretKey,
}

/** Z85. */
function decode(text: string): Buffer {
  const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'
  const bytes = Buffer.alloc((text.length / 5) * 4)
  for (let at = 0; at < text.length; at += 5) {
    let value = 0
    for (const digit of text.slice(at, at + 5)) value = value * 85 + digits.indexOf(digit)
    bytes.writeUInt32BE(value, (at / 5) * 4)
  }
  return bytes
}

const serverSecret = decode(serverPair.secretKey)
const curve = { secretKey: serverSecret, authorize: () => true }

describe.each([
  ['as they are', undefined, {}],
  ['with CURVE', curve, curvePeerOptions],
])('peers of libzmq %s', (_, serverCurve, peerOptions) => {
  const options = serverCurve === undefined ? {} : { curve: serverCurve }

  it.each(['tcp://127.0.0.1:*', 'tcp://*:*', 'tcp://[::1]:0', 'ipc'])('are served at %s', async (kind) => {
    const endpoint = kind === 'ipc' ? `ipc://${join(await folder(), 'socket')}` : kind
    const served = await serve({ ...options, endpoint })
    if (kind !== 'ipc') expect(served.endpoint).toMatch(/^tcp:\/\/(127\.0\.0\.1|0\.0\.0\.0|\[::1\]):\d+$/)
    const request = peerOf(
      new Request({ linger: 0, ipv6: true, ...peerOptions }),
      served.endpoint.replace('0.0.0.0', '127.0.0.1'),
    )
    for (const parts of [['one'], ['two', ''], ['three', 'x'.repeat(255), 'x'.repeat(256)]]) {
      await request.send(parts)
      expect(texts(await request.receive())).toEqual(parts)
    }
    const [connection] = served.open
    expect(connection!.address).toBe({ ipc: '', 'tcp://[::1]:0': '::1' }[kind] ?? '127.0.0.1')
    expect(connection!.publicKey).toEqual(serverCurve && Uint8Array.from(decode(clientPair.publicKey)))
  })

  it('get large messages back as they were', async () => {
    const { endpoint } = await serve(options)
    const request = peerOf(new Request({ linger: 0, ...peerOptions }), endpoint)
    const large = Buffer.alloc(9_000_001, randomBytes(1001))
    await request.send(['small', large, large.subarray(1, 70_000)])
    const received = await request.receive()
    expect(received.map(({ length }) => length)).toEqual([5, 9_000_001, 69_999])
    expect(received[1]!.equals(large) && received[2]!.equals(large.subarray(1, 70_000))).toBe(true)
  })

  it('may have many messages under way, each its own', async () => {
    const { endpoint } = await serve(options)
    const dealers = [0, 1, 2].map((name) => ({
      name,
      dealer: peerOf(new Dealer({ linger: 0, routingId: 'the same', ...peerOptions }), endpoint),
    }))
    await Promise.all(
      dealers.map(async ({ name, dealer }) => {
        for (let turn = 0; turn < 300; turn++) await dealer.send(['', `${name} ${turn}`])
        for (let turn = 0; turn < 300; turn++) expect(texts(await dealer.receive())).toEqual(['', `${name} ${turn}`])
      }),
    )
  })

  it('may be a ROUTER', async () => {
    const { endpoint } = await serve({
      ...options,
      onMessage: (connection, { parts }) => void connection.send(parts.length === 1 ? [Buffer.from('welcome')] : parts),
    })
    const router = peerOf(new Router({ linger: 0, probeRouter: true, ...peerOptions }), endpoint)
    const [id, text] = await router.receive()
    expect(String(text)).toBe('welcome')
    await router.send([id!, '', 'request'])
    expect(texts(await router.receive()).slice(1)).toEqual(['', 'request'])
  })

  it('have their heartbeats answered, also while a large message is on its way to them', async () => {
    const served = await serve(options)
    const dealer = peerOf(
      new Dealer({
        linger: 0,
        heartbeatInterval: 20,
        heartbeatTimeout: 60_000,
        heartbeatTimeToLive: 6000,
        ...peerOptions,
      }),
      served.endpoint,
    )
    await dealer.send(Buffer.alloc(5_000_000))
    expect((await dealer.receive())[0]!.length).toBe(5_000_000)
    const [connection] = served.open
    const { receivedBytes, takenBytes } = connection!
    // Nothing but heartbeats: each is answered with fewer bytes.
    await until(() => connection!.receivedBytes > receivedBytes + 100 && connection!.takenBytes > takenBytes + 100)
    expect(served.ends).toEqual([])
  })
})

describe('CURVE', () => {
  it('asks who may come in, and tells those who may not', async () => {
    const asked: unknown[] = []
    const served = await serve({
      curve: { secretKey: serverSecret, authorize: (...key) => asked.push(key) > 1 },
    })
    const refused = new Request({ linger: 0, ...curvePeerOptions })
    const failed = new Promise((resolve) => refused.events.on('handshake:error:auth', resolve))
    peerOf(refused, served.endpoint)
    expect(await failed).toMatchObject({ error: { status: 400 } })
    await until(() => served.ends.length > 0)
    refused.close()
    expect(served.ends[0]).toBe('not_listed')
    expect(asked[0]).toEqual([Uint8Array.from(decode(clientPair.publicKey)), '127.0.0.1'])

    const request = peerOf(new Request({ linger: 0, ...curvePeerOptions }), served.endpoint)
    await request.send('text')
    expect(texts(await request.receive())).toEqual(['text'])
  })

  it.each<[EndReason, object]>([
    ['no_key', {}],
    ['no_key', { plainUsername: 'name', plainPassword: 'word' }],
    ['wrong_server_key', { ...curvePeerOptions, curveServerKey: clientPair.publicKey }],
  ])('tells why a peer did not get in: %s', async (reason, options) => {
    const served = await serve({ curve })
    peerOf(new Request({ linger: 0, ...options }), served.endpoint)
    await until(() => served.ends.length > 0)
    expect(served.ends[0]).toBe(reason)
    expect(served.open).toEqual([])
  })

  it('ends the connections of one client, and no others', async () => {
    const served = await serve({ curve })
    const other = curveKeyPair()
    const [one, two] = [clientPair, other].map((pair) => {
      const keys = {
        curveServerKey: serverPair.publicKey,
        curvePublicKey: pair.publicKey,
        curveSecretKey: pair.secretKey,
      }
      return peerOf(new Request({ linger: 0, reconnectInterval: 3_600_000, ...keys }), served.endpoint)
    })
    for (const each of [one, two]) {
      await each!.send('text')
      await each!.receive()
    }
    const key = decode(clientPair.publicKey)
    for (const each of served.listener.connections) if (key.equals(each.publicKey!)) each.close()
    expect([served.ends, served.listener.connections.size]).toEqual([['closed'], 1])
    await two!.send('still there')
    expect(texts(await two!.receive())).toEqual(['still there'])
  })

  it('seals its answers to heartbeats', async () => {
    const served = await serve({ curve })
    const wire = wireTo(served.endpoint)
    const peer = new CurvePeer(boxKeys(serverSecret).publicKey)
    await wire.curve(peer)
    wire.send(frame(0, peer.message(2, '\x04PING\0\0context')), frame(0, peer.message(0, 'text')))
    await wire.until(() => framesOf(wire.received, 64).length === 4)
    const opened = framesOf(wire.received, 64)
      .slice(2)
      .map((body) => peer.open(body).toString('latin1'))
    expect(opened.sort()).toEqual(['\0text', '\x02\x04PONGcontext'])
  })
})

describe('an old peer', () => {
  it.each(Object.entries(openings))('of ZMTP %s is served', async (_, { opening, frame }) => {
    const { endpoint } = await serve()
    const wire = wireTo(endpoint)
    wire.send(opening, message(frame, ['', 'one']), message(frame, ['', 'x'.repeat(1000)]))
    await wire.until(
      message(frame, ['', 'one']).toString('latin1') + message(frame, ['', 'x'.repeat(1000)]).toString('latin1'),
    )
    expect(wire.text).not.toContain('PING')
  })

  it('hears the version of its own, byte by byte', async () => {
    const { endpoint } = await serve()
    const heard = async (bytes: Buffer, length: number): Promise<string> => {
      using wire = new Wire(endpoint)
      wire.send(bytes)
      await wire.until(() => wire.received.length >= length)
      return wire.received.toString('hex')
    }
    const signature = 'ff00000000000000017f'
    expect(await heard(openings['1.0'].opening, 10)).toBe(signature)
    expect(await heard(openings['2.0'].opening, 14)).toBe(`${signature}03060000`)
    const nullGreeting = `${signature}0301${Buffer.from('NULL').toString('hex')}${'00'.repeat(48)}`
    const properties = '\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0'
    const readyFrame = Buffer.from(`\x04${String.fromCharCode(properties.length)}${properties}`, 'latin1').toString(
      'hex',
    )
    expect(await heard(openings['3.1'].opening, 64 + readyFrame.length / 2)).toBe(nullGreeting + readyFrame)
  })
})

describe('a connection', () => {
  it('ends when its peer is silent for longer than it said', async () => {
    const served = await serve()
    const wire = wireTo(served.endpoint)
    wire.send(openings['3.1'].opening, frame(4, '\x04PING\0\x01'))
    await wire.ended()
    expect(served.ends).toEqual(['silent'])
  })

  it('does not end for a silence that is this side’s', async () => {
    let held: Connection | undefined
    const served = await serve({ takeRoom: (connection) => connection !== held })
    const wire = wireTo(served.endpoint)
    wire.send(openings['3.1'].opening, frame(4, '\x04PING\0\x14'))
    await wire.until('PONG')
    held = served.open[0]!
    wire.send(frame(0, 'text'))
    await until(() => held!.isBlocked)
    // Silent for longer than the first, and judged after it.
    const other = wireTo(served.endpoint)
    other.send(openings['3.1'].opening, frame(4, '\x04PING\0\x16'))
    await other.ended()
    expect([served.ends, held.isEnded]).toEqual([['silent'], false])
    const before = held
    held = undefined
    before.resume()
    await wire.until('text')
  })

  it.each<[EndReason, Buffer]>([
    ['malformed', frame(8, 'text')],
    ['frame_too_large', largeHead(0, 1_000_001)],
  ])('ends for what is not allowed: %s', async (reason, bytes) => {
    const served = await serve({ limits: { maxFrameBytes: 1_000_000 } })
    const wire = wireTo(served.endpoint)
    wire.send(openings['3.1'].opening, bytes)
    await wire.ended()
    expect(served.ends).toEqual([reason])
  })

  it('ends when the handshake takes too long', async () => {
    const served = await serve({ limits: { handshakeMs: 50 } })
    for (const bytes of [Buffer.alloc(0), greeting('NULL').subarray(0, 30), greeting('NULL')]) {
      const wire = wireTo(served.endpoint)
      wire.send(bytes)
      await wire.ended()
    }
    expect(served.ends).toEqual(Array(3).fill('handshake_timeout'))
  })

  it('hands out what came before its peer left', async () => {
    const seen: string[] = []
    const served = await serve({ onMessage: (_, { parts }) => void seen.push(String(parts[1])) })
    const wire = wireTo(served.endpoint)
    const sent = Array.from({ length: 500 }, (_, index) => `${index}`)
    wire.send(openings['3.1'].opening, ...sent.map((text) => message(frame, ['', text])))
    wire.socket.end()
    await until(() => served.ends.length > 0)
    expect([seen, served.ends]).toEqual([sent, ['peer']])
  })

  it('tells what the kernel has not taken, and when a message is', async () => {
    const taken: (string | boolean)[] = []
    const served = await serve({ onMessage: () => undefined })
    const wire = wireTo(served.endpoint)
    wire.send(openings['3.1'].opening)
    await until(() => served.open.length === 1)
    const [connection] = served.open
    await until(() => connection!.unsentBytes === 0)
    const before = connection!.takenBytes
    wire.socket.pause()
    const large = Buffer.alloc(30_000_000)
    expect(connection!.send([Buffer.alloc(0), large], (is) => taken.push('large', is))).toBe(2 + 9 + large.length)
    expect(connection!.send([Buffer.from('small')], (is) => taken.push('small', is))).toBe(2 + 9 + large.length + 7)
    await until(() => connection!.takenBytes > before)
    expect(connection!.takenBytes - before + connection!.unsentBytes).toBe(2 + 9 + large.length + 7)
    expect(taken).toEqual([])
    wire.socket.resume()
    await until(() => connection!.unsentBytes === 0)
    expect(taken).toEqual(['large', true, 'small', true])
    expect(connection!.takenBytes - before).toBe(2 + 9 + large.length + 7)
    await wire.until(() => wire.receivedBytes >= 30_000_000)

    wire.socket.pause()
    connection!.send([large], (is) => taken.push('never', is))
    connection!.close()
    expect(connection!.send([large], (is) => taken.push('ended', is))).toBe(connection!.unsentBytes)
    expect(taken.slice(4)).toEqual(['never', false, 'ended', false])
  })

  it('that takes nothing of what waits for it is ended, and one that takes a little is not', async () => {
    const served = await serve({ limits: { deafnessMs: 300 } })
    const [deaf, slow] = [wireTo(served.endpoint), wireTo(served.endpoint)]
    for (const each of [deaf, slow]) {
      each.send(openings['3.1'].opening)
      await each.until('READY')
    }
    await until(() => served.open.length === 2)
    deaf.socket.pause()
    const [one, two] = served.open
    const large = Buffer.alloc(20_000_000)
    one!.send([large])
    two!.send([large])
    // It goes on asking, and is read meanwhile.
    const block = Buffer.concat(Array.from({ length: 1000 }, () => frame(0, 'x')))
    const pour = (): void => void deaf.socket.write(block, (error) => error ?? pour())
    pour()
    await until(() => served.ends.length > 0)
    expect([served.ends, one!.isEnded, one!.unsentBytes > 0]).toEqual([['deaf'], true, true])
    await slow.until(() => slow.receivedBytes > large.length)
    // Its silence was longer than that; what comes now begins to wait now.
    const before = performance.now()
    two!.send([large])
    expect(two!.lastProgressAt).toBeGreaterThanOrEqual(before)
  })

  it('answers the newest heartbeat only, while nothing is read', async () => {
    let heard = 0
    const served = await serve({ onMessage: () => void heard++ })
    const wire = wireTo(served.endpoint)
    wire.send(openings['3.1'].opening)
    await until(() => served.open.length === 1)
    const [connection] = served.open
    wire.socket.pause()
    connection!.send([Buffer.alloc(20_000_000)])
    await until(() => connection!.takenBytes > 1_000_000)
    const put = (): number => connection!.takenBytes + connection!.unsentBytes
    const before = put()
    const pings = Array.from({ length: 10_000 }, (_, index) => frame(4, `\x04PING\0\0${index}`))
    wire.send(Buffer.concat(pings), frame(0, 'the end'))
    await until(() => heard === 1)
    expect(put() - before).toBeLessThan(30)
    wire.socket.resume()
    await wire.until(() => wire.receivedBytes > 20_000_000)
    await wire.until('PONG9999')
    expect(wire.text.split('PONG').length).toBeLessThan(4)
  })
})

describe('room', () => {
  it('that is waited for makes nobody take this side for dead: heartbeats are answered unheard, if the peer knows them', async () => {
    let isFull = true
    const text = 'x'.repeat(1000)
    const served = await serve({
      takeRoom: (_, bytes) => bytes < 500 || !isFull,
      onMessage: (connection, { parts }) => connection.send(parts),
    })
    const [wire, old] = [wireTo(served.endpoint), wireTo(served.endpoint)]
    wire.send(openings['3.1'].opening, frame(4, '\x04PING\0\0context'), frame(0, text))
    old.send(openings['3.0'].opening, frame(0, text))
    const heartbeats = { heartbeatInterval: 100, heartbeatTimeout: 5000 }
    const library = peerOf(new Request({ linger: 0, ...heartbeats }), served.endpoint)
    await library.send(text)
    // The last one comes behind the end of the library's patience.
    await wire.until('\x04\x0c\x04PONGcontext'.repeat(7))
    expect([served.open.length, served.ends, old.text.includes('PONG')]).toEqual([3, [], false])
    isFull = false
    for (const connection of served.open) connection.resume()
    expect(texts(await library.receive())).toEqual([text])
  })

  it('that is not there stops a connection, and no other, until it goes on', async () => {
    let [free, taken] = [20_000, 0]
    const served = await serve({
      takeRoom: (_, bytes) => {
        if (bytes > free) return false
        free -= bytes
        taken += bytes
        return true
      },
      giveRoom: (_, bytes) => {
        free += bytes
        taken -= bytes
      },
      onMessage: (connection, { parts, takenBytes }) => {
        connection.send(parts, () => {
          free += takenBytes
          taken -= takenBytes
        })
      },
    })
    const large = peerOf(new Request({ linger: 0 }), served.endpoint)
    await large.send(Buffer.alloc(3_000_000, 'x'))
    await until(() => served.open.length === 1 && served.open[0]!.isBlocked)
    const { receivedBytes } = served.open[0]!
    expect(receivedBytes).toBeLessThan(400_000)
    const small = peerOf(new Request({ linger: 0 }), served.endpoint)
    await small.send('small')
    expect(texts(await small.receive())).toEqual(['small'])
    expect(served.open[0]!.isBlocked).toBe(true)
    free = 10_000_000
    served.open[0]!.resume()
    expect((await large.receive())[0]!.length).toBe(3_000_000)
    await until(() => taken === 0)
    await large.send(Buffer.alloc(10_000_000))
    await until(() => served.open[0]!.isBlocked)
    served.open[0]!.close()
    expect(taken).toBe(0)
  })
})

describe('places', () => {
  async function crowded(limits: Partial<Limits>, options: Partial<ListenOptions> = {}) {
    let full = 0
    const served = await serve({ limits, onFull: () => void full++, ...options })
    const newcomer = async (bytes: Uint8Array): Promise<Wire> => {
      const wire = wireTo(served.endpoint)
      wire.send(bytes)
      await wire.until(bytes.length === 0 ? '\x7f' : 'READY')
      return wire
    }
    return { served, newcomer, full: () => full }
  }

  it('are those of unfinished handshakes first, then of whoever has been idle for longest', async () => {
    const { served, newcomer, full } = await crowded({ maxConnections: 3 })
    const first = await newcomer(openings['3.1'].opening)
    const second = await newcomer(openings['3.1'].opening)
    const unfinished = await newcomer(Buffer.alloc(0))
    await until(() => served.open.length === 2)
    await newcomer(openings['3.1'].opening)
    await unfinished.ended()
    first.send(message(frame, ['', 'first']))
    await first.until('first')
    await newcomer(openings['3.1'].opening)
    await second.ended()
    expect([served.ends, served.listener.connections.size, full()]).toEqual([['displaced', 'displaced'], 3, 1])
    first.send(message(frame, ['', 'still there']))
    await first.until('still there')
  })

  it('are left to those who are busy', async () => {
    const { served, newcomer } = await crowded({ maxConnections: 1 }, { isIdle: () => false })
    const busy = await newcomer(openings['3.1'].opening)
    const refused = wireTo(served.endpoint)
    await refused.ended()
    busy.send(message(frame, ['', 'text']))
    await busy.until('text')
  })

  it('of those who share an address are bounded, and their own affair', async () => {
    const { served, newcomer } = await crowded({ maxConnectionsPerShare: 2 }, { shareOf: () => 'all' })
    const first = await newcomer(openings['3.1'].opening)
    await newcomer(openings['3.1'].opening)
    await newcomer(openings['3.1'].opening)
    await first.ended()
    expect(served.listener.connections.size).toBe(2)
  })
})

describe('an endpoint', () => {
  it.each([
    'tcp://127.0.0.1',
    'tcp://127.0.0.1:70000',
    'inproc://name',
    'ipc://',
    'ipc://*',
    'ipc://@name',
    'tcp://::1:5552',
  ])('that is none is refused: %s', async (endpoint) => {
    await expect(listen([endpoint], { onMessage: () => undefined })).rejects.toThrow(RangeError)
  })
})

describe('the end', () => {
  it('waits until what was sent has arrived, and hears nothing meanwhile', async () => {
    const heard: number[] = []
    const served = await serve({ onMessage: (_, { parts }) => void heard.push(parts.length) })
    const dealer = peerOf(new Dealer({ linger: 0, reconnectInterval: 3_600_000 }), served.endpoint)
    await dealer.send('text')
    await until(() => heard.length === 1)
    served.open[0]!.send([Buffer.alloc(20_000_000)])
    const closed = served.listener.close(60_000)
    for (let count = 0; count < 100; count++) await dealer.send('unheard')
    expect((await dealer.receive())[0]!.length).toBe(20_000_000)
    await closed
    expect([heard.length, served.ends]).toEqual([1, ['closed']])
  })

  it('is no end of those who were not listened to: they are silent from then on', async () => {
    let isFull = false
    const served = await serve({ takeRoom: () => !isFull })
    // One whose peer reads what it gets, and says so, and one whose peer is gone.
    const [wire, gone] = [wireTo(served.endpoint), wireTo(served.endpoint)]
    const ping = frame(4, '\x04PING\0\x14')
    for (const each of [wire, gone]) {
      each.send(openings['3.1'].opening, ping)
      await each.until('PONG')
    }
    const other = wireTo(served.endpoint)
    other.send(openings['3.1'].opening, frame(4, '\x04PING\0\x16'))
    await other.until('PONG')
    isFull = true
    for (const each of [wire, gone]) each.send(frame(0, 'text'))
    const [first, second] = served.open
    await until(() => first!.isBlocked && second!.isBlocked)
    // Silent for longer than the first two may be.
    await other.ended()
    for (const each of [wire, gone]) each.socket.pause()
    const large = Buffer.alloc(20_000_000)
    first!.send([large])
    second!.send([Buffer.from('not read')])
    const last = wireTo(served.endpoint)
    last.send(openings['3.1'].opening)
    await until(() => served.open.length === 4)
    served.open[3]!.send([large])
    const closed = served.listener.close(3_600_000)
    await last.until(() => last.receivedBytes > large.length)
    wire.socket.on('data', () => wire.send(ping)).resume()
    await wire.ended()
    expect(wire.receivedBytes).toBeGreaterThan(large.length)
    await closed
    expect(served.ends).toEqual(['silent', ...Array(3).fill('closed')])
  })

  it('does not wait for longer than it is told to', async () => {
    const served = await serve()
    const wire = wireTo(served.endpoint)
    wire.send(openings['3.1'].opening)
    await until(() => served.open.length === 1)
    wire.socket.pause()
    served.open[0]!.send([Buffer.alloc(30_000_000)])
    await served.listener.close(50)
    expect([served.ends, served.listener.connections.size]).toEqual([['closed'], 0])
  })
})

it('a peer that sends without pause does not hold up the others', async () => {
  const counts = new Map<Connection, number>()
  const served = await serve({
    onMessage: (connection, { parts }) => {
      counts.set(connection, (counts.get(connection) ?? 0) + 1)
      connection.send(parts)
    },
  })
  const flood = wireTo(served.endpoint)
  const block = Buffer.concat(Array.from({ length: 30_000 }, () => frame(0, '')))
  flood.send(openings['3.1'].opening)
  const pour = (): void => {
    flood.socket.write(block, (error) => error ?? pour())
  }
  pour()
  await until(() => served.open.length === 1)
  const [flooding] = served.open
  const other = wireTo(served.endpoint)
  other.send(openings['3.1'].opening)
  await other.until('READY')
  const floodedMeanwhile: number[] = []
  for (let turn = 0; turn < 20; turn++) {
    const before = counts.get(flooding!) ?? 0
    other.send(message(frame, ['', `request ${turn}`]))
    await other.until(`request ${turn}`)
    floodedMeanwhile.push(counts.get(flooding!)! - before)
  }
  // It gets some turns, while the bytes are on their way; one of its chunks has 32 768 messages.
  expect(floodedMeanwhile.sort((a, b) => a - b)[10]).toBeLessThan(3000)
})

it('sockets that only look are nothing', async () => {
  const served = await serve({ curve })
  const wire = wireTo(served.endpoint)
  wire.send(greeting('CURVE'), ready())
  await wire.ended()
  expect(served.ends).toEqual(['malformed'])
})
