import { equalBytes } from '@bletchley/bytes'
import {
  assertAddress,
  assertIndex,
  assertRange,
  assertTask,
  assertTaskId,
  assertUserKey,
  assertUserKeyName,
  groupByAddress,
  nameOf,
} from '../arguments.ts'
import type {
  ContractChange,
  ContractStore,
  ContractStoreOptions,
  ContractVersion,
  Delta,
  DeltaRow,
  Loaded,
  LoadedContract,
  SealedUserKey,
  Snapshot,
  TaskCommit,
  UserKeyName,
} from '../contractStore.ts'
import { OutcomeUnknown } from '../errors.ts'
import { KeyedQueue } from '../keyedQueue.ts'
import { type DeltaRange, indexEnd, mergeRanges, type Range, rangesBetween } from '../ranges.ts'
import { Batches } from './batches.ts'
import type { Connections, Outcome } from './connections.ts'
import { numberOf, type ReceiptColumns, receiptOf, SqlContractReader } from './sqlContractReader.ts'
import type { StatementName } from './statements.ts'
import { byteArrays, list } from './values.ts'

/**
 * The contracts of workers in the tables of a database, which other stores may write to at any time.
 *
 * A write of a contract that is there is prepared by one statement, and carried out by another that holds only at the
 * revision which the first one found. In between, writes of this store to the same contract wait: they would be in vain.
 */
export class SqlContractStore extends SqlContractReader implements ContractStore {
  readonly #hash: ContractStoreOptions['hash']
  readonly #onChange: (change: ContractChange) => void
  readonly #queue = new KeyedQueue()
  /** In turn by contract and by one-time key: neither is in two at a time, nor twice in one. */
  readonly #deployments = new Batches<Hashed, boolean>(sizeOfDeployment, (puts) => this.#deploy(puts))
  readonly #computations = new Batches<Computation, boolean>(sizeOfTask, (tasks) => this.#compute(tasks))
  #looks = 0

  constructor(connections: Connections<StatementName>, options: ContractStoreOptions) {
    super(connections)
    this.#hash = options.hash
    this.#onChange = (change) => options.onChange?.(change)
  }

  /** Another number each time: others may have written, and this store would not know. */
  get revision(): number {
    return ++this.#looks
  }

  close(): Promise<void> {
    return this.connections.close()
  }

  async probe(): Promise<void> {
    await this.connections.whileOpen(() => this.connections.write('probe', []))
  }

  async load(address: Uint8Array, taskId?: Uint8Array, userKey?: Uint8Array): Promise<Loaded> {
    assertAddress(address)
    if (taskId) assertTaskId(taskId)
    if (userKey) assertUserKey(userKey)
    const [row] = await this.select<LoadColumns & UserKeyColumns>('load', [address, taskId, userKey])
    const { user_key_id: id, sealed } = row!
    return {
      contract: await this.#contractIn(row!),
      userKey: userKey && id !== null ? { userKey, id, sealed } : undefined,
    }
  }

  async #contractIn(row: LoadColumns): Promise<LoadedContract | undefined> {
    const { sequence, revision } = row
    if (sequence === null) return undefined
    const key = numberOf(row.tip)
    const hash = row.tip_hash ?? (row.data && (await this.#hash(row.data)))
    return {
      version: versionOf({ sequence, revision }),
      tip: key === undefined || hash === null ? undefined : { key, hash },
      hasBytecode: row.code_hash !== null,
      codeHash: row.code_hash ?? undefined,
      hasReceipt: row.has_receipt,
    }
  }

  async commitTask(task: TaskCommit): Promise<'committed' | 'moved'> {
    assertTask(task)
    const { address, version, burnt } = task
    const names = [nameOf(address), ...(burnt ? [nameOf(burnt.userKey)] : [])]
    return this.#inTurn(names, async () => {
      const isStored =
        version === undefined
          ? await this.#deployments.add(deploymentOf(task))
          : (await this.#computations.add({ ...task, version })) || (await this.#computeBelowTip({ ...task, version }))
      return isStored ? 'committed' : 'moved'
    })
  }

