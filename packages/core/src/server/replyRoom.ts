import { setImmediate } from 'node:timers/promises'
import { WorkerError } from '@bletchley/protocol'
import { collectGarbage } from './collectGarbage.ts'

/** Smaller messages need no room, but are left to the count of the socket: its 10 000 of one peer are 160 MB of them at most. */
export const largeBytes = 16 * 1024

/** The binding hands a copy of shorter frames to libzmq. */
const copiedBytes = 128

/** When so many more bytes are out than after the last collection, those that were read are looked for. */
const collectEveryBytes = 128 * 1024 * 1024

/** While replies wait for room, it is looked for so often; less often where a look takes long, so that all take a tenth of the time. */
const lookMs = { least: 250, most: 5000 }
const pausePerLook = 10

/** How many bytes of large replies may be in memory. */
export interface RoomLimits {
  /** That one connection has not read. */
  readonly unreadBytesPerPeer: number
  /** That all of them have not read: the nearer it is, the less each may have. */
  readonly unreadBytes: number
  /** A reply that waits for room is given up when its peer has read nothing of what it was sent for so long, … */
  readonly unreadPatienceMs: number
  /** … and for as long as a line that is so slow takes for the reply that is on its way. */
  readonly leastBytesPerSecond: number
}

export const defaultRoomLimits: RoomLimits = {
  unreadBytesPerPeer: 512 * 1024 * 1024,
  unreadBytes: 2048 * 1024 * 1024,
  unreadPatienceMs: 10_000,
  leastBytesPerSecond: 1024 * 1024,
}

/** Bytes of large replies that a peer has not read yet, or that are in work for it. */
interface Peer {
  readonly name: string
  bytes: number
  /** Of them those of replies that are made; the others are in work. */
  madeBytes: number
  /** Of them those that were sent, in that order. */
  readonly unread: Set<Made>
  /** In the order of their arrival. */
  readonly waiting: Waiting[]
  /** When it last read something, or began to have something to read; before that, when the last reply was made. */
  since: number
}

/** A reply that is made, and holds its room until it is read. */
interface Made {
  readonly peer: Peer
  readonly bytes: number
  /** Absent until it is sent: it may be part of a message that is not complete. */
  sentAt?: number
}

interface Waiting {
  readonly bytes: number
  readonly since: number
  resolve(): void
  reject(error: WorkerError): void
}

/**
 * Room for large replies in memory, taken before one is made.
 *
 * A request of some hundred bytes may have a reply of 256 MiB: a peer that asks and never reads would fill the memory long before
 * the socket has counted its replies. Nobody tells what a peer has read, but the binding holds on to a reply until libzmq has
 * sent it: so what the garbage collector takes was read. It does not hear of that memory by itself, and is asked to look
 * before anybody has to wait. Who has left too much unread waits, and is refused when he reads nothing meanwhile. Nobody is refused
 * because the core is slow: what is in work is not there to be read.
 */
