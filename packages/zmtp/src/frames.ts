import { Body, type Opener, type Room } from './body.ts'
import { malformed, ProtocolError } from './reasons.ts'

/** How frames look: as in ZMTP 1.0, or as in 2.0 and 3.x. */
export type Framing = 1 | 2

export const moreFlag = 1
const largeFlag = 2
export const commandFlag = 4

const longestHead = 10

/** What a peer may send as one frame. */
export interface FrameBounds {
  readonly messageBytes: number
  readonly commandBytes: number
}

export interface Frame {
  readonly isMore: boolean
  readonly isCommand: boolean
  readonly body: Buffer
  /** That the body has taken of the room. */
  readonly takenBytes: number
}

/** Reads frames from bytes that come in any pieces. */
export class FrameReader {
  readonly #framing: Framing
  readonly #head = Buffer.alloc(longestHead)
  #headBytes = 0
  #flags = 0
  #body: Body | undefined
  /** May be set between two frames. */
  bounds: FrameBounds
  /** Where memory comes from; may be set between two frames. */
  room: Room
  /** Makes what opens a sealed frame; may be set between two frames. */
  newOpener: ((length: number) => Opener) | undefined

  constructor(framing: Framing, bounds: FrameBounds, room: Room) {
    this.#framing = framing
    this.bounds = bounds
    this.room = room
  }

  /** Whether there was no room for what has arrived. */
  get isBlocked(): boolean {
    return this.#body?.isBlocked ?? false
  }

  /**
   * Reads on, at most to the end of a frame.
   *
   * @returns where it stopped, and the frame if it is whole. Before the end of the chunk there is a frame, or no room.
   * @throws ProtocolError
   */
  read(chunk: Buffer, from: number): { at: number; frame?: Frame } {
    let at = from
    if (this.#body === undefined) {
      while (at < chunk.length && this.#body === undefined) {
        this.#head[this.#headBytes++] = chunk[at++]!
        if (this.#headBytes === this.#headLength()) this.#body = this.#begin()
      }
      if (this.#body === undefined) return { at }
    }
    const body = this.#body
    at = body.write(chunk, at)
    if (!body.isWhole) return { at }
    this.#body = undefined
    this.#headBytes = 0
    const frame = {
      isMore: (this.#flags & moreFlag) !== 0,
      isCommand: (this.#flags & commandFlag) !== 0,
      body: body.bytes,
      takenBytes: body.takenBytes,
    }
    return { at, frame }
  }

  /** Gives the room of an unfinished frame back. */
  discard(): void {
    this.#body?.discard()
    this.#body = undefined
  }

  #headLength(): number {
    const first = this.#head[0]!
    if (this.#framing === 1) return first === 0xff ? 10 : 2
    return (first & largeFlag) === 0 ? 2 : 9
  }

  #begin(): Body {
    const length = this.#framing === 1 ? this.#readHead1() : this.#readHead2()
    const { commandBytes, messageBytes } = this.bounds
    if ((this.#flags & commandFlag) !== 0 && length > commandBytes) throw malformed('a command is too long')
    if (length > messageBytes) throw new ProtocolError('frame_too_large', 'a frame is too large')
    return new Body(length, this.room, this.newOpener?.(length))
  }

  #readHead1(): number {
    const isLong = this.#headBytes === 10
    this.#flags = this.#head[this.#headBytes - 1]! & moreFlag
    const length = isLong ? this.#longAt(1) : this.#head[0]!
    if (length === 0) throw malformed('a frame without flags')
    return length - 1
  }

  #readHead2(): number {
    this.#flags = this.#head[0]!
    if (this.#flags > 7 || (this.#flags & (moreFlag | commandFlag)) === (moreFlag | commandFlag)) {
      throw malformed('unknown flags')
    }
    return this.#headBytes === 9 ? this.#longAt(1) : this.#head[1]!
  }

  /** Those beyond 2^53 are too large, however exact. */
  #longAt(offset: number): number {
    return this.#head.readUInt32BE(offset) * 2 ** 32 + this.#head.readUInt32BE(offset + 4)
  }
}

/** How many bytes stand before a body of so many. */
export function headLength(framing: Framing, length: number): number {
  if (framing === 1) return length < 254 ? 2 : 10
  return length < 256 ? 2 : 9
}

/** Writes what stands before a body. @returns where it ends */
export function writeHead(framing: Framing, flags: number, length: number, into: Buffer, at: number): number {
  const isShort = headLength(framing, length) === 2
  if (framing === 2) {
    into[at] = isShort ? flags : flags | largeFlag
    if (isShort) {
      into[at + 1] = length
      return at + 2
    }
    into.writeUInt32BE(Math.floor(length / 2 ** 32), at + 1)
    return into.writeUInt32BE(length >>> 0, at + 5)
  }
  if (isShort) into[at] = length + 1
  else {
    into[at] = 0xff
    into.writeUInt32BE(Math.floor((length + 1) / 2 ** 32), at + 1)
    into.writeUInt32BE((length + 1) >>> 0, at + 5)
  }
  const end = at + (isShort ? 2 : 10)
  into[end - 1] = flags
  return end
}

/** A short frame, as bytes. */
export function shortFrame(framing: Framing, flags: number, body: Uint8Array): Buffer {
  const frame = Buffer.alloc(headLength(framing, body.length) + body.length)
  frame.set(body, writeHead(framing, flags, body.length, frame, 0))
  return frame
}
