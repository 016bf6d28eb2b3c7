// Peers that do what no library does, to take the core's life, its memory, or the turns of others.
import { readFileSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { encodeZ85 } from '@bletchley/crypto'
import { type CurveKeyPair, generateCurveKeyPair } from '@bletchley/crypto/curve-key-file'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { Dealer } from 'zeromq'
import { largeHead } from '../../../zmtp/test/wire.ts'
import { collectGarbage } from '../../test/collectGarbage.ts'
import { RawPeer, type RawPeerOptions } from '../../test/rawPeer.ts'
import { ClientList } from './clientList.ts'
import { defaultServerLimits, type RouterOptions, type RouterServer, type ServerLimits, serveRouter } from './router.ts'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
const logger = pino({ level: 'silent' })
const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

interface Served {
  readonly server: RouterServer
  /** Requests that begin with `slow` are answered when they are let go, as they came. */
  letGo(): void
  connect(options?: RawPeerOptions): RawPeer
}

/** Answers with what `reply` makes of the first bytes of a request. */
async function serve(
  reply: (text: string) => string,
  limits: Partial<ServerLimits> = {},
  options: Partial<RouterOptions> & { endpoint?: string } = {},
): Promise<Served> {
  const waiting: (() => void)[] = []
  const server = await serveRouter(
    [options.endpoint ?? 'tcp://127.0.0.1:0'],
    {
      async answer(frame) {
        const text = Buffer.from(frame.subarray(0, 100)).toString()
        if (text.startsWith('slow')) await new Promise<void>((resolve) => waiting.push(resolve))
        return Buffer.from(reply(text))
      },
      refuse: ({ message }) => Buffer.from(message),
      reuse() {},
    },
    { ...options, logger, limits: { ...defaultServerLimits, ...limits } },
  )
  open.push({ close: () => server.close(0) })
  return {
    server,
    letGo() {
      for (const resolve of waiting.splice(0)) resolve()
    },
    connect(options) {
      const peer = new RawPeer(server.endpoints[0]!, options)
      open.push(peer)
      return peer
    },
  }
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
  open.push({ close: () => rm(folder, { recursive: true }) })
  return folder
}

/** As many may come at once on this machine; a listener may ask for fewer. */
function connectionsInQueue(): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/somaxconn', 'latin1'))
  } catch {
    return 0
  }
}

const re = (text: string): string => `re: ${text}`

async function ask(peer: RawPeer, text: string): Promise<string | undefined> {
  peer.send(text)
  return (await peer.receive())?.join()
}

/** Does something again and again until that is there. */
async function meanwhile<T>(waiting: Promise<T>, work: () => Promise<void>): Promise<T> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  waiting.then(over, over)
  while (!isOver) await work()
  return waiting
}

