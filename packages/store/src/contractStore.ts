import { equalBytes, u32be, u64At, u64be } from '@bletchley/bytes'
import { ConflictError, type Expectation, type KeyValueBackend, StorageError, type Write } from './backend.ts'
import { ContractEdit } from './contractEdit.ts'
import {
  assertAddress,
  assertIndex,
  assertRange,
  assertTaskId,
  ContractReader,
  type Delta,
  type DeltaRow,
  holdsContracts,
  nameOf,
  schemaVersion,
} from './contractReader.ts'
import { KeyedQueue } from './keyedQueue.ts'
import {
  bytecodeKey,
  bytecodeSpan,
  contractKey,
  contractSpan,
  deltaIndexOf,
  deltaKey,
  deltaSpan,
  isBytecodeKey,
  isSnapshotKey,
  orderKey,
  parseKey,
  receiptKey,
  receiptSpan,
  schemaKey,
  sequenceKey,
  snapshotKey,
  wholeSpan,
} from './keys.ts'
import { forEachPaced, Pacer } from './pacer.ts'
import { type DeltaRange, mergeRanges, type Range, rangesBetween } from './ranges.ts'
import { encodeContract, encodeSnapshot, type Receipt, type Snapshot } from './records.ts'

/** A contract's last deltas whose task receipts are kept. */
export const keptReceipts = 64

export interface ContractStoreOptions {
  /** How a delta's hash is made from a delta's data: keccak256 in the worker. */
  hashDelta(data: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** Is told of each contract that a write of this store has changed, once that is on disk. It may not throw. */
  onChange?(change: ContractChange): void
}

/** What a write did to a contract. */
export interface ContractChange {
  /** 32 bytes. */
  address: Uint8Array
  kind: 'created' | 'changed' | 'removed'
  /** The lowest number of the deltas that it stored or removed, if there were any. */
  firstDelta: number | undefined
  /** Whether it stored or removed the bytecode, and the snapshot. */
  bytecode: boolean
  snapshot: boolean
}

/** All that one successful task leaves behind. */
export interface TaskCommit {
  address: Uint8Array
  /** The new delta. A deployment starts the chain anew with number 0. */
  delta: Delta
  /** Hash of the delta before it, on which the task was computed; `undefined` for number 0. */
  previousHash?: Uint8Array | undefined
  /** Given by a deployment only. */
  bytecode?: Uint8Array | undefined
  receipt?: Receipt | undefined
}

/**
 * The contracts of a worker.
 *
 * Every write is one atomic batch that is on disk when its promise resolves. It holds only if the contract is as it was
 * when the write was prepared (its record carries a revision), so several stores over one database, in one process or
 * many, cannot overwrite each other; what can be prepared anew is retried, the rest is a ConflictError.
 *
 * Arrays that are passed in must not change until the promise settles.
 */
export class ContractStore extends ContractReader {
  readonly #hashDelta: ContractStoreOptions['hashDelta']
  readonly #onChange: ((change: ContractChange) => void) | undefined
  readonly #queue = new KeyedQueue()
  /** Why no write is taken. */
  #refusal: string | undefined
  /** The number that the next new contract gets, as far as this store knows; `undefined` must be read. */
  #nextSequence: bigint | undefined
  #revision = 0

  private constructor(backend: KeyValueBackend, options: ContractStoreOptions) {
    super(backend)
    this.#hashDelta = options.hashDelta
    this.#onChange = options.onChange
  }

  /** @throws StorageError if the database holds something else, or contracts of another schema */
  static async open(backend: KeyValueBackend, options: ContractStoreOptions): Promise<ContractStore> {
    if (!(await holdsContracts(backend))) await initialise(backend)
    return new ContractStore(backend, options)
  }

  close(): Promise<void> {
    return this.backend.close()
  }

  /**
   * Another number behind each write of this store: what was read since it was the same is what a reading would give now, as
   * long as nobody else writes to the database.
   */
  get revision(): number {
    return this.#revision
  }

  /** As the backend's: what is written must be found at the next start. */
  assertInPlace(): void {
    this.backend.assertInPlace()
  }

  /** Has all writes fail from now on, for a reason that the database does not know of; none takes them again. */
  refuseWrites(reason: string | undefined): void {
    this.#refusal = reason
  }

  /** As the backend's. */
  clearDeadReaders(): number | undefined {
    return this.backend.clearDeadReaders()
  }

