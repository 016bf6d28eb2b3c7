import { equalBytes, u32be } from '@bletchley/bytes'
import { assertAddress, assertIndex, assertRange, assertTaskId, nameOf } from '../arguments.ts'
import { gather } from '../chunks.ts'
import type { ContractReader, Delta, Receipt, Snapshot, TipLength } from '../contractStore.ts'
import { StorageError } from '../errors.ts'
import { Pacer } from '../pacer.ts'
import { indexEnd } from '../ranges.ts'
import type { KeyRange, KeyValueBackend } from './backend.ts'
import {
  bytecodeKey,
  bytecodeSpan,
  contractKey,
  deltaIndexOf,
  deltaKey,
  deltaSpan,
  orderSpan,
  parseKey,
  receiptSpan,
  schemaKey,
  snapshotKey,
} from './keys.ts'
import { decodeReceipt, decodeSnapshot, decodeTip } from './records.ts'

/** Contracts in an ordered key-value database. Records whose key does not parse are passed over. */
export class KeyValueReader implements ContractReader {
  protected readonly backend: KeyValueBackend
  /**
   * Of the large tips that the last walk met, by address: to find out a length again, the value would have to be read.
   */
  readonly #tipLengths = new Map<string, { key: number; length: number; record: Uint8Array }>()

  constructor(backend: KeyValueBackend) {
    this.backend = backend
  }

  /**
   * A reader of a database that a store has written.
   *
   * @throws StorageError if it holds no contracts, or those of another schema
   */
  static async openExisting(backend: KeyValueBackend): Promise<KeyValueReader> {
    if (!(await holdsContracts(backend))) throw new StorageError('the database holds no contracts')
    return new KeyValueReader(backend)
  }

  /** By two look-ups. */
  async getTip(address: Uint8Array, pacer?: Pacer): Promise<Delta | undefined> {
    assertAddress(address)
    for (let before: Uint8Array | undefined; ; ) {
      const stored = await this.backend.get(contractKey(address))
      const key = stored && decodeTip(stored)
      if (key === undefined) return undefined
      const data = await this.backend.get(deltaKey(address, key), pacer)
      if (data !== undefined) return { key, data }
      // Removed between the two look-ups: the record tells of another tip by now.
      if (before !== undefined && equalBytes(stored!, before)) return undefined
      before = stored
    }
  }

  async getTipKey(address: Uint8Array): Promise<number | undefined> {
    assertAddress(address)
    const stored = await this.backend.get(contractKey(address))
    return stored && decodeTip(stored)
  }

  async *tips(addresses: Iterable<Uint8Array>, pacer = new Pacer()): AsyncGenerator<Delta | undefined> {
    for (const address of addresses) {
      yield await this.getTip(address, pacer)
      await pacer.pause()
    }
  }

  /**
   * The tips of all contracts that have one, with the bytes of their data, in the order of {@link allAddresses}; the data
   * itself only up to a size. A walk that comes to its end has the next one know the lengths of its large tips, and of no
   * others.
   */
  async *tipLengths(mostBytes: number, pacer = new Pacer()): AsyncGenerator<TipLength> {
    const large = new Set<string>()
    for await (const chunk of this.addressChunks()) {
      for (const address of chunk) {
        const tip = await this.#tipLength(address, mostBytes, pacer)
        if (tip !== undefined) {
          if (tip.length > mostBytes) large.add(nameOf(address))
          yield tip
        }
        await pacer.pause()
      }
    }
    // Contracts come and go.
    for (const name of this.#tipLengths.keys()) if (!large.has(name)) this.#tipLengths.delete(name)
  }

  async #tipLength(address: Uint8Array, mostBytes: number, pacer: Pacer): Promise<TipLength | undefined> {
    assertAddress(address)
    const stored = await this.backend.get(contractKey(address))
    const number = stored && decodeTip(stored)
    if (number === undefined) return undefined
    const known = this.#tipLengths.size > 0 && this.#tipLengths.get(nameOf(address))
    if (known && equalBytes(known.record, stored!)) return { address, key: known.key, length: known.length }
    const data = await this.backend.get(deltaKey(address, number), pacer)
    // Removed between the two look-ups.
    const tip = data === undefined ? await this.getTip(address, pacer) : { key: number, data }
    if (tip === undefined) return undefined
    const { length } = tip.data
    if (length <= mostBytes) return { address, key: tip.key, length, data: tip.data }
    // If the tip has changed since the record was read, that is of a revision which has passed. The copy holds on to no others.
    this.#tipLengths.set(nameOf(address), { key: tip.key, length, record: stored!.slice() })
    return { address, key: tip.key, length }
  }

  allAddresses(): Promise<Uint8Array[]> {
    return gather(this.addressChunks())
  }

  async *addressChunks(): AsyncIterable<Uint8Array[]> {
    for await (const chunk of this.backend.entries(orderSpan)) {
      const addresses: Uint8Array[] = []
      for (const { key, value } of chunk) {
        if (parseKey(key)?.kind === 'order' && value.length === 32) addresses.push(value)
      }
      yield addresses
    }
  }

