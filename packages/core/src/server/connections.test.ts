import { setImmediate } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Dealer, Router } from 'zeromq'
import { Connections } from './connections.ts'

const open: { close(): void }[] = []

// Time stands still but for what a test says: what comes behind each other came at once.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})

afterEach(() => {
  for (const each of open.splice(0)) each.close()
  vi.useRealTimers()
})

/** A socket whose connections are counted, two at most. It is made anew when that is asked for. */
async function serve() {
  let made = 0
  let socket: Router
  const remedy = { makeAnew: () => void made++, hurry() {} }
  const connections = new Connections(remedy, pino({ level: 'silent' }), 2)
  open.push(connections)
  return {
    connections,
    timesMade: () => made,
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
