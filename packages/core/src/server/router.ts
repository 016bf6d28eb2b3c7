import { Router } from 'zeromq'

/** What a server does with frames. Neither method may fail: a peer that gets no reply waits for ever. */
export interface FrameHandler {
  /** Answers one frame with one frame. */
  answer(frame: Uint8Array): Promise<Uint8Array>
  /** The reply to each frame of a message that has too many of them to look at. */
  refuseCrowd(): Uint8Array
}

/** A socket that is bound and serving. */
export interface RouterServer {
  /** The bound endpoints, with real ports where 0 was asked, in the order given. */
  readonly endpoints: readonly string[]
  /** Waits until the requests that are under way now are answered, at most for so many milliseconds. */
  drain(graceMs: number): Promise<void>
  /** Takes no further requests, sends the replies that are there within `graceMs`, and closes. */
  close(graceMs: number): Promise<void>
}

/** Frames and bytes that may be under way at once; more wait in the socket, so that a flood cannot fill the memory. */
const maxFramesInFlight = 4096
const maxBytesInFlight = 256 * 1024 * 1024

/** Frames of one message; the archived client sends one. */
export const maxFramesPerMessage = 1000

/** Messages of one peer that wait in the socket. */
const receiveHighWaterMark = 100

/** libzmq drops a peer that sends a larger frame, before it is in memory: the last wall behind `maxFrameBytes`. */
const hardFrameBytes = 128 * 1024 * 1024

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
export async function serveRouter(endpoints: readonly string[], handler: FrameHandler): Promise<RouterServer> {
  const socket = new Router({
    maxMessageSize: hardFrameBytes,
    receiveHighWaterMark,
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
  let framesInFlight = 0
  let bytesInFlight = 0
  let replies: Uint8Array[][] = []
  let sending: Promise<void> | undefined
  let closing = false
  let roomAgain = (): void => {}

  async function sendReplies(): Promise<void> {
    while (replies.length > 0) {
      const batch = replies
      replies = []
      for (const reply of batch) {
        try {
          await socket.send(reply)
        } catch {
          // The peer went away: there is nobody left to tell.
        }
      }
    }
    sending = undefined
  }

  async function answer(envelope: Uint8Array[], requests: Uint8Array[]): Promise<void> {
    const answers =
      requests.length > maxFramesPerMessage
        ? new Array<Uint8Array>(requests.length).fill(handler.refuseCrowd())
        : await Promise.all(requests.map((frame) => handler.answer(frame)))
    replies.push([...envelope, ...answers])
    // The socket takes one send at a time.
    sending ??= sendReplies()
  }

  async function receiveRequests(): Promise<void> {
    for await (const parts of socket) {
      if (closing) continue
      const { envelope, requests } = splitEnvelope(parts)
      const frames = requests.length
      const bytes = requests.reduce((sum, frame) => sum + frame.length, 0)
      framesInFlight += frames
      bytesInFlight += bytes
      const job = answer(envelope, requests).finally(() => {
        running.delete(job)
        framesInFlight -= frames
        bytesInFlight -= bytes
        roomAgain()
      })
      running.add(job)
      while (framesInFlight >= maxFramesInFlight || bytesInFlight >= maxBytesInFlight) {
        await new Promise<void>((resolve) => {
          roomAgain = resolve
        })
      }
    }
  }
  const receiving = receiveRequests()

  async function drain(graceMs: number): Promise<void> {
    await within(graceMs, async () => {
      await Promise.allSettled([...running])
      await sending
    })
  }

  return {
    endpoints: bound,
    drain,
    async close(graceMs) {
      // Peers go on sending, unheard. Unbinding would cut them off, and the replies that they wait for with them.
      closing = true
      await drain(graceMs)
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