  /**
   * What is there may have been written by a server that has crashed before its standby had it. So the contract is written anew,
   * as it is, in the same statement: when that is done the receipt is as safe as any write.
   */
  override async getReceipt(
    address: Uint8Array,
    taskId: Uint8Array,
  ): Promise<{ key: number; reply: Uint8Array } | undefined> {
    assertAddress(address)
    assertTaskId(taskId)
    const { result } = await this.connections.whileOpen(() =>
      this.connections.write<ReceiptColumns>('confirmReceipt', [address, taskId]),
    )
    return result.map(receiptOf)[0]
  }

  async putBytecode(address: Uint8Array, bytecode: Uint8Array): Promise<void> {
    assertAddress(address)
    await this.#put([{ address, deltas: new Map(), bytecode }])
  }

  async putContract(address: Uint8Array, bytecode: Uint8Array, { key, data }: Delta): Promise<void> {
    assertAddress(address)
    assertIndex(key)
    await this.#put([{ address, deltas: new Map([[key, data]]), bytecode }])
  }

  async putDeltas(rows: DeltaRow[]): Promise<void> {
    for (const { key } of rows) assertIndex(key)
    const puts: Put[] = []
    for (const { address, rows: deltas } of groupByAddress(rows).values()) {
      puts.push({ address, deltas: new Map(deltas.map(({ key, data }) => [key, data])) })
    }
    await this.#put(puts)
  }

