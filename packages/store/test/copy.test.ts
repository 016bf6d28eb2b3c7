import { execFile, execFileSync } from 'node:child_process'
import { mkdir, open, readdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openFilesOf, syncsOf } from '@bletchley/testkit/files'
import { temporaryFolder } from '@bletchley/testkit/temporary-folder'
import { expect, test, vi } from 'vitest'
import { compactLmdb, copyLmdb, KeyValueReader, openLmdb, StorageError } from '../src/index.ts'
import { bytes32, openStore } from './model.ts'

const run = promisify(execFile)
const address = bytes32(1)

async function makeStore(folder: string): Promise<void> {
  const store = await openStore(await openLmdb({ folder }))
  for (let key = 0; key < 50; key++) await store.putDeltas([{ address, key, data: new Uint8Array(60_000).fill(key) }])
  await store.close()
}

test('a copy takes a large removal as its first write', async () => {
  await using folder = await temporaryFolder()
  const [source, target] = [join(folder.path, 'a'), join(folder.path, 'b')]
  await makeStore(source)
  await copyLmdb(source, target)
  // In a process of its own: when this goes wrong, the process ends.
  const script = `
    import { KeyValueStore, openLmdb } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}
    const store = await KeyValueStore.open(await openLmdb({ folder: ${JSON.stringify(target)} }), { hash: (data) => data })
    await store.removeDeltas([{ address: new Uint8Array(${JSON.stringify([...address])}), from: 10, to: 50 }])
    await store.close()`
  await run(process.execPath, ['--input-type=module', '-e', script])
  const reader = new KeyValueReader(await openLmdb({ folder: target, readOnly: true }))
  expect(await reader.getTip(address)).toMatchObject({ key: 9 })
})

test.skipIf(process.platform !== 'linux')(
  'a copy is its owner’s alone, without a table of readers, and on disk',
  async () => {
    await using folder = await temporaryFolder()
    const [source, target] = [join(folder.path, 'a'), join(folder.path, 'b', 'c')]
    await makeStore(source)
    expect(await syncsOf(target.slice(0, -4), () => copyLmdb(source, target))).toEqual(['b/c/data.mdb', 'b/c'])
    expect(await readdir(target)).toEqual(['data.mdb'])
    expect((await stat(target)).mode & 0o777).toBe(0o700)
    expect((await stat(join(target, 'data.mdb'))).mode & 0o777).toBe(0o600)
    await expect(copyLmdb(source, target)).rejects.toThrow(`the database could not be copied to ${target}`)
    await expect(copyLmdb(folder.path, join(folder.path, 'd'))).rejects.toThrow('holds no database')
    expect(await readdir(folder.path)).toEqual(['a', 'b'])
  },
)

test.skipIf(process.platform !== 'linux')(
  'a database is replaced by its copy in one step, on disk, or stays as it is',
  async () => {
    await using folder = await temporaryFolder()
    const { path } = folder
    await makeStore(path)
    const store = await openStore(await openLmdb({ folder: path }))
    await store.removeDeltas([{ address, from: 3, to: 50 }])
    await store.close()
    // Left of one that was killed.
    await mkdir(join(path, 'compacting'))
    await writeFile(join(path, 'compacting', 'data.mdb'), 'half of it')
    const before = (await stat(join(path, 'data.mdb'))).size
    let sizes: unknown
    const synced = await syncsOf(path, async () => {
      sizes = await compactLmdb(path)
    })
    expect(synced).toEqual(['compacting/data.mdb', 'compacting', '.'])
    const after = (await stat(join(path, 'data.mdb'))).size
    expect(sizes).toEqual({ before, after })
    expect(after).toBeLessThan(before / 4)
    expect(await readdir(path)).toEqual(['data.mdb'])
    const { ino } = await stat(join(path, 'data.mdb'))
    await expect(compactLmdb(path, { signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped')
    expect(await readdir(path)).toEqual(['data.mdb', 'lock.mdb'])
    expect((await stat(join(path, 'data.mdb'))).ino).toBe(ino)
    await rename(join(path, 'data.mdb'), join(path, 'elsewhere'))
    await symlink('elsewhere', join(path, 'data.mdb'))
    await expect(compactLmdb(path)).rejects.toThrow('is a symbolic link, and would be replaced')
    const reader = new KeyValueReader(await openLmdb({ folder: path, readOnly: true }))
    expect(await reader.getTip(address)).toMatchObject({ key: 2 })
  },
)

test('who waits for a copy is told how far it is', async () => {
  await using folder = await temporaryFolder()
  await makeStore(join(folder.path, 'a'))
  await using handle = await open(folder.path)
  const target = join(folder.path, 'b')
  let copied: Promise<void> | undefined
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    const told: Promise<unknown> = new Promise((resolve) => {
      // It waits for the disk until it has told.
      vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'sync').mockImplementationOnce(async () => {
        vi.advanceTimersByTime(1000)
        await told
      })
      copied = copyLmdb(join(folder.path, 'a'), target, resolve)
    })
    expect(await told).toBe((await stat(join(target, 'data.mdb'))).size)
    await copied
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('a file that misses its last page is refused, whichever of its two beginnings tells of that', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'data.mdb')
  for (let size = 1; size <= 4; size++) {
    const backend = await openLmdb({ folder: folder.path })
    await backend.commit([{ key: Uint8Array.of(size), value: new Uint8Array(size * 100_000) }])
    await backend.close()
    const whole = await readFile(file)
    await truncate(file, whole.length - 1)
    await expect(openLmdb({ folder: folder.path }), `${size}`).rejects.toThrow(
      `was cut off: it has ${whole.length - 1} bytes of ${whole.length}`,
    )
    await writeFile(file, whole)
  }
})

test('a file that is no database, or was cut off, is refused and does not end the process', async () => {
  await using folder = await temporaryFolder()
  const [path, file] = [join(folder.path, 'a'), join(folder.path, 'a', 'data.mdb')]
  await makeStore(path)
  for (const [change, message] of [
    [() => truncate(file, 100_000), 'was cut off'],
    [() => truncate(file, 4100), 'is not a database'],
    [() => writeFile(file, new Uint8Array(9000).fill(7)), 'is not a database'],
    [() => writeFile(file, 'text'), 'is not a database'],
  ] as const) {
    await change()
    for (const readOnly of [true, false]) {
      await expect(openLmdb({ folder: path, readOnly }), message).rejects.toThrow(StorageError)
      await expect(openLmdb({ folder: path, readOnly })).rejects.toThrow(message)
    }
    await expect(copyLmdb(path, join(folder.path, 'b'))).rejects.toThrow(message)
  }
  await rm(file)
  execFileSync('mkfifo', [file])
  await expect(openLmdb({ folder: path })).rejects.toThrow(`${file} is not a file`)
  await rm(file)
  await mkdir(file)
  await expect(openLmdb({ folder: path })).rejects.toThrow(`${file} cannot be read (EISDIR)`)
  expect(await openFilesOf(file)).toEqual([])
  await rm(file, { recursive: true })
  await writeFile(file, 'text')
  // As LMDB leaves it when it is killed while it makes it.
  await truncate(file, 0)
  await expect(openLmdb({ folder: path, readOnly: true })).rejects.toThrow('holds no database')
  await makeStore(path)
})
