import type { MessageSealer } from './curve.ts'
import { commandFlag, moreFlag } from './frames.ts'
import type { Session } from './session.ts'

/** So many bytes are with the kernel at a time: so exact is what is known of what it has taken. */
const sliceBytes = 128 * 1024
/** Of that, at most so many parts: to seal one takes its time. */
const sliceParts = 256
/** Shorter pieces are put side by side; longer ones are handed over where they lie. */
const joinedBytes = 4096
const longestHead = 10

/** Told once when a message is with the kernel as a whole (true), or when it never will be. */
export type OnTaken = (isTaken: boolean) => void

interface Outgoing {
  readonly parts: readonly Uint8Array[]
  readonly isCommand: boolean
  readonly onTaken: OnTaken | undefined
}

/** The short pieces of a slice. They are copied out before the next slice is made. */
const scratch = Buffer.allocUnsafeSlow(sliceBytes + joinedBytes + longestHead)

/** Bytes that are written together. */
class Slice {
  readonly pieces: Uint8Array[] = []
  bytes = 0
  parts = 0
  #from = 0
  #to = 0

  get isFull(): boolean {
    return this.bytes >= sliceBytes || this.parts >= sliceParts
  }

  add(piece: Uint8Array): void {
    this.bytes += piece.length
    if (piece.length < joinedBytes) {
      scratch.set(piece, this.#to)
      this.#to += piece.length
    } else {
      this.#copyOut()
      this.pieces.push(piece)
    }
  }

  /** @param write writes into the buffer, from there on, and says where it ends */
  addWritten(write: (into: Buffer, at: number) => number): void {
    const end = write(scratch, this.#to)
    this.bytes += end - this.#to
    this.#to = end
  }

  finish(): this {
    this.#copyOut()
    return this
  }

  #copyOut(): void {
    if (this.#to > this.#from) this.pieces.push(Buffer.from(scratch.subarray(this.#from, this.#to)))
    this.#from = this.#to
  }
}

/** What waits to be sent on one connection, and how it becomes bytes: a slice at a time, when the last one is with the kernel. */
export class Outbox {
  readonly #session: Session
  /** What is sent before all messages, as it is. */
  #raw: Uint8Array[] = []
  /** The answer to the newest heartbeat: it is sent between two messages, and replaces one that was not. */
  #pong: Uint8Array | undefined
  #waiting: Outgoing[] = []
  /** Those of `#waiting` that come before it are gone. */
  #first = 0
  #current: Outgoing | undefined
  /** Of the current message: the part that is on its way, how much of it is, and what seals it. */
  #part = 0
  #offset = 0
  #isBegun = false
  #sealer: MessageSealer | undefined
  /** In bytes since the beginning: put in, taken by the kernel. */
  #put = 0
  #taken = 0
  /** Whom to tell of the messages that end in the slice which is on its way to the kernel. */
  #handed: OnTaken[] = []

  constructor(session: Session) {
    this.#session = session
  }

  /** That the kernel has taken, since the beginning. */
  get takenBytes(): number {
    return this.#taken
  }

  get unsentBytes(): number {
    return this.#put - this.#taken
  }

  /** Before all messages. */
  putRaw(bytes: Uint8Array): void {
    this.#raw.push(bytes)
    this.#put += bytes.length
  }

  putPong(body: Uint8Array): void {
    if (this.#pong !== undefined) this.#put -= this.#session.wireBytes(this.#pong.length)
    this.#pong = body
    this.#put += this.#session.wireBytes(body.length)
  }

  /** @param parts at least one */
  put(parts: readonly Uint8Array[], onTaken?: OnTaken): void {
    for (const { length } of parts) this.#put += this.#session.wireBytes(length)
    this.#waiting.push({ parts, isCommand: false, onTaken })
  }

  /** @returns what to write next, if there is something; `working` if it takes more of the processor before there is */
  next(): Slice | 'working' | undefined {
    const slice = new Slice()
    while (!slice.isFull) {
      const raw = this.#raw.shift()
      if (raw !== undefined) {
        slice.add(raw)
        continue
      }
      this.#current ??= this.#nextOutgoing()
      if (this.#current === undefined) break
      if (!this.#advance(this.#current, slice)) {
        if (slice.bytes === 0) return 'working'
        break
      }
    }
    return slice.bytes === 0 ? undefined : slice.finish()
  }

  /** The last slice is with the kernel; there is no other. */
  taken({ bytes }: Slice): void {
    this.#taken += bytes
    const sent = this.#handed
    this.#handed = []
    for (const onTaken of sent) onTaken(true)
  }

  /** Nothing will be sent any more. */
  end(): void {
    const never = [...this.#handed]
    for (const each of [this.#current, ...this.#waiting.slice(this.#first)]) if (each?.onTaken) never.push(each.onTaken)
    this.#raw = []
    this.#pong = undefined
    this.#current = undefined
    this.#waiting = []
    this.#first = 0
    this.#handed = []
    for (const onTaken of never) onTaken(false)
  }

  #nextOutgoing(): Outgoing | undefined {
    const pong = this.#pong
    if (pong !== undefined) {
      this.#pong = undefined
      return { parts: [pong], isCommand: true, onTaken: undefined }
    }
    const next = this.#waiting[this.#first]
    if (next === undefined) return undefined
    if (++this.#first === this.#waiting.length) {
      this.#waiting = []
      this.#first = 0
    } else if (this.#first === 1024) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
    return next
  }

  /** Adds the next bytes of a message. @returns false if there is work to be done before */
  #advance(outgoing: Outgoing, slice: Slice): boolean {
    const { parts, isCommand } = outgoing
    const part = parts[this.#part]!
    const before = slice.bytes
    if (!this.#isBegun) {
      const flags = isCommand ? commandFlag : this.#part < parts.length - 1 ? moreFlag : 0
      this.#isBegun = true
      this.#sealer = this.#session.newSealer(part, flags)
      if (this.#sealer === undefined) {
        slice.addWritten((into, at) => this.#session.writeHead(flags, part.length, into, at))
      }
    }
    const isDone = this.#sealer === undefined ? this.#addPlain(part, slice) : this.#addSealed(this.#sealer, slice)
    if (isDone) {
      slice.parts++
      this.#endPart(outgoing)
    }
    return slice.bytes > before || isDone === true
  }

  #addPlain(part: Uint8Array, slice: Slice): boolean {
    const end = Math.min(part.length, this.#offset + Math.max(0, sliceBytes - slice.bytes))
    slice.add(this.#offset === 0 && end === part.length ? part : part.subarray(this.#offset, end))
    this.#offset = end
    return end === part.length
  }

  #addSealed(sealer: MessageSealer, slice: Slice): boolean {
    const piece = sealer.next()
    if (piece === undefined) return false
    slice.add(piece)
    return sealer.isDone
  }

  #endPart({ parts, onTaken }: Outgoing): void {
    this.#isBegun = false
    this.#offset = 0
    this.#sealer = undefined
    if (++this.#part < parts.length) return
    this.#part = 0
    this.#current = undefined
    if (onTaken !== undefined) this.#handed.push(onTaken)
  }
}

export type { Slice }
