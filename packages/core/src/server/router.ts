import { setImmediate } from 'node:timers/promises'
import { isJsonSpace } from '@bletchley/bytes'
import { encodeZ85 } from '@bletchley/crypto'
import { hardFrameBytes, maxFramesPerMessage, WorkerError } from '@bletchley/protocol'
import type { Logger } from 'pino'
import { Context, Router } from 'zeromq'
import { Admission, type AdmissionLimits, defaultAdmissionLimits } from './admission.ts'
import type { ClientList } from './clientList.ts'
import { Connections } from './connections.ts'
import { assertFilesLeft, bindEndpoint, isFileThere, needsIpv6, withAddress } from './endpoints.ts'
import { type RefusalReason, Refusals } from './refusals.ts'
import { defaultRoomLimits, largeBytes, type ReplyRoom, ReplyRooms, type RoomLimits } from './replyRoom.ts'
import { SocketFiles } from './socketFiles.ts'
import { type Doorkeeper, guardConnections } from './zap.ts'

/** What a server does with frames. Neither method may fail: a peer that gets no reply waits for ever. */
export interface FrameHandler {
  /**
   * Answers one frame with one frame. A large one takes its room before it is made.
   *
   * @param isAlone whether it is all of its message
   */
  answer(frame: Uint8Array, room: ReplyRoom, isAlone: boolean): Promise<Uint8Array>
  /** The reply to a frame that is not acted upon, and not read; to one that was not even looked at, if `frame` is absent. */
  refuse(error: WorkerError, frame?: Uint8Array): Uint8Array
}

/** Beyond these a request waits, or is refused. */
export interface ServerLimits extends AdmissionLimits, RoomLimits {
  /** A connection over TCP is ended when its peer takes nothing of what waits for it for so long (on Linux). */
  readonly deafnessMs: number
}

export const defaultServerLimits: ServerLimits = {
  ...defaultAdmissionLimits,
  ...defaultRoomLimits,
  deafnessMs: 300_000,
}

export interface RouterOptions {
  readonly limits?: ServerLimits
  /** Only clients of the list may talk, and all is encrypted. Without it whoever connects is served. */
  readonly curve?: {
    /** X25519, 32 bytes. */
    readonly secretKey: Uint8Array
    readonly clients: ClientList
    /** When a client is removed, the requests of the others get this long to end; 2 s if absent. */
    readonly renewalGraceMs?: number
  }
  readonly logger: Logger
}

/** What has happened at the socket since the start, for whoever watches. */
export interface RouterCounts {
  /** Peers that did not get in, by reason. */
  readonly refusals: Readonly<Record<RefusalReason, number>>
  /** Connections that are there now, as far as is known. */
  readonly connections: number
  /** How often all connections were made anew, since there were too many. */
  readonly connectionEndings: number
  /** Requests under way, now. */
  readonly inFlight: number
  /** Requests that were refused, since too much was under way. */
  readonly refusedRequests: number
  /** Replies that were dropped, since their peer had left too many unread. */
  readonly droppedReplies: number
}

/** A socket that is bound and serving. */
export interface RouterServer extends RouterCounts {
  /** The bound endpoints, with real ports where 0 was asked, in the order given. */
  readonly endpoints: readonly string[]
  /** Why nobody can connect to one of the endpoints; also while all connections are made anew. Undefined if everybody can. */
  look(): string | undefined
  /** Waits until no request is under way, at most for so many milliseconds. */
  drain(graceMs: number): Promise<void>
  /** Takes no further requests, sends the replies that are there within `graceMs`, and closes. */
  close(graceMs: number): Promise<void>
}

/** Messages of one peer that wait in the socket. */
const receiveHighWaterMark = 100

/**
 * Replies of one peer that wait in the socket: ten times what a peer may have under way. The next ones are dropped. The bytes
 * of large ones are counted before (`ReplyRooms`).
 */
const sendHighWaterMark = 10_000

/** How long messages are taken before others than peers have their turn: the binding hands out hundreds in one go. */
const takingMs = 3

/** How long a closing socket may go on sending replies that are already queued. */
const lingerMs = 1000

/**
 * A peer's machine that is gone without a word is noticed within a minute; in seconds. Heartbeats of ZMTP would cut peers off
 * that do not answer them; those of a peer are answered, and its time to live is heeded.
 */
