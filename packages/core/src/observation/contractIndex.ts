import { bytesToHex } from '@bletchley/bytes'
import type { ContractChange } from '@bletchley/store'

/**
 * The addresses of all contracts in order, so that counting, paging and searching need no look into the database. It takes
 * about 90 bytes of memory for each.
 */
export class ContractIndex {
  /** In hex, ascending. */
  #names: string[] = []
  #version = 0

  get size(): number {
    return this.#names.length
  }

  /** Another one whenever a contract came or went. */
  get version(): number {
    return this.#version
  }

  get names(): readonly string[] {
    return this.#names
  }

  load(addresses: readonly Uint8Array[]): void {
    this.#names = addresses.map(bytesToHex).sort()
    this.#version += 1
  }

  take({ address, kind }: ContractChange): void {
    if (kind === 'changed') return
    const name = bytesToHex(address)
    const at = this.#firstFrom(name)
    const isThere = this.#names[at] === name
    if (kind === 'created' && !isThere) this.#names.splice(at, 0, name)
    if (kind === 'removed' && isThere) this.#names.splice(at, 1)
    this.#version += 1
  }

  /**
   * The contracts whose address begins with a text, or has it in it if none begins with it.
   *
   * @param after only those behind this address
   */
  page({ search, after, limit }: { search: string; after: string; limit: number }): ContractPage {
    const beginsAt = this.#firstFrom(search)
    const endsAt = search === '' ? this.size : this.#firstFrom(`${search}~`)
    const found = endsAt > beginsAt ? [beginsAt, endsAt] : [0, 0]
    const matching =
      found[1] === 0 ? this.#names.filter((name) => name.includes(search)) : this.#names.slice(found[0], found[1])
    const start = after === '' ? 0 : firstFrom(matching, `${after}~`)
    const names = matching.slice(start, start + limit)
    return { names, total: matching.length, more: start + limit < matching.length }
  }

  #firstFrom(name: string): number {
    return firstFrom(this.#names, name)
  }
}

export interface ContractPage {
  names: string[]
  /** How many match. */
  total: number
  /** Whether some that match come behind the page. */
  more: boolean
}

/** The position of the first text that is not less; `~` is greater than any digit. */
function firstFrom(sorted: readonly string[], text: string): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < text) low = middle + 1
    else high = middle
  }
  return low
}