  async removeContract(address: Uint8Array): Promise<void> {
    assertAddress(address)
    await this.#writeAll([{ address }], sizeOfNothing, async (contracts) => {
      const found = await this.#find(contracts)
      const removals = contracts.flatMap((contract) => {
        const stored = found.get(nameOf(contract.address))
        return stored === undefined ? [] : [{ ...contract, version: stored.version }]
      })
      return lost(removals, await this.#remove(removals))
    })
  }

  async removeDeltas(ranges: DeltaRange[]): Promise<void> {
    for (const { from, to } of ranges) assertRange(from, to)
    const removals: Removal[] = []
    for (const { address, rows } of groupByAddress(ranges).values()) {
      const merged = mergeRanges(rows)
      if (merged.length > 0) removals.push({ address, ranges: merged })
    }
    await this.#writeAll(removals, sizeOfRemoval, async (contracts) => this.#tryRemoveDeltas(contracts))
  }

  async putSnapshot(address: Uint8Array, snapshot: Snapshot, deltaHash: Uint8Array): Promise<void> {
    assertAddress(address)
    assertIndex(snapshot.key)
    await this.#writeAll([{ address }], sizeOfNothing, async (contracts) => {
      const [row] = await this.connections.read<SnapshotDeltaColumns>('snapshotDelta', [address, snapshot.key])
      if (row === undefined || !equalBytes(row.hash ?? (await this.#hash(row.data!)), deltaHash)) return []
      const { sequence, revision } = row
      const values = [address, sequence, revision, snapshot.key, deltaHash, snapshot.data]
      const { result } = await this.connections.write<Written>('putSnapshot', values)
      if (result.length === 0) return contracts
      this.#onChange({ address, kind: 'changed', firstDelta: undefined, bytecode: false, snapshot: true })
      return []
    })
  }

  /**
   * Keeps what a user's next task is opened with, in place of what was kept before. It may be lost when the database fails: the
   * user makes another exchange then.
   */
  async putUserKey({ userKey, id, sealed }: SealedUserKey): Promise<void> {
    assertUserKeyName({ userKey, id })
    await this.connections.whileOpen(() => this.connections.write('putUserKey', [userKey, id, sealed]))
  }

  /**
   * Uses up a one-time key whose task stores nothing.
   *
   * @returns whether it was there; also `false` if that cannot be told, so that none serves twice
   */
  async burnUserKey(name: UserKeyName): Promise<boolean> {
    assertUserKeyName(name)
    const { userKey, id } = name
    const { result } = await this.#inTurn([nameOf(userKey)], () => this.connections.write('burnUserKey', [userKey, id]))
    return result.length > 0
  }

  /** Removes one-time keys that nobody has used for a day, and the oldest of more than 100 000. */
  async sweepUserKeys(): Promise<void> {
    await this.connections.whileOpen(() => this.connections.write('sweepUserKeys', []))
  }

  async #deploy(deployments: Hashed[]): Promise<boolean[]> {
    const { result, isRepeated } = await this.#create(deployments)
    const stored = isRepeated ? await this.#confirm(deployments, result) : result
    this.#tell(deployments, stored, createdBy)
    return deployments.map(({ address }) => stored.has(nameOf(address)))
  }

  async #compute(tasks: Computation[]): Promise<boolean[]> {
    const { result, isRepeated } = await this.connections.write<Written>('commitTasks', commitValues(tasks))
    const written = byName(result)
    const stored = isRepeated ? await this.#confirm(tasks.map(deltaOfTask), written) : written
    this.#tell(tasks, stored, ({ address, delta }) => ({
      address,
      kind: 'changed',
      firstDelta: delta.key,
      bytecode: false,
      snapshot: false,
    }))
    return tasks.map(({ address }) => stored.has(nameOf(address)))
  }

  /**
   * Finds out what an earlier attempt has stored, of those that the last one has not: nobody else has deltas like these, whose
   * bytes are random.
   *
   * The contracts are written as they are, so that it is as safe as a write when it is found: a server that crashed may have it
   * before its standby does.
   *
   * @returns those that are stored, by their names
   */
  async #confirm(puts: Pick<Hashed, 'address' | 'deltas'>[], written: ReadonlyMap<string, Written>) {
    const left = puts.filter(({ address }) => !written.has(nameOf(address)))
    if (left.length === 0) return written
    const { result } = await this.connections.write<Written>('confirmDeltas', deltaValues(left))
    return new Map([...written, ...byName(result)])
  }

  /** The rare task whose delta goes into a hole: what lies above it is removed first. */
  async #computeBelowTip(task: Computation): Promise<boolean> {
    const { address, version, delta } = task
    const { sequence, revision } = version
    const values = [address, sequence, revision, delta.key]
    const [row] = await this.connections.read<{ taken: boolean }>('numberTaken', values)
    if (row === undefined) return false
    if (row.taken) throw new RangeError(`delta ${delta.key} is there already`)
    const removal = { address, version, tip: undefined, ranges: [{ from: delta.key, to: indexEnd }] }
    const { result, isRepeated } = await this.connections.transaction(async (send) => {
      const removed = await send<WrittenPerhapsSnapshot>('removeDeltas', removalValues([removal]))
      if (removed.length > 0) {
        await send('commitTasks', commitValues([{ ...task, version: { sequence, revision: revision + 1n } }]))
      }
      return removed
    })
    const written: ReadonlyMap<string, Written> = byName(result)
    const stored = isRepeated ? await this.#confirm([deltaOfTask(task)], written) : written
    this.#tell([task], stored, () => ({
      address,
      kind: 'changed',
      firstDelta: delta.key,
      bytecode: false,
      // Perhaps, where an earlier attempt has removed it.
      snapshot: result[0]?.snapshot ?? true,
    }))
    return stored.size > 0
  }

  async #put(puts: Put[]): Promise<void> {
    await this.#writeAll(puts, sizeOfPut, async (contracts) => {
      const found = await this.#find(contracts)
      const [created, changed]: [Hashed[], Versioned<Hashed>[]] = [[], []]
      for (const put of contracts) {
        const stored = found.get(nameOf(put.address))
        const hashed = await this.#hashPut(put, stored?.tip)
        if (stored === undefined) created.push(hashed)
        else changed.push({ ...hashed, version: stored.version })
      }
      const written = await this.#change(changed)
      const made = (await this.#create(created)).result
      this.#tell(created, made, createdBy)
      for (const name of made.keys()) written.add(name)
      return lost(contracts, written)
    })
  }

  /** @param tip of the contract as it is stored */
  async #hashPut({ address, deltas, bytecode }: Put, tip = 0): Promise<Hashed> {
    let highest: number | undefined
    for (const key of deltas.keys()) if (key >= (highest ?? tip)) highest = key
    return {
      address,
      deltas,
      tip: highest === undefined ? undefined : { key: highest, hash: await this.#hash(deltas.get(highest)!) },
      code: bytecode && { bytecode, hash: await this.#hash(bytecode) },
    }
  }

  /** @returns by their names, those that nobody else has made meanwhile; nobody is told of them yet */
  async #create(puts: Hashed[]): Promise<Outcome<ReadonlyMap<string, Written>>> {
    if (puts.length === 0) return { result: new Map(), isRepeated: false }
    const receipts = puts.filter(({ receipt }) => receipt !== undefined)
    const { result, isRepeated } = await this.connections.write<Written>('createContracts', [
      addressesOf(puts),
      list(puts.map(({ tip }) => tip?.key ?? null)),
      byteArrays(puts.map(({ tip }) => tip?.hash ?? null)),
      byteArrays(puts.map(({ code }) => code?.hash ?? null)),
      ...deltaValues(puts),
      ...codeValues(puts),
      addressesOf(receipts),
      list(receipts.map(({ tip }) => tip!.key)),
      byteArrays(receipts.map(({ receipt }) => receipt!.taskId)),
      byteArrays(receipts.map(({ receipt }) => receipt!.reply)),
      ...burntValues(puts),
    ])
    return { result: byName(result), isRepeated }
  }

  /** @returns the names of those that nobody else has written meanwhile */
  async #change(puts: Versioned<Hashed>[]): Promise<Set<string>> {
    if (puts.length === 0) return new Set()
    const { result } = await this.connections.write<WrittenPerhapsSnapshot>('changeContracts', [
      ...versionValues(puts),
      list(puts.map(({ tip }) => tip?.key ?? null)),
      byteArrays(puts.map(({ tip }) => tip?.hash ?? null)),
      byteArrays(puts.map(({ code }) => code?.hash ?? null)),
      ...deltaValues(puts),
      ...codeValues(puts),
    ])
    return this.#tell(puts, byName(result), ({ address, deltas, code }, { snapshot }) => ({
      address,
      kind: 'changed',
      firstDelta: lowest(deltas),
      bytecode: code !== undefined,
      snapshot,
    }))
  }

  async #tryRemoveDeltas(contracts: Removal[]): Promise<Removal[]> {
    const spans = contracts.flatMap(({ address, ranges }) => [
      ...ranges.map((range) => ({ address, ...range, goes: true })),
      ...rangesBetween(ranges).map((range) => ({ address, ...range, goes: false })),
    ])
    const rows = await this.connections.read<RemovableColumns>('removable', [
      addressesOf(spans),
      list(spans.map(({ from }) => from)),
      list(spans.map(({ to }) => to)),
      list(spans.map(({ goes }) => goes)),
    ])
    const found = byName(rows)
    const [whole, partly]: [Versioned<Removal>[], PartlyRemoved[]] = [[], []]
    for (const removal of contracts) {
      const row = found.get(nameOf(removal.address))
      if (row === undefined) continue
      const contract = { ...removal, version: versionOf(row), tip: numberOf(row.tip), first: Number(row.first) }
      if (contract.tip === undefined && !row.has_bytecode) whole.push(contract)
      else partly.push(contract)
    }
    const written = await this.#remove(whole)
    if (partly.length > 0) {
      const { result } = await this.connections.write<WrittenPerhapsSnapshot>('removeDeltas', removalValues(partly))
      const names = this.#tell(partly, byName(result), ({ address, first: firstDelta }, { snapshot }) => ({
        address,
        kind: 'changed',
        firstDelta,
        bytecode: false,
        snapshot,
      }))
      for (const name of names) written.add(name)
    }
    return lost([...whole, ...partly], written)
  }

  /** @returns the names of those that nobody else has written meanwhile */
  async #remove<T extends { address: Uint8Array }>(contracts: Versioned<T>[]): Promise<Set<string>> {
    if (contracts.length === 0) return new Set()
    const { result } = await this.connections.write<RemovedColumns>('removeContracts', versionValues(contracts))
    return this.#tell(contracts, byName(result), ({ address }, { first, bytecode, snapshot }) => ({
      address,
      kind: 'removed',
      firstDelta: numberOf(first),
      bytecode,
      snapshot,
    }))
  }

  /** What is stored of contracts, by their names. */
  async #find(contracts: readonly { address: Uint8Array }[]): Promise<Map<string, Found>> {
    const rows = await this.connections.read<FoundColumns>('contracts', [addressesOf(contracts)])
    const found = new Map<string, Found>()
    for (const row of rows) found.set(nameOf(row.address), { version: versionOf(row), tip: numberOf(row.tip) })
    return found
  }

  /** Tells of the contracts that are written. @returns their names */
  #tell<T extends { address: Uint8Array }, Row>(
    contracts: readonly T[],
    written: ReadonlyMap<string, Row>,
    changeOf: (contract: T, row: Row) => ContractChange,
  ): Set<string> {
    for (const contract of contracts) {
      const row = written.get(nameOf(contract.address))
      if (row !== undefined) this.#onChange(changeOf(contract, row))
    }
    return new Set(written.keys())
  }

  /**
   * Writes contracts, some at a time, until nobody interferes. Whoever may have written them already is one who does; so this too
   * ends some time.
   *
   * @param attempt writes some contracts, and returns those that somebody else has written meanwhile
   */
  async #writeAll<T extends { address: Uint8Array }>(
    contracts: T[],
    sizeOf: (contract: T) => Size,
    attempt: (contracts: T[]) => Promise<T[]>,
  ): Promise<void> {
    const names = contracts.map(({ address }) => nameOf(address))
    await this.#inTurn(names, async () => {
      for (const some of inBounds(contracts, sizeOf)) {
        const until = performance.now() + this.connections.deadlineMs
        for (let left = await attempt(some); left.length > 0; left = await attempt(left)) {
          if (performance.now() > until) throw new OutcomeUnknown('it is not known whether the database took a write')
        }
      }
    })
  }

  #inTurn<T>(names: string[], write: () => Promise<T>): Promise<T> {
    return this.connections.whileOpen(() => this.#queue.run(names, write))
  }
}

