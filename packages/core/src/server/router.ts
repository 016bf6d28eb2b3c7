import { isJsonSpace } from '@bletchley/bytes'
import { encodeZ85 } from '@bletchley/crypto'
import { connectionsWithin, openFiles } from '@bletchley/http/open-files'
import { peerOf } from '@bletchley/http/peer'
import { hardFrameBytes, maxFramesPerMessage, WorkerError } from '@bletchley/protocol'
import { type Connection, type EndReason, type Listener, listen, type Message } from '@bletchley/zmtp'
import type { Logger } from 'pino'
import { within } from '../within.ts'
import { Admission, type AdmissionLimits, defaultAdmissionLimits } from './admission.ts'
import { type ArrivalLimits, Arrivals, defaultArrivalLimits } from './arrivals.ts'
import type { ClientList } from './clientList.ts'
import { isRefusal, type RefusalReason, Refusals } from './refusals.ts'
import { defaultRoomLimits, type ReplyRoom, ReplyRooms, type RoomLimits, smallBytes } from './replyRoom.ts'
import { SocketFiles } from './socketFiles.ts'

/** What a server does with frames. None of the methods may fail: a peer that gets no reply waits for ever. */
export interface FrameHandler {
  /**
   * Answers one frame with one frame. A large one takes its room before it is made.
   *
   * @param isAlone whether it is all of its message
   */
  answer(frame: Uint8Array, room: ReplyRoom, isAlone: boolean): Promise<Uint8Array>
  /** The reply to a frame that is not acted upon, and not read; to one that was not even looked at, if `frame` is absent. */
  refuse(error: WorkerError, frame?: Uint8Array): Uint8Array
  /** The system has a large reply: its memory may be written anew. */
  reuse(reply: Uint8Array): void
}

/** Beyond these a request waits, or is refused, or its connection ends. */
export interface ServerLimits extends AdmissionLimits, ArrivalLimits, RoomLimits {
  /** A connection is ended when its peer takes nothing of what waits for it for so long. */
  readonly deafnessMs: number
  /** Fewer where the limit of open files allows fewer; half of them for peers that share an address. */
  readonly connections: number
}

export const defaultServerLimits: ServerLimits = {
  ...defaultAdmissionLimits,
  ...defaultArrivalLimits,
  ...defaultRoomLimits,
  deafnessMs: 300_000,
  connections: 4096,
}

/** Who may talk. */
export type Clients = Pick<ClientList, 'has' | 'onChange'>

export interface RouterOptions {
  readonly limits?: ServerLimits
  /** Only clients of the list may talk, and all is encrypted. Without it whoever connects is served. */
  readonly curve?: {
    /** X25519, 32 bytes. */
    readonly secretKey: Uint8Array
    readonly clients: Clients
  }
  readonly logger: Logger
}

/** What has happened at the socket since the start, for whoever watches. */
export interface RouterCounts {
  /** Peers that did not get in, or were sent away, by reason. */
  readonly refusals: Readonly<Record<RefusalReason, number>>
  /** Connections that are there now. */
  readonly connections: number
  /** Connections that were ended for what they took, by reason. */
  readonly endedConnections: Readonly<Record<Burden, number>>
  /** Requests under way, now. */
  readonly inFlight: number
  /** Requests that were refused, since too much was under way. */
  readonly refusedRequests: number
  /** Replies that were dropped, since their peer had left too many unread. */
  readonly droppedReplies: number
}

/**
 * Why a connection was a burden: there were too many, and it was idle or not open yet; its peer took nothing of what waited for it;
 * it let others wait for the room that its request had.
 */
export type Burden = Extract<EndReason, 'displaced' | 'deaf' | 'slow'>

/** A socket that is bound and serving. */
export interface RouterServer extends RouterCounts {
  /** The bound endpoints, with real ports where 0 was asked, in the order given. */
  readonly endpoints: readonly string[]
  /** Why nobody can connect to one of the endpoints. Undefined if everybody can. */
  look(): string | undefined
  /** Waits until no request is under way, at most for so many milliseconds. */
  drain(graceMs: number): Promise<void>
  /** Takes no further requests, waits for those under way at most for so long, has a second to send their replies, and closes. */
  close(graceMs: number): Promise<void>
}