export class ReplyRooms {
  readonly #limits: RoomLimits
  readonly #peers = new Map<string, Peer>()
  readonly #read = new FinalizationRegistry<Made>((made) => {
    const { peer, bytes } = made
    if (peer.unread.delete(made)) peer.since = performance.now()
    peer.madeBytes -= bytes
    this.give(peer, bytes)
  })
  /** Of all peers. */
  #bytes = 0
  #collectAt = collectEveryBytes
  #collecting: Promise<void> | undefined
  #looking: NodeJS.Timeout | undefined
  #pauseMs = lookMs.least
  #waiting = 0
  #closed = false

  constructor(limits: RoomLimits) {
    this.#limits = limits
  }

  /** The room of one request. */
  of(peer: string): ReplyRoom {
    return new ReplyRoom(this, peer)
  }

  /** Takes room, if there is some at once. */
  tryTake(name: string, bytes: number): Peer | undefined {
    if (this.#bytes + bytes > this.#collectAt) return undefined
    const peer = this.#peer(name)
    if (peer.waiting.length > 0 || !this.#fits(peer, bytes)) return undefined
    this.#take(peer, bytes)
    return peer
  }

  /** @throws WorkerError `busy` if there is none, and the peer does not read */
  async take(name: string, bytes: number): Promise<Peer> {
    await this.look(name, bytes)
    const peer = this.#peer(name)
    if (peer.waiting.length === 0 && this.#fits(peer, bytes)) {
      this.#take(peer, bytes)
      return peer
    }
    if (this.#closed) throw new WorkerError('shutting_down', {})
    this.#peers.set(name, peer)
    await new Promise<void>((resolve, reject) => {
      peer.waiting.push({ bytes, since: performance.now(), resolve, reject })
      this.#waiting++
      this.#looking ??= setTimeout(() => void this.#lookOnce(), this.#pauseMs)
    })
    return peer
  }

  isWaiting(name: string): boolean {
    return this.#peer(name).waiting.length > 0
  }

  /** Looks for what was read, if it is time for that before a peer takes so many bytes. Who has to wait is looked for anyway. */
  async look(name: string, bytes: number): Promise<void> {
    if (this.isWaiting(name)) return
    if (this.#bytes + bytes > this.#collectAt) await this.#collect()
  }

  /** Gives room back: what was taken was more than what was needed. */
  give(peer: Peer, bytes: number): void {
    peer.bytes -= bytes
    this.#bytes -= bytes
    if (peer.unread.size === 0) peer.since = performance.now()
    if (peer.bytes === 0 && peer.waiting.length === 0) this.#peers.delete(peer.name)
    if (this.#waiting > 0) this.#serve()
  }

  /** A reply for which room is taken is made: it gives that back when it was read. */
  made(peer: Peer, reply: Uint8Array, bytes: number): Made {
    const made = { peer, bytes }
    peer.madeBytes += bytes
    if (peer.unread.size === 0) peer.since = performance.now()
    this.#read.register(reply, made)
    return made
  }

  /** From now on its peer can read it. */
  sent(made: Made): void {
    const { peer } = made
    made.sentAt = performance.now()
    if (peer.unread.size === 0) peer.since = made.sentAt
    peer.unread.add(made)
  }

  /** Nobody waits any more. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#looking)
    for (const peer of this.#peers.values()) this.#refuse(peer, new WorkerError('shutting_down', {}))
  }

  #peer(name: string): Peer {
    return (
      this.#peers.get(name) ?? {
        name,
        bytes: 0,
        madeBytes: 0,
        unread: new Set(),
        waiting: [],
        since: performance.now(),
      }
    )
  }

  #fits(peer: Peer, bytes: number): boolean {
    const { unreadBytesPerPeer, unreadBytes } = this.#limits
    // What exceeds the limit by itself is made when nothing else is there.
    return peer.bytes + bytes <= Math.min(unreadBytesPerPeer, unreadBytes - this.#bytes) || this.#bytes === 0
  }

  #take(peer: Peer, bytes: number): void {
    if (peer.bytes === 0) this.#peers.set(peer.name, peer)
    peer.bytes += bytes
    this.#bytes += bytes
  }

  /** One reply of each peer in turn, as long as they fit: who has got one is the last to get the next. */
  #serve(): void {
    for (const peer of this.#peers.values()) {
      const [next] = peer.waiting
      if (next === undefined || !this.#fits(peer, next.bytes)) continue
      peer.waiting.shift()
      this.#waiting--
      this.#peers.delete(peer.name)
      this.#peers.set(peer.name, peer)
      this.#take(peer, next.bytes)
      next.resolve()
    }
  }

  /** Looks for what was read, and gives those up who read nothing, and what they have left no room for. */
  async #lookOnce(): Promise<void> {
    await this.#collect()
    const now = performance.now()
    const before = now - this.#limits.unreadPatienceMs
    const left = this.#limits.unreadBytes - this.#bytesSentUntil(before)
    const isHopeless = ({ bytes, since }: Waiting) => since <= before && bytes > left
    for (const peer of this.#peers.values()) {
      if (this.#hasReadNothing(peer, now)) this.#refuse(peer, this.#busy(peer))
      else if (left < this.#limits.unreadBytes) this.#refuse(peer, this.#busyForAll(), isHopeless)
    }
    this.#serve()
    this.#looking = this.#waiting > 0 ? setTimeout(() => void this.#lookOnce(), this.#pauseMs) : undefined
  }

  /** Bytes that were sent until then, and are still unread. */
  #bytesSentUntil(time: number): number {
    let bytes = 0
    for (const { unread } of this.#peers.values()) {
      for (const made of unread) {
        if (made.sentAt! > time) break
        bytes += made.bytes
      }
    }
    return bytes
  }

  /**
   * Whether it has read nothing for too long, though all was there to be read that its requests can wait for. A reply is seen to
   * be read when all of it is: before that its peer has the time that a slow line takes for the one that is on its way.
   */
  #hasReadNothing({ bytes, madeBytes, unread, since }: Peer, now: number): boolean {
    if (bytes === 0 || (unread.size === 0 && madeBytes < bytes)) return false
    const { unreadPatienceMs, leastBytesPerSecond } = this.#limits
    const [first] = unread
    return since + unreadPatienceMs + (1000 * (first?.bytes ?? 0)) / leastBytesPerSecond <= now
  }

  /** Names the limit that a peer waits for: its own, or that of all, which others may have used up. */
  #busy(peer: Peer): WorkerError {
    const maximum = this.#limits.unreadBytesPerPeer
    const isOwn = peer.bytes > 0 && peer.bytes + (peer.waiting[0]?.bytes ?? 0) > maximum
    if (!isOwn) return this.#busyForAll()
    return new WorkerError('busy', { limit: 'bytes of replies that this peer has not read', maximum })
  }

  #busyForAll(): WorkerError {
    const maximum = this.#limits.unreadBytes
    return new WorkerError('busy', { limit: 'bytes of replies that all peers have not read', maximum })
  }

  #refuse(peer: Peer, error: WorkerError, which = (_: Waiting) => true): void {
    const refused = peer.waiting.filter(which)
    if (refused.length === 0) return
    const others = peer.waiting.filter((waiting) => !refused.includes(waiting))
    peer.waiting.splice(0, Infinity, ...others)
    this.#waiting -= refused.length
    if (peer.bytes === 0 && others.length === 0) this.#peers.delete(peer.name)
    for (const { reject } of refused) reject(error)
  }

  async #collect(): Promise<void> {
    this.#collecting ??= (async () => {
      // First the binding hears of what libzmq has sent; and each registry is told of what is gone in a turn of its own.
      await setImmediate()
      const start = performance.now()
      await collectGarbage()
      this.#pauseMs = Math.min(lookMs.most, Math.max(lookMs.least, (performance.now() - start) * pausePerLook))
      for (let turn = 0; turn < 10; turn++) await setImmediate()
      this.#collectAt = this.#bytes + collectEveryBytes
      this.#collecting = undefined
    })()
    await this.#collecting
  }
}