/** Deltas and bytecode for one contract. */
interface Put {
  address: Uint8Array
  deltas: Map<number, Uint8Array>
  bytecode?: Uint8Array
}

/** The same with the hashes that the database needs. */
interface Hashed extends Pick<Put, 'address' | 'deltas'>, Pick<TaskCommit, 'code' | 'receipt' | 'burnt'> {
  /** The contract's tip behind it, if that is in it. */
  tip: { key: number; hash: Uint8Array } | undefined
}

/** With the version of the contract that it is for. */
type Versioned<T> = T & { version: ContractVersion }

type Computation = Versioned<TaskCommit>

interface Removal {
  address: Uint8Array
  /** Merged. */
  ranges: Range[]
}

/** With the tip that is left, and the lowest delta that goes. */
interface PartlyRemoved extends Versioned<Removal> {
  tip: number | undefined
  first: number
}

interface Found {
  version: ContractVersion
  tip: number | undefined
}

interface VersionColumns {
  sequence: string
  revision: string
}

/** `sequence` is null where there is no contract. */
interface LoadColumns {
  sequence: string | null
  revision: string
  tip: string | null
  tip_hash: Uint8Array | null
  code_hash: Uint8Array | null
  data: Uint8Array | null
  has_receipt: boolean
}

interface UserKeyColumns {
  user_key_id: Uint8Array | null
  sealed: Uint8Array
}

