import { WorkerError } from '@bletchley/protocol'

/** A reply of less takes no room before it is made: with what it was asked by it is bounded already. */
export const largeBytes = 16 * 1024

/** What a frame takes in memory while it waits, besides its bytes: most of it is of the heap, which ends before the memory does. */
const frameOverhead = 1024

/** While replies wait for room, it is looked so often who does not read. */
const lookMs = 250

/** What a small reply takes while it waits to be sent. */
export function smallBytes(reply: Uint8Array): number {
  return reply.length + frameOverhead
}

/** How many bytes of replies may be in memory. */
export interface RoomLimits {
  /** That one connection has not read. */
  readonly unreadBytesPerPeer: number
  /** That all of them have not read: the nearer it is, the less each may have. */
  readonly unreadBytes: number
  /** A reply that waits for room is given up when its peer has taken nothing of what waits for it for so long. */
  readonly unreadPatienceMs: number
}

export const defaultRoomLimits: RoomLimits = {
  unreadBytesPerPeer: 512 * 1024 * 1024,
  unreadBytes: 2048 * 1024 * 1024,
  unreadPatienceMs: 10_000,
}

/** Whoever reads the replies of one connection. */
export interface Reader {
  readonly id: string
  /** Whether it has something to take; if not, what waits for it waits for this side. */
  readonly isWriting: boolean
  /** When it last took something, or began to have something to take; as `performance.now()` tells it. */
  readonly lastProgressAt: number
}

/** Replies that were sent at about the same time, and are not read. */
interface Unread {
  readonly sentAt: number
  bytes: number
}

/** Bytes of replies that a peer has not read yet, or that are in work for it. */
interface Peer {
  readonly reader: Reader
  bytes: number
  /** Of them those of replies that are made; the others are in work. */
  madeBytes: number
  /** Of them those that were sent, in that order. */
  readonly unread: Unread[]
  /** In the order of their arrival. */
  waiting: Waiting[]
  /** When the last reply was made, or the last room came back. */
  since: number
  /** Its connection has ended. */
  isGone: boolean
}

interface Waiting {
  readonly bytes: number
  /** Whether it is there already, and lost if it gets no room. */
  readonly isMade: boolean
  readonly since: number
  resolve(): void
  reject(error: WorkerError): void
}

/**
 * Room for replies in memory; for a large one it is taken before it is made.
 *
 * A request of some hundred bytes may have a reply of 256 MiB: a peer that asks and never reads would fill the memory. So a reply
 * has room until the system has taken it. Who has left too much unread waits, and is refused when he takes nothing meanwhile.
 * Nobody is refused because the core is slow: what is in work is not there to be read.
 */
export class ReplyRooms {
  readonly #limits: RoomLimits
  readonly #peers = new WeakMap<Reader, Peer>()
  /** Those that have room. */
  readonly #holders = new Set<Peer>()
  /** Those that wait for some. Who has got some is behind the others. */
  readonly #waiters = new Set<Peer>()
  /** Of all peers. */
  #bytes = 0
  #looking: NodeJS.Timeout | undefined
  #closed = false

  constructor(limits: RoomLimits) {
    this.#limits = limits
  }

  /** That are taken, of all peers. */
  get bytes(): number {
    return this.#bytes
  }

