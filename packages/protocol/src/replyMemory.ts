/** Smaller replies get along without: the allocator has memory at hand for them. */
const leastBytes = 1 << 20

/** Kept in all while nobody uses it. What came back first makes room. */
const maxKeptBytes = 128 << 20

/** So that replies of about the same size fit into the same memory. */
const roundBytes = 1 << 20

/** What lies about unused is given up when so long nothing was taken or came back. */
const idleMs = 10_000

/**
 * Memory of large replies, to be used again: the system gives fresh memory page by page, which costs more than what is
 * written into it; and memory that is let go of is there until it is collected as garbage.
 */
export class ReplyMemory {
  #free: ArrayBuffer[] = []
  #freeBytes = 0
  readonly #lent = new WeakSet<ArrayBufferLike>()
  #idle: ReturnType<typeof setTimeout> | undefined

  /** At least so many bytes, with anything in them. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes < leastBytes) return new Uint8Array(bytes)
    this.#restartIdle()
    const buffer = this.#takeFree(bytes) ?? new ArrayBuffer(Math.ceil(bytes / roundBytes) * roundBytes)
    this.#lent.add(buffer)
    return new Uint8Array(buffer)
  }

  /** Nobody reads this any more. What was not taken here, or has come back already, is left alone. */
  giveBack({ buffer }: Uint8Array): void {
    if (!this.#lent.delete(buffer) || buffer.byteLength > maxKeptBytes) return
    this.#free.push(buffer as ArrayBuffer)
    this.#freeBytes += buffer.byteLength
    while (this.#freeBytes > maxKeptBytes) this.#freeBytes -= this.#free.shift()!.byteLength
    this.#restartIdle()
  }

  /** The smallest that is large enough, but none of which much would be left over: whoever has it holds all of it. */
  #takeFree(bytes: number): ArrayBuffer | undefined {
    let best: ArrayBuffer | undefined
    for (const each of this.#free) {
      const fits = each.byteLength >= bytes && each.byteLength <= 1.25 * bytes + roundBytes
      if (fits && each.byteLength < (best?.byteLength ?? Number.POSITIVE_INFINITY)) best = each
    }
    if (best === undefined) return undefined
    this.#free.splice(this.#free.indexOf(best), 1)
    this.#freeBytes -= best.byteLength
    return best
  }

  #restartIdle(): void {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      this.#free = []
      this.#freeBytes = 0
    }, idleMs)
    this.#idle.unref()
  }
}
