import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ContractStore, openLmdb } from '../src/index.ts'
import { hashDelta } from './model.ts'
import { Turns } from './turns.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bletchley-lmdb.'))
})
afterEach(() => rm(folder, { recursive: true }))

test('no more than a mebibyte is read before the reader has had it, and one value more', async () => {
  const backend = openLmdb({ folder })
  const size = 300_000
  await backend.commit(
    Array.from({ length: 20 }, (_, index) => ({ key: Uint8Array.of(7, index), value: new Uint8Array(size) })),
  )
  const counts: number[] = []
  for await (const chunk of backend.entries({ gte: Uint8Array.of(7), lt: Uint8Array.of(8) })) counts.push(chunk.length)
  expect(counts.reduce((total, count) => total + count)).toBe(20)
  expect(Math.max(...counts)).toBeLessThanOrEqual(2 ** 20 / size + 1)
  await backend.close()
})

test.skipIf(process.platform === 'win32')('the files are their owner’s alone', async () => {
  const path = join(folder, 'store')
  const backend = openLmdb({ folder: path })
  const modes = [path, join(path, 'data.mdb'), join(path, 'lock.mdb')].map(async (each) => (await stat(each)).mode)
  expect((await Promise.all(modes)).map((mode) => mode & 0o777)).toEqual([0o700, 0o600, 0o600])
  await backend.close()
})

test('values of any length in one batch come back as they were', async () => {
  const backend = openLmdb({ folder })
  const lengths = [0, 1, 4095, 4096, 4097, 70_000, 4096, 2, 0]
  const entries = lengths.map((length, index) => ({
    key: Uint8Array.of(7, index),
    value: new Uint8Array(length).fill(index + 1),
  }))
  await backend.commit(entries)
  for (const { key, value } of entries) expect(await backend.get(key), String(key)).toEqual(value)
  await backend.close()
})

test('whoever looks on is told of the contracts of one write with pauses for others', async () => {
  const turns = new Turns()
  const told: number[] = []
  const onChange = (): void => {
    if (told.length % 256 === 0) {
      const end = performance.now() + 4
      while (performance.now() < end);
    }
    told.push(turns.count)
  }
  const store = await ContractStore.open(openLmdb({ folder }), { hashDelta, onChange })
  const rows = Array.from({ length: 2560 }, (_, index) => {
    const address = new Uint8Array(32)
    new DataView(address.buffer).setUint32(0, index)
    return { address, key: 0, data: new Uint8Array(1) }
  })
  await store.putDeltas(rows)
  turns.stop()
  expect(told).toHaveLength(2560)
  expect(new Set(told).size).toBeGreaterThanOrEqual(9)
  await store.close()
})
