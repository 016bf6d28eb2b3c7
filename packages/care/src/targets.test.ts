import { execFileSync } from 'node:child_process'
import { renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { chown, copyFile, lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { lockFolder } from '@bletchley/crypto/folder-lock'
import { describe, expect, it } from 'vitest'
import { worker } from '../test/worker.ts'
import { backUp, compact, exportContracts, importContracts, restore, verify } from './index.ts'

// Where what is made of a data folder may lie, and what it may take the place of.

async function namesIn(folder: string): Promise<string[]> {
  // LMDB's table of readers, which each reader makes.
  return (await readdir(folder, { recursive: true })).filter((name) => !name.endsWith('lock.mdb')).sort()
}

describe('inside of the data folder', () => {
  it('no backup and no export is made, by whatever way it is named', async () => {
    await using folder = await worker()
    const { base, data } = folder
    await symlink(data, join(base, 'link'))
    const before = await namesIn(data)
    for (const target of [
      join(data, 'backups', 'monday'),
      join(data, 'store', 'data.mdb'),
      relative(process.cwd(), join(data, 'x')),
      join(base, 'link', 'x'),
      data,
    ]) {
      await expect(backUp(data, target), target).rejects.toThrow('lies elsewhere than what it is of')
      const exported = exportContracts({ dataFolder: join(base, 'link'), file: target })
      await expect(exported, target).rejects.toThrow('lies elsewhere than what it is of')
    }
    expect(await namesIn(data)).toEqual(before)
  })

  it.skipIf(process.platform === 'win32')('is what the system finds there, up from where a link leads', async () => {
    await using folder = await worker()
    const { base, data } = folder
    await mkdir(join(base, 'other', 'deep'), { recursive: true })
    await symlink(join(data, 'store'), join(base, 'in'))
    await symlink(join(base, 'other', 'deep'), join(base, 'out'))
    const before = await namesIn(data)
    const exportTo = (file: string) => exportContracts({ dataFolder: data, file })
    for (const make of [(path: string) => backUp(data, path), exportTo]) {
      await expect(make(`${base}/in/../x`)).rejects.toThrow('lies elsewhere than what it is of')
    }
    expect(await namesIn(data)).toEqual(before)

    await backUp(data, `${base}/out/../backup`)
    await exportTo(`${base}/out/../contracts`)
    await expect(restore(`${base}/out/../backup`, `${base}/out/../backup/data`)).rejects.toThrow('inside of the backup')
    await restore(`${base}/out/../backup`, `${base}/out/../restored`)
    expect((await readdir(join(base, 'other'))).sort()).toEqual(['backup', 'contracts', 'deep', 'restored'])
    expect((await readdir(base)).sort()).toEqual(['data', 'in', 'other', 'out'])
  })

  it('of a backup nothing is restored', async () => {
    await using folder = await worker()
    const { base, data } = folder
    const backup = join(base, 'backup')
    await backUp(data, backup)
    const before = await namesIn(backup)
    await expect(restore(backup, join(backup, 'data'))).rejects.toThrow('is inside of the backup')
    expect(await namesIn(backup)).toEqual(before)
  })
})

it('nothing is restored in the place of the working directory', async () => {
  await using folder = await worker()
  const { base, data } = folder
  const backup = join(base, 'backup')
  await backUp(data, backup)
  const here = join(base, 'here')
  await mkdir(here)
  const before = process.cwd()
  process.chdir(here)
  try {
    for (const name of ['.', here]) {
      await expect(restore(backup, name), name).rejects.toThrow(`${name} is the working directory`)
    }
  } finally {
    process.chdir(before)
  }
  expect(await readdir(base)).toEqual(['backup', 'data', 'here'])
})

describe.skipIf(process.platform === 'win32')('what cannot be read', () => {
  it('is not taken for what is not there', async () => {
    await using folder = await worker()
    const { base } = folder
    const loop = join(base, 'loop')
    await symlink(loop, loop)
    await expect(backUp(loop, join(base, 'backup'))).rejects.toThrow(`${loop} cannot be read (ELOOP)`)
  })
})

describe.skipIf(process.platform === 'win32')('what is no file', () => {
  it.each([
    ['a pipe', (path: string) => void execFileSync('mkfifo', [path]), 'there and is not a file'],
    ['a folder', (path: string) => mkdir(path), 'there and is not a file'],
    ['a link to a file', (path: string) => link(`${path}.other`, path), 'a symbolic link; name the file itself'],
    ['a link to nothing', (path: string) => symlink(`${path}.nothing`, path), 'a symbolic link; name the file itself'],
  ])('is not replaced by an export, nor its name for the time being: %s', async (_, make, what) => {
    await using folder = await worker()
    const { base, data } = folder
    const file = join(base, 'contracts')
    for (const path of [file, `${file}.partial`]) {
      await make(path)
      const before = [await namesIn(base), (await lstat(path)).mode]
      await expect(exportContracts({ dataFolder: data, file })).rejects.toThrow(
        `${path} is ${what}; it is not replaced`,
      )
      expect([await namesIn(base), (await lstat(path)).mode]).toEqual(before)
      await rm(path, { recursive: true })
    }
    expect(await exportContracts({ dataFolder: data, file })).toMatchObject({ contracts: 1 })
    await writeFile(file, 'an older one')
    expect(await exportContracts({ dataFolder: data, file })).toMatchObject({ contracts: 1 })
    expect((await readFile(file)).subarray(0, 9).toString()).toBe('BLETCHLEY')
  })

  it('is not replaced by a backup or a restored folder', async () => {
    await using folder = await worker()
    const { base, data } = folder
    const [backup, link] = [join(base, 'backup'), join(base, 'link')]
    await symlink(join(base, 'nothing'), link)
    await expect(backUp(data, link)).rejects.toThrow('exists')
    await backUp(data, backup)
    await expect(restore(backup, link)).rejects.toThrow('is a symbolic link')
    expect((await lstat(link)).isSymbolicLink()).toBe(true)
  })

  it('is not replaced by a compacted database', async () => {
    await using folder = await worker()
    const { base, data } = folder
    const file = join(data, 'store', 'data.mdb')
    await copyFile(file, join(base, 'elsewhere'))
    await rm(file)
    await symlink(join(base, 'elsewhere'), file)
    await expect(compact(data)).rejects.toThrow('is a symbolic link')
    expect((await lstat(file)).isSymbolicLink()).toBe(true)
  })
})

async function link(to: string, path: string): Promise<void> {
  await writeFile(to, 'what it leads to')
  await symlink(to, path)
}

it.each<[string, (file: string) => void]>([
  ['taken away', (file) => renameSync(`${file}.partial`, `${file}.away`)],
  [
    'replaced',
    (file) => {
      renameSync(`${file}.partial`, `${file}.away`)
      writeFileSync(`${file}.partial`, 'another')
    },
  ],
])('an export whose file was %s on the way is not given out as one', async (_, change) => {
  await using folder = await worker()
  const file = join(folder.base, 'contracts')
  const exported = exportContracts({ dataFolder: folder.data, file, onProgress: () => change(file) })
  await expect(exported).rejects.toThrow('was removed or replaced meanwhile')
  await expect(lstat(file)).rejects.toThrow('ENOENT')
})

it('an export takes the place of nothing that comes meanwhile and is no file', async () => {
  await using folder = await worker()
  const file = join(folder.base, 'contracts')
  const onProgress = () => symlinkSync('elsewhere', file)
  await expect(exportContracts({ dataFolder: folder.data, file, onProgress })).rejects.toThrow(
    `${file} is a symbolic link; name the file itself; it is not replaced`,
  )
  expect((await lstat(file)).isSymbolicLink()).toBe(true)
})

it.skipIf(process.getuid?.() !== 0)(
  'an export does not go on with what another user has put in its place',
  async () => {
    await using folder = await worker()
    const file = join(folder.base, 'contracts')
    await writeFile(`${file}.partial`, 'somebody’s')
    await chown(`${file}.partial`, 65_534, 65_534)
    await expect(exportContracts({ dataFolder: folder.data, file })).rejects.toThrow('.partial belongs to another user')
    expect(await readFile(`${file}.partial`, 'utf8')).toBe('somebody’s')
  },
)

describe('what has the name of something that was broken off, and is something else, is not removed:', () => {
  /** Expects that making something of a worker is refused, and changes nothing. */
  async function refuses(base: string, make: () => Promise<unknown>): Promise<void> {
    const before = await namesIn(base)
    await expect(make()).rejects.toThrow('is in the way')
    expect(await namesIn(base)).toEqual(before)
  }

  it.each<[string, (path: string, base: string) => Promise<void>]>([
    [
      'a folder of somebody’s own',
      async (path) => {
        await mkdir(join(path, 'photos'), { recursive: true })
        await writeFile(join(path, 'photos', 'a'), '')
      },
    ],
    [
      'a link to a folder',
      async (path, base) => {
        await mkdir(join(base, 'own', 'photos'), { recursive: true })
        await symlink(join(base, 'own'), path)
      },
    ],
    ['a link that leads nowhere', (path, base) => symlink(join(base, 'none'), path)],
    ['a file', (path) => writeFile(path, 'my own')],
    [
      'what is left of something else',
      async (path) => {
        const lock = await lockFolder(path, 'core')
        await writeFile(join(path, 'signing-key.sealed'), '')
        lock.release()
      },
    ],
  ])('%s', async (_, put) => {
    await using folder = await worker()
    const { base, data } = folder
    await backUp(data, join(base, 'backup'))
    await put(join(base, 'again.partial'), base)
    await put(join(base, 'restored.restoring'), base)
    await refuses(base, () => backUp(data, join(base, 'again')))
    await refuses(base, () => restore(join(base, 'backup'), join(base, 'restored')))
  })

  it('the data folder itself, or what it lies in', async () => {
    await using folder = await worker()
    const { base, data } = folder
    const partial = join(base, 'again.partial')
    await rename(data, partial)
    await refuses(base, () => backUp(partial, join(base, 'again')))
    await rename(partial, data)
    await mkdir(partial)
    await rename(data, join(partial, 'data'))
    await refuses(base, () => backUp(join(partial, 'data'), join(base, 'again')))
  })

  it('a worker that was restored there', async () => {
    await using folder = await worker()
    const { base, data } = folder
    await backUp(data, join(base, 'backup'))
    await restore(join(base, 'backup'), join(base, 'restored.restoring'))
    await refuses(base, () => restore(join(base, 'backup'), join(base, 'restored')))
  })

  it('the backup that is to be restored', async () => {
    await using folder = await worker()
    const { base, data } = folder
    const backup = join(base, 'restored.restoring')
    await backUp(data, backup)
    await refuses(base, () => restore(backup, join(base, 'restored')))
  })

  it.skipIf(process.getuid?.() !== 0)('the folder of another user', async () => {
    await using folder = await worker()
    const { base, data } = folder
    await mkdir(join(base, 'again.partial'))
    await chown(join(base, 'again.partial'), 65_534, 65_534)
    await expect(backUp(data, join(base, 'again'))).rejects.toThrow('belongs to another user')
    expect(await readdir(join(base, 'again.partial'))).toEqual([])
  })

  it('a file where an export would be written', async () => {
    await using folder = await worker()
    const { base, data } = folder
    const file = join(base, 'notes')
    await writeFile(`${file}.partial`, 'my notes')
    await refuses(base, () => exportContracts({ dataFolder: data, file }))
    expect(await readFile(`${file}.partial`, 'utf8')).toBe('my notes')
  })
})

describe.skipIf(process.platform === 'win32')('what is a pipe that nobody writes to', () => {
  const pipe = (path: string) => void execFileSync('mkfifo', [path])

  it('is not imported, nor is a device', async () => {
    await using folder = await worker()
    const { base, data } = folder
    const file = join(base, 'contracts')
    pipe(file)
    const into = join(base, 'new')
    for (const path of [file, '/dev/null']) {
      await expect(importContracts({ dataFolder: into, file: path })).rejects.toThrow(
        `${path} is no file; an export is read more than once, so write it to a file first`,
      )
    }
    expect(await namesIn(base)).not.toContain('new')
    await rm(join(data, 'store', 'data.mdb'))
    pipe(join(data, 'store', 'data.mdb'))
    await expect(verify({ dataFolder: data })).rejects.toThrow('data.mdb is not a file')
  })

  it.each([
    ['manifest.json', 'manifest.json cannot be read'],
    ['signing-key.sealed', 'signing-key.sealed cannot be read'],
    ['store/data.mdb', 'store/data.mdb cannot be read'],
  ])('is not restored, nor backed up: %s', async (name, reason) => {
    await using folder = await worker()
    const { base, data } = folder
    const backup = join(base, 'backup')
    await backUp(data, backup)
    for (const of of [backup, data]) await rm(join(of, name), { force: true })
    for (const of of [backup, data]) pipe(join(of, name))
    await expect(restore(backup, join(base, 'restored'))).rejects.toThrow(reason)
    if (name !== 'manifest.json') await expect(backUp(data, join(base, 'second'))).rejects.toThrow('is not a file')
    expect((await readdir(base)).sort()).toEqual(['backup', 'data'])
  })
})
