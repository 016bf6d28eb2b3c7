import { type ChildProcess, spawn } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { bytesToHex, bytesToUtf8, utf8ToBytes } from '@bletchley/bytes'
import { encodeZ85, randomBytes, SecretKey } from '@bletchley/crypto'
import { clusterCurveKeyPair, generateCurveKeyPair } from '@bletchley/crypto/curve-key-file'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { Dealer, Router } from 'zeromq'
import { Link } from '../src/cluster/link.ts'
import { type HandedOnHandler, serveLink } from '../src/cluster/serveLink.ts'
import { defaultServerLimits, type RouterServer, type ServerLimits } from '../src/server/router.ts'
import { collectGarbage } from './collectGarbage.ts'
import { RawPeer } from './rawPeer.ts'

const signingKey = new SecretKey(new Uint8Array(32).fill(7))
const logger = pino({ level: 'silent' })
const loopback = 'tcp://127.0.0.1:0'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

/** A request of a task with anything behind its envelope: the link reads no more than that. */
const task = (rest: string | Uint8Array = '', type = 'ComputeTask'): Uint8Array =>
  Buffer.concat([Buffer.from(`{"id":"1","type":"${type}","input":`), Buffer.from(rest)])

interface ServedLink {
  readonly server: RouterServer
  readonly endpoint: string
  /** What was handled. */
  readonly heard: string[]
  readonly handler: { -readonly [K in keyof HandedOnHandler]: HandedOnHandler[K] }
}

async function serve(
  answer: (frame: Uint8Array) => Promise<Uint8Array> = async (frame) => frame,
  { endpoint = loopback, limits = {} }: { endpoint?: string; limits?: Partial<ServerLimits> } = {},
): Promise<ServedLink> {
  const heard: string[] = []
  const handler: ServedLink['handler'] = {
    stopping: false,
    refuse: ({ message }) => utf8ToBytes(message),
    reuse() {},
    answerHandedOn(frame) {
      heard.push(Buffer.from(frame.subarray(0, 100)).toString('latin1'))
      return answer(frame)
    },
  }
  const server = await serveLink(endpoint, handler, signingKey, logger, { ...defaultServerLimits, ...limits })
  open.push(() => server.close(0))
  return { server, endpoint: server.endpoints[0]!, heard, handler }
}

function link(key = signingKey): Link {
  const made = new Link(key, logger)
  open.push(() => made.close())
  return made
}

/** A DEALER with the keys of the cluster, that says what it likes. */
function dealer({ endpoint }: ServedLink, key = clusterCurveKeyPair(signingKey)): Dealer {
  const socket = new Dealer({
    linger: 0,
    curveServerKey: encodeZ85(clusterCurveKeyPair(signingKey).publicKey),
    curvePublicKey: encodeZ85(key.publicKey),
    curveSecretKey: encodeZ85(key.secretKey.bytes),
  })
  socket.connect(endpoint)
  open.push(() => socket.close())
  return socket
}

/** Waits until a server has as many requests under way. */
const underWay = ({ heard }: ServedLink, count: number) => expect.poll(() => heard.length).toBe(count)

