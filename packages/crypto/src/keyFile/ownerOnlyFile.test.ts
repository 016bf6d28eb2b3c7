import { existsSync } from 'node:fs'
import { type FileHandle, mkdtemp, open, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createExclusively, createFolder, replaceFile } from './ownerOnlyFile.ts'

afterEach(() => void vi.restoreAllMocks())

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'bletchley-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

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

describe('new folders', () => {
  it('have durable names, each in the one above', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'a', 'b')
    const syncs = await watchSyncs(path)
    await createFolder(path)
    const inodes = await Promise.all([join(folder.path, 'a'), folder.path].map(async (name) => (await stat(name)).ino))
    expect(syncs.map(([inode]) => inode)).toEqual(inodes)
    await createFolder(path)
    expect(syncs).toHaveLength(2)
  })
})
