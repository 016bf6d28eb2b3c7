import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lockFileName, lockFolder } from '@bletchley/crypto/folder-lock'
import { signingKeyFileName } from '@bletchley/crypto/key-file'
import { ContractReader, ContractStore, openLmdb } from '@bletchley/store'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { DataFolderWatch } from './dataFolderWatch.ts'

let folder: string
let watch: DataFolderWatch
let lines: Record<string, unknown>[]
let clean: () => Promise<void>

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
  const lock = await lockFolder(folder, 'core')
  await writeFile(join(folder, signingKeyFileName), '')
  const store = await ContractStore.open(openLmdb({ folder: join(folder, 'store') }), { hashDelta: (data) => data })
  lines = []
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  watch = new DataFolderWatch(folder, store, lock, logger)
  clean = async () => {
    watch.close()
    await store.close()
    lock.release()
    await rm(folder, { recursive: true })
  }
})
afterEach(async () => {
  vi.useRealTimers()
  await clean()
})

const lost = 'what this core does would be lost at its next start'

it.each([
  [signingKeyFileName, (path: string) => `${path} was removed`],
  [lockFileName, (path: string) => `${path} was removed or replaced`],
])('once a second it is looked whether %s is there, and said once when it is not', async (name, problemOf) => {
  const path = join(folder, name)
  const reason = problemOf(path)
  vi.advanceTimersByTime(1000)
  expect([watch.problem, lines]).toEqual([undefined, []])
  await rename(path, `${path}.away`)
  vi.advanceTimersByTime(999)
  expect(watch.problem).toBe(undefined)
  vi.advanceTimersByTime(1)
  expect(watch.problem).toBe(reason)
  vi.advanceTimersByTime(5000)
  expect(lines).toMatchObject([{ level: 50, dataFolder: folder, reason, msg: lost }])
  await rename(`${path}.away`, path)
  vi.advanceTimersByTime(2000)
  expect(watch.problem).toBe(undefined)
  expect(lines.slice(1)).toMatchObject([{ level: 40, dataFolder: folder, msg: 'the data folder is as it was' }])
  expect(lines[1]).not.toHaveProperty('reason')
  watch.close()
  await rename(path, `${path}.away`)
  vi.advanceTimersByTime(2000)
  expect(watch.problem).toBe(undefined)
})

it('a database that is not where it was is named', async () => {
  await rename(join(folder, 'store'), join(folder, 'moved'))
  await mkdir(join(folder, 'store'))
  watch.look()
  expect(watch.problem).toContain(join(folder, 'store'))
  expect(lines).toMatchObject([{ reason: watch.problem, msg: lost }])
})

it('tells for how long the oldest reader has been reading', async () => {
  watch.look()
  expect(watch.oldestReaderSeconds).toBe(0)
  const backend = openLmdb({ folder: join(folder, 'store'), readOnly: true })
  await ContractReader.openExisting(backend)
  const reading = backend.entries({ gte: Uint8Array.of(0), lt: Uint8Array.of(255) })[Symbol.asyncIterator]()
  await reading.next()
  watch.look()
  expect(watch.oldestReaderSeconds).toBe(0)
  vi.advanceTimersByTime(3000)
  expect(watch.oldestReaderSeconds).toBe(3)
  await reading.return?.()
  await backend.close()
  watch.look()
  expect(watch.oldestReaderSeconds).toBe(0)
})
