import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { concatBytes, u32be } from '@bletchley/bytes'
import { expect, it, vi } from 'vitest'
import { CountingBackend } from '../../test/harness.ts'
import { addDelta, bytes32, collect, openStore } from '../../test/model.ts'
import { contractAddresses } from './contractAddresses.ts'
import { contractKey, receiptKey, snapshotKey } from './keys.ts'
import { KeyValueStore } from './keyValueStore.ts'
import { openMemory } from './memory.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

it('a walk over the lengths of tips leaves nothing behind of contracts that are gone', async () => {
  const store = await KeyValueStore.open(openMemory(), { hash: () => new Uint8Array(32) })
  let contracts = 0
  const comeAndGo = async (count: number) => {
    for (const end = contracts + count; contracts < end; ) {
      const addresses = Array.from({ length: 100 }, () => Buffer.concat([new Uint8Array(28), u32be(contracts++)]))
      await store.putDeltas(addresses.map((address) => ({ address, key: 0, data: Uint8Array.of(1) })))
      const tips = []
      for await (const tip of store.tipLengths(0)) tips.push({ ...tip, address: Buffer.from(tip.address) })
      expect(tips).toEqual(addresses.map((address) => ({ address, key: 0, length: 1 })))
      for (const address of addresses) await store.removeContract(address)
    }
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const before = await comeAndGo(2000)
  const after = await comeAndGo(20_000)
  // A length takes about 400 bytes.
  expect((after - before) / 20_000).toBeLessThan(150)
  await store.close()
})

it('a walk over the lengths of tips reads large ones once, until their contract changes', async () => {
  const backend = new CountingBackend(openMemory())
  const store = await openStore(backend)
  const addresses = [1, 2, 3].map(bytes32)
  const data = (length: number) => new Uint8Array(length).fill(length)
  const walk = async () => {
    backend.reads = 0
    const tips = await collect(store.tipLengths(10))
    return { tips, reads: backend.reads }
  }
  const tip = (index: number, length: number) => ({
    address: addresses[index]!,
    key: index,
    length,
    ...(length <= 10 && { data: data(length) }),
  })
  expect(await walk()).toEqual({ tips: [], reads: 1 })
  await store.putDeltas(
    [9, 10, 11].map((length, index) => ({ address: addresses[index]!, key: index, data: data(length) })),
  )
  await store.putBytecode(bytes32(4), data(1))
  // The walk, its addresses, a record of each and the tips of three.
  expect(await walk()).toEqual({ tips: [tip(0, 9), tip(1, 10), tip(2, 11)], reads: 1 + 4 + 4 + 3 })
  expect(await walk()).toEqual({ tips: [tip(0, 9), tip(1, 10), tip(2, 11)], reads: 1 + 4 + 4 + 2 })
  await store.putDeltas(
    [12, 13].map((length, index) => ({ address: addresses[index + 1]!, key: index + 1, data: data(length) })),
  )
  expect(await walk()).toEqual({ tips: [tip(0, 9), tip(1, 12), tip(2, 13)], reads: 1 + 4 + 4 + 3 })
  expect(await walk()).toEqual({ tips: [tip(0, 9), tip(1, 12), tip(2, 13)], reads: 1 + 4 + 4 + 1 })
})

it('contracts are found by what is stored of them, from the beginning or behind one', async () => {
  const backend = openMemory()
  const found = async (after?: Uint8Array) => (await collect(contractAddresses(backend, after))).map(([byte]) => byte)
  expect(await found()).toEqual([])
  const store = await openStore(backend)
  // The lowest one that begins as a key of none does.
  const lowest = bytes32(0).fill(1, 0, 1)
  for (const address of [bytes32(3), bytes32(1), bytes32(255), lowest])
    await store.putContract(address, Uint8Array.of(1), { key: 0, data: Uint8Array.of(1) })
  // Of no contract that the order lists, and of none at all.
  await backend.commit([
    { key: snapshotKey(bytes32(2)), value: Uint8Array.of(1) },
    { key: Uint8Array.of(4, 1), value: Uint8Array.of(1) },
    { key: contractKey(bytes32(200)).subarray(0, 33), value: Uint8Array.of(1) },
  ])
  expect(await found()).toEqual([1, 1, 2, 3, 255])
  expect(await found(bytes32(1))).toEqual([2, 3, 255])
  expect(await found(bytes32(2).fill(0, 31))).toEqual([2, 3, 255])
  expect(await found(bytes32(255))).toEqual([])
})

it('a record that is damaged counts as absent', async () => {
  const backend = openMemory()
  const store = await openStore(backend)
  const address = bytes32(1)
  await store.putDeltas([{ address, key: 0, data: Uint8Array.of(1) }])
  for (const [length, snapshot] of [
    [3, undefined],
    [4, { key: 0, data: new Uint8Array() }],
  ] as const) {
    await backend.commit([{ key: snapshotKey(address), value: new Uint8Array(length) }])
    expect(await store.getSnapshot(address)).toEqual(snapshot)
  }
  for (const length of [0, 15, 17, 19, 21]) {
    await backend.commit([{ key: contractKey(address), value: new Uint8Array(length) }])
    expect(await store.getTip(address), `${length}`).toBeUndefined()
    expect(await store.getTipKey(address), `${length}`).toBeUndefined()
  }
})

it('receipts are found by their keys, and read alone; those of older versions too', async () => {
  const backend = openMemory()
  const store = await openStore(backend)
  const address = bytes32(1)
  const task = (key: number) => ({ taskId: bytes32(100 + key), reply: Uint8Array.of(key) })
  await store.putBytecode(address, Uint8Array.of(1))
  for (let key = 0; key < 4; key++) {
    await addDelta(store, address, { key, data: Uint8Array.of(key) }, key === 1 ? undefined : task(key))
  }
  // Of an older version, and one that is damaged.
  const old = concatBytes(task(1).taskId, task(1).reply)
  await backend.commit([
    { key: receiptKey(address, 1), value: old },
    { key: receiptKey(address, 0, task(0).taskId), value: undefined },
    { key: receiptKey(address, 0), value: Uint8Array.of(7) },
  ])

  const reads = vi.spyOn(backend, 'get')
  expect(await store.receiptTasks(address)).toEqual([3, 2, 1].map((key) => task(key).taskId))
  expect(reads.mock.calls.map(([key]) => key)).toEqual([receiptKey(address, 1), receiptKey(address, 0)])
  reads.mockClear()
  expect(await store.getReceipt(address, task(2).taskId)).toEqual({ key: 2, reply: task(2).reply })
  expect(reads.mock.calls.map(([key]) => key)).toEqual([receiptKey(address, 2, task(2).taskId)])
  expect(await store.getReceipt(address, task(1).taskId)).toEqual({ key: 1, reply: task(1).reply })
  expect(await store.getReceipt(address, task(0).taskId)).toBeUndefined()
  expect(await Promise.all([0, 1, 2, 4].map((key) => store.receiptOf(address, key)))).toEqual([
    undefined,
    task(1),
    task(2),
    undefined,
  ])

  // With another delta in their place both go.
  await store.putDeltas([1, 2].map((key) => ({ address, key, data: Uint8Array.of(99) })))
  expect(await store.receiptTasks(address)).toEqual([task(3).taskId])
})
