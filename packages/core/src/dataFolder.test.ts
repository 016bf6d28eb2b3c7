import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FolderLockedError, lockFileName, lockFolder } from '@bletchley/crypto/folder-lock'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startCoreHere } from '../test/coreHere.ts'
import { assertWorker, storeFolder, whileReadable, withReader } from './dataFolder.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
})
afterEach(() => rm(folder, { recursive: true }))

it('a folder without a database is not a worker’s', async () => {
  const file = join(folder, 'file')
  await writeFile(file, '')
  for (const path of [folder, join(folder, 'nothing'), file]) {
    const text = `${path} is not the data folder of a worker: it has no store/data.mdb`
    expect(() => assertWorker(path)).toThrow(text)
    await expect(withReader(path, async () => 0)).rejects.toThrow(text)
  }
})

it('a folder that cannot be looked at is not taken for an empty one', () => {
  const path = join(folder, 'x'.repeat(300))
  expect(() => assertWorker(path)).toThrow(`${path} cannot be read (ENAMETOOLONG)`)
})

it('a worker’s database is read, also beside its core, and let go of whatever happens', async () => {
  await using core = await startCoreHere()
  const { dataFolder } = core
  expect(() => assertWorker(dataFolder)).not.toThrow()
  expect(await withReader(dataFolder, (reader) => reader.allAddresses())).toEqual([])
  const closed: boolean[] = []
  await expect(
    withReader(dataFolder, async (reader, backend) => {
      const { close } = backend
      backend.close = async () => {
        closed.push(true)
        await close.call(backend)
      }
      expect(await reader.allAddresses()).toEqual([])
      throw new Error('while reading')
    }),
  ).rejects.toThrow('while reading')
  expect(closed).toEqual([true])
})

it('where a core could not see who reads, none may run meanwhile', async () => {
  // Also to root, who may write everywhere, there is nothing to note readers in.
  const reading = () => whileReadable(folder, async () => lockFolder(folder, 'core').catch((error: Error) => error))
  const core = await reading()
  if (core instanceof Error) throw core
  const table = join(storeFolder(folder), 'lock.mdb')
  await expect(reading()).rejects.toThrow(
    `, and could not see what is being read, since ${table} cannot be written. ` +
      'Run this as the owner of the folder, where it can be written',
  )
  await expect(reading()).rejects.toThrow(`${folder} cannot be read: it is in use by `)
  core.release()
  expect(await reading()).toBeInstanceOf(FolderLockedError)
  // The lock of the reader is gone with him.
  const next = await lockFolder(folder, 'core')
  next.release()
})

it('where it cannot be told whether a core runs, nothing is read', async () => {
  await symlink(lockFileName, join(folder, lockFileName))
  let read = 0
  const result = whileReadable(folder, async () => read++)
  await expect(result).rejects.toThrow(
    `${folder} cannot be read: whether a core runs cannot be told, and could not see`,
  )
  expect(read).toBe(0)
})
