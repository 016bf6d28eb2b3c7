import type { Socket } from 'node:net'
import type { Room } from './body.ts'
import type { CurveServer } from './curve.ts'
import { type OnTaken, Outbox, type Slice } from './outbox.ts'
import { type EndReason, ProtocolError } from './reasons.ts'
import { farewellOf, type Message, Session, type SessionLimits } from './session.ts'
import type { Turns } from './turns.ts'

/** How long a peer has to read the last words. */
const farewellMs = 1000

export interface ConnectionLimits extends SessionLimits {
  /** A peer has so long to say who it is. */
  readonly handshakeMs: number
  /** A peer that takes nothing of what waits for it for so long is gone. */
  readonly deafnessMs: number
}

/** What a connection needs of those around it. */
export interface Surroundings {
  readonly limits: ConnectionLimits
  readonly room: Room
  readonly curve: CurveServer | undefined
  readonly turns: Turns
  opened(): void
  message(message: Message): void
  ended(reason: EndReason): void
}

/** One peer. */
export class Connection {
  /** Of this connection alone in the process; no peer can choose it. */
  readonly id: string
  /** IP address of the peer; empty for one that came by a socket in a file. */
  readonly address: string
  /** Of the addresses that share their places; empty as well. */
  readonly share: string
  readonly #socket: Socket
  readonly #around: Surroundings
  readonly #session: Session
  readonly #outbox: Outbox
  /** What has arrived and is not read. */
  #chunks: Buffer[] = []
  #at = 0
  #isPaused = false
  #isFlushing = false
  #isWriting = false
  #hasPeerEnded = false
  /** Why it ends when all is sent. */
  #farewell: EndReason | undefined
  #isEnded = false
  #receivedBytes = 0
  #lastReceivedAt = performance.now()
  /** That, or when this side began to listen again. */
  #heardAt = performance.now()
  #lastTakenAt = performance.now()
  readonly #openedAt = performance.now()
  #farewellAt = 0
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(id: string, address: string, share: string, socket: Socket, around: Surroundings) {
    this.id = id
    this.address = address
    this.share = share
    this.#socket = socket
    this.#around = around
    const { limits, room, curve } = around
    const events = {
      out: (bytes: Uint8Array) => this.#outbox.putRaw(bytes),
      pong: (body: Buffer) => this.#outbox.putPong(body),
    }
    this.#session = new Session(limits, room, events, curve)
    this.#outbox = new Outbox(this.#session)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('end', () => this.#endOfPeer())
    socket.on('error', () => this.close('peer'))
    socket.on('close', () => this.close('peer'))
    this.#session.start()
    this.#flushSoon()
    this.#watch()
  }

  /** X25519, of a client that was let in. */
  get publicKey(): Uint8Array | undefined {
    return this.#session.publicKey
  }

