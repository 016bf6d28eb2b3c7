import { bytesToHex } from '@bletchley/bytes'
import { keccak256, randomBytes } from '@bletchley/crypto'
import { type ContractStore, KeyValueStore, openMemory } from '@bletchley/store'
import { expect, it, vi } from 'vitest'
import { RecordFacts } from './recordFacts.ts'

const [address, other] = [randomBytes(32), randomBytes(32)]
const factOf = (data: Uint8Array) => ({ bytes: data.length, hash: bytesToHex(keccak256(data)) })
const plenty = () => ({ bytes: 2 ** 30 })

async function start() {
  const store = await KeyValueStore.open(openMemory(), {
    hash: keccak256,
    onChange: (change) => facts.take(change),
  })
  const facts = new RecordFacts(store)
  const names = ['getDelta', 'receiptOf', 'getBytecode', 'getSnapshot'] as const
  const spies = names.map((name) => vi.spyOn(store, name))
  return {
    store,
    facts,
    /** All that is known, asked for anew. */
    ask: async (...keys: number[]) => ({
      deltas: await Promise.all(keys.map((key) => facts.delta(address, key, plenty()))),
      gas: await Promise.all(keys.map((key) => facts.gas(address, key, plenty()))),
      bytecode: await facts.bytecode(address, plenty()),
      snapshot: await facts.snapshot(address, plenty()),
    }),
    /** The reads since the last look. */
    reads: () => spies.flatMap((spy, at) => spy.mock.calls.splice(0).map(() => names[at])),
  }
}

const [code, first, second] = [randomBytes(300_000), randomBytes(3), randomBytes(400_000)]

async function fill(store: ContractStore) {
  await store.putContract(address, code, { key: 0, data: first })
  const receipt = { taskId: randomBytes(32), reply: new TextEncoder().encode('{"usedGas":"4711"}') }
  const version = (await store.load(address)).contract?.version
  await store.commitTask({ address, version, delta: { key: 1, data: second }, deltaHash: keccak256(second), receipt })
  await store.putSnapshot(address, { key: 0, data: randomBytes(70) }, keccak256(first))
}
const all = {
  deltas: [factOf(first), factOf(second)],
  gas: [undefined, '4711'],
  bytecode: factOf(code),
  snapshot: { key: 0, bytes: 70 },
}

it('reads a record once, however many ask at once and afterwards', async () => {
  const { store, ask, reads } = await start()
  await fill(store)
  reads()
  expect(await Promise.all([ask(0, 1), ask(0, 1), ask(0, 1)])).toEqual([all, all, all])
  expect(reads()).toEqual(['getDelta', 'getDelta', 'receiptOf', 'receiptOf', 'getBytecode', 'getSnapshot'])
  expect(await ask(0, 1)).toEqual(all)
  expect(reads()).toEqual([])
})

it('reads anew what a write has changed, and nothing else', async () => {
  const { store, ask, reads } = await start()
  await fill(store)
  await ask(0, 1)
  reads()
  const third = randomBytes(9)
  await store.putDeltas([{ address, key: 2, data: third }])
  await store.putDeltas([{ address: other, key: 0, data: first }])
  reads()
  expect(await ask(0, 1)).toEqual(all)
  expect(reads()).toEqual([])
  expect((await ask(2)).deltas).toEqual([factOf(third)])

  await store.putDeltas([{ address, key: 1, data: third }])
  reads()
  expect(await ask(0, 1)).toEqual({ ...all, deltas: [factOf(first), factOf(third)], gas: [undefined, undefined] })
  expect(reads()).toEqual(['getDelta', 'getDelta', 'receiptOf', 'receiptOf'])

  await store.putBytecode(address, third)
  reads()
  expect(await ask(0)).toMatchObject({ bytecode: factOf(third) })
  expect(reads()).toEqual(['getBytecode'])

  await store.putSnapshot(address, { key: 1, data: randomBytes(80) }, keccak256(third))
  reads()
  expect(await ask(0)).toMatchObject({ snapshot: { key: 1, bytes: 80 } })
  expect(reads()).toEqual(['getSnapshot'])

  await store.removeContract(address)
  const none = { deltas: [undefined, undefined], gas: [undefined, undefined], bytecode: undefined, snapshot: undefined }
  expect(await ask(0, 1)).toEqual(none)
  await fill(store)
  expect(await ask(0, 1)).toEqual(all)
})

