import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { openFilesOf } from '@bletchley/testkit/files'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { copyLmdb, openLmdb, StorageError } from '../src/index.ts'

// Needs the built package: who opens and who writes are processes of their own, as they are beside a core.

const run = promisify(execFile)
const store = JSON.stringify(new URL('../dist/index.js', import.meta.url).href)
const lmdb = JSON.stringify(pathToFileURL(createRequire(import.meta.url).resolve('lmdb')).href)
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bletchley-openings.'))
})
afterEach(() => rm(folder, { recursive: true }))

function script(text: string): string[] {
  return ['--input-type=module', '-e', text]
}

/** Opens and closes the database so many times. */
function opening(times: number): string[] {
  return script(`
    import { openLmdb } from ${store}
    for (let count = 0; count < ${times}; count++) {
      const backend = await openLmdb({ folder: ${JSON.stringify(folder)}, readOnly: true })
      await backend.close()
    }`)
}

test('no commit is lost while others open the database again and again', async () => {
  // Each commit finds what the last one has written, or is refused.
  const writing = `
    import { openLmdb } from ${store}
    const backend = await openLmdb({ folder: ${JSON.stringify(folder)} })
    const key = Uint8Array.of(1)
    await backend.commit([{ key, value: key }])
    process.stdout.write('.')
    for (let last = key, count = 0; count < 600; count++) {
      const value = Uint8Array.of(count, count >> 8)
      await backend.commit([{ key, value }], [{ key, value: last }])
      last = value
    }
    await backend.close()`
  const writer = spawn(process.execPath, script(writing), { stdio: ['ignore', 'pipe', 'inherit'] })
  const end = once(writer, 'exit')
  await once(writer.stdout, 'data')
  const openers = [1, 2].map(() => spawn(process.execPath, opening(Number.POSITIVE_INFINITY), { stdio: 'inherit' }))
  const ends = openers.map((opener) => once(opener, 'exit'))
  try {
    expect(await end).toEqual([0, null])
    expect(openers.map(({ exitCode }) => exitCode)).toEqual([null, null])
  } finally {
    for (const process of [writer, ...openers]) process.kill()
    await Promise.all(ends)
  }
})

test('several may open and close it at once', async () => {
  const backend = await openLmdb({ folder })
  await backend.commit([{ key: Uint8Array.of(1), value: Uint8Array.of(1) }])
  await backend.close()
  await Promise.all([1, 2, 3].map(() => run(process.execPath, opening(200))))
})

test('a commit that would replace the last one is refused, until the database is opened anew', async () => {
  const record = (byte: number) => ({ key: Uint8Array.of(byte), value: Uint8Array.of(byte) })
  const backend = await openLmdb({ folder })
  try {
    for (const byte of [1, 2]) await backend.commit([record(byte)])
    // As one leaves it who opened it, without passing the gate, while the second commit was made.
    const [lockFile, number] = [join(folder, 'lock.mdb'), 8]
    const setBack = `
      const fd = fs.openSync(${JSON.stringify(lockFile)}, 'r+')
      const last = Buffer.alloc(8)
      fs.readSync(fd, last, 0, 8, ${number})
      last.writeBigUInt64LE(last.readBigUInt64LE() - 1n)
      fs.writeSync(fd, last, 0, 8, ${number})`
    await run(process.execPath, ['-e', setBack])
    await expect(backend.commit([record(3)])).rejects.toThrow(
      expect.objectContaining({
        name: StorageError.name,
        cause: expect.objectContaining({ message: expect.stringContaining('another program') }),
      }),
    )
    await run(process.execPath, opening(1))
    await backend.commit([record(4)])
    for (const byte of [1, 2, 4]) expect(await backend.get(Uint8Array.of(byte))).toEqual(Uint8Array.of(byte))
  } finally {
    await backend.close()
  }
})

test('who commits without a pause lets others pass, of the same thread too', async () => {
  const [busy, other] = [await openLmdb({ folder }), await openLmdb({ folder })]
  const write = [{ key: Uint8Array.of(1), value: Uint8Array.of(1) }]
  let [commits, ended] = [0, false]
  const committing = (async () => {
    for (; !ended; commits++) await busy.commit(write)
  })()
  try {
    await other.commit(write)
    // The one that was at the gate already.
    expect(commits).toBe(1)
    const third = await openLmdb({ folder })
    await third.close()
  } finally {
    ended = true
    await committing
    await Promise.all([busy.close(), other.close()])
  }
})

