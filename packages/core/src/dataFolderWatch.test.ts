import { chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToUtf8 } from '@bletchley/bytes'
import { lockFileName, lockFolder } from '@bletchley/crypto/folder-lock'
import { signingKeyFileName } from '@bletchley/crypto/key-file'
import { WatchedFile } from '@bletchley/crypto/watched-file'
import { KeyValueReader, KeyValueStore, openLmdb } from '@bletchley/store'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DataFolderWatch } from './dataFolderWatch.ts'
import { SocketFiles } from './server/socketFiles.ts'

let folder: string
let watch: DataFolderWatch
let store: KeyValueStore
let lines: Record<string, unknown>[]
let clean: () => Promise<void>

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
  const lock = await lockFolder(folder, 'core')
  await writeFile(join(folder, signingKeyFileName), 'sealed')
  const keyFile = new WatchedFile(join(folder, signingKeyFileName), (content) => bytesToUtf8(content) === 'as good')
  store = await KeyValueStore.open(await openLmdb({ folder: join(folder, 'store') }), { hash: (data) => data })
  lines = []
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  watch = new DataFolderWatch(folder, store, lock, [keyFile], logger)
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
  const backend = await openLmdb({ folder: join(folder, 'store'), readOnly: true })
  await KeyValueReader.openExisting(backend)
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

const put = () => store.putBytecode(new Uint8Array(32), new Uint8Array(3))

it.each([
  ['removed', (path: string) => rm(path), 'was removed'],
  ['cut off', (path: string) => truncate(path, 1), 'was replaced or changed'],
  ['overwritten with as many bytes', (path: string) => writeFile(path, 'SEALED'), 'was replaced or changed'],
  ['replaced by a folder', (path: string) => rm(path).then(() => mkdir(path)), 'was replaced or changed'],
])('a key file that was %s has writes refused until it is back', async (_, change, problem) => {
  const path = join(folder, signingKeyFileName)
  const content = await readFile(path)
  await put()
  await change(path)
  watch.look()
  expect(watch.problem).toBe(`${path} ${problem}`)
  expect(lines).toMatchObject([{ level: 50, reason: watch.problem, msg: lost }])
  await expect(put()).rejects.toMatchObject({ name: 'StorageError', cause: { message: watch.problem } })
  await expect(store.probe()).rejects.toThrow('no write is taken')
  await rm(path, { recursive: true, force: true })
  await writeFile(path, content)
  watch.look()
  expect([watch.problem, lines.length]).toEqual([undefined, 2])
  await put()
})

it('a key file may be touched, copied back, or become what is as good', async () => {
  const path = join(folder, signingKeyFileName)
  await utimes(path, 1, 1)
  watch.look()
  expect(watch.problem).toBe(undefined)
  for (const content of ['as good', 'as good']) {
    await rm(path)
    await writeFile(path, content)
    watch.look()
    expect(watch.problem).toBe(undefined)
  }
  // What it was before will not do any more.
  await writeFile(path, 'sealed')
  watch.look()
  expect(watch.problem).toBe(`${path} was replaced or changed`)
})

it('a lock that was removed has writes refused', async () => {
  const path = join(folder, lockFileName)
  await rename(path, `${path}.away`)
  watch.look()
  await expect(put()).rejects.toMatchObject({ name: 'StorageError' })
  await rename(`${path}.away`, path)
  watch.look()
  await put()
})

describe.skipIf(process.platform === 'win32')('a socket in a file', () => {
  const listen = async (path: string) => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(path, resolve))
    return { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) }
  }

  it.each([
    ['removed', async () => null],
    ['replaced', listen],
    ['replaced', (path: string) => writeFile(path, '').then(() => null)],
  ])('that was %s is told of, and writes go on', async (what, replace) => {
    const path = join(folder, 'socket')
    await using _socket = await listen(path)
    watch.watchDoors(new SocketFiles([`ipc://${path}`, 'tcp://127.0.0.1:5552', `ipc://${path}.none`]))
    await chmod(path, 0o660)
    await utimes(path, 1, 1)
    watch.look()
    expect([watch.unreachable, lines]).toEqual([undefined, []])
    await rename(path, `${path}.away`)
    const reason = `the file of ipc://${path} was ${what}: nobody can connect to it`
    {
      await using _other = await replace(path)
      watch.look()
      expect([watch.unreachable, watch.problem]).toEqual([reason, undefined])
      watch.look()
    }
    expect(lines).toMatchObject([{ level: 50, reason, msg: 'peers cannot connect, or could not after the next start' }])
    await put()
    await rename(`${path}.away`, path)
    watch.look()
    expect([watch.unreachable, lines.length]).toEqual([undefined, 2])
  })

  it('that nobody can look for is told of', async () => {
    const path = join(folder, 'sockets')
    await mkdir(path)
    await using _socket = await listen(join(path, 'socket'))
    watch.watchDoors(new SocketFiles([`ipc://${join(path, 'socket')}`]))
    await rename(path, `${path}.away`)
    await symlink(path, path)
    watch.look()
    expect(watch.unreachable).toContain('ELOOP')
  })
})

it('a CURVE key pair that is another one is told of, and writes go on', async () => {
  const path = join(folder, 'curve.key')
  await writeFile(path, 'pair')
  watch.watchDoors(new SocketFiles([]), new WatchedFile(path))
  await writeFile(path, 'else')
  watch.look()
  expect([watch.unreachable, watch.problem]).toEqual([`${path} was replaced or changed`, undefined])
  await put()
  await writeFile(path, 'pair')
  watch.look()
  expect([watch.unreachable, lines.length]).toEqual([undefined, 2])
})
