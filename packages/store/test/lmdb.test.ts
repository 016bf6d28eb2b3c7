import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLmdb } from '../src/index.ts'

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