  /** The room of one request. */
  of(reader: Reader): ReplyRoom {
    return new ReplyRoom(this, this.#peer(reader))
  }

  /** Takes room, if there is some at once. */
  tryTake(peer: Peer, bytes: number): boolean {
    const mustWait = peer.waiting.length > 0 && !this.#isSmall(peer, bytes)
    if (mustWait || !this.#fits(peer, bytes)) return false
    this.takeAnyway(peer, bytes)
    return true
  }

  /** Takes room also where there is none. */
  takeAnyway(peer: Peer, bytes: number): void {
    if (peer.bytes === 0) this.#holders.add(peer)
    peer.bytes += bytes
    this.#bytes += bytes
  }

  /**
   * @param isMade whether what takes it is there already
   * @throws WorkerError `busy` if there is none, and the peer does not read, or is gone
   */
  async take(peer: Peer, bytes: number, isMade: boolean): Promise<void> {
    if (this.tryTake(peer, bytes)) return
    if (peer.isGone) throw this.#busy(peer)
    if (this.#closed) {
      if (!isMade) throw new WorkerError('shutting_down', {})
      this.takeAnyway(peer, bytes)
      return
    }
    this.#waiters.add(peer)
    await new Promise<void>((resolve, reject) => {
      peer.waiting.push({ bytes, isMade, since: performance.now(), resolve, reject })
      this.#looking ??= setTimeout(() => this.#look(), lookMs)
    })
  }

  /** Gives room back. */
  give(peer: Peer, bytes: number): void {
    peer.bytes -= bytes
    this.#bytes -= bytes
    if (peer.unread.length === 0) peer.since = performance.now()
    if (peer.bytes === 0) this.#holders.delete(peer)
    if (this.#waiters.size > 0) this.#serve()
  }

  /** A reply for which room is taken is made. */
  made(peer: Peer, bytes: number): void {
    peer.madeBytes += bytes
    peer.since = performance.now()
  }

  /** From now on its peer can read it. */
  sent({ unread }: Peer, bytes: number): void {
    const last = unread.at(-1)
    const now = performance.now()
    if (last !== undefined && now - last.sentAt < lookMs) last.bytes += bytes
    else unread.push({ sentAt: now, bytes })
  }

  /** The system has it, or its connection has ended. */
  gone(peer: Peer, bytes: number): void {
    const { unread } = peer
    // They go in the order in which they were sent.
    unread[0]!.bytes -= bytes
    if (unread[0]!.bytes === 0) unread.shift()
    peer.madeBytes -= bytes
    this.give(peer, bytes)
  }

  /** A connection has ended: nothing waits for it any more. */
  end(reader: Reader): void {
    const peer = this.#peers.get(reader)
    if (peer === undefined) return
    peer.isGone = true
    this.#refuse(peer, this.#busy(peer))
  }

  /** Nobody waits any more: what is made gets its room, and the rest is not made. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#looking)
    for (const peer of this.#waiters) {
      for (const each of peer.waiting) {
        if (each.isMade) this.#admit(peer, each)
        else each.reject(new WorkerError('shutting_down', {}))
      }
      peer.waiting = []
    }
    this.#waiters.clear()
  }

  #peer(reader: Reader): Peer {
    const known = this.#peers.get(reader)
    if (known !== undefined) return known
    const peer = { reader, bytes: 0, madeBytes: 0, unread: [], waiting: [], since: performance.now(), isGone: false }
    this.#peers.set(reader, peer)
    return peer
  }

  /** Each has room for something small, whatever others have left unread. */
  #isSmall(peer: Peer, bytes: number): boolean {
    return peer.bytes + bytes < largeBytes
  }

  #fits(peer: Peer, bytes: number): boolean {
    if (this.#isSmall(peer, bytes)) return true
    const { unreadBytesPerPeer, unreadBytes } = this.#limits
    // What exceeds the limit by itself is made when nothing else is there.
    return peer.bytes + bytes <= Math.min(unreadBytesPerPeer, unreadBytes - this.#bytes) || this.#bytes === 0
  }

  /** One reply of each peer in turn, as long as they fit: who has got one is the last to get the next. */
  #serve(): void {
    for (const peer of this.#waiters) {
      const next = peer.waiting[0]!
      if (!this.#fits(peer, next.bytes)) continue
      peer.waiting.shift()
      this.#waiters.delete(peer)
      if (peer.waiting.length > 0) this.#waiters.add(peer)
      this.#admit(peer, next)
    }
  }

  #admit(peer: Peer, { bytes, resolve }: Waiting): void {
    this.takeAnyway(peer, bytes)
    resolve()
  }

  /** Gives those up who read nothing, and what they have left no room for. */
  #look(): void {
    const before = performance.now() - this.#limits.unreadPatienceMs
    const left = this.#limits.unreadBytes - this.#bytesSentUntil(before)
    const isHopeless = ({ bytes, since }: Waiting) => since <= before && bytes > left
    for (const peer of this.#waiters) {
      if (this.#hasReadNothing(peer, before)) this.#refuse(peer, this.#busy(peer))
      else if (left < this.#limits.unreadBytes) this.#refuse(peer, this.#busyForAll(), isHopeless)
    }
    this.#serve()
    this.#looking = this.#waiters.size > 0 ? setTimeout(() => this.#look(), lookMs) : undefined
  }

  /** Bytes that were sent until then, and that their peers have not read; those that wait for this side do not count. */
  #bytesSentUntil(time: number): number {
    let bytes = 0
    for (const { reader, unread } of this.#holders) {
      if (!reader.isWriting) continue
      for (const each of unread) {
        if (each.sentAt > time) break
        bytes += each.bytes
      }
    }
    return bytes
  }

  /** Whether it has taken nothing since then, though all was there to be read that its requests can wait for. */
  #hasReadNothing({ reader, bytes, madeBytes, unread, since }: Peer, then: number): boolean {
    if (unread.length > 0) return reader.lastProgressAt <= then
    // Replies that are made and not sent are parts of messages, which wait for room themselves.
    return bytes > 0 && madeBytes >= bytes && since <= then
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
    peer.waiting = peer.waiting.filter((waiting) => !which(waiting))
    if (peer.waiting.length === 0) this.#waiters.delete(peer)
    for (const { reject } of refused) reject(error)
  }
}

/** The room that one request takes for its reply. */
export class ReplyRoom {
  readonly #rooms: ReplyRooms
  readonly #peer: Peer
  #bytes = 0