  async hasContract(address: Uint8Array): Promise<boolean> {
    assertAddress(address)
    return (await this.backend.get(contractKey(address))) !== undefined
  }

  async getDelta(address: Uint8Array, index: number, pacer?: Pacer): Promise<Uint8Array | undefined> {
    assertAddress(address)
    assertIndex(index)
    return this.backend.get(deltaKey(address, index), pacer)
  }

  getDeltas(address: Uint8Array, from: number, to: number): Promise<Delta[]> {
    return gather(this.deltaChunks(address, from, to))
  }

  async *deltaChunks(address: Uint8Array, from = 0, to = indexEnd, pacer?: Pacer): AsyncIterable<Delta[]> {
    assertAddress(address)
    assertRange(from, to)
    for await (const chunk of this.backend.entries(deltaSpan(address, from, to), pacer)) {
      const deltas: Delta[] = []
      for (const { key, value } of chunk) {
        const index = deltaIndexOf(key)
        if (index !== undefined) deltas.push({ key: index, data: value })
      }
      yield deltas
    }
  }

  async *deltaKeysBefore(address: Uint8Array, before: number, limit: number): AsyncIterable<number[]> {
    assertAddress(address)
    assertRange(0, before)
    for await (const chunk of this.backend.keys({ ...deltaSpan(address, 0, before), reverse: true, limit })) {
      yield chunk.map((key) => deltaIndexOf(key)!)
    }
  }

  async hasBytecode(address: Uint8Array): Promise<boolean> {
    assertAddress(address)
    return this.exists(bytecodeSpan(address))
  }

  async getBytecode(address: Uint8Array, pacer?: Pacer): Promise<Uint8Array | undefined> {
    assertAddress(address)
    return this.backend.get(bytecodeKey(address), pacer)
  }

  async getSnapshot(address: Uint8Array): Promise<Snapshot | undefined> {
    assertAddress(address)
    const value = await this.backend.get(snapshotKey(address))
    return value && decodeSnapshot(value)
  }

  async getReceipt(address: Uint8Array, taskId: Uint8Array): Promise<{ key: number; reply: Uint8Array } | undefined> {
    assertAddress(address)
    assertTaskId(taskId)
    for await (const { key, index, task } of this.receipts(address)) {
      if (!equalBytes(task, taskId)) continue
      const receipt = await this.#receipt(key)
      if (receipt !== undefined) return { key: index, reply: receipt.reply }
    }
    return undefined
  }

  async receiptOf(address: Uint8Array, index: number): Promise<Receipt | undefined> {
    assertAddress(address)
    assertIndex(index)
    const key = await this.firstKey(receiptSpan(address, index, index + 1))
    return key && this.#receipt(key)
  }

  async receiptTasks(address: Uint8Array): Promise<Uint8Array[]> {
    assertAddress(address)
    const tasks: Uint8Array[] = []
    for await (const { task } of this.receipts(address)) tasks.push(task)
    return tasks
  }

  protected async exists(range: KeyRange): Promise<boolean> {
    return (await this.firstKey(range)) !== undefined
  }

  /** The first key of a range, whose value may be large and is not read. */
  protected async firstKey(range: KeyRange): Promise<Uint8Array | undefined> {
    for await (const [key] of this.backend.keys({ ...range, limit: 1 })) return key
    return undefined
  }

  /** Where the receipts are, and of which tasks, the newest first. Only what older versions wrote is read for it. */
  protected async *receipts(address: Uint8Array): AsyncGenerator<{ key: Uint8Array; index: number; task: Uint8Array }> {
    const pacer = new Pacer()
    const span = receiptSpan(address, 0)
    for await (const chunk of this.backend.keys({ ...span, reverse: true })) {
      for (const key of chunk) {
        const parsed = parseKey(key)
        if (parsed?.kind !== 'receipt') continue
        const task = parsed.taskId ?? (await this.#receipt(key))?.taskId
        if (task !== undefined) yield { key, index: parsed.index, task }
        await pacer.pause()
      }
    }
  }

  async #receipt(key: Uint8Array): Promise<Receipt | undefined> {
    const stored = await this.backend.get(key)
    const parsed = parseKey(key)
    return stored && parsed?.kind === 'receipt' ? decodeReceipt(stored, parsed.taskId) : undefined
  }
}

/** 1 had no tip in the contract's record. */
export const schemaVersion = 2

/**
 * Whether a store has written to the database.
 *
 * @throws StorageError if it was a store of another schema
 */
export async function holdsContracts(backend: KeyValueBackend): Promise<boolean> {
  const stored = await backend.get(schemaKey)
  if (stored === undefined || equalBytes(stored, u32be(schemaVersion))) return stored !== undefined
  throw new StorageError('the database was written by another version of the store')
}
