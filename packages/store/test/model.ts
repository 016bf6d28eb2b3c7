import { createHash } from 'node:crypto'
import { ContractStore, type DeltaRange, type DeltaRow, type KeyValueBackend, type TaskCommit } from '../src/index.ts'

export const hashDelta = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest())

export const openStore = (backend: KeyValueBackend) => ContractStore.open(backend, { hashDelta })

/** Same bytes in, same text out, so contracts and tasks can be named by one number. */
export const bytes32 = (value: number) => new Uint8Array(32).fill(value)

export type Operation =
  | { kind: 'putBytecode'; contract: number; bytecode: Uint8Array }
  | { kind: 'putContract'; contract: number; bytecode: Uint8Array; key: number; data: Uint8Array }
  | { kind: 'putDeltas'; rows: { contract: number; key: number; data: Uint8Array }[] }
  | { kind: 'removeContract'; contract: number }
  | { kind: 'removeDeltas'; ranges: { contract: number; from: number; to: number }[] }
  | {
      kind: 'commitTask'
      contract: number
      /** Where the delta goes, counted from the tip: 1 follows it. */
      step: number
      data: Uint8Array
      stale: boolean
      bytecode: Uint8Array | undefined
      task: number | undefined
    }
  | { kind: 'putSnapshot'; contract: number; key: number; data: Uint8Array; stale: boolean }

interface ModelContract {
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

  clone(): Model {
    const copy = new Model()
    copy.contracts = structuredClone(this.contracts)
    return copy
  }

  /** @returns the task that the operation amounts to, if it is one */
  taskOf(operation: Operation): TaskCommit | undefined {
    if (operation.kind !== 'commitTask') return undefined
    const { bytecode, contract, data, stale, step, task } = operation
    const tip = Math.max(-1, ...(this.contracts.get(contract)?.deltas.keys() ?? []))
    const key = bytecode ? 0 : Math.min(maxIndex, Math.max(0, tip + step))
    const previous = this.contracts.get(contract)?.deltas.get(key - 1)
    return {
      address: bytes32(contract),
      delta: { key, data },
      previousHash: key === 0 ? undefined : hashDelta(stale || !previous ? bytes32(99) : previous),
      bytecode,
      receipt: task === undefined ? undefined : { taskId: bytes32(task), reply: data },
    }
  }

  /** @returns whether the store should accept it */
  apply(operation: Operation): boolean {
    switch (operation.kind) {
      case 'putBytecode':
        this.#contract(operation.contract).bytecode = operation.bytecode
        break
      case 'putContract':
        this.#contract(operation.contract).bytecode = operation.bytecode
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
      case 'commitTask':
        return this.#commitTask(operation)
      case 'putSnapshot': {
        const { contract: number, key, data, stale } = operation
        const contract = this.contracts.get(number)
        if (contract?.deltas.has(key) && !stale) contract.snapshot = { key, data }
      }
    }
    return true
  }

  #contract(number: number): ModelContract {
    let contract = this.contracts.get(number)
    if (!contract) {
      contract = { deltas: new Map(), receipts: new Map() }
      this.contracts.set(number, contract)
    }
    return contract
  }

  #putDeltas(number: number, deltas: Map<number, Uint8Array>): void {
    const contract = this.#contract(number)
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
      const contract = this.contracts.get(number)
      for (const key of contract?.deltas.keys() ?? []) {
        if (!contract || key < from || key >= to) continue
        contract.deltas.delete(key)
        contract.receipts.delete(key)
        contract.snapshot = undefined
      }
      if (contract?.deltas.size === 0 && !contract.bytecode) this.contracts.delete(number)
    }
  }

  #commitTask(operation: Operation & { kind: 'commitTask' }): boolean {
    const task = this.taskOf(operation)!
    const { key, data } = task.delta
    const existing = this.contracts.get(operation.contract)
    if (task.bytecode) {
      if (existing?.bytecode) return false
    } else {
      if (!existing || existing.deltas.has(key)) return false
      const previous = existing.deltas.get(key - 1)
      if (key > 0 && (!previous || !same(hashDelta(previous), task.previousHash!))) return false
    }
    const contract = this.#contract(operation.contract)
    if (task.bytecode) {
      contract.bytecode = task.bytecode
      contract.snapshot = undefined
    }
    for (const old of contract.deltas.keys()) {
      if (old < key) continue
      contract.deltas.delete(old)
      contract.snapshot = undefined
    }
    for (const old of contract.receipts.keys()) if (old >= key || old <= key - 64) contract.receipts.delete(old)
    contract.deltas.set(key, data)
    if (operation.task !== undefined) contract.receipts.set(key, { task: operation.task, reply: data })
    return true
  }
}

/** Runs the operation on the store, which is as `model` says. */
export function perform(store: ContractStore, operation: Operation, model: Model): Promise<void> {
  const withAddress = <T extends { contract: number }>({ contract, ...rest }: T) => ({
    address: bytes32(contract),
    ...rest,
  })
  switch (operation.kind) {
    case 'putBytecode':
      return store.putBytecode(bytes32(operation.contract), operation.bytecode)
    case 'putContract':
      return store.putContract(bytes32(operation.contract), operation.bytecode, {
        key: operation.key,
        data: operation.data,
      })
    case 'putDeltas':
      return store.putDeltas(operation.rows.map(withAddress) satisfies DeltaRow[])
    case 'removeContract':
      return store.removeContract(bytes32(operation.contract))
    case 'removeDeltas':
      return store.removeDeltas(operation.ranges.map(withAddress) satisfies DeltaRange[])
    case 'commitTask':
      return store.commitTask(model.taskOf(operation)!)
    case 'putSnapshot': {
      const { contract, key, data, stale } = operation
      const delta = model.contracts.get(contract)?.deltas.get(key)
      return store.putSnapshot(bytes32(contract), { key, data }, hashDelta(stale || !delta ? bytes32(99) : delta))
    }
  }
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
