import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ConflictError, type ContractChange, ContractReader, ContractStore, StorageError } from '../src/index.ts'
import { deltaKey, orderKey } from '../src/keys.ts'
import { CountingBackend, CrashingBackend, type Harness } from './harness.ts'
import {
  allTips,
  bytes32,
  collect,
  hashDelta,
  Model,
  type Operation,
  observe,
  observeModel,
  openStore,
  perform,
} from './model.ts'

const contracts = [1, 2, 200]
const tasks = [50, 51]
const bytes = (...values: number[]) => Uint8Array.from(values)
const address = bytes32(1)

const contract = fc.constantFrom(...contracts)
const index = fc.constantFrom(0, 1, 2, 3, 5, 64, 65, 0xffff_fffe, 0xffff_ffff)
const bound = fc.constantFrom(0, 1, 2, 3, 4, 6, 0xffff_ffff, 2 ** 32)
const data = fc.constantFrom(bytes(), bytes(0), bytes(1), bytes(1, 2))
const maybe = fc.option(data, { nil: undefined })
const operation: fc.Arbitrary<Operation> = fc.oneof(
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
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('commitTask'),
      contract,
      step: fc.constantFrom(1, 1, 1, 1, 0, -1, 2),
      data,
      stale: fc.constantFrom(false, false, false, true),
      bytecode: maybe,
      task: fc.constantFrom(undefined, ...tasks),
    }),
  },
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

