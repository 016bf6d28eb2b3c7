import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@bletchley/testkit/temporary-folder'
import { tryLock } from 'fs-native-extensions'
import { expect, it } from 'vitest'
import { describeHolder, FolderLockedError, lockFolder, lockFolderForReading, lockHolder } from './folderLock.ts'

const rounds = 25

/** The number that the system gives to the next file that is opened: the lowest that is free. */
async function lowestDescriptor(folder: string): Promise<number> {
  await using file = await open(folder, 'r')
  return file.fd
}

/** A process that tries once to lock the folder when it is told to, says how it went, and stays. Needs the built package. */
class Starter {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterableIterator<string>

  constructor(folder: string) {
    const built = fileURLToPath(new URL('../dist/folderLock.js', import.meta.url))
    const script = `
      import { lockFolder } from ${JSON.stringify(built)}
      console.log('there')
      process.stdin.once('data', () => lockFolder(process.argv[1], 'test').then(
        () => console.log('locked'), (error) => console.log(error.name)))`
    this.#child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    return (await this.#lines.next()).value as string
  }

  go(): void {
    this.#child.stdin!.write('go\n')
  }

  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}

it('a folder belongs to one, in this process or another, who is named to the next', async () => {
  await using folder = await temporaryFolder()
  const data = join(folder.path, 'a', 'b')
  expect(lockHolder(data)).toBeUndefined()
  const lock = await lockFolder(data, 'core')
  expect((await stat(data)).mode & 0o777).toBe(0o700)
  expect(lockHolder(data)).toMatchObject({ pid: process.pid, use: 'core' })
  await expect(lockFolder(data, 'prune')).rejects.toThrow(FolderLockedError)
  await expect(lockFolder(data, 'prune')).rejects.toThrow(`in use by process ${process.pid} (bletchley core), since`)
  expect((await stat(join(data, 'lock'))).mode & 0o777).toBe(0o600)
  lock.release()
  lock.release()
  expect(lockHolder(data)).toBeUndefined()
  const next = await lockFolder(data, 'prune')
  const { since, ...holder } = lockHolder(data)!
  expect(holder).toEqual({ pid: process.pid, use: 'prune', host: hostname() })
  expect(new Date(since!).toISOString()).toBe(since)
  next.release()
})

it('is locked at a byte that no other version of the program changes', async () => {
  await using folder = await temporaryFolder()
  await using file = await open(join(folder.path, 'lock'), 'a+')
  expect(tryLock(file.fd, 2 ** 30, 1)).toBe(true)
  await expect(lockFolder(folder.path, 'core')).rejects.toThrow(FolderLockedError)
})

it('what stands in the file is not the lock, and not trusted', async () => {
  await using folder = await temporaryFolder()
  for (const text of ['', '{', 'null', '{"pid":1,"use":"core\\u001b[2J"}', JSON.stringify({ pid: process.pid })]) {
    await writeFile(join(folder.path, 'lock'), text)
    expect(lockHolder(folder.path), text).toBeUndefined()
    const lock = await lockFolder(folder.path, 'core')
    await writeFile(join(folder.path, 'lock'), text)
    await expect(lockFolder(folder.path, 'core'), text).rejects.toThrow(/in use by (another process|process \d+)$/)
    lock.release()
  }
})

it('who has a folder is said as far as it is known', () => {
  expect(describeHolder({})).toBe('another process')
  expect(describeHolder({ use: 'core', host: 'a' })).toBe('another process')
  expect(describeHolder({ pid: 7 })).toBe('process 7')
  expect(describeHolder({ pid: 7, host: hostname() })).toBe('process 7')
  expect(describeHolder({ pid: 7, use: 'core', host: 'a host of another name', since: 'then' })).toBe(
    'process 7 (bletchley core) on a host of another name, since then',
  )
})

