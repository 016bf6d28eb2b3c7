import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Turns } from '@bletchley/testkit/turns'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KeyValueStore, openLmdb } from '../src/index.ts'
import { hash } from './model.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bletchley-lmdb.'))
})
afterEach(() => rm(folder, { recursive: true }))

test('no more than a mebibyte is read before the reader has had it, and one value more', async () => {
  const backend = await openLmdb({ folder })
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
  const backend = await openLmdb({ folder: path })
  const modes = [path, join(path, 'data.mdb'), join(path, 'lock.mdb')].map(async (each) => (await stat(each)).mode)
  expect((await Promise.all(modes)).map((mode) => mode & 0o777)).toEqual([0o700, 0o600, 0o600])
  await backend.close()
})

test('values of any length in one batch come back as they were', async () => {
  const backend = await openLmdb({ folder })
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
  const store = await KeyValueStore.open(await openLmdb({ folder }), { hash, onChange })
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

test('values share pieces of memory that are no larger than 128 KiB, large ones have their own', async () => {
  const backend = await openLmdb({ folder })
  const key = (index: number) => Uint8Array.of(7, index >> 8, index & 255)
  await backend.commit([
    ...Array.from({ length: 1000 }, (_, index) => ({ key: key(index), value: new Uint8Array(1000).fill(index) })),
    { key: Uint8Array.of(8), value: new Uint8Array(2 ** 15) },
    { key: Uint8Array.of(9), value: new Uint8Array(2 ** 15 + 1) },
  ])
  const pieces = new Set<ArrayBufferLike>()
  for (let index = 0; index < 1000; index++) {
    const value = (await backend.get(key(index)))!
    expect(value.every((byte) => byte === (index & 255))).toBe(true)
    pieces.add(value.buffer)
  }
  expect(new Set([...pieces].map(({ byteLength }) => byteLength))).toEqual(new Set([2 ** 17]))
  expect(pieces.size).toBeLessThanOrEqual(9)
  expect((await backend.get(Uint8Array.of(8)))!.buffer.byteLength).toBe(2 ** 17)
  expect((await backend.get(Uint8Array.of(9)))!.buffer.byteLength).toBe(2 ** 15 + 1)
  await backend.close()
})

test('it tells how large its file is, and how much of that is in use', async () => {
  const backend = await openLmdb({ folder })
  const sizes = { small: 5000 * 100, large: 20 * 100_000 }
  await backend.commit([
    ...Array.from({ length: 5000 }, (_, index) => ({
      key: Uint8Array.of(7, index >> 8, index & 255),
      value: new Uint8Array(100),
    })),
    ...Array.from({ length: 20 }, (_, index) => ({ key: Uint8Array.of(8, index), value: new Uint8Array(100_000) })),
  ])
  const full = backend.stats()
  expect(full.records).toBe(5020)
  expect(full.fileBytes).toBe((await stat(join(folder, 'data.mdb'))).size)
  expect(full.usedBytes).toBeGreaterThan(sizes.small + sizes.large)
  expect(full.usedBytes).toBeLessThan(full.fileBytes)
  await backend.commit(Array.from({ length: 20 }, (_, index) => ({ key: Uint8Array.of(8, index), value: undefined })))
  const { records, usedBytes } = backend.stats()
  expect(records).toBe(5000)
  expect(full.usedBytes - usedBytes).toBeGreaterThan(sizes.large)
  expect(usedBytes).toBeGreaterThan(sizes.small)
  await backend.close()
  expect(() => backend.stats()).toThrow('closed')
})

test.skipIf(process.platform === 'win32')('where a database finds no room, it says so and leaves nothing', async () => {
  const script = `
    import { openLmdb } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}
    try { await openLmdb({ folder: process.argv[1] }) } catch ({ name, message }) { console.log(name, message) }`
  const path = join(folder, 'store')
  const command = ['trap "" XFSZ; ulimit -f 8; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', script]
  // Of 512 bytes each.
  const { stdout } = await promisify(execFile)('sh', ['-c', ...command, path])
  expect(stdout).toBe(`StorageError ${path} takes no file of 16384 bytes, as a database needs (EFBIG)\n`)
  expect(await readdir(path)).toEqual([])
  // As LMDB leaves its table of readers if it is killed while it makes it.
  await writeFile(join(path, 'lock.mdb'), '')
  expect((await promisify(execFile)('sh', ['-c', ...command, path])).stdout).toBe(stdout)
})