interface FoundColumns extends VersionColumns {
  address: Uint8Array
  tip: string | null
}

interface RemovableColumns extends FoundColumns {
  has_bytecode: boolean
  first: string
}

interface SnapshotDeltaColumns extends VersionColumns {
  hash: Uint8Array | null
  data: Uint8Array | null
}

interface Written {
  address: Uint8Array
}

interface WrittenPerhapsSnapshot extends Written {
  snapshot: boolean
}

interface RemovedColumns extends WrittenPerhapsSnapshot {
  first: string | null
  bytecode: boolean
}

function versionOf({ sequence, revision }: VersionColumns): ContractVersion {
  return { sequence: BigInt(sequence), revision: BigInt(revision) }
}

function byName<T extends { address: Uint8Array }>(rows: readonly T[]): Map<string, T> {
  return new Map(rows.map((row) => [nameOf(row.address), row]))
}

function lost<T extends { address: Uint8Array }>(contracts: T[], written: ReadonlySet<string>): T[] {
  return contracts.filter(({ address }) => !written.has(nameOf(address)))
}

function lowest(deltas: ReadonlyMap<number, Uint8Array>): number | undefined {
  let first: number | undefined
  for (const key of deltas.keys()) first = Math.min(first ?? key, key)
  return first
}

function addressesOf(rows: readonly { address: Uint8Array }[]): Buffer {
  return byteArrays(rows.map(({ address }) => address))
}

/** Parameters: addresses, sequences, revisions. */
function versionValues(contracts: readonly { address: Uint8Array; version: ContractVersion }[]): unknown[] {
  return [
    addressesOf(contracts),
    list(contracts.map(({ version }) => version.sequence)),
    list(contracts.map(({ version }) => version.revision)),
  ]
}

