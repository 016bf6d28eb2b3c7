import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import {
  type ContractStore,
  type ContractVersion,
  type DeltaRange,
  type DeltaRow,
  type KeyValueBackend,
  KeyValueStore,
  type LoadedContract,
} from '../src/index.ts'

export const hash = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest())

export const openStore = (backend: KeyValueBackend) => KeyValueStore.open(backend, { hash })

/** Same bytes in, same text out, so contracts and tasks can be named by one number. */
export const bytes32 = (value: number) => new Uint8Array(32).fill(value)

/** What anybody may do to a store. */
export type Write =
  | { kind: 'putBytecode'; contract: number; bytecode: Uint8Array }
  | { kind: 'putContract'; contract: number; bytecode: Uint8Array; key: number; data: Uint8Array }
  | { kind: 'putDeltas'; rows: { contract: number; key: number; data: Uint8Array }[] }
  | { kind: 'removeContract'; contract: number }
  | { kind: 'removeDeltas'; ranges: { contract: number; from: number; to: number }[] }
  | { kind: 'putSnapshot'; contract: number; key: number; data: Uint8Array; stale: boolean }

/** What a core does: it loads a contract, and stores what it has computed on that. */
export interface Task {
  kind: 'task'
  contract: number
  /** Where the delta goes, counted from the tip: 1 follows it. */
  step: number
  data: Uint8Array
  /** Of a deployment. */
  bytecode: Uint8Array | undefined
  task: number | undefined
  /** What somebody else does before it is stored. */
  meanwhile: Write | undefined
}

export type Operation = Write | Task
export type Outcome = 'done' | 'moved' | 'number taken'

interface ModelContract {
  /** Another one behind each write. */
  version: number
  deltas: Map<number, Uint8Array>
  bytecode?: Uint8Array | undefined
  snapshot?: { key: number; data: Uint8Array } | undefined
  receipts: Map<number, { task: number; reply: Uint8Array }>
}

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0
const maxIndex = 0xffff_ffff

/** What the store should do, written for being obvious. Contracts stand in order of first appearance. */
export class Model {
  contracts = new Map<number, ModelContract>()
  #versions = 0

  clone(): Model {
    const copy = new Model()
    copy.contracts = structuredClone(this.contracts)
    copy.#versions = this.#versions
    return copy
  }

  /** The number of the delta that a task makes. */
  keyOf({ bytecode, contract, step }: Task): number {
    const tip = Math.max(-1, ...(this.contracts.get(contract)?.deltas.keys() ?? []))
    return bytecode ? 0 : Math.min(maxIndex, Math.max(0, tip + step))
  }

  /** What a store must load for a task, but for the version. */
  loaded({ contract: number, task }: Task): Omit<LoadedContract, 'version' | 'codeHash'> | undefined {
    const contract = this.contracts.get(number)
    if (contract === undefined) return undefined
    const tip = Math.max(-1, ...contract.deltas.keys())
    return {
      tip: tip === -1 ? undefined : { key: tip, hash: hash(contract.deltas.get(tip)!) },
      hasBytecode: contract.bytecode !== undefined,
      hasReceipt: [...contract.receipts.values()].some((receipt) => receipt.task === task),
    }
  }

  /** @returns what the store should answer */
  apply(operation: Operation): Outcome {
    if (operation.kind === 'task') return this.#task(operation)
    switch (operation.kind) {
      case 'putBytecode':
        this.#written(operation.contract).bytecode = operation.bytecode
        break
      case 'putContract':
        this.#written(operation.contract).bytecode = operation.bytecode
        this.#putDeltas(operation.contract, new Map([[operation.key, operation.data]]))
        break
      case 'putDeltas':
        for (const contract of new Set(operation.rows.map((row) => row.contract))) {
          const rows = operation.rows.filter((row) => row.contract === contract)
          this.#putDeltas(contract, new Map(rows.map(({ key, data }) => [key, data])))
        }
        break
      case 'removeContract':
        this.contracts.delete(operation.contract)
        break
      case 'removeDeltas':
        this.#removeDeltas(operation.ranges)
        break
      case 'putSnapshot': {
        const { contract, key, data, stale } = operation
        if (this.contracts.get(contract)?.deltas.has(key) && !stale) this.#written(contract).snapshot = { key, data }
      }
    }
    return 'done'
  }

