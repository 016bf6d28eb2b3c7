import { Router } from 'zeromq'

/** Answers one frame with one frame. Must not reject: a peer that gets no reply waits for ever. */
export type FrameHandler = (frame: Uint8Array) => Promise<Uint8Array>

/** A socket that is bound and serving. */
export interface RouterServer {
  /** The bound endpoints, with real ports where 0 was asked, in the order given. */
  readonly endpoints: readonly string[]
  /** Takes no further requests, lets running ones finish for at most `graceMs`, sends their replies, closes. */
  close(graceMs: number): Promise<void>
}

/** Requests that may be under way at once; further ones wait in the socket, so that a flood cannot fill the memory. */
const maxRequestsInFlight = 4096

/** libzmq drops a peer that sends a larger frame, before it is in memory: the last wall behind `maxFrameBytes`. */
const hardFrameBytes = 256 * 1024 * 1024

/** How long a closing socket may go on sending replies that are already queued. */
const lingerMs = 1000

/**
 * Serves requests on a ZeroMQ ROUTER socket.
 *
 * REQ peers see the lock-step of a REP socket; DEALER peers may have many requests in flight and are answered in the
 * order of completion. Every frame of a multipart message is a request of its own; its replies go back as one
 * multipart message in the same order (wire.md, section 0).
 *
 * @throws Error if an endpoint cannot be bound
 */
export async function serveRouter(endpoints: readonly string[], handle: FrameHandler): Promise<RouterServer> {
  const socket = new Router({
    maxMessageSize: hardFrameBytes,
    // A full send queue would make a ROUTER drop replies in silence.
    sendHighWaterMark: 0,
    linger: lingerMs,
  })
  const bound: string[] = []
  try {
    for (const endpoint of endpoints) {
      await socket.bind(endpoint)
      bound.push(socket.lastEndpoint ?? endpoint)
    }
  } catch (error) {
    socket.close()
    throw error
  }

  const running = new Set<Promise<void>>()
  const replies: Uint8Array[][] = []
  let sending: Promise<void> | undefined
  let closing = false
  let roomAgain = (): void => {}

  async function sendReplies(): Promise<void> {
    for (let reply = replies.shift(); reply !== undefined; reply = replies.shift()) {
      try {
        await socket.send(reply)
      } catch {
        // The peer went away: there is nobody left to tell.
      }
    }
    sending = undefined
  }

  async function answer(envelope: Uint8Array[], requests: Uint8Array[]): Promise<void> {
    replies.push([...envelope, ...(await Promise.all(requests.map(handle)))])
    // The socket takes one send at a time.
    sending ??= sendReplies()
  }

  async function receiveRequests(): Promise<void> {
    for await (const parts of socket) {
      if (closing) continue
      const { envelope, requests } = splitEnvelope(parts)
      const job = answer(envelope, requests).finally(() => {
        running.delete(job)
        roomAgain()
      })
      running.add(job)
      if (running.size >= maxRequestsInFlight) {
        await new Promise<void>((resolve) => {
          roomAgain = resolve
        })
      }
    }
  }
  const receiving = receiveRequests()

  return {
    endpoints: bound,
    async close(graceMs) {
      // Peers go on sending, unheard. Unbinding would cut them off, and the replies that they wait for with them.
      closing = true
      await within(graceMs, async () => {
        while (running.size > 0) await Promise.allSettled(running)
        await sending
      })
      socket.close()
      await receiving.catch(() => {})
    },
  }
}

/**
 * Splits a ROUTER message into the way back and the requests: `identity, [more identities], "", request…` of a REQ peer
 * (or of a proxy in between), `identity, request…` of a DEALER peer that sends no delimiter.
 */
export function splitEnvelope(parts: readonly Uint8Array[]): { envelope: Uint8Array[]; requests: Uint8Array[] } {
  const delimiter = parts.findIndex((part, index) => index > 0 && part.length === 0)
  // A delimiter with nothing behind it is an empty request of a DEALER peer.
  const start = delimiter === -1 || delimiter === parts.length - 1 ? 1 : delimiter + 1
  return { envelope: parts.slice(0, start), requests: parts.slice(start) }
}

async function within(milliseconds: number, job: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([job(), limit])
  clearTimeout(timer)
}
