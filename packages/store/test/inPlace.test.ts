import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { temporaryFolder } from '@bletchley/testkit/temporary-folder'
import { expect, test } from 'vitest'
import { openLmdb, StorageError } from '../src/index.ts'

const lmdb = pathToFileURL(createRequire(import.meta.url).resolve('lmdb')).href
const record = (byte: number, size = 1) => ({ key: Uint8Array.of(byte), value: new Uint8Array(size).fill(byte) })

/** A process that is in the middle of a read, until it is killed. */
async function startReader(folder: string) {
  const script = `
    import lmdb from ${JSON.stringify(lmdb)}
    const database = lmdb.open({ path: process.argv[1], readOnly: true, noSubdir: false, keyEncoding: 'binary' })
    const transaction = database.useReadTransaction()
    for (const _ of database.getKeys({ transaction, limit: 1, start: Buffer.of(9) })) console.log('reading')
    setInterval(() => transaction, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return {
    async kill() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

test.each([
  ['the folder is removed', async (folder: string) => rm(folder, { recursive: true }), 'data.mdb was removed'],
  ['the folder is renamed', async (folder: string) => rename(folder, `${folder}.old`), 'data.mdb was removed'],
  ['the table of readers is removed', async (folder: string) => rm(join(folder, 'lock.mdb')), 'lock.mdb was removed'],
  [
    'the database is replaced',
    async (folder: string) => {
      await copyFile(join(folder, 'data.mdb'), join(folder, 'copy'))
      await rename(join(folder, 'copy'), join(folder, 'data.mdb'))
    },
    'data.mdb was replaced',
  ],
])('when %s, a look tells and commits fail', async (_, change, message) => {
  await using base = await temporaryFolder()
  const folder = join(base.path, 'store')
  const backend = await openLmdb({ folder })
  try {
    await backend.commit([record(1)])
    backend.assertInPlace()
    await change(folder)
    expect(() => backend.assertInPlace()).toThrow(StorageError)
    expect(() => backend.assertInPlace()).toThrow(message)
    const several = [2, 3].map((byte) => backend.commit([record(byte)]))
    for (const commit of several) {
      await expect(commit).rejects.toThrow(
        expect.objectContaining({ cause: expect.objectContaining({ message: expect.stringContaining(message) }) }),
      )
    }
    expect(await backend.get(Uint8Array.of(2))).toBeUndefined()
  } finally {
    await backend.close()
  }
})

/** An earlier state of the database, written into its file, as `cp` does with a copy of before. */
async function openAndSetBack(folder: string) {
  const backend = await openLmdb({ folder })
  await backend.commit([record(1)])
  const earlier = await readFile(join(folder, 'data.mdb'))
  await backend.commit([record(2)])
  await writeFile(join(folder, 'data.mdb'), earlier, { flag: 'r+' })
  return backend
}

test('when the database is set back within its file, a look tells', async () => {
  await using base = await temporaryFolder()
  const backend = await openAndSetBack(join(base.path, 'store'))
  try {
    expect(() => backend.assertInPlace()).toThrow('data.mdb was set back to an earlier state')
    await expect(backend.commit([record(3)])).rejects.toThrow(StorageError)
  } finally {
    await backend.close()
  }
})

test('when the database is set back within its file, no commit is made onto it, before any look', async () => {
  await using base = await temporaryFolder()
  const backend = await openAndSetBack(join(base.path, 'store'))
  try {
    const several = [3, 4].map((byte) => backend.commit([record(byte)]))
    for (const commit of several) await expect(commit).rejects.toThrow(StorageError)
    expect(() => backend.assertInPlace()).toThrow('data.mdb was set back to an earlier state')
    expect(await backend.get(Uint8Array.of(3))).toBeUndefined()
  } finally {
    await backend.close()
  }
})

test('commits of another process, and commits that change nothing, are no step back', async () => {
  await using base = await temporaryFolder()
  const folder = join(base.path, 'store')
  const [backend, other] = [await openLmdb({ folder }), await openLmdb({ folder })]
  try {
    for (let round = 0; round < 3; round++) {
      for (const each of [backend, other, backend]) {
        await each.commit([record(round)])
        await each.commit([{ key: Uint8Array.of(99), value: undefined }])
        backend.assertInPlace()
        other.assertInPlace()
      }
    }
  } finally {
    await backend.close()
    await other.close()
  }
})

test('what is put back is written to again', async () => {
  await using base = await temporaryFolder()
  const folder = join(base.path, 'store')
  const backend = await openLmdb({ folder })
  try {
    await rename(folder, `${folder}.old`)
    expect(() => backend.assertInPlace()).toThrow('was removed')
    await expect(backend.commit([record(1)])).rejects.toThrow(StorageError)
    await rename(`${folder}.old`, folder)
    backend.assertInPlace()
    await backend.commit([record(1)])
  } finally {
    await backend.close()
  }
})

test('pages that a killed reader has held are used again', async () => {
  await using base = await temporaryFolder()
  const folder = join(base.path, 'store')
  const backend = await openLmdb({ folder })
  const overwrite = async (): Promise<number> => {
    for (let round = 0; round < 100; round++) await backend.commit([record(10 + (round % 4), 100_000)])
    return backend.stats().fileBytes
  }
  try {
    await overwrite()
    const usual = await overwrite()
    const reader = await startReader(folder)
    const transaction = backend.clearDeadReaders()
    expect(transaction).toBeGreaterThan(0)
    await backend.commit([record(9)])
    expect(backend.clearDeadReaders()).toBe(transaction)
    await reader.kill()
    expect(await overwrite()).toBeGreaterThan(usual + 5_000_000)
    expect(backend.clearDeadReaders()).not.toBe(transaction)
    const cleared = await overwrite()
    expect(await overwrite()).toBe(cleared)
  } finally {
    await backend.close()
  }
})
