import { concatBytes, u32be, u64be, viewOf } from './bytes.ts'

/** The values that are more than the bytes of one thing; `keys.ts` lists them. A value that does not parse counts as absent. */

/** What a contract's other records are guarded by: every write of the contract raises the revision. */
export interface ContractRecord {
  sequence: bigint
  revision: bigint
}

/** An encrypted state and the index of the last delta in it. */
export interface Snapshot {
  key: number
  data: Uint8Array
}

/** What a task answered, so that its retry can be answered the same. */
export interface Receipt {
  /** 32 bytes */
  taskId: Uint8Array
  reply: Uint8Array
}

export function encodeContract({ sequence, revision }: ContractRecord): Uint8Array {
  return concatBytes(u64be(sequence), u64be(revision))
}

export function decodeContract(value: Uint8Array): ContractRecord | undefined {
  if (value.length !== 16) return undefined
  return { sequence: viewOf(value).getBigUint64(0), revision: viewOf(value).getBigUint64(8) }
}

export function encodeSnapshot({ key, data }: Snapshot): Uint8Array {
  return concatBytes(u32be(key), data)
}

export function decodeSnapshot(value: Uint8Array): Snapshot | undefined {
  return value.length < 4 ? undefined : { key: viewOf(value).getUint32(0), data: value.slice(4) }
}

export function encodeReceipt({ taskId, reply }: Receipt): Uint8Array {
  return concatBytes(taskId, reply)
}

export function decodeReceipt(value: Uint8Array): Receipt | undefined {
  return value.length < 32 ? undefined : { taskId: value.slice(0, 32), reply: value.slice(32) }
}
