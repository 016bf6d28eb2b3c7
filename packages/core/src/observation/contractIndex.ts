import { bytesToHex } from '@bletchley/bytes'
import { type ContractChange, Pacer } from '@bletchley/store'

/** Addresses that are searched between two looks at the time. */
const lookedAtOnce = 1000

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
  async page({ search, after, limit }: { search: string; after: string; limit: number }): Promise<ContractPage> {
    const first = this.#firstFrom(search)
    const end = search === '' ? this.size : this.#firstFrom(`${search}~`)
    if (end === first) return this.#pageOfParts(search, after, limit)
    const start = after === '' ? first : Math.min(Math.max(first, this.#firstFrom(`${after}~`)), end)
    const names = this.#names.slice(start, Math.min(start + limit, end))
    return { names, total: end - first, more: start + limit < end }
  }

  /** Looks at all of them, with pauses for others, so what comes or goes meanwhile may be in it or not. */
  async #pageOfParts(search: string, after: string, limit: number): Promise<ContractPage> {
    const pacer = new Pacer()
    const least = after === '' ? '' : `${after}~`
    const names: string[] = []
    let [total, behind] = [0, 0]
    for (let at = 0; at < this.#names.length; at++) {
      if (at % lookedAtOnce === 0) await pacer.pause()
      const name = this.#names[at]!
      if (!name.includes(search)) continue
      total++
      if (name >= least && ++behind <= limit) names.push(name)
    }
    return { names, total, more: behind > limit }
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