describe('the link between cores', () => {
  it('passes frames and replies as they are', async () => {
    const large = randomBytes(5 << 20)
    const { endpoint } = await serve(async (frame) => Buffer.from(frame).reverse())
    const one = link()
    for (const frame of [task(), task(randomBytes(1000), 'DeploySecretContract'), task(large)]) {
      const reply = await one.hand(endpoint, frame)
      expect(Buffer.from(frame).reverse().equals(reply!)).toBe(true)
    }
  })

  it('brings each reply to whom it belongs, in whatever order', async () => {
    const waiting: (() => void)[] = []
    const served = await serve(async (frame) => {
      await new Promise<void>((resolve) => waiting.push(resolve))
      return frame
    })
    const [one, two] = [link(), link()]
    const frames = Array.from({ length: 200 }, (_, index) => task(`${index}`))
    const replies = Promise.all(frames.map((frame, index) => (index % 2 ? one : two).hand(served.endpoint, frame)))
    await underWay(served, frames.length)
    for (const resume of waiting.reverse()) resume()
    expect((await replies).map((reply) => bytesToUtf8(reply!))).toEqual(frames.map(bytesToUtf8))
  })

  it('takes the word of a busy core for a reply', async () => {
    const served = await serve(() => new Promise(() => {}), { limits: { inFlightPerPeer: 2 } })
    const one = link()
    const waiting = [one.hand(served.endpoint, task('1')), one.hand(served.endpoint, task('2'))]
    await underWay(served, 2)
    expect(bytesToUtf8((await one.hand(served.endpoint, task('3')))!)).toMatch(/^Busy/)
    one.close()
    expect(await Promise.all(waiting)).toEqual([undefined, undefined])
  })

  it('hands on tasks only', async () => {
    const { endpoint, heard } = await serve()
    const one = link()
    for (const frame of [
      task('', 'RemoveContract'),
      task('', 'computeTask'),
      task('', 'toString'),
      utf8ToBytes('[{"type":"ComputeTask"}]'),
      utf8ToBytes('{"input":{"type":"ComputeTask"}}'),
      new Uint8Array(),
    ]) {
      expect(await one.hand(endpoint, frame)).toBeUndefined()
    }
    expect(heard).toEqual([])
  })

  it('executes nothing but tasks, whatever another core sends', async () => {
    const served = await serve()
    const socket = dealer(served)
    const ask = async (frame: Uint8Array): Promise<string> => {
      await socket.send(['a', '', frame])
      const reply = await socket.receive()
      expect(reply).toHaveLength(3)
      return String(reply[2])
    }
    const marked = (frame: Uint8Array) => Buffer.concat([Buffer.of(1), frame])
    expect(await ask(marked(task('', 'RemoveContract')))).toBe('Unknown message type: RemoveContract')
    expect(await ask(marked(Buffer.from('{"a":{"type":"ComputeTask"}')))).toBe('Unknown message type: ')
    expect(await ask(Buffer.of(1))).toBe('Unknown message type: ')
    // A frame of a version that this core does not know; one of a peer; none. Whoever sends them is to answer by himself.
    for (const frame of [Buffer.concat([Buffer.of(2), task()]), task(), new Uint8Array()])
      expect(await ask(frame)).toBe('')
    expect(served.heard).toEqual([])
    expect(await ask(marked(task('x')))).toBe(String(task('x')))
    expect(served.heard).toHaveLength(1)
  })

  it('has a core that is stopping answered for by who handed on', async () => {
    const served = await serve()
    const one = link()
    expect(await one.hand(served.endpoint, task())).toBeDefined()
    served.handler.stopping = true
    expect(await one.hand(served.endpoint, task())).toBeUndefined()
    expect(served.heard).toHaveLength(1)
  })

  it('lets nobody in who has another key, or none', async () => {
    const served = await serve()
    const stranger = link(new SecretKey(new Uint8Array(32).fill(8)))
    expect(await stranger.hand(served.endpoint, task())).toBeUndefined()
    // One that knows the public key of the cluster, and has another of its own.
    const knowing = dealer(served, generateCurveKeyPair())
    await knowing.send(['a', '', Buffer.concat([Buffer.of(1), task()])])
    await expect.poll(() => served.server.refusals.not_listed).toBeGreaterThan(0)
    const raw = new RawPeer(served.endpoint)
    open.push(() => raw.close())
    raw.send('a', '', Buffer.concat([Buffer.of(1), task()]))
    await raw.ended()
    expect(served.heard).toEqual([])
    expect(await link().hand(served.endpoint, task())).toBeDefined()
  })

  it('does without a core that is not there, whatever its endpoint is', async () => {
    const { server, endpoint } = await serve()
    await server.close(0)
    const one = link()
    for (const there of [endpoint, 'tcp://nowhere.invalid:1', 'tcp://127.0.0.1:99999', 'nonsense', '', 'tcp://[::1]']) {
      expect(await one.hand(there, task()), there).toBeUndefined()
      expect(await one.hand(there, task()), there).toBeUndefined()
    }
  })

  it('finds a core at either address of a name', async () => {
    const one = link()
    for (const { address, family } of await lookup('localhost', { all: true })) {
      const { endpoint } = await serve(undefined, {
        endpoint: family === 6 ? `tcp://[${address}]:0` : `tcp://${address}:0`,
      })
      const named = `tcp://localhost:${endpoint.split(':').at(-1)}`
      await expect.poll(() => one.hand(named, task('named'))).toBeDefined()
    }
  })

  it('uses a core again that comes back at the same endpoint', async () => {
    const first = await serve(() => new Promise(() => {}))
    const one = link()
    const lost = one.hand(first.endpoint, task('lost'))
    await underWay(first, 1)
    await first.server.close(0)
    expect(await lost).toBeUndefined()
    expect(await one.hand(first.endpoint, task())).toBeUndefined()
    const second = await serve(undefined, { endpoint: first.endpoint })
    await expect.poll(() => one.hand(first.endpoint, task('again'))).toBeDefined()
    expect(second.heard.every((frame) => frame.includes('again'))).toBe(true)
  })

  it.each([
    ['with another key', { curveServer: true, curveSecretKey: encodeZ85(generateCurveKeyPair().secretKey.bytes) }],
    ['without any', {}],
  ])('uses a core at whose endpoint another socket was before, %s', async (_, keys) => {
    const other = new Router({ linger: 0, ...keys })
    open.push(() => other.close())
    await other.bind('tcp://127.0.0.1:*')
    const endpoint = other.lastEndpoint!
    const one = link()
    expect(await one.hand(endpoint, task())).toBeUndefined()
    await other.unbind(endpoint)
    await serve(undefined, { endpoint })
    await expect.poll(() => one.hand(endpoint, task())).toBeDefined()
  })

  it('gives up what was handed on to those who are gone, and nothing else', async () => {
    const [gone, stays] = [await serve(() => new Promise(() => {})), await serve(() => new Promise(() => {}))]
    const one = link()
    const lost = one.hand(gone.endpoint, task())
    let isAnswered = false
    const kept = one.hand(stays.endpoint, task()).finally(() => {
      isAnswered = true
    })
    await underWay(gone, 1)
    await underWay(stays, 1)
    one.keep(new Set([stays.endpoint]))
    expect(await lost).toBeUndefined()
    await expect.poll(() => gone.server.connections).toBe(0)
    expect([isAnswered, stays.server.connections]).toEqual([false, 1])
    one.close()
    expect(await kept).toBeUndefined()
    expect(await one.hand(stays.endpoint, task())).toBeUndefined()
  })

  it('waits for nobody who takes connections and says nothing, and not at all when it closes', async () => {
    const silent = createServer((socket) => void socket.on('error', () => {})).listen(0, '127.0.0.1')
    open.push(() => silent.close())
    await expect.poll(() => silent.listening).toBe(true)
    const endpoint = `tcp://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const [one, two] = [link(), link()]
    const handed = one.hand(endpoint, task())
    const given = two.hand(endpoint, task())
    one.close()
    expect(await handed).toBeUndefined()
    expect(await given).toBeUndefined()
  })

  it('makes nothing of replies that nobody waits for', async () => {
    const { secretKey } = clusterCurveKeyPair(signingKey)
    const router = new Router({ linger: 0, curveServer: true, curveSecretKey: encodeZ85(secretKey.bytes) })
    open.push(() => router.close())
    await router.bind('tcp://127.0.0.1:*')
    const one = link()
    const first = one.hand(router.lastEndpoint!, task('1'))
    const [peer, id] = (await router.receive()) as [Buffer, Buffer]
    for (const strange of [['x', '', 'reply'], ['x'], [id], [id, ''], ['', 'reply'], [id, 'x', 'reply'], ['']]) {
      await router.send([peer, ...strange])
    }
    await router.send([peer, id, '', 'the reply'])
    expect(String(await first)).toBe('the reply')
    // A second one comes to nothing as well, and takes no other's place.
    const second = one.hand(router.lastEndpoint!, task('2'))
    await router.send([peer, id, '', 'late'])
    const [, next, , message] = (await router.receive()) as Buffer[]
    expect(String(message!.subarray(1))).toBe(String(task('2')))
    await router.send([peer, next!, '', 'the second'])
    expect(String(await second)).toBe('the second')
  })

  it('tells cores from each other, at whichever door of the process they are', async () => {
    const peers: string[] = []
    const [one, two] = [await serve(), await serve()]
    for (const { handler, endpoint } of [one, two]) {
      handler.answerHandedOn = async (frame, room) => {
        peers.push(room.peer)
        return frame
      }
      await link().hand(endpoint, task())
      await link().hand(endpoint, task())
    }
    expect(new Set(peers).size).toBe(4)
  })

  it('is not disturbed by garbage of who has the key', async () => {
    const served = await serve()
    const socket = dealer(served)
    const rounds = async (count: number): Promise<void> => {
      for (let round = 0; round < count; round++) {
        const frames = Array.from({ length: 20 }, () => Buffer.from(randomBytes(5000)))
        frames[0]![0] = 0x01
        await socket.send(['x', '', ...frames])
        expect(await socket.receive()).toHaveLength(22)
      }
    }
    await rounds(100)
    await collectGarbage()
    const { external, heapUsed } = process.memoryUsage()
    await rounds(600)
    await expect
      .poll(async () => {
        await collectGarbage()
        const now = process.memoryUsage()
        return now.external + now.heapUsed - external - heapUsed
      })
      .toBeLessThan(20 << 20)
    expect([served.heard, served.server.inFlight]).toEqual([[], 0])
    const raw = createConnection(Number(served.endpoint.split(':')[2]), '127.0.0.1')
    raw.on('error', () => {})
    raw.write(randomBytes(100_000))
    await new Promise<void>((resolve) => raw.resume().on('close', () => resolve()))
    expect(await link().hand(served.endpoint, task())).toBeDefined()
  })
})

/** A core's link in another process; it is gone with this one. */
async function serveElsewhere(endpoint = loopback) {
  const path = fileURLToPath(new URL('linkServer.mjs', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [path, bytesToHex(signingKey.bytes), endpoint], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  open.push(() => child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stdout! }).on('line', (line) => void lines.push(line))
  await expect.poll(() => lines.length).toBe(1)
  const frames = () => lines.length - 1
  return { endpoint: lines[0]!, kill: (signal: NodeJS.Signals) => child.kill(signal), frames }
}

describe('a core that does not answer any more', () => {
  it.each(['SIGKILL', 'SIGSTOP'] as const)('loses what it was handed, and nobody else: %s', async (signal) => {
    const [dead, living] = [await serveElsewhere(), await serveElsewhere()]
    const one = link()
    const lost = [1, 2, 3].map(() => one.hand(dead.endpoint, task('wait')))
    let isAnswered = false
    const kept = one.hand(living.endpoint, task('wait')).finally(() => {
      isAnswered = true
    })
    await expect.poll(() => dead.frames()).toBe(3)
    await expect.poll(() => living.frames()).toBe(1)
    dead.kill(signal)
    expect(await Promise.all(lost)).toEqual([undefined, undefined, undefined])
    expect(await one.hand(dead.endpoint, task())).toBeUndefined()
    expect(await one.hand(living.endpoint, task('x'))).toEqual(task('x'))
    expect(isAnswered).toBe(false)
    if (signal === 'SIGSTOP') {
      dead.kill('SIGCONT')
      await expect.poll(() => one.hand(dead.endpoint, task('again'))).toEqual(task('again'))
    }
    one.close()
    await kept
  })

  it('is waited for as long as it computes', async () => {
    const busy = await serveElsewhere()
    const one = link()
    let isAnswered = false
    const handed = one.hand(busy.endpoint, task('wait')).finally(() => {
      isAnswered = true
    })
    await expect.poll(() => busy.frames()).toBe(1)
    // A silence as long as this one would have ended it.
    const start = performance.now()
    await expect.poll(() => performance.now() - start).toBeGreaterThan(3000)
    expect(isAnswered).toBe(false)
    one.close()
    expect(await handed).toBeUndefined()
  })
})