test('who is kept out for 10 seconds is told so, and has its turn afterwards', async () => {
  const record = (byte: number) => ({ key: Uint8Array.of(byte), value: Uint8Array.of(byte) })
  const [backend, other] = [await openLmdb({ folder }), await openLmdb({ folder })]
  await backend.commit([record(1)])
  // Has LMDB's own turn to write, and keeps it: a commit waits for that while it has the gate.
  const writing = `
    import { writeSync } from 'node:fs'
    import lmdb from ${lmdb}
    const database = lmdb.open({ path: ${JSON.stringify(folder)}, noSubdir: false })
    database.transactionSync(() => {
      writeSync(1, '.')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`
  const writer = spawn(process.execPath, script(writing), { stdio: ['ignore', 'pipe', 'inherit'] })
  const end = once(writer, 'exit')
  const copying = script(`
    import { copyLmdb } from ${store}
    await copyLmdb(${JSON.stringify(folder)}, ${JSON.stringify(join(folder, 'copy'))})`)
  const said = `${folder}: for 10 seconds, another process has opened, closed or written the database`
  try {
    await once(writer.stdout, 'data')
    const waiting = backend.commit([record(2)])
    const told = expect.objectContaining({ name: StorageError.name, message: said })
    await Promise.all([
      expect(other.commit([record(3)])).rejects.toThrow(expect.objectContaining({ cause: told })),
      expect(openLmdb({ folder, readOnly: true })).rejects.toThrow(told),
      // A process of its own, as what has failed closes the database it has opened; without a limit it would stay.
      expect(run(process.execPath, copying, { timeout: 200_000 })).rejects.toThrow(
        new RegExp(`could not be copied[^]*\\[cause\\]: StorageError: ${said}`),
      ),
    ])
    writer.kill('SIGKILL')
    await waiting
    // First another process: who gave up has left the queue.
    await run(process.execPath, opening(1))
    await other.commit([record(4)])
    const found = [1, 2, 3, 4].map(async (byte) => (await backend.get(Uint8Array.of(byte)))?.[0])
    expect(await Promise.all(found)).toEqual([1, 2, undefined, 4])
  } finally {
    writer.kill('SIGKILL')
    await end
    await Promise.all([backend.close(), other.close()])
  }
  expect(await openFilesOf(folder)).toEqual([])
})

test('who may only read the files opens them all the same', async () => {
  const backend = await openLmdb({ folder })
  await backend.commit([{ key: Uint8Array.of(1), value: Uint8Array.of(7) }])
  await backend.close()
  for (const name of await readdir(folder)) await chmod(join(folder, name), 0o444)
  await chmod(folder, 0o555)
  // Files are never read-only to root; and from within the folder, those around it need not be open to everybody.
  const reading = `
    import { openLmdb } from ${store}
    if (process.getuid?.() === 0) process.setuid(65534)
    const backend = await openLmdb({ folder: '.', readOnly: true })
    process.stdout.write(String(await backend.get(Uint8Array.of(1))))
    await backend.close()`
  try {
    expect((await run(process.execPath, script(reading), { cwd: folder })).stdout).toBe('7')
  } finally {
    await chmod(folder, 0o700)
  }
})

it.skipIf(process.platform === 'win32')('too few free descriptors do not end the process', async () => {
  const opening = `
    import { closeSync, openSync } from 'node:fs'
    import { openLmdb } from ${store}
    const taken = []
    try {
      for (;;) taken.push(openSync('/dev/null'))
    } catch {}
    for (;;) {
      closeSync(taken.pop())
      try {
        const backend = await openLmdb({ folder: ${JSON.stringify(folder)} })
        await backend.close()
        break
      } catch ({ name, message }) {
        process.stdout.write(name + ': ' + message + '\\n')
      }
    }`
  // Twice: what is new is opened otherwise.
  for (let count = 0; count < 2; count++) {
    const { stdout } = await run('sh', ['-c', 'ulimit -n 64 && exec "$@"', '', process.execPath, ...script(opening)])
    const lines = stdout.trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(2)
    for (const line of lines) expect(line).toMatch(/^StorageError: .* \(EMFILE\)/)
  }
})

describe('a table of readers that cannot be opened does not end the process:', () => {
  const table = () => join(folder, 'lock.mdb')
  beforeEach(async () => {
    const backend = await openLmdb({ folder })
    await backend.close()
    await rm(table())
  })

  it.each<[string, () => unknown, string]>([
    ['a folder', () => mkdir(table()), 'is not a file'],
    ['a pipe', () => run('mkfifo', [table()]), 'is not a file'],
    ['a link to itself', () => symlink(table(), table()), 'cannot be written (ELOOP)'],
  ])('%s', async (_, make, message) => {
    await make()
    for (const readOnly of [true, false]) {
      await expect(openLmdb({ folder, readOnly })).rejects.toThrow(`${table()} ${message}`)
    }
    await expect(copyLmdb(folder, join(folder, 'copy'))).rejects.toThrow(`${table()} ${message}`)
    expect(await openFilesOf(folder)).toEqual([])
  })

  it.skipIf(process.getuid?.() !== 0)('one of another user, beside which one can read', async () => {
    await writeFile(table(), '', { mode: 0o600 })
    await Promise.all([folder, join(folder, 'data.mdb')].map((path) => chown(path, 65_534, 65_534)))
    const opening = (readOnly: boolean) =>
      script(`
        import { openLmdb } from ${store}
        process.setuid(65534)
        const backend = await openLmdb({ folder: '.', readOnly: ${readOnly} })
        await backend.close()`)
    await run(process.execPath, opening(true), { cwd: folder })
    await expect(run(process.execPath, opening(false), { cwd: folder })).rejects.toThrow(
      'StorageError: lock.mdb cannot be written (EACCES): give it to the user of this process',
    )
  })
})
