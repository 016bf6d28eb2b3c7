import { bytesToHex } from '@bletchley/bytes'
import { BoundedMap, type ContractChange, type ContractReader, KeyedQueue } from '@bletchley/store'

/** Contracts whose chain's size is remembered. */
const remembered = { entries: 100_000 }

/** Deltas that are read for one question; the next one goes on from there. */
export const maxDeltasRead = 10_000
const maxBytesRead = 16 * 1024 * 1024

/** How many deltas a contract has, and how many bytes of them. */
export interface ChainSize {
  deltas: number
  bytes: number
}

interface Counted extends ChainSize {
  /** The number of the first delta that is not counted. */
  next: number
}

/**
 * The sizes of contracts' chains. The database keeps none, so the deltas are counted when somebody asks: those behind the
 * ones that were counted before, and so many at a time. One contract is counted at a time: a chunk may have 64 MiB.
 */
export class ChainSizes {
  readonly #reader: ContractReader
  readonly #counted = new BoundedMap<Counted>(remembered)
  readonly #turns = new KeyedQueue()

  constructor(reader: ContractReader) {
    this.#reader = reader
  }

  /** Forgets what a write has changed. */
  take({ address, firstDelta }: ContractChange): void {
    const name = bytesToHex(address)
    const counted = this.#counted.get(name)
    if (counted !== undefined && firstDelta !== undefined && firstDelta < counted.next) this.#counted.delete(name)
  }

  /** @param budget of deltas and bytes that may be read; what is read is taken from it */
  of(address: Uint8Array, tip: number, budget = readBudget()): Promise<ChainSize | undefined> {
    return this.#turns.run([''], () => this.#count(address, tip, budget))
  }

  async #count(
    address: Uint8Array,
    tip: number,
    budget: ReturnType<typeof readBudget>,
  ): Promise<ChainSize | undefined> {
    const name = bytesToHex(address)
    const counted = this.#counted.use(name) ?? { deltas: 0, bytes: 0, next: 0 }
    if (counted.next > tip) return counted
    this.#counted.set(name, counted)
    if (budget.deltas <= 0 || budget.bytes <= 0) return undefined
    for await (const chunk of this.#reader.deltaChunks(address, counted.next)) {
      for (const { key, data } of chunk) {
        counted.deltas += 1
        counted.bytes += data.length
        counted.next = key + 1
        budget.bytes -= data.length
      }
      budget.deltas -= chunk.length
      if (budget.deltas <= 0 || budget.bytes <= 0) break
    }
    return counted.next > tip ? counted : undefined
  }
}

/** What may be read for one question. */
export function readBudget(): { deltas: number; bytes: number } {
  return { deltas: maxDeltasRead, bytes: maxBytesRead }
}
