/** Smaller replies get along without: the allocator has memory at hand for them. */
const leastBytes = 1 << 20

/** Kept in all. A reply that does not fit in any more gets memory of its own. */
const maxKeptBytes = 128 << 20

/** So that replies of about the same size fit into the same memory. */
const roundBytes = 4 << 20

/** What lies about unused is given up when so long nothing was taken or came back. */
const idleMs = 10_000

/**
 * Memory of large replies, to be used again: the system gives fresh memory page by page, which costs more than what is
 * written into it.
 *
 * Nobody has to give it back: it comes back when the array that was given out is collected as garbage. Whoever wants to read
 * the bytes must hold that very array, since other views of the memory do not count. (Asking a WeakRef instead would keep the
 * array alive, while a collection is under way.)
 */
export class ReplyMemory {
  #free: ArrayBuffer[] = []
  readonly #lent = new Set<ArrayBuffer>()
  readonly #returned = new FinalizationRegistry<ArrayBuffer>((buffer) => {
    this.#lent.delete(buffer)
    this.#free.push(buffer)
    this.#restartIdle()
  })
  #idle: ReturnType<typeof setTimeout> | undefined

  /** At least so many bytes, with anything in them. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes < leastBytes) return new Uint8Array(bytes)
    this.#restartIdle()
    const buffer = this.#takeFree(bytes) ?? new ArrayBuffer(Math.ceil(bytes / roundBytes) * roundBytes)
    const array = new Uint8Array(buffer)
    let keptBytes = buffer.byteLength
    for (const { byteLength } of this.#lent) keptBytes += byteLength
    if (keptBytes <= maxKeptBytes) {
      this.#lent.add(buffer)
      this.#returned.register(array, buffer, buffer)
    }
    return array
  }

  /** A taken array is given out as this part of it. */
  lend(part: Uint8Array): void {
    const buffer = part.buffer as ArrayBuffer
    if (!this.#lent.has(buffer)) return
    this.#returned.unregister(buffer)
    this.#returned.register(part, buffer, buffer)
  }

  #takeFree(bytes: number): ArrayBuffer | undefined {
    const place = this.#free.findIndex(({ byteLength }) => byteLength >= bytes)
    if (place >= 0) return this.#free.splice(place, 1)[0]
    // What is too small makes room.
    this.#free = []
    return undefined
  }

  #restartIdle(): void {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      this.#free = []
    }, idleMs)
    this.#idle.unref()
  }
}