/** What a ContractStore must do over any backend. */
export function storeConformance(name: string, createHarness: () => Promise<Harness>): void {
  const withStore = async (run: (store: ContractStore, harness: Harness) => Promise<void>) => {
    await using harness = await createHarness()
    await run(await openStore(await harness.open()), harness)
  }

  /** A chain of `length` deltas on top of bytecode, made by tasks. */
  const grow = async (store: ContractStore, length: number) => {
    await store.commitTask({ address, delta: { key: 0, data: bytes(0) }, bytecode: bytes(9) })
    for (let key = 1; key < length; key++) {
      await store.commitTask({ address, delta: { key, data: bytes(key) }, previousHash: hashDelta(bytes(key - 1)) })
    }
  }

  describe(`store over ${name}`, () => {
    test('does what the model does, in one commit per write, through power failures', async () => {
      const step = fc.record({ operation, crash: fc.constantFrom(undefined, undefined, 'before', 'after') })
      const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        await using harness = await createHarness()
        let backend = new CrashingBackend(await harness.open())
        let store = await openStore(backend)
        let model = new Model()
        for (const { operation, crash } of steps) {
          const after = model.clone()
          const accepted = after.apply(operation)
          backend.commits = 0
          backend.crash = crash
          const outcome = await perform(store, operation, model).then(
            () => 'done',
            (error: unknown) => (error instanceof ConflictError ? 'conflict' : 'failed'),
          )
          expect(backend.commits).toBeLessThanOrEqual(1)
          expect(outcome).toBe(backend.crashed ? 'failed' : accepted ? 'done' : 'conflict')
          if (accepted && !(backend.crashed && crash === 'before')) model = after
          if (backend.crashed) {
            backend = new CrashingBackend(await harness.open())
            store = await openStore(backend)
          }
          backend.crash = undefined
          expect(await observe(store, contracts, tasks)).toStrictEqual(observeModel(model, contracts, tasks))
        }
      })
      await fc.assert(property, { numRuns: 60 })
    })

    test('everything is there after it was opened again', async () => {
      await using harness = await createHarness()
      const first = await openStore(await harness.open())
      await grow(first, 3)
      await first.putContract(bytes32(2), bytes(), { key: 0xffff_ffff, data: bytes() })
      const before = await observe(first, contracts, tasks)
      await first.close()
      const second = await openStore(await harness.open())
      expect(await observe(second, contracts, tasks)).toStrictEqual(before)
      await second.putBytecode(bytes32(3), bytes())
      expect(await second.allAddresses()).toStrictEqual([address, bytes32(2), bytes32(3)])
    })

    test('the revision is another one behind each write that changed something, before anybody hears of it', async () => {
      await withStore(async (store) => {
        const seen = new Set([store.revision])
        const writes = [
          () => store.putBytecode(address, bytes(1)),
          () => store.putDeltas([{ address, key: 1, data: bytes(2) }]),
          () => store.removeDeltas([{ address, from: 0, to: 9 }]),
          () => store.removeContract(address),
        ]
        for (const write of writes) {
          await write()
          seen.add(store.revision)
        }
        expect(seen.size).toBe(5)
        await store.getTip(address)
        expect(seen.has(store.revision)).toBe(true)
      })
    })

    test('concurrent creations keep the order of the calls', async () => {
      await withStore(async (store) => {
        const addresses = Array.from({ length: 100 }, (_, index) => bytes32(index).fill(7, 0, 16))
        await Promise.all(addresses.map((address) => store.putBytecode(address, bytes())))
        expect(await store.allAddresses()).toStrictEqual(addresses)
      })
    })

    test('two stores over one database never lose or double anything', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      const stores = [await openStore(backend), await openStore(backend)]
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
      const backend = await harness.open()
      const stores = await Promise.all([openStore(backend), openStore(backend), openStore(backend)])
      await grow(stores[0]!, 3)
      const results = await Promise.allSettled(
        stores.map((store, index) =>
          store.commitTask({ address, delta: { key: 3, data: bytes(30 + index) }, previousHash: hashDelta(bytes(2)) }),
        ),
      )
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(ConflictError)
      const winner = results.findIndex(({ status }) => status === 'fulfilled')
      expect(await stores[0]!.getTip(address)).toStrictEqual({ key: 3, data: bytes(30 + winner) })
    })

    test('the cost of finding a tip does not depend on the number of deltas', async () => {
      await using harness = await createHarness()
      const backend = new CountingBackend(await harness.open())
      const store = await openStore(backend)
      const costs: number[] = []
      for (const count of [1, 10, 5000]) {
        await store.putDeltas(Array.from({ length: count }, (_, key) => ({ address, key, data: bytes(1) })))
        backend.reads = 0
        expect((await store.getTip(address))?.key).toBe(count - 1)
        costs.push(backend.reads)
      }
      expect(costs).toStrictEqual([2, 2, 2])
    })

    test('the cost of a task does not depend on the length of the chain', async () => {
      await using harness = await createHarness()
      const backend = new CountingBackend(await harness.open())
      const store = await openStore(backend)
      const costs: number[] = []
      for (const count of [10, 3000]) {
        await store.putDeltas(Array.from({ length: count }, (_, key) => ({ address, key, data: bytes(1) })))
        backend.reads = 0
        await store.commitTask({ address, delta: { key: count, data: bytes(2) }, previousHash: hashDelta(bytes(1)) })
        costs.push(backend.reads)
      }
      // The record, whether the new delta is there, the one before, and receipts that are too many.
      expect(costs).toEqual([3, 3])
    })

    test('of a contract that is not there nothing is read but that', async () => {
      await using harness = await createHarness()
      const backend = new CountingBackend(await harness.open())
      const store = await openStore(backend)
      await store.putBytecode(bytes32(2), bytes())
      const costOf = async (write: () => Promise<void>) => {
        backend.reads = 0
        await write()
        return backend.reads
      }
      expect(await costOf(() => store.removeContract(address))).toBe(1)
      expect(await costOf(() => store.removeDeltas([{ address, from: 0, to: 9 }]))).toBe(1)
      expect(await costOf(() => store.putDeltas([{ address, key: 0, data: bytes() }]))).toBe(1)
    })

    test('the last 64 receipts of a contract are kept', async () => {
      await withStore(async (store) => {
        await store.putBytecode(address, bytes())
        let previousHash: Uint8Array | undefined
        for (let key = 0; key < 70; key++) {
          const receipt = { taskId: bytes32(key), reply: bytes(key) }
          await store.commitTask({ address, delta: { key, data: bytes(key) }, previousHash, receipt })
          previousHash = hashDelta(bytes(key))
          if (key === 63) expect(await store.receiptTasks(address)).toHaveLength(64)
        }
        const kept: number[] = []
        for (let task = 0; task < 70; task++) {
          const receipt = await store.getReceipt(address, bytes32(task))
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
        await store.commitTask({
          address,
          delta: { key: 4, data: bytes(4) },
          previousHash: hashDelta(bytes(3)),
          receipt: { taskId: bytes32(50), reply: bytes(8) },
        })
        await store.putSnapshot(address, { key: 4, data: bytes(7) }, hashDelta(bytes(4)))
        await store.commitTask({ address, delta: { key: 2, data: bytes(9) }, previousHash: hashDelta(bytes(1)) })
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
        await store.commitTask({ address, delta, previousHash: hashDelta(bytes(0)), receipt })
        await store.putDeltas([{ address, ...delta }])
        await store.putBytecode(address, bytes(3))
        expect(await store.getReceipt(address, bytes32(50))).toStrictEqual({ key: 1, reply: bytes(8) })
        await store.putDeltas([{ address, key: 1, data: bytes(2) }])
        expect(await store.getReceipt(address, bytes32(50))).toBe(undefined)
      })
    })

    test('a deployment starts the chain anew where only deltas were', async () => {
      await withStore(async (store) => {
        await store.putDeltas([0, 1, 2].map((key) => ({ address, key, data: bytes(key) })))
        const delta = { key: 3, data: bytes(3) }
        await store.commitTask({ address, delta, previousHash: hashDelta(bytes(2)) })
        await store.putSnapshot(address, { key: 3, data: bytes(7) }, hashDelta(bytes(3)))
        await store.commitTask({ address, delta: { key: 0, data: bytes(5) }, bytecode: bytes(6) })
        expect(await store.getDeltas(address, 0, 9)).toStrictEqual([{ key: 0, data: bytes(5) }])
        expect(await store.getSnapshot(address)).toBe(undefined)
      })
    })

    test.each([0, 3])('a deployment drops the deltas up to number %i, their receipts and the snapshot', (last) =>
      withStore(async (store) => {
        await store.putDeltas([{ address, key: 0, data: bytes(0) }])
        for (let key = 1; key <= last; key++) {
          await store.commitTask({ address, delta: { key, data: bytes(key) }, previousHash: hashDelta(bytes(key - 1)) })
        }
        await store.putSnapshot(address, { key: 0, data: bytes(7) }, hashDelta(bytes(0)))
        await store.commitTask({ address, delta: { key: 0, data: bytes(5) }, bytecode: bytes(6) })
        expect(await store.getDeltas(address, 0, 9)).toStrictEqual([{ key: 0, data: bytes(5) }])
        expect(await store.getSnapshot(address)).toBe(undefined)
      }),
    )

    test('removing deltas that are not there leaves the snapshot', () =>
      withStore(async (store) => {
        await grow(store, 2)
        const snapshot = { key: 1, data: bytes(7) }
        await store.putSnapshot(address, snapshot, hashDelta(bytes(1)))
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
          () => store.commitTask({ address, delta: { key: 0, data: bytes(3) }, bytecode: bytes(1) }),
        ]) {
          await store.removeContract(address)
          await store.putDeltas([{ address, key: key - 1, data: bytes(1) }])
          const previousHash = hashDelta(bytes(1))
          await store.commitTask({ address, delta: { key, data: bytes(2) }, previousHash, receipt })
          expect(await store.receiptTasks(address)).toEqual([receipt.taskId])
          await remove()
          expect(await store.receiptTasks(address)).toEqual([])
          expect(await store.getDelta(address, key)).not.toEqual(bytes(2))
        }
      }))

    test('who asks is told of each write that is on disk, and of no other', async () => {
      await using harness = await createHarness()
      const backend = new CrashingBackend(await harness.open())
      const changes: unknown[] = []
      const onChange = (change: ContractChange) => void changes.push(change)
      const store = await ContractStore.open(backend, { hashDelta, onChange })
      const seen = async (write: Promise<void>) => {
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
      expect(await seen(store.putSnapshot(address, { key: 5, data: bytes(7) }, hashDelta(bytes(5))))).toEqual([
        { ...change, snapshot: true },
      ])
      expect(await seen(store.putSnapshot(address, { key: 5, data: bytes(7) }, hashDelta(bytes(6))))).toEqual([])
      const task = { address, delta: delta(6), previousHash: hashDelta(bytes(5)) }
      expect(await seen(store.commitTask(task))).toEqual([{ ...change, firstDelta: 6 }])
      await expect(store.commitTask(task)).rejects.toThrow(ConflictError)
      expect(await seen(store.removeDeltas([{ address, from: 5, to: 9 }]))).toEqual([
        { ...change, firstDelta: 5, snapshot: true },
      ])
      expect(await seen(store.removeContract(address))).toEqual([
        { ...change, kind: 'removed', firstDelta: 4, bytecode: true },
      ])
      backend.crash = 'before'
      await expect(store.removeContract(other)).rejects.toThrow('power failure')
      expect(changes).toEqual([])
    })

    test('no write is taken while writes are refused, and all are behind that', () =>
      withStore(async (store) => {
        await store.probe()
        store.refuseWrites('its folder is gone')
        for (const write of [() => store.probe(), () => store.putBytecode(address, bytes())]) {
          await expect(write()).rejects.toThrow(
            expect.objectContaining({ name: 'StorageError', cause: new Error('its folder is gone') }),
          )
        }
        expect(await store.hasContract(address)).toBe(false)
        store.refuseWrites(undefined)
        await store.probe()
        await store.putBytecode(address, bytes())
        expect(await store.hasContract(address)).toBe(true)
      }))

    test('a tip that goes between two look-ups is found anew, and one that is nowhere is none', async () => {
      await using harness = await createHarness()
      const inner = await harness.open()
      const store = await openStore(inner)
      const tip = { address, key: 1, data: bytes(1) }
      /** Another process removes the tip when the record that tells of it has been read. */
      class Raced extends CountingBackend {
        #removed = false
        override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
          const value = await super.get(key)
          if (!this.#removed) await store.removeDeltas([{ address, from: 1, to: 2 }])
          this.#removed = true
          return value
        }
      }
      const readings: ((reader: ContractReader) => Promise<unknown>)[] = [
        (reader) => reader.getTip(address),
        async (reader) => {
          for await (const { key, data } of reader.tipLengths(10)) return { key, data }
          return undefined
        },
      ]
      for (const read of readings) {
        await store.putDeltas([{ ...tip, key: 0, data: bytes(0) }, tip])
        expect(await read(new ContractReader(new Raced(inner)))).toEqual({ key: 0, data: bytes(0) })
        await store.putDeltas([tip])
        await store.removeDeltas([{ address, from: 0, to: 1 }])
        expect(await read(new ContractReader(new Raced(inner)))).toBeUndefined()
        await store.putDeltas([tip])
        await inner.commit([{ key: deltaKey(address, 1), value: undefined }])
        expect(await read(new ContractReader(inner))).toBeUndefined()
      }
    })

    test('after a write that failed, the store goes on', async () => {
      await using harness = await createHarness()
      const backend = new CrashingBackend(await harness.open())
      const store = await openStore(backend)
      backend.crash = 'before'
      const failed = [1, 2, 3].map((number) => store.putBytecode(bytes32(number), bytes()))
      for (const attempt of failed) await expect(attempt).rejects.toThrow('power failure')
      backend.crash = undefined
      backend.crashed = false
      await Promise.all([2, 1].map((number) => store.putBytecode(bytes32(number), bytes())))
      expect(await store.allAddresses()).toStrictEqual([bytes32(2), bytes32(1)])
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

    test('records with keys that mean nothing are passed over', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      const store = await openStore(backend)
      await grow(store, 2)
      const before = await observe(store, contracts, tasks)
      const strange = [
        bytes(3),
        bytes(3, 0, 0),
        bytes(3, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        bytes(4, 1, 2),
        bytes(4, ...address, 1),
        bytes(4, ...address, 1, 0, 0, 0),
        bytes(4, ...address, 1, 0xff, 0xff, 0xff, 0xff, 0),
        bytes(4, ...address, 5, 0),
        bytes(4, ...address, 6),
        bytes(7),
      ]
      // As long as an address is, or not.
      for (const value of [bytes(1), bytes32(9)]) {
        await backend.commit([...strange.map((key) => ({ key, value })), { key: orderKey(7n), value: bytes(1) }])
        expect(await observe(store, contracts, tasks)).toStrictEqual(before)
      }
      await store.removeDeltas([{ address, from: 1, to: 2 }])
      expect((await store.getTip(address))?.key).toBe(0)
    })

    test('a database with something else in it, or of another version, is refused', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      for (const key of [bytes(0), bytes(9), bytes(0xfe, 0xff)]) {
        await backend.commit([{ key, value: bytes(9) }])
        await expect(openStore(backend)).rejects.toThrow('something else than contracts')
        await backend.commit([{ key, value: undefined }])
      }
      await backend.commit([{ key: bytes(1), value: bytes(0, 0, 0, 1) }])
      await expect(openStore(backend)).rejects.toBeInstanceOf(StorageError)
    })

    test('arguments of the wrong shape are refused and write nothing', async () => {
      await withStore(async (store) => {
        const short = bytes(1)
        const delta = { key: 0, data: bytes() }
        const receipt = { taskId: short, reply: bytes() }
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
          (address) => store.commitTask({ address, delta, bytecode: bytes() }),
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
          () => store.commitTask({ address, delta: { key: 2 ** 32, data: bytes() }, previousHash: bytes32(0) }),
          () => store.commitTask({ address, delta, bytecode: bytes(), receipt }),
          () => store.commitTask({ address, delta: { key: 1, data: bytes() }, bytecode: bytes() }),
          () => store.commitTask({ address, delta: { key: 1, data: bytes() } }),
          () => store.commitTask({ address, delta, previousHash: bytes32(0) }),
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
          await store.removeContract(address)
          await store.removeContract(bytes32(2))
          const late = store.commitTask({ address, delta: { key: 0, data: bytes(1) } })
          await expect(late).rejects.toBeInstanceOf(ConflictError)
          const next = { key: 1, data: bytes(2) }
          const later = store.commitTask({ address: bytes32(2), delta: next, previousHash: hashDelta(bytes(1)) })
          await expect(later).rejects.toBeInstanceOf(ConflictError)
          expect(await store.allAddresses()).toStrictEqual([])
        })
      })

      test('D4: a second deployment changes nothing', async () => {
        await withStore(async (store) => {
          await grow(store, 2)
          const before = await observe(store, contracts, tasks)
          const again = store.commitTask({ address, delta: { key: 0, data: bytes(7) }, bytecode: bytes(7) })
          await expect(again).rejects.toBeInstanceOf(ConflictError)
          expect(await observe(store, contracts, tasks)).toStrictEqual(before)
        })
      })

      test.each(['before', 'after'] as const)(
        'D5, D6: power failure %s the commit of a task leaves all of it or nothing',
        async (crash) => {
          await using harness = await createHarness()
          const backend = new CrashingBackend(await harness.open())
          const store = await openStore(backend)
          backend.crash = crash
          const receipt = { taskId: bytes32(50), reply: bytes(4) }
          const task = { address, delta: { key: 0, data: bytes(1) }, bytecode: bytes(2), receipt }
          await expect(store.commitTask(task)).rejects.toThrow('power failure')
          const again = await openStore(await harness.open())
          const there = crash === 'after'
          expect(await again.allAddresses()).toStrictEqual(there ? [address] : [])
          expect(await again.getTip(address)).toStrictEqual(there ? task.delta : undefined)
          expect(await again.getBytecode(address)).toStrictEqual(there ? bytes(2) : undefined)
          expect(await again.getReceipt(address, bytes32(50))).toStrictEqual(
            there ? { key: 0, reply: bytes(4) } : undefined,
          )
        },
      )

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

      test('D10: the cost of removing a range does not depend on its width', async () => {
        await using harness = await createHarness()
        const backend = new CountingBackend(await harness.open())
        const store = await openStore(backend)
        await grow(store, 5)
        backend.reads = 0
        await store.removeDeltas([{ address, from: 0, to: 0xffff_ffff }])
        expect(backend.reads).toBeLessThan(20)
        expect(await store.getTip(address)).toBe(undefined)
        expect(await store.hasContract(address)).toBe(true)
        backend.reads = 0
        await store.removeDeltas([{ address: bytes32(8), from: 0, to: 0xffff_ffff }])
        expect(backend.reads).toBeLessThan(5)
      })

      test('D12: a snapshot says which delta it ends with, and goes when a delta in it changes', async () => {
        await withStore(async (store) => {
          await grow(store, 3)
          const last = { key: 3, data: bytes(3) }
          await store.commitTask({ address, delta: last, previousHash: hashDelta(bytes(2)) })
          const snapshot = { key: 3, data: bytes(7) }
          await store.putSnapshot(address, snapshot, hashDelta(bytes(3)))
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
          await store.putSnapshot(address, snapshot, hashDelta(bytes(9)))
          await store.putSnapshot(address, { key: 9, data: bytes(7) }, hashDelta(bytes(9)))
          await store.putSnapshot(bytes32(8), snapshot, hashDelta(bytes(2)))
          expect(await store.getSnapshot(address)).toBe(undefined)
          expect(await store.hasContract(bytes32(8))).toBe(false)
          await store.putSnapshot(address, snapshot, hashDelta(bytes(2)))
          expect(await store.getSnapshot(address)).toStrictEqual(snapshot)
          const later = { key: 3, data: bytes(8) }
          await store.putDeltas([{ address, key: 3, data: bytes(3) }])
          await store.putSnapshot(address, later, hashDelta(bytes(3)))
          expect(await store.getSnapshot(address)).toStrictEqual(later)
        })
      })
    })
  })
}
