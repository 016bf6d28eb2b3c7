import { execFile } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { temporaryFolder } from '@bletchley/testkit/temporary-folder'
import { expect, test } from 'vitest'
import { KeyValueReader, openLmdb, StorageError } from '../src/index.ts'

const run = promisify(execFile)
const address = new Uint8Array(32).fill(1)

/** Writes deltas `[from, to)` of a megabyte each, in a process of its own. Needs the built package. */
function writeDeltas(folder: string, from: number, to: number): Promise<unknown> {
  const script = `
    import { KeyValueStore, openLmdb } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}
    const store = await KeyValueStore.open(await openLmdb({ folder: ${JSON.stringify(folder)} }), { hash: (data) => data })
    const address = new Uint8Array(32).fill(1)
    for (let key = ${from}; key < ${to}; key++) {
      await store.putDeltas([{ address, key, data: new Uint8Array(1 << 20).fill(key) }])
    }
    await store.close()`
  return run(process.execPath, ['--input-type=module', '-e', script])
}

test('a reader beside a writing process sees what it writes, and changes no record', async () => {
  await using folder = await temporaryFolder()
  await writeDeltas(folder.path, 0, 1)
  const backend = await openLmdb({ folder: folder.path, readOnly: true })
  try {
    const reader = await KeyValueReader.openExisting(backend)
    expect(await reader.getTip(address)).toMatchObject({ key: 0 })
    // The database outgrows the address space that the reader has mapped.
    await writeDeltas(folder.path, 1, 30)
    const tip = await reader.getTip(address)
    expect(tip?.key).toBe(29)
    expect(tip?.data.every((byte) => byte === 29)).toBe(true)
    const file = join(folder.path, 'data.mdb')
    const before = [await readFile(file), (await stat(file)).mtimeMs] as const
    const write = { key: Uint8Array.of(9), value: Uint8Array.of(9) }
    await expect(backend.commit([write])).rejects.toThrow(StorageError)
    expect(await backend.get(write.key)).toBeUndefined()
    expect([before[0].equals(await readFile(file)), (await stat(file)).mtimeMs]).toEqual([true, before[1]])
  } finally {
    await backend.close()
  }
})

test('a reader makes no database, and takes no other one', async () => {
  await using folder = await temporaryFolder()
  for (const path of [folder.path, join(folder.path, 'none')]) {
    await expect(openLmdb({ folder: path, readOnly: true }), path).rejects.toThrow(StorageError)
  }
  expect(await readdir(folder.path)).toEqual([])
  const other = await openLmdb({ folder: folder.path })
  await expect(KeyValueReader.openExisting(other)).rejects.toThrow('holds no contracts')
  await other.commit([{ key: Uint8Array.of(1), value: Uint8Array.of(0, 0, 0, 99) }])
  await expect(KeyValueReader.openExisting(other)).rejects.toThrow('another version')
  await other.close()
})