/**
 * Frames of identities before the requests of a message, one for each proxy on the way, and the empty one behind them. They come
 * back with the replies, and wait with them.
 */
const maxWayBack = 16

/** A message of more frames is not worth as many replies: its connection ends. */
const maxRefusedFrames = 100_000

/** How long a closing server may go on sending replies that are already queued. */
const lingerMs = 1000

/** A message whose requests are being answered. */
interface Underway {
  readonly connection: Connection
  /** Answers take the places of requests, in order. */
  readonly parts: Uint8Array[]
  /** What the answers that have taken no room of their own take in memory, and the way back if none has. */
  smallBytes: number
  /** Of the others; most messages have none. */
  rooms?: ReplyRoom[]
  /** Of a frame whose answer has taken none: it takes that for all of those. */
  smallRoom?: ReplyRoom
}

/**
 * Serves requests as a ROUTER socket of ZeroMQ does.
 *
 * REQ peers see the lock-step of a REP socket; DEALER peers may have many requests in flight and are answered in the
 * order of completion. Every frame of a multipart message is a request of its own; its replies go back as one
 * multipart message in the same order (wire.md, section 0).
 *
 * A client's key is looked at when it connects. When a client is removed from the list its connections end at once.
 *
 * @throws Error if an endpoint cannot be bound
 */