/** Parameters: addresses, numbers, data. */
function deltaValues(puts: readonly Pick<Hashed, 'address' | 'deltas'>[]): unknown[] {
  const rows = puts.flatMap(({ address, deltas }) => Array.from(deltas, ([key, data]) => ({ address, key, data })))
  return [addressesOf(rows), list(rows.map(({ key }) => key)), byteArrays(rows.map(({ data }) => data))]
}

/** Parameters: addresses, code. */
function codeValues(puts: readonly Hashed[]): unknown[] {
  const rows = puts.filter(({ code }) => code !== undefined)
  return [addressesOf(rows), byteArrays(rows.map(({ code }) => code!.bytecode))]
}

/** A task as what it puts. */
function deltaOfTask({ address, delta }: TaskCommit): Pick<Hashed, 'address' | 'deltas'> {
  return { address, deltas: new Map([[delta.key, delta.data]]) }
}

function deploymentOf(task: TaskCommit): Hashed {
  const { delta, deltaHash, code, receipt, burnt } = task
  return { ...deltaOfTask(task), tip: { key: delta.key, hash: deltaHash }, code, receipt, burnt }
}

function createdBy({ address, deltas, code }: Hashed): ContractChange {
  return { address, kind: 'created', firstDelta: lowest(deltas), bytecode: code !== undefined, snapshot: false }
}

function commitValues(tasks: readonly Computation[]): unknown[] {
  return [
    ...versionValues(tasks),
    list(tasks.map(({ delta }) => delta.key)),
    byteArrays(tasks.map(({ deltaHash }) => deltaHash)),
    byteArrays(tasks.map(({ delta }) => delta.data)),
    byteArrays(tasks.map(({ receipt }) => receipt?.taskId ?? null)),
    byteArrays(tasks.map(({ receipt }) => receipt?.reply ?? null)),
    ...burntValues(tasks),
  ]
}

/** Parameters: users' keys and ids, of the keys that are used up. */
function burntValues(tasks: readonly Pick<TaskCommit, 'burnt'>[]): unknown[] {
  return [
    byteArrays(tasks.map(({ burnt }) => burnt?.userKey ?? null)),
    byteArrays(tasks.map(({ burnt }) => burnt?.id ?? null)),
  ]
}

function removalValues(contracts: readonly Omit<PartlyRemoved, 'first'>[]): unknown[] {
  const rows = contracts.flatMap(({ address, ranges }) => ranges.map((range) => ({ address, ...range })))
  return [
    ...versionValues(contracts),
    list(contracts.map(({ tip }) => tip ?? null)),
    addressesOf(rows),
    list(rows.map(({ from }) => from)),
    list(rows.map(({ to }) => to)),
  ]
}

/** What a contract adds to a statement. */
interface Size {
  rows: number
  bytes: number
}

/** What one statement has: the first of these that is reached. A contract that has more is alone. */
const mostContracts = 1000
const mostRows = 10_000
const mostBytes = 4 << 20

/** Contracts in the order in which they are given, in parts that a statement can have. */
function* inBounds<T>(contracts: readonly T[], sizeOf: (contract: T) => Size): Generator<T[]> {
  let part: T[] = []
  const total = { rows: 0, bytes: 0 }
  for (const contract of contracts) {
    const { rows, bytes } = sizeOf(contract)
    total.rows += rows
    total.bytes += bytes
    const isTooMuch = part.length === mostContracts || total.rows > mostRows || total.bytes > mostBytes
    if (part.length > 0 && isTooMuch) {
      yield part
      part = []
      Object.assign(total, { rows, bytes })
    }
    part.push(contract)
  }
  if (part.length > 0) yield part
}

function sizeOfTask({ delta, receipt }: TaskCommit): number {
  return delta.data.length + (receipt?.reply.length ?? 0)
}

function sizeOfDeployment({ deltas, code, receipt }: Hashed): number {
  return deltas.get(0)!.length + (code?.bytecode.length ?? 0) + (receipt?.reply.length ?? 0)
}

function sizeOfPut({ deltas, bytecode }: Put): Size {
  let bytes = bytecode?.length ?? 0
  for (const data of deltas.values()) bytes += data.length
  return { rows: deltas.size, bytes }
}

function sizeOfRemoval({ ranges }: Removal): Size {
  return { rows: ranges.length, bytes: 0 }
}

function sizeOfNothing(): Size {
  return { rows: 0, bytes: 0 }
}
