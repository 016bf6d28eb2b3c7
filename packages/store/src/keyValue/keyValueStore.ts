import { equalBytes, u32be, u64At, u64be } from '@bletchley/bytes'
import {
  assertAddress,
  assertIndex,
  assertRange,
  assertTask,
  assertTaskId,
  groupByAddress,
  nameOf,
  type RowsOfContract,
} from '../arguments.ts'
import {
  type ContractChange,
  type ContractStore,
  type ContractStoreOptions,
  type ContractVersion,
  type Delta,
  type DeltaRow,
  keptReceipts,
  type Loaded,
  type LoadedContract,
  type Snapshot,
  type TaskCommit,
} from '../contractStore.ts'
import { ConflictError, StorageError } from '../errors.ts'
import { KeyedQueue } from '../keyedQueue.ts'
import { forEachPaced, Pacer } from '../pacer.ts'
import { type DeltaRange, mergeRanges, type Range, rangesBetween } from '../ranges.ts'
import type { Expectation, KeyValueBackend, Write } from './backend.ts'
import { ContractEdit } from './contractEdit.ts'
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
import { holdsContracts, KeyValueReader, schemaVersion } from './keyValueReader.ts'
import { type KnownContract, KnownContracts, withTask } from './knownContracts.ts'
import { type ContractRecord, decodeContract, encodeContract, encodeSnapshot } from './records.ts'

/** Contracts in an ordered key-value database. Every write is one atomic batch, of however many contracts. */
export class KeyValueStore extends KeyValueReader implements ContractStore {
  readonly #hash: ContractStoreOptions['hash']
  readonly #onChange: ((change: ContractChange) => void) | undefined
  readonly #queue = new KeyedQueue()
  readonly #known = new KnownContracts()
  /** Why no write is taken. */
  #refusal: string | undefined
  /** The number that the next new contract gets, as far as this store knows; `undefined` must be read. */
  #nextSequence: bigint | undefined
  #revision = 0

  private constructor(backend: KeyValueBackend, options: ContractStoreOptions) {
    super(backend)
    this.#hash = options.hash
    this.#onChange = options.onChange
  }

  /** @throws StorageError if the database holds something else, or contracts of another schema */
  static async open(backend: KeyValueBackend, options: ContractStoreOptions): Promise<KeyValueStore> {
    if (!(await holdsContracts(backend))) await initialise(backend)
    return new KeyValueStore(backend, options)
  }

  close(): Promise<void> {
    return this.backend.close()
  }

  /** Counts the writes of this store: as long as the core runs, nobody else writes to its database. */
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

  async putBytecode(address: Uint8Array, bytecode: Uint8Array): Promise<void> {
    await this.#write(address, async (edit) => edit.put(bytecodeKey(address), bytecode))
  }

