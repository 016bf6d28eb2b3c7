import { concatBytes, u32At, u32be, u64At } from '@bletchley/bytes'
import type { ContractVersion, Receipt, Snapshot } from '../contractStore.ts'

/** The values that are more than the bytes of one thing; `keys.ts` lists them. A value that does not parse counts as absent. */

/** What a contract's other records are guarded by: every write of the contract raises the revision. */
export interface ContractRecord extends ContractVersion {
  /** Highest number of its deltas, absent if there is none. */
  tip: number | undefined
}

export function encodeContract({ sequence, revision, tip }: ContractRecord): Uint8Array {
  const value = new Uint8Array(tip === undefined ? 16 : 20)
  const view = new DataView(value.buffer)
  view.setBigUint64(0, sequence)
  view.setBigUint64(8, revision)
  if (tip !== undefined) view.setUint32(16, tip)
  return value
}

export function decodeContract(value: Uint8Array): ContractRecord | undefined {
  if (value.length !== 16 && value.length !== 20) return undefined
  return { sequence: u64At(value, 0), revision: u64At(value, 8), tip: decodeTip(value) }
}

/** The tip of a contract's record, alone: reads need nothing else of it. */
export function decodeTip(value: Uint8Array): number | undefined {
  return value.length === 20 ? u32At(value, 16) : undefined
}

export function encodeSnapshot({ key, data }: Snapshot): Uint8Array {
  return concatBytes(u32be(key), data)
}

export function decodeSnapshot(value: Uint8Array): Snapshot | undefined {
  return value.length < 4 ? undefined : { key: u32At(value, 0), data: value.slice(4) }
}

/** @param taskId what the key says of it: older versions have it in the value */
export function decodeReceipt(value: Uint8Array, taskId?: Uint8Array): Receipt | undefined {
  if (taskId !== undefined) return { taskId, reply: value }
  return value.length < 32 ? undefined : { taskId: value.slice(0, 32), reply: value.subarray(32) }
}
