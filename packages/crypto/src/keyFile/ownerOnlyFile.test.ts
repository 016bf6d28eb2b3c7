import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, type FileHandle, lstat, mkdir, open, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { temporaryFolder } from '@bletchley/testkit/temporary-folder'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { readAccessList } from './accessList.ts'
import { createExclusively, createFolder, modeIfOpen, readOwnerOnly, replaceFile } from './ownerOnlyFile.ts'

afterEach(() => void vi.restoreAllMocks())

/** What is made durable, in order: inode, and whether `target` was there by then. */
async function watchSyncs(target: string): Promise<[inode: number, wasThere: boolean][]> {
  const seen: [number, boolean][] = []
  await using handle = await open(tmpdir())
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  const { sync } = prototype
  vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    seen.push([(await this.stat()).ino, existsSync(target)])
    await sync.call(this)
  })
  return seen
}

describe.each([
  ['a new file', createExclusively],
  ['a replaced file', replaceFile],
])('%s', (_name, write) => {
  it('is durable before it has its name, and then the name is', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'a.sealed')
    const syncs = await watchSyncs(path)
    await write(path, Uint8Array.of(1, 2, 3))
    expect([...(await readFile(path))]).toEqual([1, 2, 3])
    expect(syncs).toEqual([
      [(await stat(path)).ino, false],
      [(await stat(folder.path)).ino, true],
    ])
  })
})

// Only root can make a file that is root's.
describe.runIf(process.getuid?.() === 0)('a file of root that its group may read', () => {
  const read = async (reader: number, mode: number, owner = 0) => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'credential')
    await writeFile(path, 'secret')
    await chmod(path, mode)
    await chown(path, owner, 0)
    vi.spyOn(process as { getuid(): number }, 'getuid').mockReturnValue(reader)
    return new TextDecoder().decode(await readOwnerOnly(path))
  }

  it('is taken by whoever is not root', async () => {
    expect(await read(1000, 0o640)).toBe('secret')
  })

  it('is refused to root, where others may read it, and where it is of another owner', async () => {
    const refused = { code: 'unsafe_permissions' }
    await expect(read(0, 0o640)).rejects.toMatchObject(refused)
    for (const mode of [0o660, 0o650, 0o641, 0o642, 0o644]) {
      await expect(read(1000, mode), mode.toString(8)).rejects.toMatchObject(refused)
    }
    for (const owner of [1, 1000, 1001]) await expect(read(1000, 0o640, owner)).rejects.toMatchObject(refused)
  })
})

describe('new folders', () => {
  it('have durable names, each in the one above', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'a', 'b')
    const syncs = await watchSyncs(path)
    await createFolder(path)
    const inodes = await Promise.all([folder.path, join(folder.path, 'a')].map(async (name) => (await stat(name)).ino))
    expect(syncs.map(([inode]) => inode)).toEqual(inodes)
    await createFolder(path)
    expect(syncs).toHaveLength(2)
  })

  it('are not made where something else is, or none can be', async () => {
    await using folder = await temporaryFolder()
    const [file, dangling] = [join(folder.path, 'file'), join(folder.path, 'link')]
    await writeFile(file, '')
    await symlink(join(folder.path, 'nowhere'), dangling)
    for (const path of [file, join(file, 'a'), dangling, join(dangling, 'a', 'b'), '/proc/self/a', '/proc/self/a/b']) {
      await expect(createFolder(path), path).rejects.toThrow()
    }
  })
})

describe('a file that is replaced', () => {
  it('stays where a symbolic link says', async () => {
    await using folder = await temporaryFolder()
    const [there, link] = [join(folder.path, 'medium'), join(folder.path, 'sealing.key')]
    await mkdir(there)
    await writeFile(join(there, 'key'), 'old')
    await symlink(join(there, 'key'), link)
    await replaceFile(link, Uint8Array.of(1, 2))
    expect((await lstat(link)).isSymbolicLink()).toBe(true)
    expect([...(await readFile(join(there, 'key')))]).toEqual([1, 2])
  })

  it.skipIf(process.platform === 'win32')('is a file and nothing else', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'pipe')
    execFileSync('mkfifo', [path])
    await expect(replaceFile(path, Uint8Array.of(1))).rejects.toMatchObject({ code: 'unwritable' })
    expect((await stat(path)).isFIFO()).toBe(true)
  })
})

