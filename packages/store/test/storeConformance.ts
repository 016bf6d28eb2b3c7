import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ContractChange, ContractStore } from '../src/index.ts'
import {
  addDelta,
  allTips,
  bytes32,
  collect,
  deploy,
  hash,
  Model,
  type Operation,
  observe,
  observeModel,
  perform,
  type Task,
  versionOf,
  type Write,
} from './model.ts'

/** A database that holds contracts while stores over it are opened and closed. */
export interface StoreHarness extends AsyncDisposable {
  /** Another store over the same contracts. */
  open(onChange?: (change: ContractChange) => void): Promise<ContractStore>
}

/** The contracts and the tasks that operations are about. */
export const contracts = [1, 2, 200]
export const tasks = [50, 51]
const bytes = (...values: number[]) => Uint8Array.from(values)
const address = bytes32(1)
const runs = Number(process.env.BLETCHLEY_MODEL_RUNS ?? 20)
const seed = process.env.BLETCHLEY_SEED === undefined ? {} : { seed: Number(process.env.BLETCHLEY_SEED) }

const contract = fc.constantFrom(...contracts)
const index = fc.constantFrom(0, 1, 2, 3, 5, 64, 65, 0xffff_fffe, 0xffff_ffff)
const bound = fc.constantFrom(0, 1, 2, 3, 4, 6, 0xffff_ffff, 2 ** 32)
const data = fc.constantFrom(bytes(), bytes(0), bytes(1), bytes(1, 2))
const maybe = fc.option(data, { nil: undefined })
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ kind: fc.constant('putBytecode'), contract, bytecode: data }),
  fc.record({ kind: fc.constant('putContract'), contract, bytecode: data, key: index, data }),
  fc.record({
    kind: fc.constant('putDeltas'),
    rows: fc.array(fc.record({ contract, key: index, data }), { maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant('removeContract'), contract }),
  fc.record({
    kind: fc.constant('removeDeltas'),
    ranges: fc.array(fc.record({ contract, from: bound, to: bound }), { maxLength: 3 }),
  }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('putSnapshot'),
      contract,
      key: index,
      data,
      stale: fc.constantFrom(false, false, false, true),
    }),
  },
)
const task: fc.Arbitrary<Task> = fc.record({
  kind: fc.constant('task'),
  contract,
  step: fc.constantFrom(1, 1, 1, 1, 0, -1, 2),
  data,
  bytecode: maybe,
  task: fc.constantFrom(undefined, ...tasks),
  meanwhile: fc.option(write, { nil: undefined, freq: 3 }),
})
/** Whatever may be done to a store. */
export const operation: fc.Arbitrary<Operation> = fc.oneof(write, task)

/** A chain of `length` deltas on top of bytecode, made by tasks. */
export async function grow(store: ContractStore, length: number): Promise<void> {
  await deploy(store, address, bytes(9), bytes(0))
  for (let key = 1; key < length; key++) await addDelta(store, address, { key, data: bytes(key) })
}