  constructor(rooms: ReplyRooms, peer: Peer) {
    this.#rooms = rooms
    this.#peer = peer
  }

  /** Whose request it is: what belongs to one connection. */
  get peer(): string {
    return this.#peer.reader.id
  }

  /** What is taken. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether a reply to the same peer waits for room. */
  get isWaiting(): boolean {
    return this.#peer.waiting.length > 0
  }

  /** Whether there is room at once; a small reply needs none before it is made, but what is added to a large one does. */
  tryTake(bytes: number): boolean {
    if (this.#bytes === 0 && bytes < largeBytes) return true
    if (!this.#rooms.tryTake(this.#peer, bytes)) return false
    this.#bytes += bytes
    return true
  }

  /**
   * Waits for room. Whatever is in memory for the reply should be let go of meanwhile.
   *
   * @param bytes that the reply has at most
   * @throws WorkerError `busy` if the peer reads nothing of what it has been sent
   */
  async take(bytes: number): Promise<void> {
    if (this.#bytes === 0 && bytes < largeBytes) return
    await this.#rooms.take(this.#peer, bytes, false)
    this.#bytes += bytes
  }

  /** Gives back what is taken beyond so many bytes. */
  shrink(bytes: number): void {
    if (this.#bytes <= bytes) return
    this.#rooms.give(this.#peer, this.#bytes - bytes)
    this.#bytes = bytes
  }

  /**
   * The reply is made: what it does not need comes back, and what it needs besides is taken.
   *
   * @returns whether it has room; one that has none is to be counted with its message
   */
  settle(reply: Uint8Array): boolean {
    // Its memory may be larger than the reply; small ones share theirs.
    const bytes = reply.length < largeBytes ? 0 : reply.buffer.byteLength
    this.shrink(bytes)
    if (this.#bytes === 0) return false
    this.#rooms.takeAnyway(this.#peer, bytes - this.#bytes)
    this.#bytes = bytes
    this.#rooms.made(this.#peer, this.#bytes)
    return true
  }

  /** Counts small replies of a message, which are made, if there is room for them at once. */
  tryHold(bytes: number): boolean {
    if (!this.#rooms.tryTake(this.#peer, bytes)) return false
    this.#hold(bytes)
    return true
  }

  /** Counts small replies of a message whose large ones have their room: they would wait for what only they let go of. */
  holdAnyway(bytes: number): void {
    this.#rooms.takeAnyway(this.#peer, bytes)
    this.#hold(bytes)
  }

  /**
   * Waits until there is room for small replies of a message, which are made.
   *
   * @throws WorkerError `busy` if the peer reads nothing of what it has been sent
   */
  async hold(bytes: number): Promise<void> {
    await this.#rooms.take(this.#peer, bytes, true)
    this.#hold(bytes)
  }

  #hold(bytes: number): void {
    this.#bytes = bytes
    this.#rooms.made(this.#peer, bytes)
  }

  /** The message of the reply is with its connection: from now on its peer can read it. */
  sent(): void {
    this.#rooms.sent(this.#peer, this.#bytes)
  }

  /** The system has the message, or never will. */
  gone(): void {
    this.#rooms.gone(this.#peer, this.#bytes)
  }
}