  async putContract(address: Uint8Array, bytecode: Uint8Array, delta: Delta): Promise<void> {
    assertIndex(delta.key)
    await this.#write(address, async (edit) => {
      edit.put(bytecodeKey(address), bytecode)
      await this.#putDeltas(edit, new Map([[delta.key, delta.data]]))
    })
  }

  async putDeltas(rows: DeltaRow[]): Promise<void> {
    for (const { key } of rows) assertIndex(key)
    const contracts = groupByAddress(rows)
    await this.#writeAll(contracts, (edit, deltas) =>
      this.#putDeltas(edit, new Map(deltas.map(({ key, data }) => [key, data]))),
    )
  }

  async removeContract(address: Uint8Array): Promise<void> {
    await this.#write(address, async (edit) => {
      if (edit.stored === undefined) return
      edit.remains = false
      await this.#deleteAll(edit, contractSpan(address))
    })
  }

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

  async load(address: Uint8Array, taskId?: Uint8Array): Promise<Loaded> {
    assertAddress(address)
    if (taskId !== undefined) assertTaskId(taskId)
    return { contract: await this.#loadContract(address, taskId), userKey: undefined }
  }

  async #loadContract(address: Uint8Array, taskId: Uint8Array | undefined): Promise<LoadedContract | undefined> {
    for (;;) {
      const stored = await this.backend.get(contractKey(address))
      if (stored === undefined) return undefined
      const record = decodeContract(stored)
      // A task must not begin the chain anew over what is there.
      if (record === undefined) throw new StorageError('the record of a contract is damaged')
      const known = this.#known.find(address, stored) ?? (await this.#findOut(address, stored))
      if (known === undefined) continue // it was written meanwhile
      const { sequence, revision, tip } = record
      const { tipHash, hasBytecode, tasks } = known
      return {
        version: { sequence, revision },
        tip: tipHash && { key: tip!, hash: tipHash },
        hasBytecode,
        codeHash: undefined,
        hasReceipt: taskId !== undefined && tasks.has(nameOf(taskId)),
      }
    }
  }

  /** What tasks need to know of a contract; `undefined` if it is not as its record was. */
  async #findOut(address: Uint8Array, record: Uint8Array): Promise<KnownContract | undefined> {
    const tip = await this.getTip(address, new Pacer())
    const tipHash = tip && (await this.#hash(tip.data))
    const tasks = new Map<string, number>()
    for await (const { task, index } of this.receipts(address)) {
      // From the newest on: an older one of the same task does not count.
      const name = nameOf(task)
      if (!tasks.has(name)) tasks.set(name, index)
    }
    const hasBytecode = await this.exists(bytecodeSpan(address))
    const now = await this.backend.get(contractKey(address))
    if (now === undefined || !equalBytes(now, record)) return undefined
    const known = { record, tipHash, hasBytecode, tasks }
    this.#known.keep(address, known)
    return known
  }

  async commitTask(task: TaskCommit): Promise<'committed' | 'moved'> {
    assertTask(task)
    const { address, version } = task
    return this.#queue.run([nameOf(address)], async () => {
      for (;;) {
        const edit = await this.#edit(address)
        if (!isAt(edit.record, version)) return 'moved'
        await this.#prepareTask(edit, task)
        // If not, somebody else has written this contract, or created another one.
        if (!(await this.#commitEdits([edit]))) continue
        this.#learn(edit, task)
        return 'committed'
      }
    })
  }

  async #prepareTask(edit: ContractEdit, { address, delta, code, receipt }: TaskCommit): Promise<void> {
    // Behind the tip there is nothing to look for, as a rule.
    if (edit.tip !== undefined && edit.tip >= delta.key) {
      if (await this.exists(deltaSpan(address, delta.key, delta.key + 1))) {
        throw new RangeError(`delta ${delta.key} is there already`)
      }
      await this.#deleteAll(edit, deltaSpan(address, delta.key))
      edit.delete(snapshotKey(address))
      await this.#deleteAll(edit, receiptSpan(address, delta.key))
    }
    await this.#deleteAll(edit, receiptSpan(address, 0, Math.max(0, delta.key + 1 - keptReceipts)))

    edit.put(deltaKey(address, delta.key), delta.data)
    edit.tip = delta.key
    if (code) edit.put(bytecodeKey(address), code.bytecode)
    if (receipt) edit.put(receiptKey(address, delta.key, receipt.taskId), receipt.reply)
  }

  /** Keeps what is known of a contract true behind a task. */
  #learn({ address, stored, written: record }: ContractEdit, { delta, deltaHash, receipt }: TaskCommit): void {
    const before = stored && this.#known.find(address, stored)
    if (record === undefined || (stored !== undefined && before === undefined)) return
    this.#known.keep(address, {
      record,
      tipHash: deltaHash,
      hasBytecode: before?.hasBytecode ?? true,
      tasks: withTask(before?.tasks ?? new Map(), delta.key, receipt?.taskId),
    })
  }

  async putSnapshot(address: Uint8Array, snapshot: Snapshot, deltaHash: Uint8Array): Promise<void> {
    await this.#write(address, async (edit) => {
      const delta = await this.getDelta(address, snapshot.key)
      if (delta === undefined || !equalBytes(await this.#hash(delta), deltaHash)) return
      edit.put(snapshotKey(address), encodeSnapshot(snapshot))
    })
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
    let pacer: Pacer | undefined
    for (const { address, rows } of contracts) {
      // Not behind the last one: those who come later would overtake a write that is ready.
      if (pacer === undefined) pacer = new Pacer()
      else await pacer.pause()
      const edit = await this.#edit(address)
      await prepare(edit, rows)
      if (edit.writes.length > 0) edits.push(edit)
    }
    return edits.length === 0 || this.#commitEdits(edits)
  }

  async #edit(address: Uint8Array): Promise<ContractEdit> {
    return new ContractEdit(address, await this.backend.get(contractKey(address)))
  }

  /** @returns false, and nothing is written, if any of the contracts is not as its edit found it */
  async #commitEdits(edits: readonly ContractEdit[]): Promise<boolean> {
    const batch: Write[] = []
    const expectations: Expectation[] = []
    const created: ContractEdit[] = []
    for (const edit of edits) {
      const key = contractKey(edit.address)
      expectations.push({ key, value: edit.stored })
      for (const write of edit.writes) batch.push(write)
      const { record, remains, tip } = edit
      if (!remains) {
        batch.push({ key, value: undefined })
        if (record) batch.push({ key: orderKey(record.sequence), value: undefined })
      } else if (record) {
        edit.written = encodeContract({ ...record, revision: record.revision + 1n, tip })
        batch.push({ key, value: edit.written })
      } else created.push(edit)
    }
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
    for (const edit of created) {
      const { address, tip } = edit
      edit.written = encodeContract({ sequence, revision: 0n, tip })
      batch.push({ key: contractKey(address), value: edit.written })
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

/** Whether a contract is in this state; in none, if there is no such contract. */
function isAt(record: ContractRecord | undefined, version: ContractVersion | undefined): boolean {
  return record?.sequence === version?.sequence && record?.revision === version?.revision
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