  #written(number: number): ModelContract {
    const contract: ModelContract = this.contracts.get(number) ?? { version: 0, deltas: new Map(), receipts: new Map() }
    this.contracts.set(number, contract)
    contract.version = ++this.#versions
    return contract
  }

  #putDeltas(number: number, deltas: Map<number, Uint8Array>): void {
    const contract = this.#written(number)
    for (const [key, data] of deltas) {
      const old = contract.deltas.get(key)
      if (old && !same(old, data)) {
        contract.receipts.delete(key)
        if (contract.snapshot && key <= contract.snapshot.key) contract.snapshot = undefined
      }
      contract.deltas.set(key, data)
    }
  }

  #removeDeltas(ranges: { contract: number; from: number; to: number }[]): void {
    for (const { contract: number, from, to } of ranges) {
      const removed = [...(this.contracts.get(number)?.deltas.keys() ?? [])].filter((key) => key >= from && key < to)
      if (removed.length === 0) continue
      const contract = this.#written(number)
      for (const key of removed) {
        contract.deltas.delete(key)
        contract.receipts.delete(key)
      }
      contract.snapshot = undefined
      if (contract.deltas.size === 0 && !contract.bytecode) this.contracts.delete(number)
    }
  }

  #task(task: Task): Outcome {
    const { contract: number, bytecode, data, meanwhile } = task
    const key = this.keyOf(task)
    const before = this.contracts.get(number)?.version
    if (meanwhile) this.apply(meanwhile)
    const existing = this.contracts.get(number)
    if (bytecode ? existing !== undefined : existing === undefined || existing.version !== before) return 'moved'
    if (existing?.deltas.has(key)) return 'number taken'
    const contract = this.#written(number)
    if (bytecode) contract.bytecode = bytecode
    for (const old of contract.deltas.keys()) {
      if (old < key) continue
      contract.deltas.delete(old)
      contract.snapshot = undefined
    }
    for (const old of contract.receipts.keys()) if (old >= key || old <= key - 64) contract.receipts.delete(old)
    contract.deltas.set(key, data)
    if (task.task !== undefined) contract.receipts.set(key, { task: task.task, reply: data })
    return 'done'
  }
}

/** Runs an operation on a store that is as `model` says; `other` is a store over the same database. */
export async function perform(
  store: ContractStore,
  operation: Operation,
  model: Model,
  other = store,
): Promise<Outcome> {
  if (operation.kind === 'task') return performTask(store, operation, model, other)
  const withAddress = <T extends { contract: number }>({ contract, ...rest }: T) => ({
    address: bytes32(contract),
    ...rest,
  })
  switch (operation.kind) {
    case 'putBytecode':
      await store.putBytecode(bytes32(operation.contract), operation.bytecode)
      break
    case 'putContract': {
      const { contract, bytecode, key, data } = operation
      await store.putContract(bytes32(contract), bytecode, { key, data })
      break
    }
    case 'putDeltas':
      await store.putDeltas(operation.rows.map(withAddress) satisfies DeltaRow[])
      break
    case 'removeContract':
      await store.removeContract(bytes32(operation.contract))
      break
    case 'removeDeltas':
      await store.removeDeltas(operation.ranges.map(withAddress) satisfies DeltaRange[])
      break
    case 'putSnapshot': {
      const { contract, key, data, stale } = operation
      const delta = model.contracts.get(contract)?.deltas.get(key)
      await store.putSnapshot(bytes32(contract), { key, data }, stale || !delta ? bytes32(99) : hash(delta))
    }
  }
  return 'done'
}

async function performTask(store: ContractStore, task: Task, model: Model, other: ContractStore): Promise<Outcome> {
  const { contract, data, bytecode, meanwhile } = task
  const taskId = bytes32(task.task ?? 99)
  const { contract: loaded } = await store.load(bytes32(contract), taskId)
  expect(without(loaded)).toStrictEqual(model.loaded(task))
  if (meanwhile) await perform(other, meanwhile, model)
  const commit = store.commitTask({
    address: bytes32(contract),
    version: bytecode ? undefined : (loaded?.version ?? { sequence: -1n, revision: 0n }),
    delta: { key: model.keyOf(task), data },
    deltaHash: hash(data),
    code: bytecode && { bytecode, hash: hash(bytecode) },
    receipt: task.task === undefined ? undefined : { taskId, reply: data },
  })
  return commit.then(
    (outcome) => (outcome === 'committed' ? 'done' : outcome),
    (error: unknown) => {
      if (error instanceof RangeError) return 'number taken'
      throw error
    },
  )
}

