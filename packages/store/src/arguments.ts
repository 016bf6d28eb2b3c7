import type { TaskCommit, UserKeyName } from './contractStore.ts'
import { indexEnd, maxDeltaIndex } from './ranges.ts'

export function assertAddress(address: Uint8Array): void {
  if (address.length !== 32) throw new RangeError(`an address of ${address.length} bytes; it must have 32`)
}

export function assertTaskId(taskId: Uint8Array): void {
  if (taskId.length !== 32) throw new RangeError(`a task id of ${taskId.length} bytes; it must have 32`)
}

export function assertUserKey(userKey: Uint8Array): void {
  if (userKey.length !== 64) throw new RangeError(`a user's key of ${userKey.length} bytes; it must have 64`)
}

export function assertUserKeyName({ userKey, id }: UserKeyName): void {
  assertUserKey(userKey)
  if (id.length !== 8) throw new RangeError(`an exchange's id of ${id.length} bytes; it must have 8`)
}

/** That a task is a deployment, or a computation, whose parts have the right shapes. */
export function assertTask({ address, version, delta, code, receipt, burnt }: TaskCommit): void {
  assertAddress(address)
  assertIndex(delta.key)
  if (receipt) assertTaskId(receipt.taskId)
  if (burnt) assertUserKeyName(burnt)
  if ((version === undefined) !== (code !== undefined) || (code !== undefined && delta.key !== 0)) {
    throw new RangeError('a deployment has code, no version, and delta 0; a computation has a version and no code')
  }
}

export function assertIndex(index: number): void {
  if (!isWithin(index, maxDeltaIndex)) throw new RangeError(`a delta index of ${index}; it must be a u32`)
}

export function assertRange(from: number, to: number): void {
  if (!isWithin(from, indexEnd) || !isWithin(to, indexEnd)) {
    throw new RangeError(`a range of ${from} to ${to}; both must be within 0 .. 2^32`)
  }
}

function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max
}

/** A name for maps: an address as text, one character per byte. */
export function nameOf(address: Uint8Array): string {
  return Buffer.from(address.buffer, address.byteOffset, address.byteLength).toString('latin1')
}

/** What a write has for one contract. */
export interface RowsOfContract<T> {
  address: Uint8Array
  rows: T[]
}

/** In order of first appearance. */
export function groupByAddress<T extends { address: Uint8Array }>(rows: readonly T[]): Map<string, RowsOfContract<T>> {
  const groups = new Map<string, RowsOfContract<T>>()
  for (const row of rows) {
    assertAddress(row.address)
    const name = nameOf(row.address)
    const group = groups.get(name)
    if (group) group.rows.push(row)
    else groups.set(name, { address: row.address, rows: [row] })
  }
  return groups
}