  /** Whether the handshake is done. */
  get isReady(): boolean {
    return this.#session.isReady
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Whether what has arrived waits for room: nothing more is read before `resume`. */
  get isBlocked(): boolean {
    return this.#session.isBlocked
  }

  /** Since the beginning. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** As `performance.now()` tells it. */
  get lastReceivedAt(): number {
    return this.#lastReceivedAt
  }

  /** That the kernel has not taken, of what was sent; heads and seals included. The kernel is asked for each 128 KiB. */
  get unsentBytes(): number {
    return this.#outbox.unsentBytes
  }

  /** That the kernel has taken, since the beginning. */
  get takenBytes(): number {
    return this.#outbox.takenBytes
  }

  /** Whether the kernel has something that it has not taken yet: then it is the peer that is waited for. */
  get isWriting(): boolean {
    return this.#isWriting
  }

  /**
   * When the kernel last took something, or got something to take; as `performance.now()` tells it. As long as it has nothing that
   * is now: what waits, waits for this side.
   */
  get lastProgressAt(): number {
    return this.#isWriting ? this.#lastTakenAt : performance.now()
  }

  /**
   * Sends a message. Nothing is thrown: a connection that has ended sends nothing.
   *
   * @param parts   at least one; they must not change until they are taken. Long ones are not copied
   * @param onTaken is called once: with true when the kernel has all of it, with false when the connection has ended before
   * @returns bytes that wait for the kernel now
   */
  send(parts: readonly Uint8Array[], onTaken?: OnTaken): number {
    if (this.#isEnded || this.#farewell !== undefined || !this.isReady || parts.length === 0) {
      onTaken?.(false)
      return this.unsentBytes
    }
    this.#outbox.put(parts, onTaken)
    this.#flushSoon()
    return this.unsentBytes
  }

  /**
   * While what it sends waits with the system, its heartbeats do as well: so they are answered unheard, lest it takes this side for
   * dead and begins its request anew.
   */
  reassure(): void {
    if (!this.isBlocked || this.#isEnded) return
    const { pong } = this.#session
    if (pong === undefined) return
    this.#outbox.putPong(pong)
    this.#flushSoon()
  }

  /** There may be room again. */
  resume(): void {
    if (this.isBlocked) this.#around.turns.later(this)
  }

  /** Ends it at once. What waits is not sent. */
  close(reason: EndReason = 'closed'): void {
    if (this.#isEnded) return
    this.#isEnded = true
    clearTimeout(this.#timer)
    this.#around.turns.drop(this)
    this.#chunks = []
    this.#socket.destroy()
    this.#session.end()
    this.#outbox.end()
    const isStranger = this.#around.curve !== undefined && !this.isReady
    this.#around.ended(this.#farewell ?? (isStranger && reason === 'peer' ? 'no_key' : reason))
  }

  /** Reads nothing more, sends what waits, and ends when the peer has read it; after `graceMs` at the latest. */
  finish(reason: EndReason = 'closed', graceMs: number = farewellMs): void {
    if (this.#isEnded || this.#farewell !== undefined) return
    this.#farewell = reason
    this.#farewellAt = performance.now() + graceMs
    this.#chunks = []
    this.#session.end()
    // What still comes is not heard; a socket that is closed with bytes unread would take the last words back.
    this.#isPaused = false
    this.#heardAt = performance.now()
    this.#socket.resume()
    this.#watch()
    this.#flushSoon()
  }

  /** For `Turns`. */
  work(): void {
    if (this.#isEnded) return
    this.#read()
    this.#flush()
  }

  #receive(chunk: Buffer): void {
    this.#receivedBytes += chunk.length
    this.#lastReceivedAt = performance.now()
    this.#heardAt = this.#lastReceivedAt
    if (this.#isEnded || this.#farewell !== undefined) return
    this.#chunks.push(chunk)
    if (this.#chunks.length === 1) this.#read()
    else if (!this.#isPaused) {
      this.#isPaused = true
      this.#socket.pause()
    }
  }

  /** Reads what is there, as far as this turn goes. */
  #read(): void {
    const { turns } = this.#around
    turns.beginSlice()
    while (this.#chunks.length > 0) {
      if (turns.isSliceOver) {
        turns.later(this)
        return
      }
      if (!this.#readOn(this.#chunks[0]!)) return
    }
    if (this.#hasPeerEnded) this.close('peer')
    if (!this.#isPaused || this.#isEnded) return
    this.#isPaused = false
    this.#heardAt = performance.now()
    this.#socket.resume()
    this.#watch()
  }

  /** @returns whether there may be more to read */
  #readOn(chunk: Buffer): boolean {
    let message: Message | undefined
    try {
      const { isReady, ttlMs } = this.#session
      const read = this.#session.read(chunk, this.#at)
      this.#at = read.at
      message = read.message
      if (this.isReady !== isReady) this.#around.opened()
      if (this.#session.ttlMs !== ttlMs) this.#watch()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#refuse(error)
      return false
    }
    if (this.#session.isBlocked) {
      // One more chunk may come before the pause.
      if (!this.#isPaused) {
        this.#isPaused = true
        this.#socket.pause()
      }
      return false
    }
    if (this.#at === chunk.length) {
      this.#chunks.shift()
      this.#at = 0
    }
    if (this.#outbox.unsentBytes > 0) this.#flushSoon()
    if (message !== undefined) {
      this.#around.turns.count()
      this.#around.message(message)
    }
    return !this.#isEnded && this.#farewell === undefined
  }

  #refuse(error: ProtocolError): void {
    const farewell = farewellOf(error)
    if (farewell !== undefined) {
      this.#outbox.putRaw(farewell)
      this.finish(error.reason)
    } else this.close(error.reason)
  }

  #endOfPeer(): void {
    this.#hasPeerEnded = true
    if (this.#chunks.length === 0) this.close('peer')
  }

  /** When whoever sends now has sent all that it has. */
  #flushSoon(): void {
    if (this.#isFlushing || this.#isWriting) return
    this.#isFlushing = true
    process.nextTick(() => {
      this.#isFlushing = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#isEnded || this.#isWriting) return
    const slice = this.#outbox.next()
    if (slice === 'working') this.#around.turns.later(this)
    else if (slice !== undefined) this.#write(slice)
    else if (this.#farewell !== undefined) this.#socket.end()
  }

  #write(slice: Slice): void {
    // The last slice is taken: what has gone by since then, before this one was made, was not the peer's.
    this.#lastTakenAt = performance.now()
    this.#isWriting = true
    const last = slice.pieces.length - 1
    if (last > 0) this.#socket.cork()
    slice.pieces.forEach((piece, index) => {
      if (index < last) this.#socket.write(piece)
      else this.#socket.write(piece, (error) => error ?? this.#taken(slice))
    })
    if (last > 0) this.#socket.uncork()
    this.#watch()
  }

  #taken(slice: Slice): void {
    this.#isWriting = false
    if (this.#isEnded) return
    this.#lastTakenAt = performance.now()
    this.#outbox.taken(slice)
    // Not at once: a peer that reads as fast as this writes would have all the time.
    if (this.#outbox.unsentBytes > 0) this.#around.turns.later(this)
    else this.#flush()
  }

  /** Looks again when the next deadline is over. */
  #watch(): void {
    const at = this.#deadline().at
    if (this.#isEnded || at >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    if (at === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => this.#look(), Math.max(1, at - performance.now())).unref()
  }

  /** What was held up, or stopped as a whole, gets the bytes that have come meanwhile before it is judged. */
  #look(): void {
    setImmediate(() => {
      if (this.#isEnded) return
      this.#timerAt = Number.POSITIVE_INFINITY
      const { at, reason } = this.#deadline()
      if (at <= performance.now()) this.close(reason)
      else this.#watch()
    })
  }

  /** When it ends if nothing happens, and why. */
  #deadline(): { at: number; reason: EndReason } {
    const { limits } = this.#around
    let [at, reason]: [number, EndReason] = [Number.POSITIVE_INFINITY, 'closed']
    const earliest = (other: number, why: EndReason): void => {
      if (other < at) [at, reason] = [other, why]
    }
    if (this.#farewell !== undefined) earliest(this.#farewellAt, this.#farewell)
    else if (!this.isReady) earliest(this.#openedAt + limits.handshakeMs, 'handshake_timeout')
    if (this.#isWriting) earliest(this.#lastTakenAt + limits.deafnessMs, 'deaf')
    const { ttlMs } = this.#session
    if (ttlMs > 0 && !this.#isPaused) earliest(this.#heardAt + ttlMs, 'silent')
    return { at, reason }
  }
}