it('does not keep what a write has changed while it was being read', async () => {
  const { store, facts, reads } = await start()
  await fill(store)
  // The store reads deltas itself when it writes: only the call that is held up is to be waited for.
  reads()
  let goOn = () => {}
  vi.mocked(store.getDelta).mockImplementationOnce(async () => {
    await new Promise<void>((resolve) => {
      goOn = resolve
    })
    return second
  })
  const before = facts.delta(address, 1, plenty())
  await vi.waitFor(() => expect(store.getDelta).toHaveBeenCalled())
  await store.putDeltas([{ address, key: 1, data: first }])
  goOn()
  expect(await before).toEqual(factOf(second))
  reads()
  expect(await facts.delta(address, 1, plenty())).toEqual(factOf(first))
})

it('has one record in memory at a time', async () => {
  const { store, facts } = await start()
  const rows = Array.from({ length: 5 }, () => ({ address: randomBytes(32), key: 0, data: second }))
  await store.putDeltas(rows)
  let [held, most] = [0, 0]
  vi.mocked(store.getDelta).mockImplementation(async (...asked) => {
    most = Math.max(most, ++held)
    return KeyValueStore.prototype.getDelta.apply(store, asked)
  })
  const found = rows.map(({ address }) =>
    facts.delta(address, 0, plenty()).then((fact) => {
      held--
      return fact
    }),
  )
  expect(await Promise.all(found)).toEqual(rows.map(() => factOf(second)))
  expect(most).toBe(1)
})

it('takes what it reads from a budget, and reads nothing without one', async () => {
  const { store, facts, reads } = await start()
  await fill(store)
  reads()
  const budget = { bytes: 1 }
  expect(await facts.delta(address, 1, budget)).toEqual(factOf(second))
  expect(budget.bytes).toBe(1 - second.length)
  reads()
  expect(await facts.delta(address, 1, budget)).toEqual(factOf(second))
  const none = [facts.delta(address, 0, budget), facts.gas(address, 1, budget), facts.bytecode(address, budget)]
  expect(await Promise.all([...none, facts.snapshot(address, budget)])).toEqual(Array(4).fill(undefined))
  expect(reads()).toEqual([])
  for (const read of [
    (left: typeof budget) => facts.gas(address, 1, left),
    (left: typeof budget) => facts.bytecode(address, left),
    (left: typeof budget) => facts.snapshot(address, left),
  ]) {
    const left = { bytes: 1 }
    expect(await read(left)).toBeDefined()
    expect(left.bytes).toBeLessThan(0)
  }
})

it('asks again for what could not be read', async () => {
  const { store, facts, ask } = await start()
  await fill(store)
  for (const name of ['getDelta', 'getBytecode', 'getSnapshot'] as const) {
    vi.mocked(store[name]).mockRejectedValueOnce(new Error(name))
  }
  await expect(facts.delta(address, 0, plenty())).rejects.toThrow('getDelta')
  await expect(facts.bytecode(address, plenty())).rejects.toThrow('getBytecode')
  await expect(facts.snapshot(address, plenty())).rejects.toThrow('getSnapshot')
  expect(await ask(0, 1)).toEqual(all)
})

it('remembers 2000 facts of the deltas of one contract', async () => {
  const { store, facts, reads } = await start()
  await fill(store)
  for (let key = 0; key < 2000; key++) await facts.delta(address, key, plenty())
  reads()
  await facts.delta(address, 0, plenty())
  expect(reads()).toEqual([])
  await facts.delta(address, 2000, plenty())
  await facts.delta(address, 0, plenty())
  expect(reads()).toEqual(['getDelta', 'getDelta'])
})
