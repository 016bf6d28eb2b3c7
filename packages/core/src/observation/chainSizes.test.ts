import { keccak256, randomBytes } from '@bletchley/crypto'
import { KeyValueStore, openMemory } from '@bletchley/store'
import { expect, it, vi } from 'vitest'
import { ChainSizes, readBudget } from './chainSizes.ts'

const address = randomBytes(32)

async function start() {
  const store = await KeyValueStore.open(openMemory(), { hash: keccak256 })
  const read = vi.spyOn(store, 'deltaChunks')
  const put = (from: number, lengths: number[]) =>
    store.putDeltas(lengths.map((length, index) => ({ address, key: from + index, data: new Uint8Array(length) })))
  /** Where the reads began since the last look. */
  const reads = () => {
    const starts = read.mock.calls.map(([, from]) => from)
    read.mockClear()
    return starts
  }
  return { sizes: new ChainSizes(store), put, reads }
}

it('counts a chain once, and then what is behind it', async () => {
  const { sizes, put, reads } = await start()
  await put(0, [5, 0, 7])
  expect(await sizes.of(address, 2)).toMatchObject({ deltas: 3, bytes: 12 })
  expect(reads()).toEqual([0])
  expect(await sizes.of(address, 2)).toMatchObject({ deltas: 3, bytes: 12 })
  expect(reads()).toEqual([])
  // With a hole.
  await put(4, [100])
  expect(await sizes.of(address, 4)).toMatchObject({ deltas: 4, bytes: 112 })
  expect(reads()).toEqual([3])
  expect(await sizes.of(address, 9)).toBeUndefined()
})

it('counts anew what a write has changed, and no more', async () => {
  const { sizes, put, reads } = await start()
  await put(0, [5, 5])
  const size = () => sizes.of(address, 1)
  await size()
  for (const change of [
    { address, kind: 'changed', firstDelta: 2, bytecode: false, snapshot: false },
    { address, kind: 'changed', firstDelta: undefined, bytecode: false, snapshot: false },
    { address: randomBytes(32), kind: 'changed', firstDelta: 0, bytecode: false, snapshot: false },
  ] as const) {
    sizes.take(change)
  }
  await size()
  expect(reads()).toEqual([0])
  await put(1, [9])
  sizes.take({ address, kind: 'changed', firstDelta: 1, bytecode: false, snapshot: false })
  expect(await size()).toMatchObject({ deltas: 2, bytes: 14 })
  expect(reads()).toEqual([0])
})

it('counts each delta once for two questions at a time', async () => {
  const { sizes, put } = await start()
  await put(0, Array(700).fill(3))
  const both = await Promise.all([sizes.of(address, 699), sizes.of(address, 699)])
  expect(both).toMatchObject(Array(2).fill({ deltas: 700, bytes: 2100 }))
})

it('reads so many deltas and bytes for a question, and the next one goes on', async () => {
  const { sizes, put, reads } = await start()
  // The store gives 512 at a time.
  await put(0, Array(1200).fill(2))
  const budget = { deltas: 513, bytes: 10_000 }
  expect(await sizes.of(address, 1199, budget)).toBeUndefined()
  expect([budget, reads()]).toEqual([{ deltas: -511, bytes: 10_000 - 2048 }, [0]])
  expect(await sizes.of(address, 1199, budget)).toBeUndefined()
  expect(reads()).toEqual([])
  expect(await sizes.of(address, 1199, { deltas: 2000, bytes: 0 })).toBeUndefined()
  expect(await sizes.of(address, 1199, { deltas: 0, bytes: 10 })).toBeUndefined()
  expect(reads()).toEqual([])
  expect(await sizes.of(address, 1199, { deltas: 1, bytes: 1 })).toMatchObject({ deltas: 1200, bytes: 2400 })
  expect(reads()).toEqual([1024])
  // What is known costs nothing.
  expect(await sizes.of(address, 1199, { deltas: 0, bytes: 0 })).toMatchObject({ deltas: 1200, bytes: 2400 })
})

it('goes on behind a chunk whose budget ends exactly with it', async () => {
  for (const budget of [
    { deltas: 512, bytes: 10_000 },
    { deltas: 10_000, bytes: 1024 },
  ]) {
    const { sizes, put } = await start()
    await put(0, Array(600).fill(2))
    expect(await sizes.of(address, 599, budget)).toBeUndefined()
    expect(await sizes.of(address, 599, { deltas: 1, bytes: 1 })).toMatchObject({ deltas: 600, bytes: 1200 })
  }
})

it('has 10 000 deltas and 16 MiB for a question', () => {
  expect(readBudget()).toEqual({ deltas: 10_000, bytes: 16 * 1024 * 1024 })
})

it('remembers 100 000 contracts', async () => {
  const { sizes, put, reads } = await start()
  await put(0, [5])
  const ask = async (from: number, to: number) => {
    for (let index = from; index < to; index++) {
      const other = new Uint8Array(32)
      new DataView(other.buffer).setUint32(0, index)
      await sizes.of(other, 0, { deltas: 0, bytes: 0 })
    }
  }
  await sizes.of(address, 0)
  await ask(0, 99_999)
  await sizes.of(address, 0)
  await ask(99_999, 199_998)
  expect(reads()).toEqual([0])
  await ask(199_998, 199_999)
  await sizes.of(address, 0)
  expect(reads()).toEqual([0])
})