const keepalive = { tcpKeepalive: 1, tcpKeepaliveIdle: 30, tcpKeepaliveInterval: 10, tcpKeepaliveCount: 3 }

/** What a frame costs libzmq and the binding besides its bytes. */
const frameOverhead = 256

/** Before all connections are made anew. */
const defaultRenewalGraceMs = 2000

/** An address that was just closed is free a moment later. */
const rebindMs = 20

/** One socket; with its end, all its connections end. */
interface Door {
  readonly socket: Router
  readonly files: SocketFiles
  /** In no order. */
  readonly underway: Underway[]
  /** Set when it takes no further requests: what they are told. */
  refusal?: WorkerError
}

/** A message whose requests are being answered. */
interface Underway {
  /** Answers take the places of requests, in order. */
  readonly parts: Uint8Array[]
  /** The first part that is a request still. */
  next: number
  /** Where it stands among those under way, if it is one of them. */
  place: number
  refused: boolean
  readonly peer: string
  /** What the answers that have taken no room of their own take in memory. */
  smallBytes: number
  /** Of the others; most messages have none. */
  rooms?: ReplyRoom[]
}

/**
 * Serves requests on a ZeroMQ ROUTER socket.
 *
 * REQ peers see the lock-step of a REP socket; DEALER peers may have many requests in flight and are answered in the
 * order of completion. Every frame of a multipart message is a request of its own; its replies go back as one
 * multipart message in the same order (wire.md, section 0).
 *
 * libzmq looks at a client's key only when it connects. So when a client that was let in is removed from the list, the
 * socket is closed and made anew: requests that come from then on are told to come again, those under way get a moment
 * to end, and whoever connects again is looked at again.
 *
 * @throws Error if an endpoint cannot be bound
 */
