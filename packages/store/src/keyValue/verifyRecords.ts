import { equalBytes, u64At } from '@bletchley/bytes'
import type { KeyValueBackend } from './backend.ts'
import { contractAddresses, holds } from './contractAddresses.ts'
import { contractKey, contractSpan, orderKey, orderSpan, parseKey, sequenceKey, strangeSpans } from './keys.ts'
import { holdsContracts } from './keyValueReader.ts'
import { type ContractRecord, decodeContract, decodeReceipt, decodeSnapshot } from './records.ts'

/** Something in the database that is not as the store leaves it. */
export interface Finding {
  /** 32 bytes; absent for what concerns the whole database. */
  address?: Uint8Array
  problem: string
}

export interface VerifyOptions {
  /** 32 bytes each; all contracts if absent. */
  addresses?: readonly Uint8Array[] | undefined
  signal?: AbortSignal | undefined
}

/** An encrypted blob has at least its tag and its IV. */
const minBlobBytes = 28

/** A contract that changes while it is read is read again; one that never rests is taken as it is. */
const attempts = 20

/**
 * Reads every record and yields what is wrong: numbers that are missing, blobs that are none, records that tell of others
 * that are not there. Without keys, what is inside of blobs cannot be judged.
 *
 * May run beside a writing process.
 */
export async function* verifyRecords(backend: KeyValueBackend, options: VerifyOptions = {}): AsyncGenerator<Finding> {
  const { signal, addresses } = options
  if (!(await holdsContracts(backend))) {
    yield { problem: 'the database holds no contracts' }
    return
  }
  for await (const address of addresses ?? contractAddresses(backend)) {
    signal?.throwIfAborted()
    for (const problem of await verifyContract(backend, address)) yield { address, problem }
  }
  if (addresses === undefined) yield* verifyAround(backend, signal)
}

/** The second half of {@link verifyRecords}: what concerns the whole database and no contract of it. */
export async function* verifyAround(
  backend: KeyValueBackend,
  signal: AbortSignal | undefined,
): AsyncGenerator<Finding> {
  for (const problem of await verifyOrder(backend, signal)) yield { problem }
  for (const span of strangeSpans) {
    if ((await backend.first(span)) !== undefined) yield { problem: 'there are records of an unknown kind' }
  }
}

async function verifyContract(backend: KeyValueBackend, address: Uint8Array): Promise<string[]> {
  for (let left = attempts; ; left--) {
    const before = await backend.get(contractKey(address))
    const problems = await problemsOf(backend, address, before)
    if (problems.length === 0 || left === 1) return problems
    const now = await backend.get(contractKey(address))
    if (before === undefined ? now === undefined : now !== undefined && equalBytes(before, now)) return problems
  }
}

async function problemsOf(
  backend: KeyValueBackend,
  address: Uint8Array,
  stored: Uint8Array | undefined,
): Promise<string[]> {
  const record = stored && decodeContract(stored)
  const seen = await readContract(backend, address)
  if (record === undefined) {
    // Removed just now, as a whole.
    if (stored === undefined && seen.records === 0) return []
    const problem = stored === undefined ? 'the record of the contract is missing' : 'its record is damaged'
    return [problem, ...seen.problems]
  }
  const problems = [...seen.problems, ...tipProblems(record, seen)]
  if (!seen.hasBytecode && seen.lastDelta === undefined) problems.push('it has neither bytecode nor deltas')
  if (!(await holds(backend, orderKey(record.sequence), address))) {
    problems.push(`it is not in the order of contracts (number ${record.sequence})`)
  }
  return problems
}

function tipProblems({ tip }: ContractRecord, { lastDelta, snapshotKey }: Seen): string[] {
  const problems: string[] = []
  if (tip !== lastDelta) problems.push(`its tip is recorded as ${tip ?? 'none'}, but is ${lastDelta ?? 'none'}`)
  if (snapshotKey !== undefined && (lastDelta === undefined || snapshotKey > lastDelta)) {
    problems.push(`the snapshot is of delta ${snapshotKey}, behind the tip`)
  }
  return problems
}