  /** Creates or replaces the bytecode and leaves all else. */
  async putBytecode(address: Uint8Array, bytecode: Uint8Array): Promise<void> {
    await this.#write(address, async (edit) => edit.put(bytecodeKey(address), bytecode))
  }

  /** Creates or replaces the bytecode and one delta. */
  async putContract(address: Uint8Array, bytecode: Uint8Array, delta: Delta): Promise<void> {
    assertIndex(delta.key)
    await this.#write(address, async (edit) => {
      edit.put(bytecodeKey(address), bytecode)
      await this.#putDeltas(edit, new Map([[delta.key, delta.data]]))
    })
  }

  /**
   * Creates or replaces deltas of any contracts. Of rows with the same address and key the last counts. A snapshot that
   * contains a delta which is now another goes; so do the receipts of such deltas.
   */
  async putDeltas(rows: DeltaRow[]): Promise<void> {
    for (const { key } of rows) assertIndex(key)
    const contracts = groupByAddress(rows)
    await this.#writeAll(contracts, (edit, deltas) =>
      this.#putDeltas(edit, new Map(deltas.map(({ key, data }) => [key, data]))),
    )
  }

  /** Removes all that is stored of a contract. One that is unknown is fine. */
  async removeContract(address: Uint8Array): Promise<void> {
    await this.#write(address, async (edit) => {
      if (edit.stored === undefined) return
      edit.remains = false
      await this.#deleteAll(edit, contractSpan(address))
    })
  }

  /**
   * Removes the stored deltas of the ranges, with their receipts and with the snapshots of the contracts that lose any.
   * A contract without deltas and bytecode disappears. The cost depends on what is stored, not on the width of a range.
   */
  async removeDeltas(ranges: DeltaRange[]): Promise<void> {
    for (const { from, to } of ranges) assertRange(from, to)
    const contracts = groupByAddress(ranges)
    await this.#writeAll(contracts, async (edit, removed) => {
      if (edit.stored === undefined) return
      const merged = mergeRanges(removed)
      const pacer = new Pacer()
      for (const { from, to } of merged) {
        await this.#deleteAll(edit, deltaSpan(edit.address, from, to))
        await pacer.pause()
      }
      if (edit.writes.length === 0) return
      edit.delete(snapshotKey(edit.address))
      for (const { from, to } of merged) {
        await this.#deleteAll(edit, receiptSpan(edit.address, from, to))
        await pacer.pause()
      }
      edit.tip = await this.#highestDelta(edit, rangesBetween(merged))
      edit.remains = edit.tip !== undefined || (await this.exists(bytecodeSpan(edit.address)))
      if (!edit.remains) await this.#deleteAll(edit, contractSpan(edit.address))
    })
  }

  /**
   * Stores what a task produced, provided that the chain still is what the task was computed on. Deltas with a higher
   * number than the new one cannot follow it and go, with their receipts and the snapshot.
   *
   * @throws ConflictError if, on deployment, there is bytecode already; otherwise if the contract is gone, the delta
   *   before the new one is not the one of `previousHash`, or the new one's number is taken
   */
  async commitTask(task: TaskCommit): Promise<void> {
    const { address, delta, bytecode, receipt } = task
    assertIndex(delta.key)
    if (receipt) assertTaskId(receipt.taskId)
    if (bytecode ? delta.key !== 0 : (task.previousHash === undefined) !== (delta.key === 0)) {
      throw new RangeError('a deployment makes delta 0, and every delta but 0 needs the hash of the one before')
    }
    await this.#write(address, async (edit) => {
      if (bytecode) await this.#assertNoBytecode(edit)
      else await this.#assertPredecessor(edit, delta.key, task.previousHash)

      // Behind the tip there is nothing to look for, as a rule.
      if (edit.tip !== undefined && edit.tip >= delta.key) {
        await this.#deleteAll(edit, deltaSpan(address, delta.key))
        edit.delete(snapshotKey(address))
        await this.#deleteAll(edit, receiptSpan(address, delta.key))
      }
      await this.#deleteAll(edit, receiptSpan(address, 0, Math.max(0, delta.key + 1 - keptReceipts)))

      edit.put(deltaKey(address, delta.key), delta.data)
      edit.tip = delta.key
      if (bytecode) edit.put(bytecodeKey(address), bytecode)
      if (receipt) edit.put(receiptKey(address, delta.key, receipt.taskId), receipt.reply)
    })
  }

  /**
   * Stores a snapshot that was made from the stored deltas, in place of an older one. Nothing is stored if its last delta
   * is not that of `deltaHash` any more.
   */
  async putSnapshot(address: Uint8Array, snapshot: Snapshot, deltaHash: Uint8Array): Promise<void> {
    await this.#write(address, async (edit) => {
      const delta = await this.getDelta(address, snapshot.key)
      if (delta === undefined || !equalBytes(await this.#hashDelta(delta), deltaHash)) return
      edit.put(snapshotKey(address), encodeSnapshot(snapshot))
    })
  }

  async #assertNoBytecode({ address }: ContractEdit): Promise<void> {
    if (await this.exists(bytecodeSpan(address))) throw new ConflictError('the contract has bytecode already')
  }

  async #assertPredecessor(
    { address, stored, tip }: ContractEdit,
    key: number,
    hash: Uint8Array | undefined,
  ): Promise<void> {
    if (stored === undefined) throw new ConflictError('the contract is gone')
    if (tip !== undefined && tip >= key && (await this.exists(deltaSpan(address, key, key + 1)))) {
      throw new ConflictError(`delta ${key} exists already`)
    }
    if (key === 0 || hash === undefined) return
    const previous = await this.getDelta(address, key - 1)
    if (!previous || !equalBytes(await this.#hashDelta(previous), hash)) {
      throw new ConflictError(`delta ${key - 1} is not the one that the task was computed on`)
    }
  }

  async #putDeltas(edit: ContractEdit, deltas: Map<number, Uint8Array>): Promise<void> {
    const { address } = edit
    if (edit.stored !== undefined) {
      const snapshotIndex = (await this.getSnapshot(address))?.key ?? -1
      const receipts = await this.#receiptIndices(address)
      const pacer = new Pacer()
      for (const [index, data] of deltas) {
        if (index > snapshotIndex && !receipts.has(index)) continue
        const stored = await this.getDelta(address, index)
        if (!stored || equalBytes(stored, data)) continue
        if (index <= snapshotIndex) edit.delete(snapshotKey(address))
        if (receipts.has(index)) await this.#deleteAll(edit, receiptSpan(address, index, index + 1))
        await pacer.pause()
      }
    }
    for (const [index, data] of deltas) {
      edit.put(deltaKey(address, index), data)
      edit.tip = Math.max(edit.tip ?? 0, index)
    }
  }

  async #receiptIndices(address: Uint8Array): Promise<Set<number>> {
    const indices = new Set<number>()
    for await (const chunk of this.backend.keys(receiptSpan(address, 0))) {
      for (const key of chunk) {
        const parsed = parseKey(key)
        if (parsed?.kind === 'receipt') indices.add(parsed.index)
      }
    }
    return indices
  }

  async #deleteAll(edit: ContractEdit, span: { gte: Uint8Array; lt: Uint8Array }): Promise<void> {
    for await (const chunk of this.backend.keys(span)) for (const key of chunk) edit.delete(key)
  }

  async #highestDelta({ address }: ContractEdit, ranges: Range[]): Promise<number | undefined> {
    const pacer = new Pacer()
    for (const { from, to } of ranges.toReversed()) {
      const found = await this.firstKey({ ...deltaSpan(address, from, to), reverse: true })
      const key = found && parseKey(found)
      if (key?.kind === 'delta') return key.index
      await pacer.pause()
    }
    return undefined
  }

  #write(address: Uint8Array, prepare: (edit: ContractEdit) => Promise<void>): Promise<void> {
    return this.#writeAll(groupByAddress([{ address }]), prepare)
  }

  /** Prepares and commits until nobody interferes. `prepare` may run several times. */
  async #writeAll<T>(
    contracts: ReadonlyMap<string, RowsOfContract<T>>,
    prepare: (edit: ContractEdit, rows: T[]) => Promise<void>,
  ): Promise<void> {
    await this.#queue.run(contracts.keys(), async () => {
      while (!(await this.#tryWrite(contracts.values(), prepare)));
    })
  }

  async #tryWrite<T>(
    contracts: Iterable<RowsOfContract<T>>,
    prepare: (edit: ContractEdit, rows: T[]) => Promise<void>,
  ): Promise<boolean> {
    const edits: ContractEdit[] = []
    const batch: Write[] = []
    const expectations: Expectation[] = []
    const created: ContractEdit[] = []
    let pacer: Pacer | undefined
    for (const { address, rows } of contracts) {
      // Not behind the last one: those who come later would overtake a write that is ready.
      if (pacer === undefined) pacer = new Pacer()
      else await pacer.pause()
      const key = contractKey(address)
      const edit = new ContractEdit(address, await this.backend.get(key))
      await prepare(edit, rows)
      if (edit.writes.length === 0) continue
      edits.push(edit)
      expectations.push({ key, value: edit.stored })
      for (const write of edit.writes) batch.push(write)
      const { record, remains, tip } = edit
      if (!remains) {
        batch.push({ key, value: undefined })
        if (record) batch.push({ key: orderKey(record.sequence), value: undefined })
      } else if (record) batch.push({ key, value: encodeContract({ ...record, revision: record.revision + 1n, tip }) })
      else created.push(edit)
    }
    if (edits.length === 0) return true
    const sequence = this.#nextSequence ?? (await this.#readSequence())
    this.#nextSequence ??= sequence // another write may have read it, and used it, meanwhile
    try {
      // Nothing is awaited between taking sequence numbers and the commit, so concurrent creations commit in the order of
      // their numbers and can share a flush.
      this.#number(created, batch, expectations)
      await this.#commit(batch, expectations)
    } catch (error) {
      this.#nextSequence = undefined
      if (error instanceof ConflictError) return false
      throw error
    } finally {
      this.#revision++
    }
    const onChange = this.#onChange
    if (onChange !== undefined) await forEachPaced(edits, (edit) => onChange(changeOf(edit)))
    return true
  }

  /** Gives new contracts their numbers, and adds their records to a batch. */
  #number(created: ContractEdit[], batch: Write[], expectations: Expectation[]): void {
    if (created.length === 0) return
    const first = this.#nextSequence!
    let sequence = first
    for (const { address, tip } of created) {
      batch.push({ key: contractKey(address), value: encodeContract({ sequence, revision: 0n, tip }) })
      batch.push({ key: orderKey(sequence), value: address })
      sequence += 1n
    }
    expectations.push({ key: sequenceKey, value: u64be(first) })
    batch.push({ key: sequenceKey, value: u64be(sequence) })
    this.#nextSequence = sequence
  }

  /** Writes something that is there already: resolves if the database takes writes, and throws StorageError if not. */
  async probe(): Promise<void> {
    await this.#commit([{ key: schemaKey, value: u32be(schemaVersion) }])
  }

  async #commit(batch: Write[], expectations?: Expectation[]): Promise<void> {
    if (this.#refusal !== undefined) throw new StorageError('no write is taken', { cause: new Error(this.#refusal) })
    await this.backend.commit(batch, expectations)
  }

  async #readSequence(): Promise<bigint> {
    const stored = await this.backend.get(sequenceKey)
    if (stored?.length !== 8) throw new StorageError('the record of the next contract number is damaged')
    return u64At(stored, 0)
  }
}

