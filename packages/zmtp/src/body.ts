import { ProtocolError } from './reasons.ts'

/** Where the memory for what arrives comes from. */
export interface Room {
  /** @returns whether there is room for so many bytes more; it is taken then */
  take(bytes: number): boolean
  give(bytes: number): void
}

/** What a part of a message takes in memory besides its bytes. */
export const overheadBytes = 256

/** A body of so many bytes gets its memory at once. */
const atOnceBytes = 64 * 1024
/** A larger one begins with so many; a multiple of a cipher's block. */
const firstBytes = 16 * 1024
/** The memory of the whole body is there from this part of it on. */
const wholeFrom = 1 / 4
/** Fewer bytes are not worth a call of a cipher. */
const openBytes = 4096

const nothing = Buffer.alloc(0)

/** Opens a sealed body while it arrives, where it lies. */
export interface Opener {
  /**
   * @param piece  the next bytes of the body; all but the last are multiples of 64
   * @param offset of the piece in the body
   */
  open(piece: Uint8Array, offset: number): void
}

/**
 * Memory of a frame's body, which grows with what arrives and not with what is announced: in blocks, each as large as all before
 * it, until a quarter is there. Then there is memory for the whole, and with each byte that arrives one of the blocks follows.
 * So there is no long copying at the end, and each byte costs the same.
 */
export class Body {
  readonly length: number
  readonly #room: Room
  readonly #opener: Opener | undefined
  #block: Buffer = nothing
  /** Where the block stands in the body. */
  #start = 0
  #have = 0
  #opened = 0
  /** Blocks whose bytes are not in the memory of the whole yet. */
  readonly #earlier: Buffer[] = []
  #earlierBytes = 0
  #copied = 0
  /** What is taken. */
  #taken = 0
  #isBlocked = false

  constructor(length: number, room: Room, opener?: Opener) {
    this.length = length
    this.#room = room
    this.#opener = opener
  }

  /** Whether there was no room for what has arrived. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** Whether all of it is there. */
  get isWhole(): boolean {
    return this.#have === this.length && this.#taken > 0
  }

  /** Of room. */
  get takenBytes(): number {
    return this.#taken
  }

  /** The memory of the whole. It is the caller's then, and its room as well. */
  get bytes(): Buffer {
    return this.#block
  }

  /**
   * @returns where it stopped: before the end of the chunk if the body is whole, or if there is no room
   * @throws ProtocolError if there is room and no memory
   */
  write(chunk: Buffer, from: number): number {
    let at = from
    this.#isBlocked = false
    do {
      const filled = this.#have - this.#start
      if ((filled === this.#block.length || this.#taken === 0) && !this.#grow()) {
        this.#isBlocked = true
        break
      }
      const count = Math.min(chunk.length - at, this.#block.length - (this.#have - this.#start))
      chunk.copy(this.#block, this.#have - this.#start, at, at + count)
      this.#have += count
      at += count
      if (this.#opener !== undefined) this.#open(this.#opener)
      if (this.#earlierBytes > 0 && this.#start === 0) this.#follow(count)
    } while (at < chunk.length && this.#have < this.length)
    return at
  }

  /** Gives all room back. */
  discard(): void {
    this.#room.give(this.#taken)
    this.#taken = 0
  }

  /** @returns false if there is no room */
  #grow(): boolean {
    const isWhole = this.length <= atOnceBytes || this.#have >= this.length * wholeFrom
    const size = isWhole ? this.length : Math.max(firstBytes, this.#have)
    const room = this.#taken === 0 ? size + overheadBytes : size
    if (!this.#room.take(room)) return false
    const block = allocate(size)
    if (block === undefined) {
      this.#room.give(room)
      throw new ProtocolError('frame_too_large', 'there is no memory for a frame')
    }
    this.#taken += room
    if (this.#have > 0) {
      this.#earlier.push(this.#block)
      this.#earlierBytes += this.#block.length
    }
    this.#block = block
    this.#start = isWhole ? 0 : this.#have
    return true
  }

  #open(opener: Opener): void {
    const isFull = this.#have === this.#start + this.#block.length
    const end = isFull ? this.#have : this.#have - (this.#have % 64)
    if (end === this.#opened || (!isFull && end - this.#opened < openBytes)) return
    opener.open(this.#block.subarray(this.#opened - this.#start, end - this.#start), this.#opened)
    this.#opened = end
  }

  /** Copies so many bytes of the blocks before. */
  #follow(bytes: number): void {
    for (let left = bytes; left > 0 && this.#earlier.length > 0; ) {
      const block = this.#earlier[0]!
      const count = Math.min(left, block.length)
      block.copy(this.#block, this.#copied, 0, count)
      this.#copied += count
      left -= count
      if (count < block.length) this.#earlier[0] = block.subarray(count)
      else this.#earlier.shift()
    }
    if (this.#earlier.length > 0) return
    this.#room.give(this.#earlierBytes)
    this.#taken -= this.#earlierBytes
    this.#earlierBytes = 0
  }
}

/** Fresh memory is not touched before something arrives, and a part that is kept keeps nothing else. */
function allocate(size: number): Buffer | undefined {
  try {
    return Buffer.allocUnsafeSlow(size)
  } catch {
    return undefined
  }
}
