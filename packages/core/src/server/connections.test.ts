import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Dealer, Router } from 'zeromq'
import { Connections } from './connections.ts'
import { Refusals } from './refusals.ts'

const open: { close(): void }[] = []
const logger = pino({ level: 'silent' })

// Time stands still but for what a test says: what comes behind each other came at once.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})

afterEach(() => {
  for (const each of open.splice(0)) each.close()
  vi.useRealTimers()
})

/** What a server was asked to do, and how often. */
function newConnections(maximum: number) {
  const asked = { anew: 0, hurry: 0 }
  const connections = new Connections(
    { makeAnew: () => void asked.anew++, hurry: () => void asked.hurry++ },
    logger,
    maximum,
  )
  open.push(connections)
  return { connections, asked }
}

/** A socket whose connections are counted, two at most. It is made anew when that is asked for. */
async function serve() {
  const { connections, asked } = newConnections(2)
  let socket: Router
  return {
    connections,
    timesMade: () => asked.anew,
    async reopen() {
      socket?.close()
      // The address is not free yet.
      const unbound = new Router({ linger: 0 })
      void connections.watch(unbound, undefined)
      unbound.close()
      socket = new Router({ linger: 0 })
      open.push(socket)
      void connections.watch(socket, undefined)
      await socket.bind('tcp://127.0.0.1:*')
    },
    connect() {
      const peer = new Dealer({ linger: 0 })
      open.push(peer)
      peer.connect(socket.lastEndpoint!)
      return peer
    },
  }
}

/** What libzmq says of a socket is said by the test. */
class ReportingSocket {
  readonly events = new PassThrough({ objectMode: true })

  async report(...events: { type: string; error?: { code: string } }[]): Promise<void> {
    for (const event of events) this.events.write(event)
    await setImmediate()
  }
}

const accept = { type: 'accept' }
const disconnect = { type: 'disconnect' }
const noMoreFiles = { type: 'accept:error' }

function watch(connections: Connections, refusals?: Refusals): ReportingSocket {
  const socket = new ReportingSocket()
  void connections.watch(socket as unknown as Router, refusals)
  return socket
}

async function until(condition: () => boolean, signal: AbortSignal): Promise<void> {
  while (!condition()) await setImmediate(undefined, { signal })
}

it('are counted again after a pause, and for good if they are not too many then', async ({ signal }) => {
  const server = await serve()
  await server.reopen()
  for (let times = 1; times <= 5; times++) {
    const peers = [server.connect(), server.connect()]
    await until(() => server.timesMade() === times, signal)
    for (const peer of peers) peer.close()
    await server.reopen()
  }
  // The pause: nobody counts.
  expect(vi.getTimerCount()).toBe(1)
  vi.runAllTimers()
  expect(server.timesMade()).toBe(6)

  await server.reopen()
  expect(vi.getTimerCount()).toBe(0)
  server.connect()
  await until(() => server.connections.open === 1, signal)
  expect(server.connections.endings).toBe(6)
})

describe('the count', () => {
  it('follows the socket, and asks once for a new one when there are as many as there may be', async () => {
    const { connections, asked } = newConnections(3)
    const socket = watch(connections)
    await socket.report(accept, accept, disconnect, accept)
    expect([connections.open, connections.endings, asked.anew]).toEqual([2, 0, 0])
    await socket.report(accept)
    expect([connections.open, connections.endings, asked.anew]).toEqual([3, 1, 1])
    await socket.report(accept, disconnect, accept)
    expect([connections.open, connections.endings]).toEqual([4, 1])
    // There was time: those that are there end by themselves.
    expect([asked, connections.isExhausted]).toEqual([{ anew: 1, hurry: 0 }, false])
  })

  it('begins anew with another socket; what the one before still reports is not counted', async () => {
    const { connections, asked } = newConnections(2)
    const before = watch(connections)
    await before.report(accept, noMoreFiles)
    expect([connections.open, connections.isExhausted]).toEqual([1, true])
    const socket = watch(connections)
    expect([connections.open, connections.isExhausted]).toEqual([0, false])
    await before.report(accept, accept, accept, disconnect, noMoreFiles)
    expect([connections.open, connections.isExhausted, connections.endings]).toEqual([0, false, 1])
    await socket.report(accept, accept)
    expect([connections.open, connections.endings, asked.anew]).toEqual([2, 2, 2])
  })

  it('is of no use where the system has no more files: all are ended at once, and once', async () => {
    const { connections, asked } = newConnections(100)
    const socket = watch(connections)
    await socket.report(noMoreFiles)
    expect([asked, connections.isExhausted, connections.endings]).toEqual([{ anew: 1, hurry: 1 }, true, 1])
    await socket.report(noMoreFiles, noMoreFiles)
    expect([asked, connections.endings]).toEqual([{ anew: 1, hurry: 1 }, 1])
  })

  it('hurries where the files run out while the connections are about to end', async () => {
    const { connections, asked } = newConnections(1)
    await watch(connections).report(accept, noMoreFiles)
    expect([asked, connections.isExhausted, connections.endings]).toEqual([{ anew: 1, hurry: 1 }, true, 1])
  })
})