/** What every ContractStore must do. */
export function storeConformance(name: string, createHarness: () => Promise<StoreHarness>): void {
  const withStore = async (run: (store: ContractStore) => Promise<void>) => {
    await using harness = await createHarness()
    await run(await harness.open())
  }

  describe(`store over ${name}`, () => {
    test('does what the model does, as do two that take turns', { timeout: 300_000 + 500 * runs }, async () => {
      const step = fc.record({ operation, turn: fc.constantFrom(0, 1) })
      const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        await using harness = await createHarness()
        const stores = [await harness.open(), await harness.open()]
        const model = new Model()
        for (const { operation, turn } of steps) {
          const [store, other] = [stores[turn]!, stores[1 - turn]!]
          const outcome = await perform(store, operation, model, other)
          expect(outcome).toBe(model.apply(operation))
          expect(await observe(other, contracts, tasks)).toStrictEqual(observeModel(model, contracts, tasks))
        }
      })
      await fc.assert(property, { numRuns: runs, ...seed })
    })

    test('everything is there after it was opened again', async () => {
      await using harness = await createHarness()
      const first = await harness.open()
      await grow(first, 3)
      await first.putContract(bytes32(2), bytes(), { key: 0xffff_ffff, data: bytes() })
      const before = await observe(first, contracts, tasks)
      await first.close()
      const second = await harness.open()
      expect(await observe(second, contracts, tasks)).toStrictEqual(before)
      await second.putBytecode(bytes32(3), bytes())
      expect(await second.allAddresses()).toStrictEqual([address, bytes32(2), bytes32(3)])
    })

    test('two stores over one database never lose or double anything', async () => {
      await using harness = await createHarness()
      const stores = [await harness.open(), await harness.open()]
      await Promise.all(
        Array.from({ length: 60 }, async (_, index) => {
          const store = stores[index % 2]!
          await store.putDeltas([{ address: bytes32(index >> 2), key: index % 4, data: bytes(index) }])
        }),
      )
      const rows = await allTips(stores[0]!)
      expect(rows).toHaveLength(15)
      expect(new Set(rows.map((row) => row.address[0])).size).toBe(15)
      for (let number = 0; number < 15; number++) {
        expect(await stores[1]!.getDeltas(bytes32(number), 0, 9)).toStrictEqual(
          [0, 1, 2, 3].map((key) => ({ key, data: bytes(number * 4 + key) })),
        )
      }
    })

    test('two cores that computed on the same delta cannot fork the chain', async () => {
      await using harness = await createHarness()
      const stores = [await harness.open(), await harness.open(), await harness.open()]
      await grow(stores[0]!, 3)
      const version = await versionOf(stores[0]!, address)
      const outcomes = await Promise.all(
        stores.map((store, index) => {
          const data = bytes(30 + index)
          return store.commitTask({ address, version, delta: { key: 3, data }, deltaHash: hash(data) })
        }),
      )
      expect(outcomes.toSorted()).toStrictEqual(['committed', 'moved', 'moved'])
      const data = bytes(30 + outcomes.indexOf('committed'))
      expect(await stores[0]!.getTip(address)).toStrictEqual({ key: 3, data })
      for (const store of stores) {
        expect((await store.load(address, bytes32(1))).contract?.tip).toStrictEqual({ key: 3, hash: hash(data) })
      }
    })

    test('the last 64 receipts of a contract are kept', async () => {
      await withStore(async (store) => {
        await store.putBytecode(address, bytes())
        for (let key = 0; key < 70; key++) {
          await addDelta(store, address, { key, data: bytes(key) }, { taskId: bytes32(key), reply: bytes(key) })
          if (key === 63) expect(await store.receiptTasks(address)).toHaveLength(64)
        }
        const kept: number[] = []
        for (let task = 0; task < 70; task++) {
          const receipt = await store.getReceipt(address, bytes32(task))
          expect((await store.load(address, bytes32(task))).contract?.hasReceipt).toBe(receipt !== undefined)
          if (receipt) expect(receipt).toStrictEqual({ key: task, reply: bytes(task) })
          if (receipt) kept.push(task)
        }
        expect(kept).toStrictEqual(Array.from({ length: 64 }, (_, index) => index + 6))
      })
    })

    test('a task on the unbroken beginning drops what cannot follow it, with receipts and snapshot', async () => {
      await withStore(async (store) => {
        await grow(store, 4)
        await store.removeDeltas([{ address, from: 2, to: 3 }])
        await addDelta(store, address, { key: 4, data: bytes(4) }, { taskId: bytes32(50), reply: bytes(8) })
        await store.putSnapshot(address, { key: 4, data: bytes(7) }, hash(bytes(4)))
        await addDelta(store, address, { key: 2, data: bytes(9) })
        expect(await store.getDeltas(address, 1, 10)).toStrictEqual([
          { key: 1, data: bytes(1) },
          { key: 2, data: bytes(9) },
        ])
        expect(await store.getSnapshot(address)).toBe(undefined)
        expect(await store.getReceipt(address, bytes32(50))).toBe(undefined)
      })
    })

    test('a receipt lasts as long as its delta stays the same', async () => {
      await withStore(async (store) => {
        await grow(store, 1)
        const delta = { key: 1, data: bytes(1) }
        const receipt = { taskId: bytes32(50), reply: bytes(8) }
        await addDelta(store, address, delta, receipt)
        await store.putDeltas([{ address, ...delta }])
        await store.putBytecode(address, bytes(3))
        expect(await store.getReceipt(address, bytes32(50))).toStrictEqual({ key: 1, reply: bytes(8) })
        await store.putDeltas([{ address, key: 1, data: bytes(2) }])
        expect(await store.getReceipt(address, bytes32(50))).toBe(undefined)
      })
    })

    test('removing deltas that are not there leaves the snapshot', () =>
      withStore(async (store) => {
        await grow(store, 2)
        const snapshot = { key: 1, data: bytes(7) }
        await store.putSnapshot(address, snapshot, hash(bytes(1)))
        await store.removeDeltas([
          { address, from: 2, to: 9 },
          { address, from: 1, to: 1 },
        ])
        expect(await store.getSnapshot(address)).toStrictEqual(snapshot)
      }))

    test('a delta and a receipt of the highest number are removed like others', () =>
      withStore(async (store) => {
        const key = 0xffff_ffff
        const receipt = { taskId: bytes32(50), reply: bytes(8) }
        for (const remove of [
          () => store.removeDeltas([{ address, from: 1, to: 2 ** 32 }]),
          () => store.putDeltas([{ address, key, data: bytes(9) }]),
          () => addDelta(store, address, { key: 0, data: bytes(3) }),
        ]) {
          await store.removeContract(address)
          await store.putDeltas([{ address, key: key - 1, data: bytes(1) }])
          await addDelta(store, address, { key, data: bytes(2) }, receipt)
          expect(await store.receiptTasks(address)).toEqual([receipt.taskId])
          await remove()
          expect(await store.receiptTasks(address)).toEqual([])
          expect(await store.getDelta(address, key)).not.toEqual(bytes(2))
        }
      }))

    test('who asks is told of each write that is on disk, and of no other', async () => {
      await using harness = await createHarness()
      const changes: unknown[] = []
      const store = await harness.open((change) => void changes.push(change))
      const seen = async (write: Promise<unknown>) => {
        await write
        return changes.splice(0)
      }
      const other = bytes32(2)
      const change = { address, kind: 'changed', firstDelta: undefined, bytecode: false, snapshot: false }
      const delta = (key: number) => ({ key, data: bytes(key) })
      expect(await seen(store.putBytecode(address, bytes(1)))).toEqual([{ ...change, kind: 'created', bytecode: true }])
      expect(
        await seen(
          store.putDeltas([
            { address, ...delta(5) },
            { address: other, ...delta(1) },
            { address, ...delta(4) },
          ]),
        ),
      ).toEqual([
        { ...change, firstDelta: 4 },
        { ...change, address: other, kind: 'created', firstDelta: 1 },
      ])
      expect(await seen(store.putSnapshot(address, { key: 5, data: bytes(7) }, hash(bytes(5))))).toEqual([
        { ...change, snapshot: true },
      ])
      expect(await seen(store.putSnapshot(address, { key: 5, data: bytes(7) }, hash(bytes(6))))).toEqual([])
      const version = await versionOf(store, address)
      const task = { address, version, delta: delta(6), deltaHash: hash(delta(6).data) }
      expect(await seen(store.commitTask(task))).toEqual([{ ...change, firstDelta: 6 }])
      expect(await seen(store.commitTask(task))).toEqual([])
      expect(await seen(store.removeDeltas([{ address, from: 5, to: 9 }]))).toEqual([
        { ...change, firstDelta: 5, snapshot: true },
      ])
      expect(await seen(store.removeContract(address))).toEqual([
        { ...change, kind: 'removed', firstDelta: 4, bytecode: true },
      ])
      expect(await seen(store.removeContract(address))).toEqual([])
      expect(await seen(deploy(store, address, bytes(1), bytes(2)))).toEqual([
        { ...change, kind: 'created', firstDelta: 0, bytecode: true },
      ])
    })

    test('a long chain comes in chunks', async () => {
      await withStore(async (store) => {
        const rows = Array.from({ length: 2500 }, (_, key) => ({ address, key, data: bytes(key & 255) }))
        await store.putDeltas(rows)
        const sizes: number[] = []
        const keys: number[] = []
        for await (const chunk of store.deltaChunks(address, 100)) {
          sizes.push(chunk.length)
          keys.push(...chunk.map(({ key }) => key))
        }
        expect(Math.max(...sizes)).toBeLessThan(1000)
        expect(keys).toStrictEqual(rows.slice(100).map(({ key }) => key))
        let all = 0
        for await (const chunk of store.deltaChunks(address)) all += chunk.length
        expect(all).toBe(rows.length)
      })
    })

    test('a contract is there as long as it has bytecode or a delta', () =>
      withStore(async (store) => {
        const keysLeft = async (from: number, to: number) => {
          await store.removeDeltas([{ address, from, to }])
          const keys = (await store.getDeltas(address, 0, 2 ** 32)).map(({ key }) => key)
          const there = await store.hasContract(address)
          expect(await store.allAddresses()).toEqual(there ? [address] : [])
          expect((await store.getTip(address))?.key).toBe(keys.at(-1))
          return [there, ...keys]
        }
        await store.putDeltas([0, 1, 2, 4].map((key) => ({ address, key, data: bytes(key) })))
        expect(await keysLeft(4, 9)).toEqual([true, 0, 1, 2])
        expect(await keysLeft(0, 1)).toEqual([true, 1, 2])
        expect(await keysLeft(0, 9)).toEqual([false])
        await store.putContract(address, bytes(9), { key: 3, data: bytes(3) })
        expect(await keysLeft(0, 3)).toEqual([true, 3])
        expect(await keysLeft(0, 9)).toEqual([true])
        expect(await store.getBytecode(address)).toEqual(bytes(9))
      }))

    test('the numbers of the deltas before one come from the newest, as many as asked for', () =>
      withStore(async (store) => {
        const before = async (number: number, limit: number) => {
          const keys: number[] = []
          for await (const chunk of store.deltaKeysBefore(address, number, limit)) keys.push(...chunk)
          return keys
        }
        expect(await before(2 ** 32, 9)).toEqual([])
        // Another contract's deltas and this one's other records lie around them.
        for (const contract of [0, 1, 2]) {
          await store.putBytecode(bytes32(contract), bytes(9))
          await store.putDeltas([0, 1, 2, 3, 5].map((key) => ({ address: bytes32(contract), key, data: bytes(key) })))
        }
        expect(await before(2 ** 32, 9)).toEqual([5, 3, 2, 1, 0])
        expect(await before(5, 2)).toEqual([3, 2])
        expect(await before(1, 9)).toEqual([0])
        expect(await before(0, 9)).toEqual([])
      }))

    test('arguments of the wrong shape are refused and write nothing', async () => {
      await withStore(async (store) => {
        const short = bytes(1)
        const delta = { key: 0, data: bytes() }
        const receipt = { taskId: short, reply: bytes() }
        const version = { sequence: 0n, revision: 0n }
        const deltaHash = hash(bytes())
        const code = { bytecode: bytes(), hash: hash(bytes()) }
        const ofAddress: ((address: Uint8Array) => Promise<unknown>)[] = [
          (address) => store.getTip(address),
          (address) => store.getTipKey(address),
          (address) => store.hasContract(address),
          (address) => store.getDelta(address, 0),
          (address) => store.getDeltas(address, 0, 1),
          (address) => collect(store.deltaKeysBefore(address, 1, 1)),
          (address) => store.hasBytecode(address),
          (address) => store.getBytecode(address),
          (address) => store.getSnapshot(address),
          (address) => store.getReceipt(address, bytes32(1)),
          (address) => store.receiptOf(address, 0),
          (address) => store.receiptTasks(address),
          (address) => store.putBytecode(address, bytes()),
          (address) => store.putContract(address, bytes(), delta),
          (address) =>
            store.putDeltas([
              { address: bytes32(1), ...delta },
              { address, ...delta },
            ]),
          (address) => store.removeContract(address),
          (address) => store.removeDeltas([{ address, from: 0, to: 1 }]),
          (address) => store.load(address, bytes32(1)),
          (address) => deploy(store, address, bytes(), bytes()),
          (address) => store.putSnapshot(address, delta, bytes32(1)),
        ]
        const attempts: (() => Promise<unknown>)[] = [
          ...ofAddress.map((attempt) => () => attempt(short)),
          ...ofAddress.map((attempt) => () => attempt(new Uint8Array(33))),
          () => store.getDelta(address, -1),
          () => store.getDelta(address, 2 ** 32),
          () => store.getDelta(address, 0.5),
          () => store.getDeltas(address, 0, 2 ** 32 + 1),
          () => store.getDeltas(address, -1, 1),
          () => store.getDeltas(address, Number.NaN, 1),
          () => collect(store.deltaKeysBefore(address, 2 ** 32 + 1, 1)),
          () => store.getReceipt(address, short),
          () => store.receiptOf(address, 2 ** 32),
          () => store.putContract(address, bytes(), { key: 2 ** 32, data: bytes() }),
          () =>
            store.putDeltas([
              { address, ...delta },
              { address, key: -1, data: bytes() },
            ]),
          () => store.removeDeltas([{ address, from: -1, to: 1 }]),
          () => store.load(address, short),
          () => store.commitTask({ address, version, delta: { key: 2 ** 32, data: bytes() }, deltaHash }),
          () => deploy(store, address, bytes(), bytes(), receipt),
          () => store.commitTask({ address, version, delta, deltaHash, receipt }),
          () => store.commitTask({ address, version: undefined, delta: { key: 1, data: bytes() }, deltaHash, code }),
          () => store.commitTask({ address, version: undefined, delta, deltaHash }),
          () => store.commitTask({ address, version, delta, deltaHash, code }),
        ]
        for (const [index, attempt] of attempts.entries()) {
          await expect(Promise.resolve().then(attempt), `attempt ${index}`).rejects.toBeInstanceOf(RangeError)
        }
        expect(await store.allAddresses()).toStrictEqual([])
      })
    })

    describe('defects of the reference (spec/storage.md 6), the part of the store', () => {
      test('D1: an address without bytecode and deltas is never listed', async () => {
        await withStore(async (store) => {
          await store.putDeltas([])
          await store.removeDeltas([{ address, from: 0, to: 2 ** 32 }])
          await store.removeContract(address)
          expect(await store.hasContract(address)).toBe(false)
          expect(await store.allAddresses()).toStrictEqual([])
          await store.putBytecode(address, bytes(1))
          expect(await store.allAddresses()).toStrictEqual([address])
          expect(await allTips(store)).toStrictEqual([])
        })
      })

      test('D3: a removed contract does not come back by a task that was under way', async () => {
        await withStore(async (store) => {
          await store.putBytecode(address, bytes(1))
          await store.putContract(bytes32(2), bytes(1), { key: 0, data: bytes(1) })
          const versions = [await versionOf(store, address), await versionOf(store, bytes32(2))]
          await store.removeContract(address)
          await store.removeContract(bytes32(2))
          const [late, later] = [
            { key: 0, data: bytes(1) },
            { key: 1, data: bytes(2) },
          ]
          const commits = [
            { address, version: versions[0]!, delta: late, deltaHash: hash(late.data) },
            { address: bytes32(2), version: versions[1]!, delta: later, deltaHash: hash(later.data) },
          ]
          for (const commit of commits) expect(await store.commitTask(commit)).toBe('moved')
          expect(await store.allAddresses()).toStrictEqual([])
        })
      })

      test('D4: a second deployment changes nothing', async () => {
        await withStore(async (store) => {
          await grow(store, 2)
          const before = await observe(store, contracts, tasks)
          expect(await deploy(store, address, bytes(7), bytes(7))).toBe('moved')
          expect(await observe(store, contracts, tasks)).toStrictEqual(before)
        })
      })

      test('D7: deltas come under their own numbers, so a hole is seen', async () => {
        await withStore(async (store) => {
          await store.putDeltas([0, 1, 3].map((key) => ({ address, key, data: bytes(key) })))
          const keys = (await store.getDeltas(address, 0, 10)).map(({ key }) => key)
          expect(keys).toStrictEqual([0, 1, 3])
        })
      })

      test('D8: one address without a delta does not hide the tips of the others', async () => {
        await withStore(async (store) => {
          await store.putDeltas([{ address: bytes32(3), key: 4, data: bytes(4) }])
          await store.putBytecode(address, bytes(1))
          await store.putDeltas([{ address: bytes32(2), key: 0, data: bytes() }])
          expect(await allTips(store)).toStrictEqual([
            { address: bytes32(3), key: 4, data: bytes(4) },
            { address: bytes32(2), key: 0, data: bytes() },
          ])
          expect(await collect(store.tips([address, bytes32(2)]))).toStrictEqual([undefined, { key: 0, data: bytes() }])
        })
      })

      test('D12: a snapshot says which delta it ends with, and goes when a delta in it changes', async () => {
        await withStore(async (store) => {
          await grow(store, 3)
          const last = { key: 3, data: bytes(3) }
          await addDelta(store, address, last)
          const snapshot = { key: 3, data: bytes(7) }
          await store.putSnapshot(address, snapshot, hash(bytes(3)))
          await store.putDeltas([
            { address, ...last },
            { address, key: 4, data: bytes(4) },
          ])
          expect(await store.getSnapshot(address)).toStrictEqual(snapshot)
          expect((await store.getTip(address))?.key).toBe(4)
          await store.putDeltas([{ address, key: 4, data: bytes(5) }])
          expect(await store.getSnapshot(address)).toStrictEqual(snapshot)
          await store.putDeltas([{ address, key: 3, data: bytes(9) }])
          expect(await store.getSnapshot(address)).toBe(undefined)
        })
      })

      test('a snapshot by itself is stored only if its last delta is still there', async () => {
        await withStore(async (store) => {
          await grow(store, 3)
          const snapshot = { key: 2, data: bytes(7) }
          await store.putSnapshot(address, snapshot, hash(bytes(9)))
          await store.putSnapshot(address, { key: 9, data: bytes(7) }, hash(bytes(9)))
          await store.putSnapshot(bytes32(8), snapshot, hash(bytes(2)))
          expect(await store.getSnapshot(address)).toBe(undefined)
          expect(await store.hasContract(bytes32(8))).toBe(false)
          await store.putSnapshot(address, snapshot, hash(bytes(2)))
          expect(await store.getSnapshot(address)).toStrictEqual(snapshot)
          const later = { key: 3, data: bytes(8) }
          await store.putDeltas([{ address, key: 3, data: bytes(3) }])
          await store.putSnapshot(address, later, hash(bytes(3)))
          expect(await store.getSnapshot(address)).toStrictEqual(later)
        })
      })
    })
  })
}