describe.skipIf(process.platform === 'win32')('a pipe', () => {
  async function pipe() {
    const folder = await temporaryFolder()
    const path = join(folder.path, 'pipe')
    execFileSync('mkfifo', ['-m', '600', path])
    return { ...folder, path }
  }

  it('is refused without a wait for somebody who writes to it', async () => {
    await using folder = await pipe()
    await expect(readOwnerOnly(folder.path)).rejects.toMatchObject({
      code: 'unreadable',
      message: `${folder.path} is not a file`,
    })
    await expect(readAccessList(folder.path, 100)).rejects.toThrow(`${folder.path} is not a file`)
  })

  it('is read to its end where it may be one, whenever that is written', async () => {
    await using folder = await pipe()
    const content = readOwnerOnly(folder.path, { pipes: true })
    await using writer = await open(folder.path, 'w')
    await writer.write('sec')
    await writer.write('ret')
    await writer.close()
    expect(new TextDecoder().decode(await content)).toBe('secret')
  })

  it('is read no further than a key may be long, and not at all where others may read it', async () => {
    await using folder = await pipe()
    const content = readOwnerOnly(folder.path, { pipes: true, maxBytes: 3 })
    const refused = expect(content).rejects.toMatchObject({ code: 'malformed' })
    await using writer = await open(folder.path, 'w')
    await writer.write('four')
    await refused
    await chmod(folder.path, 0o640)
    await expect(readOwnerOnly(folder.path, { pipes: true })).rejects.toMatchObject({ code: 'unsafe_permissions' })
  })

  it('that nobody writes to is waited for until a signal', async () => {
    await using folder = await pipe()
    for (const abort of ['before', 'meanwhile']) {
      const stop = new AbortController()
      if (abort === 'before') stop.abort(new Error('stopped'))
      const content = readOwnerOnly(folder.path, { pipes: true, signal: stop.signal })
      stop.abort(new Error('stopped'))
      await expect(content, abort).rejects.toThrow('stopped')
    }
  })
})

describe('a list of who may come in', () => {
  it('is read up to a size', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'list')
    await writeFile(path, 'four')
    expect(await readAccessList(path, 4)).toBe('four')
    await expect(readAccessList(path, 3)).rejects.toThrow(`${path} is larger than 3 bytes`)
    await expect(readAccessList(join(folder.path, 'none'), 4)).rejects.toThrow('ENOENT')
    await expect(readAccessList(folder.path, 4)).rejects.toThrow('is not a file')
  })

  it.skipIf(process.platform === 'win32')('is nobody else to write', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'list')
    await writeFile(path, 'four')
    for (const mode of [0o620, 0o602, 0o666]) {
      await chmod(path, mode)
      await expect(readAccessList(path, 4), mode.toString(8)).rejects.toThrow('can be written by other users')
    }
    for (const mode of [0o644, 0o755, 0o600]) {
      await chmod(path, mode)
      expect(await readAccessList(path, 4), mode.toString(8)).toBe('four')
    }
  })

  it.runIf(process.getuid?.() === 0)('belongs to this user or to root', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'list')
    await writeFile(path, 'four')
    const user = vi.spyOn(process as { getuid(): number }, 'getuid')
    for (const [owner, reader, isTaken] of [
      [0, 1000, true],
      [1000, 1000, true],
      [1001, 1000, false],
      [1000, 0, false],
    ] as const) {
      await chown(path, owner, owner)
      user.mockReturnValue(reader)
      const read = readAccessList(path, 4)
      await (isTaken ? expect(read).resolves.toBe('four') : expect(read).rejects.toThrow('belongs to another user'))
    }
  })
})

it.skipIf(process.platform === 'win32')('says what mode lets others in', async () => {
  await using folder = await temporaryFolder()
  for (const [mode, open] of [
    [0o700, undefined],
    [0o600, undefined],
    [0o640, '640'],
    [0o1701, '701'],
  ] as const) {
    await chmod(folder.path, mode)
    expect(modeIfOpen(folder.path)).toBe(open)
  }
  await chmod(folder.path, 0o700)
})

it.runIf(process.platform === 'linux')('leaves no file open behind it, whatever it found', async () => {
  await using folder = await temporaryFolder()
  const [path, large] = [join(folder.path, 'a'), join(folder.path, 'large')]
  await writeFile(large, 'large')
  const open = () => readdirSync('/proc/self/fd').length
  const before = open()
  for (let round = 0; round < 100; round++) {
    await createExclusively(path, Uint8Array.of(1))
    await replaceFile(path, Uint8Array.of(2))
    await createFolder(join(folder.path, `${round}`))
    expect(await readOwnerOnly(path)).toEqual(Uint8Array.of(2))
    await expect(readOwnerOnly(folder.path)).rejects.toThrow('is not a file')
    await readAccessList(path, 10)
    await expect(readAccessList(large, 3)).rejects.toThrow('is larger')
    await expect(readAccessList(folder.path, 3)).rejects.toThrow('is not a file')
  }
  expect(open()).toBeLessThan(before + 50)
})