/** The room that one request takes for its reply. */
export class ReplyRoom {
  /** Whose request it is: what belongs to one connection. */
  readonly peer: string
  readonly #rooms: ReplyRooms
  #peer: Peer | undefined
  #made: Made | undefined
  #bytes = 0

  constructor(rooms: ReplyRooms, name: string) {
    this.#rooms = rooms
    this.peer = name
  }

  /** What is taken. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether a reply of the same peer waits for room. */
  get isWaiting(): boolean {
    return this.#rooms.isWaiting(this.peer)
  }

  /** Whether there is room at once; small replies need none, but what is added to a large one does. */
  tryTake(bytes: number): boolean {
    if (this.#bytes === 0 && bytes < largeBytes) return true
    const peer = this.#rooms.tryTake(this.peer, bytes)
    if (peer === undefined) return false
    this.#peer = peer
    this.#bytes += bytes
    return true
  }

  /** Whether there is room at once, or as soon as it is known what was read. */
  async tryTakeLooked(bytes: number): Promise<boolean> {
    await this.#rooms.look(this.peer, bytes)
    return this.tryTake(bytes)
  }

  /**
   * Waits for room. Whatever is in memory for the reply should be let go of meanwhile.
   *
   * @param bytes that the reply has at most
   * @throws WorkerError `busy` if the peer reads nothing of what it has been sent
   */
  async take(bytes: number): Promise<void> {
    if (this.#bytes === 0 && bytes < largeBytes) return
    this.#peer = await this.#rooms.take(this.peer, bytes)
    this.#bytes += bytes
  }

  /** Gives back what is taken beyond so many bytes. */
  shrink(bytes: number): void {
    if (this.#peer === undefined || this.#bytes <= bytes) return
    this.#rooms.give(this.#peer, this.#bytes - bytes)
    this.#bytes = bytes
  }

  /**
   * The reply is made: its room comes back when it was read, what it does not need comes back now.
   *
   * @returns whether it has room
   */
  settle(reply: Uint8Array): boolean {
    const peer = this.#peer
    if (peer === undefined) return false
    // Its memory may be larger than the reply; small ones share theirs.
    this.shrink(reply.length < largeBytes ? 0 : reply.buffer.byteLength)
    if (this.#bytes === 0) return false
    this.#made = this.#rooms.made(peer, reply, this.#bytes)
    return true
  }

  /**
   * The room of a whole message comes back when its last frame was read.
   *
   * @returns the frame to be sent as the last one: the binding copies a short one and lets go of it, so it gets white space behind it
   */
  settleMessage(last: Uint8Array): Uint8Array {
    if (this.#peer === undefined) return last
    const held = last.length > copiedBytes ? last : new Uint8Array(copiedBytes + 1).fill(0x20)
    if (held !== last) held.set(last)
    this.#made = this.#rooms.made(this.#peer, held, this.#bytes)
    return held
  }

  /** The message of the reply is with the socket: from now on its peer can read it. */
  sent(): void {
    if (this.#made !== undefined) this.#rooms.sent(this.#made)
  }
}
