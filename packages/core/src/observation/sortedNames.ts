/** A block that has grown to more is split in two. */
const mostInBlock = 1024

/**
 * Different texts in ascending order. To put one in or take one out costs a look for its place and a move within one block of
 * some hundred, however many there are.
 */
export class SortedNames implements Iterable<string> {
  /** None is empty, but for the only one. */
  #blocks: string[][] = [[]]
  #size = 0

  get size(): number {
    return this.#size
  }

  /** In order. Of those that come or go meanwhile any may be among them; each of the others is, once. */
  *[Symbol.iterator](): Generator<string> {
    for (let index = 0; index < this.#blocks.length; ) {
      const names = this.#blocks[index]!.slice()
      yield* names
      if (names.length === 0) return
      // Blocks may have come before it, or gone.
      index = this.#blockOf(names.at(-1)!) + 1
    }
  }

  /** In place of those that are there. */
  load(names: readonly string[]): void {
    const sorted = [...new Set(names)].sort()
    this.#size = sorted.length
    this.#blocks = [sorted.slice(0, mostInBlock / 2)]
    for (let at = mostInBlock / 2; at < sorted.length; at += mostInBlock / 2) {
      this.#blocks.push(sorted.slice(at, at + mostInBlock / 2))
    }
  }

  /** One that is there already is fine. */
  add(name: string): void {
    const index = this.#blockOf(name)
    const block = this.#blocks[index]!
    const at = firstFrom(block, name)
    if (block[at] === name) return
    block.splice(at, 0, name)
    this.#size += 1
    if (block.length > mostInBlock) this.#blocks.splice(index + 1, 0, block.splice(mostInBlock / 2))
  }

  /** One that is not there is fine. */
  delete(name: string): void {
    const index = this.#blockOf(name)
    const block = this.#blocks[index]!
    const at = firstFrom(block, name)
    if (block[at] !== name) return
    block.splice(at, 1)
    this.#size -= 1
    if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(index, 1)
  }

  /** How many are less than a text. */
  countBefore(text: string): number {
    const index = this.#blockOf(text)
    let count = firstFrom(this.#blocks[index]!, text)
    for (let before = 0; before < index; before++) count += this.#blocks[before]!.length
    return count
  }

  /** Those at the positions `[start, end)`. */
  slice(start: number, end: number): string[] {
    const names: string[] = []
    let first = 0
    for (const block of this.#blocks) {
      if (first >= end) break
      if (first + block.length > start) names.push(...block.slice(Math.max(0, start - first), end - first))
      first += block.length
    }
    return names
  }

  /** The last block whose first text is not greater, or the first one. */
  #blockOf(text: string): number {
    let [low, high] = [0, this.#blocks.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#blocks[middle]![0]! <= text) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** The position of the first text that is not less. */
function firstFrom(sorted: readonly string[], text: string): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < text) low = middle + 1
    else high = middle
  }
  return low
}