export async function serveRouter(
  endpoints: readonly string[],
  handler: FrameHandler,
  { curve, limits = defaultServerLimits, logger }: RouterOptions,
): Promise<RouterServer> {
  const admission = new Admission(limits)
  const arrivals = new Arrivals(limits)
  const rooms = new ReplyRooms(limits)
  const refusals = new Refusals(logger)
  const endedConnections: Record<Burden, number> = { displaced: 0, deaf: 0, slow: 0 }
  const waiting = new Set<() => void>()
  /** Connections of which a refusal waits for room. */
  const refusing = new WeakSet<Connection>()
  let closing = false
  let refusedRequests = 0
  let droppedReplies = 0

  function take(connection: Connection, { parts, takenBytes, droppedFrames }: Message): void {
    arrivals.give(connection, takenBytes)
    if (!closing) void answer(connection, parts, droppedFrames)
  }

  /** Puts the answers where the requests stand, and sends the message back to the peer that it came from. */
  async function answer(connection: Connection, parts: Uint8Array[], droppedFrames: number): Promise<void> {
    const start = startOfRequests(parts)
    const frames = parts.length - start
    const message: Underway = { connection, parts, smallBytes: 0 }
    if (droppedFrames > 0 || frames > maxFramesPerMessage) return refuseUnread(message, start, frames + droppedFrames)
    let bytes = 0
    for (let at = start; at < parts.length; at++) bytes += parts[at]!.length
    const refusal = admission.admit(connection.id, frames, bytes)
    if (refusal !== undefined) {
      refusedRequests += frames
      return refuse(message, start, (frame) => handler.refuse(refusal, frame))
    }
    try {
      const answers: Promise<Uint8Array>[] = []
      for (let at = start; at < parts.length; at++) answers.push(answerFrame(parts[at]!, message, frames === 1))
      for (const [index, answered] of answers.entries()) parts[start + index] = await answered
      // Beside a large reply they are little.
      if (message.rooms === undefined) countWayBack(message, start)
      const room = message.smallRoom ?? rooms.of(connection)
      if (message.rooms !== undefined) room.holdAnyway(message.smallBytes)
      else if (!room.tryHold(message.smallBytes)) return await replyInRoom(message, room)
      reply(message, room)
    } finally {
      admission.release(connection.id, frames, bytes)
      changed()
    }
  }

  async function answerFrame(frame: Uint8Array, message: Underway, isAlone: boolean): Promise<Uint8Array> {
    const room = rooms.of(message.connection)
    const answered = await handler.answer(frame, room, isAlone)
    if (!room.settle(answered)) {
      message.smallBytes += smallBytes(answered)
      message.smallRoom = room
    } else if (message.rooms === undefined) message.rooms = [room]
    else message.rooms.push(room)
    return answered
  }

  /** Refuses a message that has more frames, or more bytes, than messages may have. */
  function refuseUnread(message: Underway, start: number, frames: number): void {
    const { connection, parts } = message
    if (frames > maxRefusedFrames) {
      connection.close('malformed')
      return
    }
    const [limit, maximum] =
      frames > maxFramesPerMessage
        ? ['frames in a message', maxFramesPerMessage]
        : ['bytes in a message', limits.bytesInFlight]
    const refused = handler.refuse(new WorkerError('limit_exceeded', { limit, maximum }))
    for (let at = parts.length; at < start + frames; at++) parts.push(refused)
    refuse(message, start, () => refused)
  }

  /** Answers each request with a refusal of it. */
  function refuse(message: Underway, start: number, refusalOf: (frame: Uint8Array) => Uint8Array): void {
    const { connection, parts } = message
    for (let at = start; at < parts.length; at++) {
      parts[at] = refusalOf(parts[at]!)
      message.smallBytes += smallBytes(parts[at]!)
    }
    countWayBack(message, start)
    const room = rooms.of(connection)
    if (room.tryHold(message.smallBytes)) reply(message, room)
    // They are in no account while they wait, so one message may.
    else if (refusing.has(connection)) drop()
    else {
      refusing.add(connection)
      void replyInRoom(message, room).then(() => refusing.delete(connection))
    }
  }

  /** Sends a message whose small answers find no room at once, as soon as there is some. */
  async function replyInRoom(message: Underway, room: ReplyRoom): Promise<void> {
    const { connection } = message
    try {
      await room.hold(message.smallBytes)
      reply(message, room)
    } catch {
      // The peer reads nothing of what it was sent, or is gone.
      if (!connection.isEnded) drop()
    }
  }

  /** @param room of the small answers together, if there are some */
  function reply({ connection, parts, rooms: large = [] }: Underway, room: ReplyRoom): void {
    const mayBeReused = large.length > 0
    if (room.bytes > 0) large.push(room)
    for (const each of large) each.sent()
    connection.send(parts, (isTaken) => {
      for (const each of large) each.gone()
      if (mayBeReused && isTaken) for (const part of parts) handler.reuse(part)
    })
  }

  function drop(): void {
    if (droppedReplies++ % 1000 === 0) logger.warn({ droppedReplies }, 'replies are dropped: their peer does not read')
  }

  /** Whether a part of a request has come, and a moment ago; or more of it is not read. */
  function isSending(connection: Connection): boolean {
    return connection.isBlocked || (arrivals.isArriving(connection) && isRecent(connection.lastReceivedAt))
  }

  /** Whether something waits for a peer, which takes it. */
  function isReading({ unsentBytes, lastProgressAt }: Connection): boolean {
    return unsentBytes > 0 && isRecent(lastProgressAt)
  }

  function isRecent(time: number): boolean {
    return performance.now() - time < limits.unreadPatienceMs
  }

  function ended(connection: Connection, reason: EndReason): void {
    arrivals.end(connection)
    rooms.end(connection)
    if (reason in endedConnections) endedConnections[reason as Burden]++
    const { address, publicKey } = connection
    // Of those that were not let in the list has told, with the key that they showed.
    if (reason === 'not_listed' && publicKey === undefined) return
    if (isRefusal(reason)) refusals.add(reason, address, publicKey && encodeZ85(publicKey))
  }

  /** Something has ended: whoever waits for the last one goes on. */
  function changed(): void {
    if (waiting.size === 0 || admission.requests > 0) return
    for (const resume of waiting) resume()
    waiting.clear()
  }

  /** Waits until no request is under way, at most for so long. */
  async function drain(graceMs: number): Promise<void> {
    if (admission.requests === 0) return
    await within(
      graceMs,
      new Promise<void>((resolve) => {
        waiting.add(resolve)
      }),
    )
  }

  /** Ends the connections of clients that are not on the list any more. */
  function endStrangers(listener: Listener, clients: Clients): void {
    for (const connection of listener.connections) {
      const { publicKey } = connection
      if (publicKey !== undefined && !clients.has(encodeZ85(publicKey))) connection.close('not_listed')
    }
  }

  const connections = Math.min(limits.connections, connectionsAllowed())
  const listener = await listen(endpoints, {
    limits: {
      maxFrameBytes: hardFrameBytes,
      maxFrames: maxFramesPerMessage + maxWayBack,
      maxMessageBytes: limits.bytesInFlight,
      deafnessMs: limits.deafnessMs,
      maxConnections: connections,
      maxConnectionsPerShare: Math.ceil(connections / 2),
    },
    ...(curve && {
      curve: {
        secretKey: curve.secretKey,
        authorize(publicKey: Uint8Array, address: string) {
          const key = encodeZ85(publicKey)
          if (curve.clients.has(key)) return true
          refusals.add('not_listed', address, key)
          return false
        },
      },
    }),
    takeRoom: (connection, bytes) => arrivals.take(connection, bytes),
    giveRoom: (connection, bytes) => arrivals.give(connection, bytes),
    onMessage: take,
    onEnd: ended,
    onFull: () => logger.warn({ maximum: connections }, tooManyConnections(connections < limits.connections)),
    onAcceptError: (err) => logger.error({ err }, 'a connection could not be taken'),
    isIdle: (connection) => !(admission.isServing(connection.id) || isSending(connection) || isReading(connection)),
    shareOf: peerOf,
  })
  const files = new SocketFiles(listener.endpoints)
  if (curve) {
    curve.clients.onChange(() => endStrangers(listener, curve.clients))
    // The list may have changed while the endpoints were bound.
    endStrangers(listener, curve.clients)
  }

  return {
    endpoints: listener.endpoints,
    refusals: refusals.counts,
    endedConnections,
    get connections() {
      return listener.connections.size
    },
    get inFlight() {
      return admission.requests
    },
    get refusedRequests() {
      return refusedRequests
    },
    get droppedReplies() {
      return droppedReplies
    },
    look: () => files.look(),
    drain,
    async close(graceMs) {
      // Peers go on sending, unheard. To end their connections would take the replies from them that they wait for.
      closing = true
      rooms.close()
      await drain(graceMs)
      await listener.close(lingerMs)
      arrivals.close()
    },
  }
}

