import type { KeyValueBackend } from './backend.ts'
import { equalBytes } from './bytes.ts'
import {
  bytecodeKey,
  contractKey,
  deltaKey,
  deltaSpan,
  maxDeltaIndex,
  orderSpan,
  parseKey,
  receiptSpan,
  snapshotKey,
} from './keys.ts'
import { Pacer } from './pacer.ts'
import { decodeContract, decodeReceipt, decodeSnapshot, type Snapshot } from './records.ts'

/** One encrypted delta under its number. */
export interface Delta {
  /** u32, 0 = deployment */
  key: number
  data: Uint8Array
}

/** A delta together with the contract it belongs to. */
export interface DeltaRow extends Delta {
  /** 32 bytes */
  address: Uint8Array
}

/**
 * What can be asked about stored contracts. Addresses are 32 bytes, ranges are `[from, to)`, absent things are
 * `undefined`. Records whose key does not parse are passed over.
 *
 * @throws RangeError (as a rejection) for an address, index or range of the wrong shape; StorageError
 */
export class ContractReader {
  protected readonly backend: KeyValueBackend

  constructor(backend: KeyValueBackend) {
    this.backend = backend
  }

  /** The delta with the highest number, found by two look-ups. */
  async getTip(address: Uint8Array): Promise<Delta | undefined> {
    assertAddress(address)
    for (let before: Uint8Array | undefined; ; ) {
      const stored = await this.backend.get(contractKey(address))
      const key = stored && decodeContract(stored)?.tip
      if (key === undefined) return undefined
      const data = await this.backend.get(deltaKey(address, key))
      if (data !== undefined) return { key, data }
      // Removed between the two look-ups: the record tells of another tip by now.
      if (before !== undefined && equalBytes(stored!, before)) return undefined
      before = stored
    }
  }

  /** The tips of contracts, one answer per address in their order; other work of the process gets its turn in between. */
  async *tips(addresses: Iterable<Uint8Array>): AsyncGenerator<Delta | undefined> {
    const pacer = new Pacer()
    for (const address of addresses) {
      yield await this.getTip(address)
      await pacer.pause()
    }
  }

  /**
   * Every contract that has bytecode or a delta, in order of first appearance. One that was removed and comes again is
   * the last.
   */
  async allAddresses(): Promise<Uint8Array[]> {
    const addresses: Uint8Array[] = []
    for await (const chunk of this.backend.entries(orderSpan)) {
      for (const { key, value } of chunk) {
        if (parseKey(key)?.kind === 'order' && value.length === 32) addresses.push(value)
      }
    }
    return addresses
  }

  /** Whether the contract has bytecode or a delta. */
  async hasContract(address: Uint8Array): Promise<boolean> {
    assertAddress(address)
    return (await this.backend.get(contractKey(address))) !== undefined
  }

  async getDelta(address: Uint8Array, index: number): Promise<Uint8Array | undefined> {
    assertAddress(address)
    assertIndex(index)
    return this.backend.get(deltaKey(address, index))
  }

  /** The stored deltas `[from, to)`, ascending; holes are simply absent. */
  async getDeltas(address: Uint8Array, from: number, to: number): Promise<Delta[]> {
    const deltas: Delta[] = []
    for await (const chunk of this.deltaChunks(address, from, to)) for (const delta of chunk) deltas.push(delta)
    return deltas
  }

  /** As `getDeltas`, some hundred rows or about a megabyte at a time: for a rebuild, or more than memory should hold. */
  async *deltaChunks(address: Uint8Array, from = 0, to = maxDeltaIndex + 1): AsyncIterable<Delta[]> {
    assertAddress(address)
    assertRange(from, to)
    if (from >= to) return
    for await (const chunk of this.backend.entries(deltaSpan(address, from, to))) {
      yield chunk.flatMap(({ key, value }) => {
        const parsed = parseKey(key)
        return parsed?.kind === 'delta' ? [{ key: parsed.index, data: value }] : []
      })
    }
  }

  async getBytecode(address: Uint8Array): Promise<Uint8Array | undefined> {
    assertAddress(address)
    return this.backend.get(bytecodeKey(address))
  }

  async getSnapshot(address: Uint8Array): Promise<Snapshot | undefined> {
    assertAddress(address)
    const value = await this.backend.get(snapshotKey(address))
    return value && decodeSnapshot(value)
  }

  /**
   * The reply of a task that made one of the contract's last 64 deltas.
   *
   * @param taskId 32 bytes
   */
  async getReceipt(address: Uint8Array, taskId: Uint8Array): Promise<{ key: number; reply: Uint8Array } | undefined> {
    assertAddress(address)
    assertTaskId(taskId)
    const span = receiptSpan(address, 0, maxDeltaIndex + 1)
    for await (const chunk of this.backend.entries({ ...span, reverse: true })) {
      for (const { key, value } of chunk) {
        const parsed = parseKey(key)
        const receipt = decodeReceipt(value)
        if (parsed?.kind === 'receipt' && receipt && equalBytes(receipt.taskId, taskId)) {
          return { key: parsed.index, reply: receipt.reply }
        }
      }
    }
    return undefined
  }
}

export function assertAddress(address: Uint8Array): void {
  if (address.length !== 32) throw new RangeError(`an address of ${address.length} bytes; it must have 32`)
}

export function assertTaskId(taskId: Uint8Array): void {
  if (taskId.length !== 32) throw new RangeError(`a task id of ${taskId.length} bytes; it must have 32`)
}

export function assertIndex(index: number): void {
  if (!isWithin(index, maxDeltaIndex)) throw new RangeError(`a delta index of ${index}; it must be a u32`)
}

export function assertRange(from: number, to: number): void {
  if (!isWithin(from, maxDeltaIndex + 1) || !isWithin(to, maxDeltaIndex + 1)) {
    throw new RangeError(`a range of ${from} to ${to}; both must be within 0 .. 2^32`)
  }
}

function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max
}