/** Of this process, on the heap of V8 and beside it. */
function usedBytes(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Looks in each turn whether more is in use than that, besides garbage. */
async function watchMemory(mostBytes: number): Promise<() => Promise<void>> {
  await collectGarbage()
  const before = usedBytes()
  let [found, isEnded] = [0, false]
  const watching = (async () => {
    for (; !isEnded && found <= mostBytes; await nextTurn()) {
      if (usedBytes() - before <= mostBytes) continue
      await collectGarbage()
      found = usedBytes() - before
    }
  })()
  open.push({
    close() {
      isEnded = true
    },
  })
  return async () => {
    isEnded = true
    await watching
    expect(found / mebibyte, 'MiB more than before').toBeLessThanOrEqual(mostBytes / mebibyte)
  }
}

describe('names that peers give themselves', () => {
  it('are nothing to the core: it lives, and those who take one that another might get are answered like the others', async () => {
    const { connect, server } = await serve(re)
    // A ROUTER socket of libzmq calls those without a name by a zero and a counter.
    const named = Array.from({ length: 64 }, (_, last) =>
      connect({ isOld: true, identity: Buffer.from([0, 0x6b, 0x8b, 0x45, 0x40 + last]) }),
    )
    const nameless = Array.from({ length: 64 }, () => connect())
    const all = [...named, ...nameless]
    const replies = await Promise.all(all.map((peer, index) => ask(peer, `${index}`)))
    expect(replies).toEqual(all.map((_, index) => `re: ${index}`))
    expect(server.connections).toBe(128)
  })

  it('may be those of others: each has its own replies, also while the other one has requests under way', async () => {
    const { connect, letGo, server } = await serve(re)
    const identity = Buffer.from('the same')
    const [one, two] = [connect({ identity }), connect({ identity })]
    one.send('slow one')
    while (server.inFlight < 1) await nextTurn()
    two.send('slow two')
    expect(await ask(two, 'quick two')).toBe('re: quick two')
    while (server.inFlight < 2) await nextTurn()
    letGo()
    expect([await one.receive(), await two.receive()]).toEqual([['re: slow one'], ['re: slow two']])
    // The name is not the second one's alone when the first one has gone.
    one.close()
    while (server.connections > 1) await nextTurn()
    expect(await ask(two, 'again')).toBe('re: again')
  })

  it('take nothing out of the accounts: many large messages of a second one are answered or refused, and bounded', async () => {
    const { connect, letGo, server } = await serve(re, { bytesInFlight: 32 * mebibyte })
    const identity = Buffer.from('the same')
    const [one, two] = [connect({ identity }), connect({ identity })]
    one.send('slow one')
    while (server.inFlight < 1) await nextTurn()
    const large = Buffer.alloc(8 * mebibyte, 'slow large ')
    const assertBounded = await watchMemory(96 * mebibyte)
    for (let message = 0; message < 16; message++) two.send(large)
    const refused: string[] = []
    while (refused.length < 13) refused.push(...(await two.receive())!)
    expect(new Set(refused)).toEqual(new Set([`Busy: too many bytes of requests under way, at most ${32 * mebibyte}`]))
    await assertBounded()
    letGo()
    for (let message = 0; message < 3; message++) expect((await two.receive())![0]).toMatch(/^re: slow large/)
    expect(await one.receive()).toEqual(['re: slow one'])
  })
})

it.each([
  ['', []],
  [', with a long way back', [...Array(15).fill('x'.repeat(255)), '']],
])(
  'peers that read none of their many small replies take the room that they may; others are answered, and they when they read%s',
  async (_, wayBack) => {
    const limits = { unreadBytesPerPeer: mebibyte, unreadBytes: 8 * mebibyte, unreadPatienceMs: 100, inFlight: 256 }
    // With a socket in a file the system holds little between them.
    const endpoint = `ipc://${join(await newFolder(), 'socket')}`
    const { connect, server } = await serve((text) => text.padEnd(132), limits, { endpoint })
    const deaf = Array.from({ length: 16 }, () => connect({ isDeaf: true }))
    const other = connect()
    const assertBounded = await watchMemory(limits.unreadBytes + 32 * mebibyte)
    let sent = 0
    // As much as the system between them holds, and far more than the core may.
    while (server.droppedReplies < deaf.length * 5000) {
      const end = sent + 100
      for (; sent < end; sent++) for (const peer of deaf) peer.send(...wayBack, `${sent}`)
      await Promise.all(deaf.map((peer) => peer.flushed()))
      expect((await ask(other, 'here'))?.trim()).toBe('here')
    }
    while (server.inFlight > 0) await nextTurn()
    await assertBounded()

    const left = deaf.length * sent - server.droppedReplies
    let read = 0
    const lasts = deaf.map(() => -1)
    for (const peer of deaf) peer.listen()
    for (; read < left; await nextTurn()) {
      for (const [index, peer] of deaf.entries()) {
        for (const message of peer.take()) {
          read++
          const reply = message.pop()
          expect(message).toEqual(wayBack)
          const number = Number(reply)
          if (Number.isNaN(number)) expect(reply).toMatch(/^Busy/)
          else expect(number).toBeGreaterThan(lasts[index]!)
          lasts[index] = number || lasts[index]!
        }
      }
    }
    expect(read).toBe(left)
    for (const peer of deaf) expect((await ask(peer, 'again'))?.trim()).toBe('again')
  },
)

it('a way back that is longer than any is none: its frames are requests', async () => {
  const { connect } = await serve(re)
  const peer = connect()
  const frames = [...Array(990).fill('x'), '']
  peer.send(...frames, '{')
  expect(await peer.receive()).toEqual([...frames, '{'].map(re))
})

describe('messages that never come to their end', () => {
  it('take no more memory than there is for what arrives, however many and large they are; others are served', async () => {
    const limits = { bytesArriving: 8 * mebibyte }
    const { connect, server } = await serve(re, limits)
    const other = connect()
    expect(await ask(other, 'before')).toBe('re: before')
    const assertBounded = await watchMemory(2 * limits.bytesArriving + 96 * mebibyte)
    const sent = Buffer.alloc(2 * mebibyte)
    const halves = Array.from({ length: 200 }, () => {
      const peer = connect()
      peer.write(largeHead(0, 128 * mebibyte))
      peer.write(sent)
      return peer
    })
    while (server.connections <= halves.length) await nextTurn()
    for (let request = 0; request < 1000; request++) {
      expect(await ask(other, `${request}`)).toBe(`re: ${request}`)
      await nextTurn()
    }
    expect(await ask(other, 'x'.repeat(30 * kibibyte))).toMatch(/^re: xx/)
    await assertBounded()
    expect(halves.filter(({ isEnded }) => isEnded)).toEqual([])
    // And all of it comes back.
    for (const peer of halves) peer.close()
    while (server.connections > 1) await nextTurn()
    expect(await ask(other, 'x'.repeat(8 * mebibyte))).toMatch(/^re: xx/)
  })

  it('of a million empty frames end their connection', async () => {
    const { connect, server } = await serve(re)
    const [hostile, other] = [connect(), connect()]
    expect(await ask(other, 'before')).toBe('re: before')
    const assertBounded = await watchMemory(32 * mebibyte)
    const frames = Buffer.alloc(2_000_000)
    for (let at = 0; at < frames.length; at += 2) frames[at] = 1
    hostile.write(Buffer.concat([frames, largeHead(0, 0)]))
    while (!hostile.isEnded) expect(await ask(other, 'here')).toBe('re: here')
    expect(server.refusals.malformed).toBe(1)
    await assertBounded()
  })
})

it('a message of 300 MiB in frames of 64 is refused with one reply for each, and is not in memory as a whole', async () => {
  const { connect, server } = await serve(re, { bytesInFlight: 32 * mebibyte, bytesArriving: 32 * mebibyte })
  const [hostile, other] = [connect(), connect()]
  const assertBounded = await watchMemory(224 * mebibyte)
  const frame = Buffer.alloc(64 * mebibyte)
  hostile.send(frame, frame, frame, frame, frame.subarray(0, 44 * mebibyte))
  const replies = await meanwhile(hostile.receive(), async () => {
    expect(await ask(other, 'here')).toBe('re: here')
  })
  expect(replies).toEqual(Array(5).fill(`Limit exceeded: bytes in a message, at most ${32 * mebibyte}`))
  expect(await ask(hostile, 'smaller')).toBe('re: smaller')
  expect(server.refusedRequests).toBe(0)
  await assertBounded()
})

it('a client that is removed from the list while it has requests under way, in the coming and unread: all comes back', async () => {
  const [core, removed, other] = [generateCurveKeyPair(), generateCurveKeyPair(), generateCurveKeyPair()]
  const path = join(await newFolder(), 'clients')
  const list = async (...listed: CurveKeyPair[]): Promise<void> => {
    await writeFile(`${path}.new`, listed.map(({ publicKey }) => `${encodeZ85(publicKey)} name`).join('\n'))
    await rename(`${path}.new`, path)
  }
  await list(removed, other)
  const clients = await ClientList.open(path, logger)
  open.push(clients)
  const limits = { bytesArriving: 4 * mebibyte, unreadBytesPerPeer: mebibyte, unreadBytes: mebibyte }
  const curve = { secretKey: core.secretKey.bytes, clients }
  const { letGo, server } = await serve((text) => text.padEnd(12 * kibibyte), limits, { curve })
  const connectAs = (pair: CurveKeyPair): Dealer => {
    const peer = new Dealer({
      ...{ linger: 0, receiveHighWaterMark: 1 },
      curveServerKey: encodeZ85(core.publicKey),
      curvePublicKey: encodeZ85(pair.publicKey),
      curveSecretKey: encodeZ85(pair.secretKey.bytes),
    })
    peer.connect(server.endpoints[0]!)
    open.push(peer)
    return peer
  }
  const hostile = Array.from({ length: 4 }, () => connectAs(removed))
  for (const peer of hostile) {
    for (let request = 0; request < 100; request++) await peer.send('slow')
    for (let request = 0; request < 1000; request++) await peer.send('quick')
    await peer.send(Buffer.alloc(16 * mebibyte))
  }
  const good = connectAs(other)
  await good.send('slow')
  while (server.inFlight < 401) await nextTurn()
  await list(other)
  while (server.connections > 1) await nextTurn()
  // Its request may come behind those of the others.
  const answered = await meanwhile(good.receive(), async () => {
    letGo()
    await nextTurn()
  })
  expect(String(answered[0]).trim()).toBe('slow')
  while (server.inFlight > 0) await nextTurn()
  // There is as much room as before.
  await good.send(Buffer.alloc(4 * mebibyte - kibibyte, 'x'))
  expect(String((await good.receive())[0])).toMatch(/^xx/)
})

it.runIf(connectionsInQueue() >= 1024)('a crowd that comes at once is let in and answered as a whole', async () => {
  const { connect } = await serve(re)
  const all = Array.from({ length: 600 }, () => connect())
  expect(await Promise.all(all.map((peer) => ask(peer, 'here')))).toEqual(all.map(() => 're: here'))
})

// Elsewhere a machine has one address of its own, unless it is told otherwise.
describe.runIf(process.platform === 'linux')('more connections than there may be', () => {
  const limits = { connections: 8 }
  const from = (last: number) => ({ localAddress: `127.0.0.${last}` })

  async function connected({ connect }: Served, count: number, last: number): Promise<RawPeer[]> {
    const peers = Array.from({ length: count }, () => connect(from(last)))
    for (const peer of peers) expect(await ask(peer, 'here')).toBe('re: here')
    return peers
  }

  it('of one address: the one that was idle for longest gives way, and none of another address', async () => {
    const served = await serve(re, limits)
    const [crowd, others] = [await connected(served, 4, 1), await connected(served, 3, 2)]
    // The first one is not idle for longest any more.
    await ask(crowd[0]!, 'here')
    await connected(served, 1, 1)
    await crowd[1]!.ended()
    expect(crowd.map(({ isEnded }) => isEnded)).toEqual([false, true, false, false])
    expect(others.map(({ isEnded }) => isEnded)).toEqual([false, false, false])
    expect(served.server.endedConnections).toEqual({ displaced: 1, deaf: 0, slow: 0 })
  })

  it('of one address, that are busy: none gives way, and no newcomer is let in but from another one', async () => {
    const served = await serve(re, limits)
    const crowd = await connected(served, 4, 1)
    for (const peer of crowd) peer.send('slow')
    while (served.server.inFlight < 4) await nextTurn()
    await served.connect(from(1)).ended()
    const [other] = await connected(served, 1, 2)
    served.letGo()
    for (const peer of crowd) expect(await peer.receive()).toEqual(['re: slow'])
    expect(await ask(other!, 'still')).toBe('re: still')
    expect(served.server.endedConnections.displaced).toBe(0)
  })

  it('of two addresses: those of whoever has most idle ones give way to one from a third', async () => {
    const served = await serve(re, limits)
    const [busy, idle] = [await connected(served, 4, 1), await connected(served, 4, 2)]
    for (const peer of busy) peer.send('slow')
    while (served.server.inFlight < 4) await nextTurn()
    // One behind the other: those that have not said who they are would give way to each other.
    for (let newcomer = 0; newcomer < 3; newcomer++) await connected(served, 1, 3)
    for (const peer of idle.slice(0, 3)) await peer.ended()
    served.letGo()
    for (const peer of busy) expect(await peer.receive()).toEqual(['re: slow'])
    expect(idle.map(({ isEnded }) => isEnded)).toEqual([true, true, true, false])
  })

  it('that have not said who they are give way first', async () => {
    const served = await serve(re, limits)
    const crowd = await connected(served, 3, 1)
    const unfinished = served.connect({ ...from(1), isSilent: true })
    while (served.server.connections < 4) await nextTurn()
    await connected(served, 1, 1)
    await unfinished.ended()
    expect(crowd.map(({ isEnded }) => isEnded)).toEqual([false, false, false])
  })
})
