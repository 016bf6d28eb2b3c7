import { bytesToHex } from '@bletchley/bytes'
import { type ContractChange, Pacer } from '@bletchley/store'
import { SortedNames } from './sortedNames.ts'

/** Addresses that are searched between two looks at the time. */
const lookedAtOnce = 1000

/**
 * The addresses of all contracts in order, so that counting, paging and searching need no look into the database. It takes
 * about 90 bytes of memory for each.
 */
export class ContractIndex {
  /** In hex. */
  readonly #names = new SortedNames()
  #version = 0

  get size(): number {
    return this.#names.size
  }

  /** Another one whenever a contract came or went. */
  get version(): number {
    return this.#version
  }

  /** In order; see {@link SortedNames}. */
  get names(): Iterable<string> {
    return this.#names
  }

  load(addresses: readonly Uint8Array[]): void {
    this.#names.load(addresses.map(bytesToHex))
    this.#version += 1
  }

  take({ address, kind }: ContractChange): void {
    if (kind === 'changed') return
    const name = bytesToHex(address)
    if (kind === 'created') this.#names.add(name)
    else this.#names.delete(name)
    this.#version += 1
  }

  /**
   * The contracts whose address begins with a text, or has it in it if none begins with it.
   *
   * @param after only those behind this address
   */
  async page({ search, after, limit }: { search: string; after: string; limit: number }): Promise<ContractPage> {
    const first = this.#names.countBefore(search)
    // No digit is greater.
    const end = search === '' ? this.size : this.#names.countBefore(`${search}~`)
    if (end === first) return this.#pageOfParts(search, after, limit)
    const start = after === '' ? first : Math.min(Math.max(first, this.#names.countBefore(`${after}~`)), end)
    const names = this.#names.slice(start, Math.min(start + limit, end))
    return { names, total: end - first, more: start + limit < end }
  }

  /** Looks at all of them, with pauses for others, so what comes or goes meanwhile may be in it or not. */
  async #pageOfParts(search: string, after: string, limit: number): Promise<ContractPage> {
    const pacer = new Pacer()
    const least = after === '' ? '' : `${after}~`
    const names: string[] = []
    let [total, behind, looked] = [0, 0, 0]
    for (const name of this.#names) {
      if (looked++ % lookedAtOnce === 0) await pacer.pause()
      if (!name.includes(search)) continue
      total++
      if (name >= least && ++behind <= limit) names.push(name)
    }
    return { names, total, more: behind > limit }
  }
}

export interface ContractPage {
  names: string[]
  /** How many match. */
  total: number
  /** Whether some that match come behind the page. */
  more: boolean
}
