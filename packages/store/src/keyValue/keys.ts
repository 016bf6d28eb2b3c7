import { concatBytes, u32At, u64At } from '@bletchley/bytes'
import { indexEnd, maxDeltaIndex } from '../ranges.ts'

/**
 * The keys of the store; nothing else builds or takes apart a key. Numbers are never used again after they retire.
 *
 *     // key                                  -> value
 *     01                                      -> schema version, u32be
 *     02                                      -> next creation sequence, u64be
 *     03 sequence(u64be)                      -> contract address (32): the order of first appearance
 *     04 address(32) 01 index(u32be)          -> delta, the encrypted blob
 *     04 address(32) 02                       -> snapshot: delta index (u32be), encrypted state blob
 *     04 address(32) 03                       -> bytecode
 *     04 address(32) 04                       -> contract: creation sequence (u64be), revision (u64be), number of the tip (u32be) if there is one
 *     04 address(32) 05 index(u32be) task(32) -> receipt of the task that made this delta, named by its id: the reply
 *     04 address(32) 05 index(u32be)          -> the same as older versions wrote it: task id (32), reply
 *
 * Below the address, 01 to 03 are the reference's own keys (spec/storage.md 1).
 */
const tags = { schema: 1, sequence: 2, order: 3, contract: 4 } as const
const innerTags = { delta: 1, snapshot: 2, bytecode: 3, contract: 4, receipt: 5 } as const

export type ParsedKey =
  | { kind: 'schema' | 'sequence' }
  | { kind: 'order'; sequence: bigint }
  | { kind: 'snapshot' | 'bytecode' | 'contract'; address: Uint8Array }
  | { kind: 'delta'; address: Uint8Array; index: number }
  /** The task is in the value where older versions wrote it. */
  | { kind: 'receipt'; address: Uint8Array; index: number; taskId?: Uint8Array }

interface Span {
  gte: Uint8Array
  lt: Uint8Array
}

export const schemaKey = Uint8Array.of(tags.schema)
export const sequenceKey = Uint8Array.of(tags.sequence)
export const orderSpan: Span = { gte: Uint8Array.of(tags.order), lt: Uint8Array.of(tags.order + 1) }
export const allContracts: Span = { gte: Uint8Array.of(tags.contract), lt: Uint8Array.of(tags.contract + 1) }
/** Where nothing may be. */
export const strangeSpans: readonly Span[] = [
  { gte: Uint8Array.of(0), lt: schemaKey },
  { gte: Uint8Array.of(tags.schema, 0), lt: sequenceKey },
  { gte: Uint8Array.of(tags.sequence, 0), lt: orderSpan.gte },
  { gte: allContracts.lt, lt: Uint8Array.of(0xff) },
]
/** Everything. */
export const wholeSpan: Span = { gte: Uint8Array.of(0), lt: Uint8Array.of(0xff) }

/** @param sequence u64 */
export function orderKey(sequence: bigint): Uint8Array {
  const key = new Uint8Array(9)
  key[0] = tags.order
  new DataView(key.buffer).setBigUint64(1, sequence)
  return key
}

export function snapshotKey(address: Uint8Array): Uint8Array {
  return inner(address, innerTags.snapshot)
}

export function bytecodeKey(address: Uint8Array): Uint8Array {
  return inner(address, innerTags.bytecode)
}

export function contractKey(address: Uint8Array): Uint8Array {
  return inner(address, innerTags.contract)
}

/** @param index u32 */
export function deltaKey(address: Uint8Array, index: number): Uint8Array {
  return numbered(address, innerTags.delta, index)
}

/**
 * @param index u32
 * @param taskId 32 bytes: who looks for a task reads no receipts, which may be large. Absent where older versions wrote it
 */
export function receiptKey(address: Uint8Array, index: number, taskId: Uint8Array = new Uint8Array()): Uint8Array {
  return concatBytes(numbered(address, innerTags.receipt, index), taskId)
}

/** Deltas `[from, to)`; both 0 .. 2^32. */
export function deltaSpan(address: Uint8Array, from: number, to = indexEnd): Span {
  return indexSpan(address, innerTags.delta, from, to)
}

/** Receipts `[from, to)`; both 0 .. 2^32. */
export function receiptSpan(address: Uint8Array, from: number, to = indexEnd): Span {
  return indexSpan(address, innerTags.receipt, from, to)
}

/** The bytecode alone. */
export function bytecodeSpan(address: Uint8Array): Span {
  return { gte: bytecodeKey(address), lt: contractKey(address) }
}

/** All records of one contract. */
export function contractSpan(address: Uint8Array): Span {
  return { gte: inner(address, 0), lt: inner(address, 0xff) }
}

/** The contract that a key belongs to, whatever kind of record it may be; `undefined` for keys of other things. */
export function addressOf(key: Uint8Array): Uint8Array | undefined {
  return key[0] === tags.contract && key.length > 33 ? key.slice(1, 33) : undefined
}

/** @returns `undefined` for bytes that no function here makes */
export function parseKey(key: Uint8Array): ParsedKey | undefined {
  if (key[0] === tags.schema) return key.length === 1 ? { kind: 'schema' } : undefined
  if (key[0] === tags.sequence) return key.length === 1 ? { kind: 'sequence' } : undefined
  if (key[0] === tags.order) return key.length === 9 ? { kind: 'order', sequence: u64At(key, 1) } : undefined
  if (key[0] !== tags.contract || key.length < 34) return undefined
  const address = key.slice(1, 33)
  if (key.length === 34) {
    if (key[33] === innerTags.snapshot) return { kind: 'snapshot', address }
    if (key[33] === innerTags.bytecode) return { kind: 'bytecode', address }
    if (key[33] === innerTags.contract) return { kind: 'contract', address }
  } else if (key.length === 38) {
    const index = u32At(key, 34)
    if (key[33] === innerTags.delta) return { kind: 'delta', address, index }
    if (key[33] === innerTags.receipt) return { kind: 'receipt', address, index }
  } else if (key.length === 70 && key[33] === innerTags.receipt) {
    return { kind: 'receipt', address, index: u32At(key, 34), taskId: key.slice(38) }
  }
  return undefined
}

/** The number of the delta that a key is of, quicker than {@link parseKey}; `undefined` for other keys. */
export function deltaIndexOf(key: Uint8Array): number | undefined {
  return key.length === 38 && key[0] === tags.contract && key[33] === innerTags.delta ? u32At(key, 34) : undefined
}

/** Whether a key is of the snapshot, or of the bytecode, of a contract, quicker than {@link parseKey}. */
export function isSnapshotKey(key: Uint8Array): boolean {
  return key.length === 34 && key[0] === tags.contract && key[33] === innerTags.snapshot
}

export function isBytecodeKey(key: Uint8Array): boolean {
  return key.length === 34 && key[0] === tags.contract && key[33] === innerTags.bytecode
}

function inner(address: Uint8Array, tag: number, length = 34): Uint8Array {
  const key = new Uint8Array(length)
  key[0] = tags.contract
  key.set(address, 1)
  key[33] = tag
  return key
}

function numbered(address: Uint8Array, tag: number, index: number): Uint8Array {
  const key = inner(address, tag, 38)
  key[34] = index >>> 24
  key[35] = index >>> 16
  key[36] = index >>> 8
  key[37] = index
  return key
}

function indexSpan(address: Uint8Array, tag: number, from: number, to: number): Span {
  const bound = (index: number) => (index > maxDeltaIndex ? inner(address, tag + 1) : numbered(address, tag, index))
  return { gte: bound(from), lt: bound(to) }
}