it('only what has the form of its kind is taken from the file', async () => {
  await using folder = await temporaryFolder()
  const lock = await lockFolder(folder.path, 'core')
  const holderOf = async (holder: unknown) => {
    await writeFile(join(folder.path, 'lock'), JSON.stringify(holder))
    return lockHolder(folder.path)
  }
  const whole = { pid: 7, use: 'core', host: 'a', since: '2026-01-01T00:00:00.000Z' }
  expect(await holderOf({ ...whole, more: 1 })).toEqual(whole)
  expect(await holderOf({ pid: '7', use: 1, host: null, since: {} })).toEqual({})
  expect(await holderOf({ pid: 7, use: '\u001b[2J', host: 'x'.repeat(101), since: '' })).toEqual({ pid: 7 })
  lock.release()
})

it('a folder that is none is not taken for one that nobody has', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'file')
  await writeFile(file, '')
  expect(() => lockFolderForReading(file)).toThrow('ENOTDIR')
  await expect(lockFolder(file, 'core')).rejects.toThrow(`The data folder ${file} cannot be written (EEXIST)`)
})

it(`of two that start at once behind a killed one, exactly one gets the folder, ${rounds} times`, async () => {
  await using folder = await temporaryFolder()
  let starters = [new Starter(folder.path), new Starter(folder.path)]
  for (let round = 0; round < rounds; round++) {
    for (const starter of starters) expect(await starter.line()).toBe('there')
    for (const starter of starters) starter.go()
    const said = await Promise.all(starters.map((starter) => starter.line()))
    expect(said.sort(), `round ${round}`).toEqual(['FolderLockedError', 'locked'])
    // While the one that has it is killed, the next two are on their way.
    const next = [new Starter(folder.path), new Starter(folder.path)]
    await Promise.all(starters.map((starter) => starter.kill()))
    starters = next
  }
  await Promise.all(starters.map((starter) => starter.kill()))
  expect(lockHolder(folder.path)).toBeUndefined()
  // It is there, and nobody has to remove it.
  expect(await readFile(join(folder.path, 'lock'), 'utf8')).toContain('"use":"test"')
})

it('whoever reads keeps out who would take the folder, and no other reader', async () => {
  await using folder = await temporaryFolder()
  expect(lockFolderForReading(folder.path)).toBeUndefined()
  expect(await readdir(folder.path)).toEqual([])
  const owner = await lockFolder(folder.path, 'core')
  expect(() => lockFolderForReading(folder.path)).toThrow(FolderLockedError)
  owner.release()
  const [one, other] = [lockFolderForReading(folder.path), lockFolderForReading(folder.path)]
  one!.release()
  await expect(lockFolder(folder.path, 'core')).rejects.toThrow(FolderLockedError)
  other!.release()
  ;(await lockFolder(folder.path, 'core')).release()
})

it('a lock is known to be of no use when its file was removed or replaced', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'lock')
  const lock = await lockFolder(folder.path, 'core')
  expect(lock.look()).toBe(undefined)
  await rename(file, `${file}.old`)
  expect(lock.look()).toBe(`${file} was removed or replaced`)
  const next = await lockFolder(folder.path, 'core')
  expect([lock.look(), next.look()]).toEqual([`${file} was removed or replaced`, undefined])
  next.release()
  lock.release()
})

it('whoever only asks who has a folder keeps nobody from taking it', async () => {
  await using folder = await temporaryFolder()
  ;(await lockFolder(folder.path, 'core')).release()
  const asked = lockFolderForReading(folder.path)!
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const taken = lockFolder(folder.path, 'core')
  // Once it has found the folder taken, it waits for a moment.
  while (timers() === before) await setImmediate()
  asked.release()
  ;(await taken).release()
})

it('who is refused a folder keeps no file of it open', async () => {
  await using folder = await temporaryFolder()
  const owner = await lockFolder(folder.path, 'core')
  const before = await lowestDescriptor(folder.path)
  for (let round = 0; round < 200; round++) {
    expect(() => lockFolderForReading(folder.path)).toThrow(FolderLockedError)
    expect(lockHolder(folder.path)).toMatchObject({ pid: process.pid })
  }
  await Promise.allSettled(Array.from({ length: 200 }, () => lockFolder(folder.path, 'core')))
  expect(await lowestDescriptor(folder.path)).toBeLessThan(before + 100)
  owner.release()
})