/** What the records of one contract come to. */
interface Seen {
  records: number
  problems: string[]
  hasBytecode: boolean
  lastDelta: number | undefined
  snapshotKey: number | undefined
}

async function readContract(backend: KeyValueBackend, address: Uint8Array): Promise<Seen> {
  const seen: Seen = { records: 0, problems: [], hasBytecode: false, lastDelta: undefined, snapshotKey: undefined }
  const deltas = new RangeList()
  for await (const chunk of backend.entries(contractSpan(address))) {
    for (const { key, value } of chunk) {
      seen.records += 1
      const parsed = parseKey(key)
      if (parsed?.kind === 'delta') {
        const next = seen.lastDelta === undefined ? 0 : seen.lastDelta + 1
        if (parsed.index > next) seen.problems.push(`${describeRange(next, parsed.index)} missing`)
        if (value.length < minBlobBytes) seen.problems.push(`delta ${parsed.index} has only ${value.length} bytes`)
        seen.lastDelta = parsed.index
        deltas.add(parsed.index)
      } else if (parsed?.kind === 'snapshot') {
        const snapshot = decodeSnapshot(value)
        if (snapshot === undefined || snapshot.data.length < minBlobBytes) seen.problems.push('the snapshot is damaged')
        else seen.snapshotKey = snapshot.key
      } else if (parsed?.kind === 'bytecode') {
        seen.hasBytecode = true
        if (value.length === 0) seen.problems.push('the bytecode is empty')
      } else if (parsed?.kind === 'receipt') {
        if (decodeReceipt(value, parsed.taskId) === undefined)
          seen.problems.push(`the receipt of delta ${parsed.index} is damaged`)
        else if (!deltas.has(parsed.index))
          seen.problems.push(`there is a receipt of delta ${parsed.index}, but no such delta`)
      } else if (parsed?.kind !== 'contract') seen.problems.push('there is a record of an unknown kind')
    }
  }
  return seen
}

/** Numbers that come in ascending order, as ranges: a chain without holes is one. */
class RangeList {
  readonly #ranges: { from: number; to: number }[] = []

  add(index: number): void {
    const last = this.#ranges.at(-1)
    if (last?.to === index) last.to += 1
    else this.#ranges.push({ from: index, to: index + 1 })
  }

  has(index: number): boolean {
    return this.#ranges.some(({ from, to }) => from <= index && index < to)
  }
}

function describeRange(from: number, to: number): string {
  return to - from === 1 ? `delta ${from} is` : `deltas ${from} to ${to - 1} are`
}

/** Each number of the order names a contract that has this number, and none is beyond the next one to be given. */
async function verifyOrder(backend: KeyValueBackend, signal: AbortSignal | undefined): Promise<string[]> {
  const problems: string[] = []
  let last = -1n
  for await (const chunk of backend.entries(orderSpan)) {
    signal?.throwIfAborted()
    for (const { key, value } of chunk) {
      const parsed = parseKey(key)
      if (parsed?.kind !== 'order' || value.length !== 32) problems.push('the order of contracts has a damaged record')
      else {
        last = parsed.sequence
        const stored = await backend.get(contractKey(value))
        const named = stored && decodeContract(stored)?.sequence === parsed.sequence
        // What was removed meanwhile has gone from the order, too.
        if (!named && (await holds(backend, key, value))) {
          problems.push(`number ${parsed.sequence} of the order of contracts names one that does not have it`)
        }
      }
    }
  }
  const next = await backend.get(sequenceKey)
  if (next?.length !== 8) problems.push('the record of the next contract number is damaged')
  else if (u64At(next, 0) <= last) problems.push('the next contract number has been given already')
  return problems
}
