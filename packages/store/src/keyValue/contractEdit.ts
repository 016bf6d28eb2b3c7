import type { Write } from './backend.ts'
import { type ContractRecord, decodeContract } from './records.ts'

/** The writes of one request to one contract, collected before they are committed together. */
export class ContractEdit {
  readonly address: Uint8Array
  /** The contract's record as it is stored; the commit depends on it still being that. */
  readonly stored: Uint8Array | undefined
  readonly record: ContractRecord | undefined
  readonly writes: Write[] = []
  /** The record that it leaves; absent if it leaves none, or is not committed. */
  written: Uint8Array | undefined
  /** Highest number of the deltas after the edit. */
  tip: number | undefined
  /** Whether bytecode or a delta is there after the edit. */
  remains = true

  constructor(address: Uint8Array, stored: Uint8Array | undefined) {
    this.address = address
    this.stored = stored
    this.record = stored && decodeContract(stored)
    this.tip = this.record?.tip
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.writes.push({ key, value })
  }

  delete(key: Uint8Array): void {
    this.writes.push({ key, value: undefined })
  }
}
