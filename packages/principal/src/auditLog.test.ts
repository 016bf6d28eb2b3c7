import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { openFilesOf } from '@bletchley/testkit/files'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type AuditEntry, AuditError, AuditLog, verifyAudit } from './auditLog.ts'

afterEach(() => void vi.restoreAllMocks())

const worker = 'ab'.repeat(20)
const entry = (count: number): AuditEntry => ({ worker, outcome: 'given', count, contracts: ['cd'.repeat(32)] })

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'bletchley-'))
  return { path, file: join(path, 'audit.jsonl'), [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

/** A log of some lines, which were added at once. */
async function writeLog(folder: string, lines: number): Promise<void> {
  const log = await AuditLog.open(folder)
  await Promise.all(Array.from({ length: lines }, (_, i) => log.append(entry(i))))
  await log.close()
}

/** A log that is put aside at the next line: as long as one may be, with a line at its end. */
async function writeFullLog({ path, file }: { path: string; file: string }): Promise<void> {
  await writeLog(path, 1)
  const line = await readFile(file, 'utf8')
  await truncate(file, 0)
  await truncate(file, 1 << 26)
  await writeFile(file, `\n${line}`, { flag: 'a' })
}

/** A line as it is, with another text before its hash, and the hash of that. */
function forge(line: string, change: (text: string) => string): string {
  const text = change(line.slice(0, line.indexOf(',"hash":')))
  return `${text},"hash":"${createHash('sha256').update(text).digest('hex')}"}`
}

/** Notes what is brought to disk, by its path from a folder. Of Linux. */
async function noteSyncs(folder: string): Promise<string[]> {
  await using handle = await open(folder)
  const synced: string[] = []
  const shared = Object.getPrototypeOf(handle) as typeof handle
  for (const name of ['sync', 'datasync'] as const) {
    const original = shared[name]
    vi.spyOn(shared, name).mockImplementation(async function (this: typeof handle) {
      synced.push(`${name} ${relative(folder, await readlink(`/proc/self/fd/${this.fd}`)) || '.'}`)
      return original.call(this)
    })
  }
  return synced
}

describe('the log of requests', () => {
  it('is a chain of lines of its own, over restarts', async () => {
    await using folder = await temporaryFolder()
    await writeLog(folder.path, 3)
    const first = await verifyAudit(folder.path)
    expect(first.n).toBe(3)
    await writeLog(folder.path, 2)
    const lines = (await readFile(folder.file, 'utf8')).trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { n: number }).n)).toEqual([1, 2, 3, 4, 5])
    expect(JSON.parse(lines[0]!)).toMatchObject({ worker, outcome: 'given', count: 0, previous: '0'.repeat(64) })
    expect(JSON.parse(lines[3]!)).toMatchObject({ previous: first.hash })
    expect((await stat(folder.file)).mode & 0o777).toBe(0o600)
    expect(await verifyAudit(folder.path, first.hash)).toMatchObject({ n: 5 })
  })

  it('that somebody has made anew is told by a noted hash alone, of a line behind what he changed', async () => {
    await using folder = await temporaryFolder()
    await writeLog(folder.path, 5)
    const lines = (await readFile(folder.file, 'utf8')).trimEnd().split('\n')
    const hashes = lines.map((line) => (JSON.parse(line) as { hash: string }).hash)
    let previous = hashes[0]!
    const anew = lines.slice(1).map((line, index) => {
      const linked = (text: string) => text.replace(/"previous":"\w+"/, `"previous":"${previous}"`)
      const forged = forge(line, (text) => linked(index === 1 ? text.replace('given', 'refused') : text))
      previous = (JSON.parse(forged) as { hash: string }).hash
      return forged
    })
    await writeFile(folder.file, `${[lines[0], ...anew].join('\n')}\n`)
    const outcomes = await Promise.allSettled([undefined, ...hashes].map((noted) => verifyAudit(folder.path, noted)))
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...['fulfilled', 'fulfilled', 'fulfilled'],
      ...['rejected', 'rejected', 'rejected'],
    ])
  })

  it('shows that a line was changed, removed, put in, moved or copied', async () => {
    await using folder = await temporaryFolder()
    await writeLog(folder.path, 5)
    const lines = (await readFile(folder.file, 'utf8')).trimEnd().split('\n')
    const [a, b, c, d, e] = lines as [string, string, string, string, string]
    const changed = [
      [a, b.replace('given', 'taken'), c, d, e],
      [a, b.replace('"count":1', '"count":2'), c, d, e],
      [a, c, d, e],
      [b, c, d, e],
      [a, b, b, c, d, e],
      [a, c, b, d, e],
      [a, b, '{}', c, d, e],
      [a, b, '', c, d, e],
      [a, b, c, d, `${e} `],
    ]
    for (const [i, some] of changed.entries()) {
      await writeFile(folder.file, `${some.join('\n')}\n`)
      await expect(verifyAudit(folder.path), `change ${i}`).rejects.toThrow(AuditError)
    }
    await writeFile(folder.file, `${[a, c].join('\n')}\n`)
    await expect(verifyAudit(folder.path)).rejects.toThrow('line 2: it has number 3, where 2 should be')
    // Only who has noted the end can tell that it is gone.
    const { hash } = JSON.parse(e) as { hash: string }
    await writeFile(folder.file, `${[a, b, c].join('\n')}\n`)
    expect(await verifyAudit(folder.path)).toMatchObject({ n: 3 })
    await expect(verifyAudit(folder.path, hash)).rejects.toThrow(AuditError)
  })

  it('shows that a line was forged, although its own hash fits', async () => {
    await using folder = await temporaryFolder()
    await writeLog(folder.path, 3)
    const [a, b, c] = (await readFile(folder.file, 'utf8')).trimEnd().split('\n') as [string, string, string]
    const zeros = '0'.repeat(64)
    for (const [changed, lines] of Object.entries({
      first: [forge(a, (text) => text.replace('"count":0', '"count":9')), b, c],
      middle: [a, forge(b, (text) => text.replace('"count":1', '"count":9')), c],
      'where the first points': [forge(a, (text) => text.replace(zeros, '1'.repeat(64)))],
      'where the last points': [a, b, forge(c, (text) => text.replace(/"previous":"\w+"/, `"previous":"${zeros}"`))],
    })) {
      await writeFile(folder.file, `${lines.join('\n')}\n`)
      await expect(verifyAudit(folder.path), changed).rejects.toThrow('it does not follow the line before')
    }
  })

  it('goes on behind a write that failed, and holds nothing of it', async () => {
    await using folder = await temporaryFolder()
    const log = await AuditLog.open(folder.path)
    const first = await log.append(entry(1))
    await using handle = await open(folder.file)
    // All handles share it. The disk is full after a part of the line.
    const { appendFile } = Object.getPrototypeOf(handle) as typeof handle
    vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'appendFile').mockImplementationOnce(async function (
      this: typeof handle,
      bytes,
    ) {
      await appendFile.call(this, (bytes as Buffer).subarray(0, 20))
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    })
    const failed = await Promise.allSettled([log.append(entry(2)), log.append(entry(3))])
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    const second = await log.append(entry(4))
    await log.close()
    expect([first.n, second.n]).toEqual([1, 2])
    expect(await verifyAudit(folder.path, first.hash)).toEqual(second)
    expect(await readFile(folder.file, 'utf8')).not.toContain('"count":3')
  })

  it('goes on behind a write that failed and could not be taken back', async () => {
    await using folder = await temporaryFolder()
    const log = await AuditLog.open(folder.path)
    await using handle = await open(folder.file)
    const shared = Object.getPrototypeOf(handle) as typeof handle
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    vi.spyOn(shared, 'datasync').mockRejectedValueOnce(full)
    await expect(log.append(entry(1))).rejects.toThrow('no space left')
    expect(await readFile(folder.file, 'utf8')).toBe('')
    const { truncate } = shared
    let truncated = 0
    vi.spyOn(shared, 'datasync').mockRejectedValueOnce(full)
    vi.spyOn(shared, 'truncate').mockImplementation(function (this: typeof handle, length) {
      return ++truncated === 2 ? Promise.reject(full) : truncate.call(this, length)
    })
    await expect(log.append(entry(2))).rejects.toThrow('no space left')
    expect(await readFile(folder.file, 'utf8')).toContain('"count":2')
    const head = await log.append(entry(3))
    await log.close()
    expect(await verifyAudit(folder.path)).toEqual(head)
    expect(await readFile(folder.file, 'utf8')).not.toContain('"count":2')
  })

  it.skipIf(process.platform !== 'linux')('is on disk before anybody is answered, with its name', async () => {
    await using folder = await temporaryFolder()
    const synced = await noteSyncs(folder.path)
    const log = await AuditLog.open(folder.path)
    expect(synced).toEqual(['sync .'])
    await log.append(entry(1))
    expect(synced).toEqual(['sync .', 'datasync audit.jsonl'])
    // Closing waits for what is under way, and leaves nothing open.
    const last = log.append(entry(2))
    await log.close()
    expect(synced).toEqual(['sync .', 'datasync audit.jsonl', 'datasync audit.jsonl'])
    expect(await last).toMatchObject({ n: 2 })
    expect(await openFilesOf(folder.path)).toEqual([])
  })

  it.each([
    ['removed', (file: string) => rename(file, `${file}.old`), (file: string) => rename(`${file}.old`, file)],
    [
      'replaced',
      async (file: string) => {
        await rename(file, `${file}.old`)
        await writeFile(file, '')
      },
      (file: string) => rename(`${file}.old`, file),
    ],
  ])('takes no line where its file was %s, and goes on when it is back', async (what, away, back) => {
    await using folder = await temporaryFolder()
    const log = await AuditLog.open(folder.path)
    const first = await log.append(entry(1))
    await away(folder.file)
    await expect(log.assertInPlace()).rejects.toThrow(`was ${what} while it was open`)
    await expect(log.append(entry(2))).rejects.toThrow(AuditError)
    await back(folder.file)
    await log.assertInPlace()
    await log.append(entry(3))
    await log.close()
    expect(await verifyAudit(folder.path, first.hash)).toMatchObject({ n: 2 })
  })

  it('that has a line without end is told of at once', async () => {
    await using folder = await temporaryFolder()
    await writeLog(folder.path, 1)
    const line = await readFile(folder.file, 'utf8')
    await writeFile(folder.file, line + 'x'.repeat(2 ** 20))
    expect(await verifyAudit(folder.path)).toMatchObject({ n: 1 })
    await writeFile(folder.file, line + 'x'.repeat(2 ** 20 + 1))
    await expect(verifyAudit(folder.path)).rejects.toThrow('line 2: it was changed, or is no line of this log')
  })

  it.skipIf(process.platform === 'win32')('is a file and nothing else', async () => {
    await using folder = await temporaryFolder()
    execFileSync('mkfifo', [folder.file])
    await expect(AuditLog.open(folder.path)).rejects.toThrow('is not a file')
  })

  it('goes on behind a line that was never finished, and not behind one that was changed', async () => {
    await using folder = await temporaryFolder()
    await writeLog(folder.path, 3)
    const whole = await readFile(folder.file, 'utf8')
    await writeFile(folder.file, `${whole}{"n":4,"at":"20`)
    expect(await verifyAudit(folder.path)).toMatchObject({ n: 3 })
    await writeLog(folder.path, 1)
    expect((await readFile(folder.file, 'utf8')).startsWith(`${whole}{"n":4,`)).toBe(true)
    expect(await verifyAudit(folder.path)).toMatchObject({ n: 4 })
    const broken = (await readFile(folder.file, 'utf8')).replace(/"n":4/, '"n":5')
    await writeFile(folder.file, broken)
    await expect(AuditLog.open(folder.path)).rejects.toThrow(AuditError)
    expect(await readFile(folder.file, 'utf8')).toBe(broken)
    expect(await openFilesOf(folder.path)).toEqual([])
  })

  it('has no lines where it never was, and is not taken for empty where it cannot be read', async () => {
    await using folder = await temporaryFolder()
    expect(await verifyAudit(folder.path)).toEqual({ n: 0, hash: '0'.repeat(64) })
    await mkdir(folder.file)
    await expect(verifyAudit(folder.path)).rejects.toThrow('EISDIR')
  })

  it('tells which contracts were given keys, from all its files, and of none of the others', async () => {
    await using folder = await temporaryFolder()
    const hex = (byte: number) => byte.toString(16).padStart(2, '0').repeat(32)
    const log = await AuditLog.open(folder.path)
    await log.append({ worker, outcome: 'given', count: 2, made: 1, contracts: [hex(1), hex(2)] })
    await log.append({ worker, outcome: 'refused', reason: 'not authorised', count: 1, contracts: [hex(3)] })
    await log.append({ worker, outcome: 'given', count: 2000 })
    await log.close()
    await rename(folder.file, join(folder.path, 'audit-000000000003.jsonl'))
    const next = await AuditLog.open(folder.path)
    await next.append({ worker, outcome: 'failed', reason: 'internal error', count: 1, contracts: [hex(4)] })
    await next.append({ worker, outcome: 'given', count: 1, made: 0, contracts: [hex(5)], omitted: 1 })
    const given: string[] = []
    for await (const contracts of next.given()) given.push(...contracts)
    await next.close()
    expect(given).toEqual([hex(1), hex(2), hex(5)])
  })

  it('takes no line where what it was told to look at is not as it was', async () => {
    await using folder = await temporaryFolder()
    let problem: string | undefined
    const log = await AuditLog.open(folder.path, [{ look: () => undefined }, { look: () => problem }])
    await log.append(entry(1))
    problem = 'the lock was removed'
    expect(log.look()).toBe(problem)
    await expect(log.assertInPlace()).rejects.toThrow(problem)
    await expect(log.append(entry(2))).rejects.toThrow(problem)
    problem = undefined
    await log.append(entry(3))
    await log.close()
    expect((await verifyAudit(folder.path)).n).toBe(2)
  })

  it.skipIf(process.platform === 'win32')('that cannot be put aside goes on when it can', async () => {
    await using folder = await temporaryFolder()
    await writeFullLog(folder)
    const log = await AuditLog.open(folder.path)
    await using handle = await open(folder.file)
    const shared = Object.getPrototypeOf(handle) as typeof handle
    vi.spyOn(shared, 'sync').mockRejectedValueOnce(Object.assign(new Error('no file is free'), { code: 'EMFILE' }))
    await expect(log.append(entry(1))).rejects.toThrow('no file is free')
    expect(await readdir(folder.path)).toEqual(['audit.jsonl'])
    await log.append(entry(2))
    await log.close()
    expect(await readdir(folder.path)).toEqual(['audit-000000000001.jsonl', 'audit.jsonl'])
  })

  it('is in place at every moment while one is put aside', async () => {
    await using folder = await temporaryFolder()
    await writeFullLog(folder)
    const log = await AuditLog.open(folder.path)
    let isAdded = false
    const adding = log.append(entry(1)).then(() => {
      isAdded = true
    })
    // Between any two steps of it: a file takes a turn of the event loop at least to be closed.
    while (!isAdded) {
      expect(log.look()).toBe(undefined)
      await setImmediate()
    }
    await adding
    await log.close()
    expect(await readdir(folder.path)).toEqual(['audit-000000000001.jsonl', 'audit.jsonl'])
  })

  it('is put aside when it is large, and the chain goes on', async () => {
    await using folder = await temporaryFolder()
    const synced = process.platform === 'linux' ? await noteSyncs(folder.path) : undefined
    const log = await AuditLog.open(folder.path)
    const contracts = Array.from({ length: 1000 }, () => 'cd'.repeat(32))
    for (let round = 0; round < 11; round++) {
      await Promise.all(Array.from({ length: 100 }, () => log.append({ ...entry(1000), contracts })))
    }
    // The one that was put aside is closed.
    if (synced !== undefined) expect(await openFilesOf(folder.path)).toEqual(['audit.jsonl'])
    await log.close()
    // Its name is on disk twice: at the start, and when another file took its place.
    expect(synced?.filter((each) => each === 'sync .').length ?? 2).toBe(2)
    expect((await stat(join(folder.path, 'audit-000000001000.jsonl'))).size).toBeGreaterThan(1 << 26)
    expect(await verifyAudit(folder.path)).toMatchObject({ n: 1100 })
    // Its last lines are more than what is read of it at the start.
    await writeLog(folder.path, 1)
    expect(await verifyAudit(folder.path)).toMatchObject({ n: 1101 })
    await rm(folder.file)
    await writeLog(folder.path, 1)
    expect(await verifyAudit(folder.path)).toMatchObject({ n: 1001 })
    expect(await openFilesOf(folder.path)).toEqual([])
  })
})
