import { bytesToHex } from '@bletchley/bytes'
import { BoundedMap, type ContractChange, type ContractReader, KeyedQueue, Pacer } from '@bletchley/store'
import { gasOfReceipt } from '../engine/taskReplies.ts'
import { hashWithPauses } from '../largeBytes.ts'

/** A record as it is shown: nobody who looks on sees its content. */
export interface RecordFact {
  bytes: number
  /** keccak256, in hex. */
  hash: string
}

/** Bytes that may be read for one question; what is read is taken from them. */
interface Budget {
  bytes: number
}

/** Facts by their names; one that is being found out is there already, and all who ask wait for the same. */
type Facts = Map<string, Promise<unknown>>

interface ContractFacts {
  /** Of deltas. */
  deltas: Facts
  /** The highest number of these deltas. */
  highest: number
  readonly others: Facts
}

/** Of one contract's deltas: two of the longest pages, with the gas of each. */
const rememberedOfDeltas = 2000

/** What takes how much memory, in bytes: more than was measured. */
const memoryPerFact = 512
const memoryPerContract = 2048

const remembered = {
  weight: {
    most: 64 * 1024 * 1024,
    of: ({ deltas }: ContractFacts) => memoryPerContract + deltas.size * memoryPerFact,
  },
}

/**
 * Sizes and hashes of records, for those who look on. A record is read and hashed once, until a write has changed it. It may
 * have 64 MiB, so one is read at a time, however many ask.
 */
export class RecordFacts {
  readonly #reader: ContractReader
  readonly #turns = new KeyedQueue()
  readonly #contracts = new BoundedMap<ContractFacts>(remembered)

  constructor(reader: ContractReader) {
    this.#reader = reader
  }

  /** Forgets what a write has changed. */
  take({ address, firstDelta, bytecode, snapshot }: ContractChange): void {
    const facts = this.#contracts.get(bytesToHex(address))
    if (facts === undefined) return
    // A new delta behind the others changes nothing of them.
    if (firstDelta !== undefined && firstDelta <= facts.highest) facts.deltas = new Map()
    if (bytecode) facts.others.delete('bytecode')
    if (snapshot) facts.others.delete('snapshot')
  }

  /** @returns undefined if there is no such delta, or it would have to be read and the budget is used up */
  delta(address: Uint8Array, key: number, budget: Budget): Promise<RecordFact | undefined> {
    return this.#ofDelta(address, 'delta', key, budget, async () =>
      factOf(await this.#reader.getDelta(address, key), budget),
    )
  }

  /** What the task took that made a delta, in decimal, if its receipt tells; else as {@link delta}. */
  gas(address: Uint8Array, key: number, budget: Budget): Promise<string | undefined> {
    return this.#ofDelta(address, 'gas', key, budget, async () => {
      const receipt = await this.#reader.receiptOf(address, key)
      budget.bytes -= receipt?.reply.length ?? 0
      return receipt && gasOfReceipt(receipt.reply)
    })
  }

  /** As {@link delta}. */
  bytecode(address: Uint8Array, budget: Budget): Promise<RecordFact | undefined> {
    return this.#find(this.#of(address).others, 'bytecode', budget, async () =>
      factOf(await this.#reader.getBytecode(address), budget),
    )
  }

  /** As {@link delta}. */
  snapshot(address: Uint8Array, budget: Budget): Promise<{ key: number; bytes: number } | undefined> {
    return this.#find(this.#of(address).others, 'snapshot', budget, async () => {
      const snapshot = await this.#reader.getSnapshot(address)
      budget.bytes -= snapshot?.data.length ?? 0
      return snapshot && { key: snapshot.key, bytes: snapshot.data.length }
    })
  }

  #ofDelta<T>(
    address: Uint8Array,
    what: string,
    key: number,
    budget: Budget,
    find: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const facts = this.#of(address)
    const name = `${what} ${key}`
    if (!facts.deltas.has(name) && facts.deltas.size >= rememberedOfDeltas) facts.deltas = new Map()
    facts.highest = Math.max(facts.highest, key)
    const found = this.#find(facts.deltas, name, budget, find)
    this.#contracts.set(bytesToHex(address), facts)
    return found
  }

  /** @param find is called if nobody has asked before */
  #find<T>(facts: Facts, name: string, budget: Budget, find: () => Promise<T | undefined>): Promise<T | undefined> {
    const known = facts.get(name) as Promise<T | undefined> | undefined
    if (known !== undefined) return known
    if (budget.bytes <= 0) return Promise.resolve(undefined)
    const found = this.#turns.run([''], async () => {
      const pacer = new Pacer()
      while (pacer.due) await pacer.pause()
      return find()
    })
    facts.set(name, found)
    found.catch(() => {
      if (facts.get(name) === found) facts.delete(name)
    })
    return found
  }

  #of(address: Uint8Array): ContractFacts {
    const name = bytesToHex(address)
    const known = this.#contracts.use(name)
    if (known !== undefined) return known
    const facts: ContractFacts = { deltas: new Map(), highest: -1, others: new Map() }
    this.#contracts.set(name, facts)
    return facts
  }
}

async function factOf(record: Uint8Array | undefined, budget: Budget): Promise<RecordFact | undefined> {
  if (record === undefined) return undefined
  budget.bytes -= record.length
  return { bytes: record.length, hash: bytesToHex(await hashWithPauses(record)) }
}