export async function serveRouter(
  endpoints: readonly string[],
  handler: FrameHandler,
  { curve, limits = defaultServerLimits, logger }: RouterOptions,
): Promise<RouterServer> {
  // A context has one doorkeeper; with one of its own, several cores fit into a process.
  const context = curve && new Context()
  const admission = new Admission(limits)
  const rooms = new ReplyRooms(limits)
  const refusals = new Refusals(logger)
  const doorkeeper = curve && (await guardConnections(context!, curve.clients, refusals))
  const waiting = new Set<() => void>()
  const connections = new Connections({ makeAnew: () => renew(), hurry: () => changed() }, logger)
  let closing = false
  let refusedRequests = 0
  let droppedReplies = 0
  let renewal = Promise.resolve()

  async function openDoor(wanted: readonly string[]): Promise<{ door: Door; bound: string[] }> {
    const addresses = await Promise.all(wanted.map(withAddress))
    assertFilesLeft()
    const socket = new Router({
      ...(context && { context }),
      ...(curve && curveOptions(curve.secretKey)),
      ipv6: addresses.some(needsIpv6),
      maxMessageSize: hardFrameBytes,
      receiveHighWaterMark,
      // With these, a reply that cannot be queued is an error here, and is not dropped in silence.
      mandatory: true,
      sendHighWaterMark,
      // A send is done when it returns, and the next one may follow.
      sendTimeout: 0,
      linger: lingerMs,
      ...keepalive,
      // While something waits to be taken there are no keepalive probes; and to those who take nothing, the system is patient for ever.
      tcpMaxRetransmitTimeout: limits.deafnessMs,
    })
    connections.watch(socket, curve && refusals).catch(ignore)
    const bound: string[] = []
    try {
      for (const address of addresses) bound.push(await bindEndpoint(socket, address))
    } catch (error) {
      socket.close()
      throw error
    }
    return { door: { socket, files: new SocketFiles(bound), underway: [] }, bound }
  }

  /** Puts the answers where the requests stand, and sends the message back to the peer that it came from. */
  async function answer(door: Door, peer: string, parts: Uint8Array[]): Promise<void> {
    const start = startOfRequests(parts)
    const frames = parts.length - start
    const message: Underway = { parts, next: start, place: door.underway.length, refused: false, peer, smallBytes: 0 }
    if (frames > maxFramesPerMessage) {
      const tooMany = handler.refuse(tooManyFrames())
      return refuse(door, message, () => tooMany)
    }
    let bytes = 0
    for (let at = start; at < parts.length; at++) bytes += parts[at]!.length
    const refusal = door.refusal ?? admission.admit(peer, frames, bytes)
    if (refusal !== undefined) {
      if (door.refusal === undefined) refusedRequests += frames
      return refuse(door, message, (frame) => handler.refuse(refusal, frame))
    }
    door.underway.push(message)
    try {
      const answers: Promise<Uint8Array>[] = []
      for (let at = start; at < parts.length; at++) answers.push(answerFrame(parts[at]!, message, frames === 1))
      for (; message.next < parts.length; message.next++) {
        const frame = await answers[message.next - start]!
        if (message.refused) return
        parts[message.next] = frame
      }
      if (message.smallBytes < largeBytes) reply(door, message)
      else await replyInRoom(door, message, rooms.of(peer))
    } finally {
      remove(door.underway, message)
      admission.release(peer, frames, bytes)
      changed()
    }
  }

  async function answerFrame(frame: Uint8Array, message: Underway, isAlone: boolean): Promise<Uint8Array> {
    const room = rooms.of(message.peer)
    const answered = await handler.answer(frame, room, isAlone)
    if (!room.settle(answered)) message.smallBytes += sizeOf(answered)
    else if (message.rooms === undefined) message.rooms = [room]
    else message.rooms.push(room)
    return answered
  }

  /** Answers what is not answered yet with a refusal of it. */
  function refuse(door: Door, message: Underway, refusalOf: (frame: Uint8Array) => Uint8Array): void {
    const { parts, next } = message
    message.refused = true
    for (let at = next; at < parts.length; at++) {
      parts[at] = refusalOf(parts[at]!)
      message.smallBytes += sizeOf(parts[at]!)
    }
    const room = rooms.of(message.peer)
    if (room.tryTake(message.smallBytes)) reply(door, message, room)
    // They are in no account while they wait, so one message may.
    else if (room.isWaiting) drop()
    else void replyInRoom(door, message, room)
  }

  /** Sends a message whose small answers are much together, as soon as there is room for them. */
  async function replyInRoom(door: Door, message: Underway, room: ReplyRoom): Promise<void> {
    try {
      await room.take(message.smallBytes)
      reply(door, message, room)
    } catch {
      // The peer reads nothing of what it was sent.
      drop()
    }
  }

  /** @param room of the small answers together, if they have taken some */
  function reply({ socket }: Door, { parts, rooms: large }: Underway, room?: ReplyRoom): void {
    if (room !== undefined) parts.push(room.settleMessage(parts.pop()!))
    // Nobody hears a reply after the end.
    if (socket.closed) return
    for (const each of large ?? []) each.sent()
    room?.sent()
    socket.send(parts).catch((error: NodeJS.ErrnoException) => {
      // A peer that went away is nobody to tell.
      if (error.code === 'EAGAIN') drop()
    })
  }

  function drop(): void {
    if (droppedReplies++ % 1000 === 0) {
      logger.warn({ droppedReplies, unread: sendHighWaterMark }, 'replies are dropped: their peer does not read')
    }
  }

  /** Something has ended: whoever waits looks again. */
  function changed(): void {
    if (waiting.size === 0) return
    for (const resume of waiting) resume()
    waiting.clear()
  }

  /** In a function of its own: the loop would hold on to a message, with its replies, until the next one comes. */
  function take(door: Door, parts: Buffer[]): void {
    if (!closing) void answer(door, parts[0]!.toString('latin1'), parts)
  }

  async function receiveRequests(door: Door): Promise<void> {
    try {
      for (let since = performance.now(); ; ) {
        take(door, await door.socket.receive())
        if (performance.now() - since < takingMs) continue
        await setImmediate()
        since = performance.now()
      }
    } catch (error) {
      if (!door.socket.closed) throw error
    }
  }

  /** Waits until the condition holds, which is looked at after each answer. */
  async function until(condition: () => boolean, graceMs: number): Promise<void> {
    await within(graceMs, async () => {
      while (!condition()) {
        await new Promise<void>((resolve) => {
          waiting.add(resolve)
        })
      }
    })
  }

  function renew(): void {
    renewal = renewal.then(renewConnections)
  }

  /** If a connection may be of a client that is no longer on the list, all are ended; the others come again. */
  function renewForStrangers(keeper: Doorkeeper): void {
    if (closing || !keeper.hasStranger()) return
    logger.warn({ inFlight: admission.requests }, 'a client was removed: all connections are made anew')
    renew()
  }

  /** Ends all connections, when what is under way has had a moment to end, and takes them again. */
  async function renewConnections(): Promise<void> {
    if (closing) return
    const old = door
    const refusal = new WorkerError('reconnect', {})
    old.refusal = refusal
    await until(
      () => closing || connections.isExhausted || old.underway.length === 0,
      curve?.renewalGraceMs ?? defaultRenewalGraceMs,
    )
    for (const message of old.underway) refuse(old, message, (frame) => handler.refuse(refusal, frame))
    if (closing) return
    old.socket.close()
    doorkeeper?.forget()
    await reopen()
  }

  async function reopen(): Promise<void> {
    let attempts = 0
    while (!closing) {
      try {
        if (bound.some(isFileThere) && attempts < 100) throw new Error('a socket of before is still there')
        door = (await openDoor(bound)).door
        void receiveRequests(door)
        logger.info({ endpoints: bound }, 'connections are taken again')
        return
      } catch (error) {
        attempts++
        if (attempts % 500 === 0) logger.error({ endpoints: bound, err: error }, 'endpoints cannot be bound again')
        await new Promise((resolve) => setTimeout(resolve, rebindMs))
      }
    }
  }

  const opened = await openDoor(endpoints).catch((error: unknown) => {
    doorkeeper?.close()
    throw error
  })
  const { bound } = opened
  let { door } = opened
  void receiveRequests(door)
  if (curve && doorkeeper) {
    curve.clients.onChange(() => renewForStrangers(doorkeeper))
    // The list may have changed while the endpoints were bound.
    renewForStrangers(doorkeeper)
  }

  return {
    endpoints: bound,
    refusals: refusals.counts,
    get connections() {
      return connections.open
    },
    get connectionEndings() {
      return connections.endings
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
    look: () => door.files.look(),
    drain: (graceMs) => until(() => admission.requests === 0, graceMs),
    async close(graceMs) {
      // Peers go on sending, unheard. Unbinding would cut them off, and the replies that they wait for with them.
      closing = true
      connections.close()
      rooms.close()
      changed()
      await renewal
      await until(() => admission.requests === 0, graceMs)
      door.socket.close()
      doorkeeper?.close()
    },
  }
}

/** What an answer takes in memory until it is sent. */
function sizeOf(answer: Uint8Array): number {
  return answer.length + frameOverhead
}

/** Takes a message out; the last one takes its place. A Set costs several times as much, for each request. */
function remove(underway: Underway[], message: Underway): void {
  const last = underway.pop()!
  if (last === message) return
  underway[message.place] = last
  last.place = message.place
}

function curveOptions(secretKey: Uint8Array) {
  // With the domain enforced, a doorkeeper that is not there lets nobody in.
  return { curveServer: true, curveSecretKey: encodeZ85(secretKey), zapDomain: 'bletchley', zapEnforceDomain: true }
}

function tooManyFrames(): WorkerError {
  return new WorkerError('limit_exceeded', { limit: 'frames in a message', maximum: maxFramesPerMessage })
}

/**
 * Where the requests begin in a ROUTER message; what stands before them is the way back: `identity, [more identities],
 * "", request…` of a REQ peer (or of a proxy in between), `identity, request…` of a DEALER peer that sends no delimiter.
 * An empty frame behind anything that is no identity is a request like the others.
 */
export function startOfRequests(parts: readonly Uint8Array[]): number {
  for (let at = 1; at < parts.length - 1; at++) {
    if (parts[at]!.length === 0) return at + 1
    if (!mayBeIdentity(parts[at]!)) return 1
  }
  // A delimiter with nothing behind it is an empty request of a DEALER peer.
  return 1
}

/** Longest identity of a libzmq socket, in bytes. */
const maxIdentityBytes = 255

/** Peers choose theirs freely, but none looks like a request: a JSON object, with white space before it perhaps. */
function mayBeIdentity(frame: Uint8Array): boolean {
  if (frame.length > maxIdentityBytes) return false
  for (const code of frame) if (!isJsonSpace(code)) return code !== 0x7b
  return true
}

function ignore(): void {}

async function within(milliseconds: number, job: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([job(), limit])
  clearTimeout(timer)
}
