// Both ends of the wire, for the suites: the baseline that echoes, the load generator, and a REQ peer.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Request } from 'zeromq'

/** The baseline's process. `reply(bytes)` sets how long its replies are. */
export async function startEcho() {
  const child = fork(new URL('./echo.mjs', import.meta.url))
  const [{ endpoint }] = await once(child, 'message')
  return {
    endpoint,
    async reply(bytes) {
      child.send(bytes)
      await once(child, 'message')
    },
    close: () => child.kill(),
  }
}

/** The load generator's process. */
export function startLoad() {
  const child = fork(new URL('./load.mjs', import.meta.url))
  return {
    /** Replies per second, with so many requests in flight. */
    async throughput(endpoint, { frame, replyBytes, inFlight, count }) {
      child.send({ endpoint, frame: Buffer.from(frame).toString('base64'), replyBytes, inFlight, count })
      const [{ perSecond }] = await once(child, 'message')
      return perSecond
    },
    close: () => child.kill(),
  }
}

/** A REQ peer: one request at a time. */
export function connectPeer(endpoint) {
  const socket = new Request()
  socket.connect(endpoint)
  return {
    async ask(frame) {
      await socket.send(frame)
      const [reply] = await socket.receive()
      return reply
    },
    close: () => socket.close(),
  }
}

/** Microseconds of each of so many round trips. */
export async function roundTrips(peer, frame, count) {
  const times = []
  for (let round = 0; round < count; round++) {
    const start = process.hrtime.bigint()
    await peer.ask(frame)
    times.push(Number(process.hrtime.bigint() - start) / 1000)
  }
  return times
}
