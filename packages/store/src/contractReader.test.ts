import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { concatBytes, u32be } from '@bletchley/bytes'
import { expect, it, vi } from 'vitest'
import { bytes32, hashDelta, openStore } from '../test/model.ts'
import { ContractStore } from './contractStore.ts'
import { receiptKey } from './keys.ts'
import { openMemory } from './memory.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

it('a walk over the lengths of tips leaves nothing behind of contracts that are gone', async () => {
  const store = await ContractStore.open(openMemory(), { hashDelta: () => new Uint8Array(32) })
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

it('receipts are found by their keys, and read alone; those of older versions too', async () => {
  const backend = openMemory()
  const store = await openStore(backend)
  const address = bytes32(1)
  const task = (key: number) => ({ taskId: bytes32(100 + key), reply: Uint8Array.of(key) })
  await store.putBytecode(address, Uint8Array.of(1))
  let previousHash: Uint8Array | undefined
  for (let key = 0; key < 4; key++) {
    const data = Uint8Array.of(key)
    await store.commitTask({ address, delta: { key, data }, previousHash, receipt: key === 1 ? undefined : task(key) })
    previousHash = hashDelta(data)
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
