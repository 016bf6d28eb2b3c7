import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeyValueReader, type KeyValueStore, StorageError } from '../src/index.ts'
import { contractKey, deltaKey, orderKey } from '../src/keyValue/keys.ts'
import { CountingBackend, CrashingBackend, type Harness } from './harness.ts'
import { bytes32, deploy, hash, Model, observe, observeModel, openStore, perform } from './model.ts'
import { contracts, grow, operation, tasks } from './storeConformance.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)
const address = bytes32(1)

/** What a store over ordered keys must do besides, with whichever backend: in one batch for each write, at which costs. */
export function keyValueConformance(name: string, createHarness: () => Promise<Harness>): void {
  const withStore = async (run: (store: KeyValueStore) => Promise<void>) => {
    await using harness = await createHarness()
    await run(await openStore(await harness.open()))
  }

  describe(`store over ordered keys in ${name}`, () => {
    test('does what the model does, in one commit per write, through power failures', async () => {
      const step = fc.record({ operation, crash: fc.constantFrom(undefined, undefined, 'before', 'after') })
      const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        await using harness = await createHarness()
        let backend = new CrashingBackend(await harness.open())
        let store = await openStore(backend)
        let model = new Model()
        for (const { operation, crash } of steps) {
          // Whoever writes meanwhile would crash in its place.
          if (operation.kind === 'task') operation.meanwhile = undefined
          const after = model.clone()
          const expected = after.apply(operation)
          backend.commits = 0
          backend.crash = crash
          const outcome = await perform(store, operation, model).catch(() => 'failed')
          expect(backend.commits).toBeLessThanOrEqual(1)
          expect(outcome).toBe(backend.crashed ? 'failed' : expected)
          if (!(backend.crashed && crash === 'before')) model = after
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

    test('the cost of a task does not depend on the length of the chain, and what is known is not read again', async () => {
      await using harness = await createHarness()
      const backend = new CountingBackend(await harness.open())
      const store = await openStore(backend)
      const costs: number[][] = []
      for (const count of [10, 3000]) {
        await store.putDeltas(Array.from({ length: count }, (_, key) => ({ address, key, data: bytes(1) })))
        for (const key of [count, count + 1]) {
          backend.reads = 0
          const { version, tip } = (await store.load(address, bytes32(50))).contract!
          const loading = backend.reads
          expect(tip?.key).toBe(key - 1)
          await store.commitTask({ address, version, delta: { key, data: bytes(2) }, deltaHash: hash(bytes(2)) })
          costs.push([loading, backend.reads - loading])
        }
      }
      // The first finds out the tip, its receipts and bytecode; then the record tells that nothing has changed. A commit
      // reads the record, and looks for receipts that are too many.
      expect(costs).toEqual([
        [6, 2],
        [1, 2],
        [6, 2],
        [1, 2],
      ])
    })

    test('a task of a contract whose record is damaged is refused', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      const store = await openStore(backend)
      await grow(store, 2)
      await backend.commit([{ key: contractKey(address), value: bytes(1, 2, 3) }])
      await expect(store.load(address)).rejects.toThrow(StorageError)
      expect(await store.getDelta(address, 1)).toStrictEqual(bytes(1))
    })

    test('of a contract that is not there nothing is read but that', async () => {
      await using harness = await createHarness()
      const backend = new CountingBackend(await harness.open())
      const store = await openStore(backend)
      await store.putBytecode(bytes32(2), bytes())
      const costOf = async (call: () => Promise<unknown>) => {
        backend.reads = 0
        await call()
        return backend.reads
      }
      expect(await costOf(() => store.removeContract(address))).toBe(1)
      expect(await costOf(() => store.removeDeltas([{ address, from: 0, to: 9 }]))).toBe(1)
      expect(await costOf(() => store.load(address, bytes32(1)))).toBe(1)
      expect(await costOf(() => store.putDeltas([{ address, key: 0, data: bytes() }]))).toBe(1)
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
      const readings: ((reader: KeyValueReader) => Promise<unknown>)[] = [
        (reader) => reader.getTip(address),
        async (reader) => {
          for await (const { key, data } of reader.tipLengths(10)) return { key, data }
          return undefined
        },
      ]
      for (const read of readings) {
        await store.putDeltas([{ ...tip, key: 0, data: bytes(0) }, tip])
        expect(await read(new KeyValueReader(new Raced(inner)))).toEqual({ key: 0, data: bytes(0) })
        await store.putDeltas([tip])
        await store.removeDeltas([{ address, from: 0, to: 1 }])
        expect(await read(new KeyValueReader(new Raced(inner)))).toBeUndefined()
        await store.putDeltas([tip])
        await inner.commit([{ key: deltaKey(address, 1), value: undefined }])
        expect(await read(new KeyValueReader(inner))).toBeUndefined()
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

    describe('defects of the reference (spec/storage.md 6), the part of the store', () => {
      test.each(['before', 'after'] as const)(
        'D5, D6: power failure %s the commit of a task leaves all of it or nothing',
        async (crash) => {
          await using harness = await createHarness()
          const backend = new CrashingBackend(await harness.open())
          const store = await openStore(backend)
          backend.crash = crash
          const receipt = { taskId: bytes32(50), reply: bytes(4) }
          await expect(deploy(store, address, bytes(2), bytes(1), receipt)).rejects.toThrow('power failure')
          const again = await openStore(await harness.open())
          const there = crash === 'after'
          expect(await again.allAddresses()).toStrictEqual(there ? [address] : [])
          expect(await again.getTip(address)).toStrictEqual(there ? { key: 0, data: bytes(1) } : undefined)
          expect(await again.getBytecode(address)).toStrictEqual(there ? bytes(2) : undefined)
          expect(await again.getReceipt(address, bytes32(50))).toStrictEqual(
            there ? { key: 0, reply: bytes(4) } : undefined,
          )
        },
      )

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
    })
  })
}