function without(loaded: LoadedContract | undefined): Omit<LoadedContract, 'version' | 'codeHash'> | undefined {
  if (loaded === undefined) return undefined
  const { version, codeHash, ...rest } = loaded
  return rest
}

/** Stores a delta that follows the tip, as a task does. */
export async function addDelta(
  store: ContractStore,
  address: Uint8Array,
  delta: { key: number; data: Uint8Array },
  receipt?: { taskId: Uint8Array; reply: Uint8Array },
): Promise<'committed' | 'moved'> {
  const version = await versionOf(store, address)
  return store.commitTask({ address, version, delta, deltaHash: hash(delta.data), receipt })
}

export async function versionOf(store: ContractStore, address: Uint8Array): Promise<ContractVersion> {
  return (await store.load(address, bytes32(99))).contract!.version
}

/** Stores a new contract, as a deployment does. */
export function deploy(
  store: ContractStore,
  address: Uint8Array,
  bytecode: Uint8Array,
  data: Uint8Array,
  receipt?: { taskId: Uint8Array; reply: Uint8Array },
): Promise<'committed' | 'moved'> {
  const code = { bytecode, hash: hash(bytecode) }
  return store.commitTask({
    address,
    version: undefined,
    delta: { key: 0, data },
    deltaHash: hash(data),
    code,
    receipt,
  })
}

/** The tips of all contracts, in order of creation; those without deltas are left out. */
export async function allTips(store: ContractStore): Promise<DeltaRow[]> {
  const addresses = await store.allAddresses()
  const tips = await collect(store.tips(addresses))
  return addresses.flatMap((address, index) => (tips[index] ? [{ address, ...tips[index] }] : []))
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}

/** All that can be seen of a store, in a form that compares well. */
export async function observe(store: ContractStore, contracts: number[], tasks: number[]): Promise<unknown> {
  const seen: unknown[] = [await store.allAddresses(), await allTips(store)]
  seen.push(await collect(store.tips(contracts.map(bytes32))))
  for (const address of contracts.map(bytes32)) {
    seen.push(
      await store.hasContract(address),
      await store.getBytecode(address),
      await store.getDeltas(address, 0, maxIndex + 1),
      await store.getDeltas(address, 1, 3),
      await store.getDelta(address, 0),
      await store.getSnapshot(address),
    )
    for (const task of tasks) seen.push(await store.getReceipt(address, bytes32(task)))
  }
  return seen
}

export function observeModel({ contracts: all }: Model, contracts: number[], tasks: number[]): unknown {
  const deltas = (contract: number, from = 0, to = maxIndex + 1) =>
    [...(all.get(contract)?.deltas ?? [])]
      .filter(([key]) => key >= from && key < to)
      .sort(([a], [b]) => a - b)
      .map(([key, data]) => ({ key, data }))
  const tip = (contract: number) => deltas(contract).at(-1)
  const seen: unknown[] = [
    [...all.keys()].map(bytes32),
    [...all.keys()].flatMap((contract) => {
      const found = tip(contract)
      return found ? [{ address: bytes32(contract), ...found }] : []
    }),
    contracts.map(tip),
  ]
  for (const number of contracts) {
    const contract = all.get(number)
    seen.push(
      contract !== undefined,
      contract?.bytecode,
      deltas(number),
      deltas(number, 1, 3),
      contract?.deltas.get(0),
      contract?.snapshot,
    )
    for (const task of tasks) {
      const newest = Math.max(-1, ...[...(contract?.receipts ?? [])].filter(([, r]) => r.task === task).map(([k]) => k))
      const receipt = contract?.receipts.get(newest)
      seen.push(receipt && { key: newest, reply: receipt.reply })
    }
  }
  return seen
}