function countWayBack(message: Underway, start: number): void {
  for (let at = 0; at < start; at++) message.smallBytes += smallBytes(message.parts[at]!)
}

function tooManyConnections(isForFiles: boolean): string {
  const who = 'those without a request are ended'
  if (!isForFiles) return `there are as many connections as may be: ${who}`
  return `the limit of open files allows no more connections: ${who} (raise it with LimitNOFILE or ulimit -n)`
}

/** Beside the files that are open now. */
function connectionsAllowed(): number {
  const files = openFiles()
  return files === undefined ? Number.POSITIVE_INFINITY : connectionsWithin(files)
}

/**
 * Where the requests begin in a message; what stands before them is the way back: `[identities], "", request…` of a REQ peer (with a
 * proxy in between there are identities), `request…` of a DEALER peer that sends no delimiter. An empty frame behind anything
 * that is no identity is a request like the others.
 */
export function startOfRequests(parts: readonly Uint8Array[]): number {
  const end = Math.min(parts.length - 1, maxWayBack)
  for (let at = 0; at < end; at++) {
    if (parts[at]!.length === 0) return at + 1
    if (!mayBeIdentity(parts[at]!)) return 0
  }
  // A delimiter with nothing behind it is an empty request of a DEALER peer. A longer way nobody has.
  return 0
}

/** Longest identity of a libzmq socket, in bytes. */
const maxIdentityBytes = 255

/** Peers choose theirs freely, but none looks like a request: a JSON object, with white space before it perhaps. */
function mayBeIdentity(frame: Uint8Array): boolean {
  if (frame.length > maxIdentityBytes) return false
  for (const code of frame) if (!isJsonSpace(code)) return code !== 0x7b
  return true
}
