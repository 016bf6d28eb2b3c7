import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cp, lstat, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lockFolder } from '@bletchley/crypto/folder-lock'
import { openFilesOf, syncsOf } from '@bletchley/testkit/files'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contentsOf, damage, deltas, recordKey, withStore, worker } from '../test/worker.ts'
import { backUp, restore } from './index.ts'

/** A worker with a backup of it. */
async function backedUp() {
  const folder = await worker()
  await withStore(folder.data, (store) => store.putDeltas(deltas(2, 0, 40, 60_000)))
  const backup = join(folder.base, 'backup')
  await backUp(folder.data, backup)
  return { ...folder, backup, restored: join(folder.base, 'restored') }
}

async function changeManifest(backup: string, change: (manifest: Record<string, unknown>) => unknown): Promise<void> {
  const path = join(backup, 'manifest.json')
  const manifest = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  await writeFile(path, JSON.stringify(change(manifest)))
}

const fileOf = async (backup: string, path: string) => {
  const content = await readFile(join(backup, path))
  return { path, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') }
}

describe('a backup', () => {
  it('has the database and what is sealed, and says so', async () => {
    await using folder = await worker()
    const { base, data } = folder
    await mkdir(join(data, 'old-signing-keys'))
    await cp(join(data, 'signing-key.sealed'), join(data, 'old-signing-keys', 'a.sealed'))
    await withStore(data, (store) => store.putDeltas(deltas(2, 0, 3)))
    const { manifest, findings } = await backUp(data, join(base, 'backup'))
    const names = ['store/data.mdb', 'signing-key.sealed', 'old-signing-keys/a.sealed']
    expect(findings).toEqual([])
    expect(manifest).toMatchObject({
      format: 'bletchley backup',
      version: 1,
      contracts: 2,
      findings: 0,
      sealingKey: false,
    })
    expect(manifest.files.map(({ path }) => path).sort()).toEqual(names.toSorted())
    for (const file of manifest.files) expect(file).toEqual(await fileOf(join(base, 'backup'), file.path))
    expect(JSON.parse(await readFile(join(base, 'backup', 'manifest.json'), 'utf8'))).toEqual(manifest)
    const restored = await restore(join(base, 'backup'), join(base, 'restored'))
    expect(restored).toEqual({ manifest, findings: [] })
    expect(await contentsOf(join(base, 'restored'))).toEqual(await contentsOf(data))
    for (const name of names.slice(1)) {
      expect(await readFile(join(base, 'restored', name)), name).toEqual(await readFile(join(data, name)))
    }
    const folders = ['store', 'old-signing-keys']
    for (const [name, ...more] of [
      ['backup', 'manifest.json'],
      ['restored', 'lock'],
    ] as const) {
      // `contentsOf` has opened the other one.
      const all = (await readdir(join(base, name), { recursive: true })).filter(
        (path) => name === 'backup' || path !== 'store/lock.mdb',
      )
      expect(all.sort(), name).toEqual([...names, ...folders, ...more].sort())
      for (const each of [name, ...all.map((path) => join(name, path))]) {
        const status = await lstat(join(base, each))
        expect(status.mode & 0o7777, each).toBe(status.isDirectory() ? 0o700 : 0o600)
      }
    }
  })

  it.skipIf(process.platform !== 'linux')('outlives a power failure, and so does what is restored', async () => {
    await using folder = await worker()
    const { base, data } = folder
    await mkdir(join(data, 'old-signing-keys'))
    await cp(join(data, 'signing-key.sealed'), join(data, 'old-signing-keys', 'a.sealed'))
    const keyFiles = (partial: string) => [
      `${partial}/signing-key.sealed`,
      partial,
      // For the name of the next folder, and then for what is in it.
      partial,
      `${partial}/old-signing-keys/a.sealed`,
      `${partial}/old-signing-keys`,
    ]
    const [backup, restored] = [join(base, 'backup'), join(base, 'restored')]
    const made = await syncsOf(base, () => backUp(data, backup), backup)
    const manifest = ['backup.partial/manifest.json', 'backup.partial', '. (done)']
    expect(made.slice(-3)).toEqual(manifest)
    const database = (partial: string) => [`${partial}/store/data.mdb`, `${partial}/store`]
    expect(made.toSorted()).toEqual(
      ['.', ...database('backup.partial'), ...keyFiles('backup.partial'), ...manifest].sort(),
    )
    const put = await syncsOf(base, () => restore(backup, restored), restored)
    expect(put.at(-1)).toBe('. (done)')
    expect(await openFilesOf(base)).toEqual([])
    // The next process may have it.
    ;(await lockFolder(restored, 'test')).release()
    const partial = 'restored.restoring'
    expect(put.toSorted()).toEqual(['.', partial, ...database(partial), ...keyFiles(partial), '. (done)'].sort())
  })

  it('has the sealing key if that is locked', async () => {
    await using folder = await worker({
      sealing: { lock: { kind: 'passphrase', read: async () => 'only for a test' } },
    })
    const { base, data } = folder
    const { manifest } = await backUp(data, join(base, 'backup'))
    expect(manifest).toMatchObject({ sealingKey: true })
    await restore(join(base, 'backup'), join(base, 'restored'))
    expect(await readFile(join(base, 'restored', 'sealing.key'))).toEqual(await readFile(join(data, 'sealing.key')))
  })

  it('tells how many findings its database has, and is restored with them and not with more', async () => {
    await using folder = await backedUp()
    const { base, data } = folder
    await damage(data, [{ key: recordKey(2, 1, 7), value: undefined }])
    const { manifest, findings } = await backUp(data, join(base, 'damaged'))
    expect([manifest.findings, findings]).toMatchObject([1, [{ problem: 'delta 7 is missing' }]])
    expect((await restore(join(base, 'damaged'), join(base, 'once'))).findings).toHaveLength(1)
    await changeManifest(join(base, 'damaged'), (written) => ({ ...written, findings: 0 }))
    const refused = restore(join(base, 'damaged'), join(base, 'twice'))
    await expect(refused).rejects.toThrow('the database is damaged: delta 7 is missing')
    expect((await readdir(base)).sort()).toEqual(['backup', 'damaged', 'data', 'once'])
  })

  it('that was broken off leaves nothing in the way of the next one', async () => {
    await using folder = await backedUp()
    const { base, data, backup, restored } = folder
    for (const [name, use] of [
      ['again.partial', 'backup'],
      ['restored.restoring', 'restore'],
    ] as const) {
      await cp(data, join(base, name), { recursive: true })
      const lock = await lockFolder(join(base, name), use)
      lock.release()
      await mkdir(join(base, name, 'more'))
      await writeFile(join(base, name, 'more', 'strange.sealed'), 'left')
      await writeFile(join(base, name, 'store', 'data.mdb'), 'no database')
    }
    const { manifest } = await backUp(data, join(base, 'again'))
    expect(manifest.files.map(({ path }) => path)).toEqual(['store/data.mdb', 'signing-key.sealed'])
    await restore(backup, restored)
    expect((await readdir(restored)).sort()).toEqual(['lock', 'signing-key.sealed', 'store'])
    expect((await readdir(base)).sort()).toEqual(['again', 'backup', 'data', 'restored'])
  })

  it('tells how far it is, never back and never beyond the end', async () => {
    await using folder = await backedUp()
    const ends: { first: number; last: number }[] = []
    for (const run of [
      (onProgress: (done: number, total: number) => void) =>
        backUp(folder.data, join(folder.base, 'again'), { onProgress }),
      (onProgress: (done: number, total: number) => void) => restore(folder.backup, folder.restored, { onProgress }),
    ]) {
      const told: number[] = []
      const totals = new Set<number>()
      await run((done, total) => {
        told.push(done)
        totals.add(total)
      })
      expect(told.length).toBeGreaterThan(2)
      expect(told).toEqual(told.toSorted((a, b) => a - b))
      expect([...totals]).toEqual([told.at(-1)])
      ends.push({ first: told[0]!, last: told.at(-1)! })
    }
    const database = (await lstat(join(folder.backup, 'store', 'data.mdb'))).size
    const keys = (await lstat(join(folder.backup, 'signing-key.sealed'))).size
    expect(ends[0]!.last).toBeGreaterThan(database)
    expect(ends[1]).toEqual({ first: 2 ** 20, last: database + keys })
  })

  it('that is stopped, at whatever step, leaves nothing', async () => {
    await using folder = await backedUp()
    const { base, data, backup, restored } = folder
    const before = await readdir(base)
    for (const run of [
      (options: Parameters<typeof backUp>[2]) => backUp(data, join(base, 'again'), options),
      (options: Parameters<typeof backUp>[2]) => restore(backup, restored, options),
    ]) {
      const none = () => expect.unreachable('nothing is done')
      const signal = AbortSignal.abort(new Error('at once'))
      await expect(run({ signal, onProgress: none })).rejects.toThrow('at once')
      for (const step of [1, 3]) {
        const stop = new AbortController()
        let left = step
        const onProgress = () => void (--left === 0 && stop.abort(new Error('stopped')))
        await expect(run({ signal: stop.signal, onProgress }), `step ${step}`).rejects.toThrow('stopped')
      }
      expect(await readdir(base)).toEqual(before)
    }
  })
})

describe('what is not as it was is refused, and nothing stays of it', () => {
  let whole: Awaited<ReturnType<typeof backedUp>>
  beforeAll(async () => {
    whole = await backedUp()
  })
  afterAll(() => whole[Symbol.asyncDispose]())

  const file = { path: 'x.sealed', bytes: 1, sha256: '0'.repeat(64) }
  const withFile = (change: object) => (backup: string) =>
    changeManifest(backup, ({ files, ...rest }) => ({
      ...rest,
      files: [...(files as object[]), { ...file, ...change }],
    }))
  it.each<[string, (backup: string) => Promise<unknown>, string]>([
    ['no manifest', (backup) => rm(join(backup, 'manifest.json')), 'manifest.json cannot be read'],
    ['text', (backup) => writeFile(join(backup, 'manifest.json'), 'text'), 'manifest.json cannot be read'],
    [
      'too much of it',
      (backup) => truncate(join(backup, 'manifest.json'), 2 ** 25 + 1),
      'manifest.json cannot be read',
    ],
    ['null', (backup) => changeManifest(backup, () => null), 'manifest.json is of something else'],
    ['another format', (backup) => changeManifest(backup, (m) => ({ ...m, format: 'x' })), 'is of something else'],
    ['another version', (backup) => changeManifest(backup, (m) => ({ ...m, version: 2 })), 'it has version 2'],
    ['no files', (backup) => changeManifest(backup, (m) => ({ ...m, files: {} })), 'manifest.json is damaged'],
    ['a file that is none', (backup) => changeManifest(backup, (m) => ({ ...m, files: [null] })), 'is damaged'],
    ['a path to the outside', withFile({ path: '../x.sealed' }), 'is damaged'],
    ['a path from the root', withFile({ path: '/x.sealed' }), 'is damaged'],
    ['a path back', withFile({ path: 'a/../../x.sealed' }), 'is damaged'],
    ['another file', withFile({ path: 'curve.key' }), 'is damaged'],
    ['a path that is none', withFile({ path: 7 }), 'is damaged'],
    ['a size that is none', withFile({ bytes: '1' }), 'is damaged'],
    ['a checksum that is too short', withFile({ sha256: '0'.repeat(63) }), 'is damaged'],
    ['a checksum that is none', withFile({ sha256: 7 }), 'is damaged'],
    ['no database', (backup) => changeManifest(backup, (m) => ({ ...m, files: [file] })), 'it has no database'],
    ['a file that is not there', withFile({}), 'x.sealed cannot be read'],
    [
      'a file cut off',
      (backup) => truncate(join(backup, 'signing-key.sealed'), 9),
      'signing-key.sealed is not as it was',
    ],
    [
      'a size alone',
      async (backup) => {
        const whole = await fileOf(backup, 'signing-key.sealed')
        await changeManifest(backup, ({ files, ...rest }) => ({
          ...rest,
          files: [(files as object[])[0], { ...whole, bytes: whole.bytes + 1 }],
        }))
      },
      'signing-key.sealed is not as it was',
    ],
    [
      'a byte',
      async (backup) => {
        const content = await readFile(join(backup, 'signing-key.sealed'))
        await writeFile(join(backup, 'signing-key.sealed'), content.fill(7, 30, 31))
      },
      'signing-key.sealed is not as it was',
    ],
    [
      'a link in the place of a file',
      async (backup) => {
        await cp(join(backup, 'signing-key.sealed'), `${backup}.elsewhere`)
        await rm(join(backup, 'signing-key.sealed'))
        await symlink(`${backup}.elsewhere`, join(backup, 'signing-key.sealed'))
      },
      'signing-key.sealed cannot be read',
    ],
  ])('%s', async (_, change, message) => {
    const [backup, restored] = [join(whole.base, 'bad'), join(whole.base, 'restored')]
    await rm(backup, { recursive: true, force: true })
    await cp(whole.backup, backup, { recursive: true })
    await change(backup)
    await expect(restore(backup, restored)).rejects.toThrow(message)
    expect((await readdir(whole.base)).filter((name) => name.startsWith('restored'))).toEqual([])
  })

  it('a manifest of more than 32 MiB', async () => {
    const [backup, restored] = [join(whole.base, 'bad'), join(whole.base, 'restored')]
    await rm(backup, { recursive: true, force: true })
    await cp(whole.backup, backup, { recursive: true })
    const path = join(backup, 'manifest.json')
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.padEnd(2 ** 25 + 1))
    await expect(restore(backup, restored)).rejects.toMatchObject({ cause: { message: `${path} is too large` } })
    await truncate(path, 2 ** 25)
    await restore(backup, restored)
    await rm(restored, { recursive: true })
  })

  it('what is in the way, also if it comes meanwhile', async () => {
    await using folder = await backedUp()
    const { base, data, backup, restored } = folder
    await writeFile(restored, 'a file')
    const nothing = { onProgress: () => expect.unreachable('nothing is copied') }
    await expect(restore(backup, restored, nothing)).rejects.toThrow('ENOTDIR: not a directory, scandir')
    await rm(restored)
    const onProgress = () => {
      mkdirSync(restored, { recursive: true })
      writeFileSync(join(restored, 'a file'), 'somebody’s')
    }
    await expect(restore(backup, restored, { onProgress })).rejects.toThrow(`${restored} is not empty; a backup`)
    expect(await readdir(restored)).toEqual(['a file'])
    await expect(restore(backup, restored, nothing)).rejects.toThrow(`${restored} is not empty; a backup`)
    expect((await readdir(base)).sort()).toEqual(['backup', 'data', 'restored'])
    await expect(backUp(base, join(base, 'again'))).rejects.toThrow(`${base} is not the data folder of a worker`)
    expect(await contentsOf(data)).toHaveLength(2)
  })

  it('a folder with something in it, or that another process is filling', async () => {
    await using folder = await backedUp()
    const { base, data, backup, restored } = folder
    await expect(backUp(data, backup)).rejects.toThrow('exists; a backup is made in a new folder')
    await mkdir(restored)
    await writeFile(join(restored, 'file'), '')
    await expect(restore(backup, restored)).rejects.toThrow('is not empty')
    await rm(join(restored, 'file'))
    for (const [target, make] of [
      [`${restored}.restoring`, () => restore(backup, restored)],
      [join(base, 'again.partial'), () => backUp(data, join(base, 'again'))],
    ] as const) {
      const lock = await lockFolder(target, 'test')
      await expect(make(), target).rejects.toThrow(`${target} is in use`)
      lock.release()
      await make()
    }
    expect(await contentsOf(restored)).toEqual(await contentsOf(data))
    expect((await readdir(base)).sort()).toEqual(['again', 'backup', 'data', 'restored'])
  })
})