async function initialise(backend: KeyValueBackend): Promise<void> {
  if ((await backend.first(wholeSpan)) !== undefined) {
    throw new StorageError('the database holds something else than contracts')
  }
  try {
    await backend.commit(
      [
        { key: schemaKey, value: u32be(schemaVersion) },
        { key: sequenceKey, value: u64be(0n) },
      ],
      [{ key: schemaKey, value: undefined }],
    )
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error // somebody else did the same just now
  }
}

function changeOf({ address, record, remains, writes }: ContractEdit): ContractChange {
  let firstDelta: number | undefined
  for (const { key } of writes) {
    const index = deltaIndexOf(key)
    if (index !== undefined) firstDelta = Math.min(firstDelta ?? index, index)
  }
  return {
    address,
    kind: !remains ? 'removed' : record === undefined ? 'created' : 'changed',
    firstDelta,
    bytecode: writes.some(({ key }) => isBytecodeKey(key)),
    snapshot: writes.some(({ key }) => isSnapshotKey(key)),
  }
}

/** What a write has for one contract. */
interface RowsOfContract<T> {
  address: Uint8Array
  rows: T[]
}

/** In order of first appearance. */
function groupByAddress<T extends { address: Uint8Array }>(rows: readonly T[]): Map<string, RowsOfContract<T>> {
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