it('peers that fail before they have shown their key are counted by reason, whichever socket tells of them', async () => {
  const { connections } = newConnections(2)
  const refusals = new Refusals(logger)
  const before = watch(connections, refusals)
  const protocolError = (code: string) => ({ type: 'handshake:error:protocol', error: { code } })
  await before.report({ type: 'handshake:error:other' })
  expect(refusals.counts).toEqual({ not_listed: 0, wrong_server_key: 0, no_key: 1, malformed: 0 })
  const socket = watch(connections, refusals)
  await before.report(protocolError('ERR_ZMTP_CRYPTOGRAPHIC'))
  await socket.report(protocolError('ERR_ZMTP_MECHANISM_MISMATCH'), protocolError('ERR_ZMTP_UNSPECIFIED'))
  await socket.report({ type: 'handshake:error:auth' }, { type: 'close' })
  expect(refusals.counts).toEqual({ not_listed: 0, wrong_server_key: 1, no_key: 2, malformed: 1 })
  expect(connections.open).toBe(0)
})

describe('whoever makes them too many again and again', () => {
  /** A server of one connection; how long it does not count, each time that there are too many. */
  function serveOne() {
    const { connections, asked } = newConnections(1)
    let socket = watch(connections)
    return {
      connections,
      asked,
      async fill(): Promise<number> {
        await socket.report(accept)
        socket = watch(connections)
        if (vi.getTimerCount() === 0) return 0
        const [start, made] = [performance.now(), asked.anew]
        vi.advanceTimersToNextTimer()
        expect(asked.anew).toBe(made + 1)
        socket = watch(connections)
        return performance.now() - start
      },
    }
  }

  it('ends the connections of others four times, and then ever more rarely, every ten minutes in the end', async () => {
    const { fill, connections } = serveOne()
    const pauses: number[] = []
    for (let times = 0; times < 11; times++) pauses.push(await fill())
    expect(pauses).toEqual([0, 0, 0, 0, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000])
    expect(connections.endings).toBe(11 + 7)
  })

  it.each([
    ['is forgiven when it was quiet for longer than twice the last pause', 40_001, [0, 0, 0, 0, 20_000]],
    ['is not forgiven before', 40_000, [40_000, 80_000]],
  ])('%s', async (_, quietMs, wanted) => {
    const { fill } = serveOne()
    for (let times = 0; times < 4; times++) await fill()
    expect(await fill()).toBe(20_000)
    // The pause was quiet as well.
    vi.advanceTimersByTime(quietMs - 20_000)
    const pauses: number[] = []
    for (const _ of wanted) pauses.push(await fill())
    expect(pauses).toEqual(wanted)
  })

  it('is not counted in the pause, and waits for nothing when the server closes', async () => {
    const { fill, connections, asked } = serveOne()
    for (let times = 0; times < 4; times++) await fill()
    const socket = watch(connections)
    await socket.report(accept)
    // Some sockets may find that their address is not free.
    for (const unbound of [watch(connections), watch(connections)]) await unbound.report(accept, noMoreFiles)
    expect([connections.open, connections.isExhausted, vi.getTimerCount()]).toEqual([0, false, 1])
    connections.close()
    expect(vi.getTimerCount()).toBe(0)
    expect(asked).toEqual({ anew: 5, hurry: 0 })
  })
})
