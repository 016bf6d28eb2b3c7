import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkDiskSpace, checkFileSystem, checkInodes, checkRoom } from './room.ts'

const MB = 2 ** 20
const more = 'make room, or move the data folder to a larger disk'

describe('a file system', () => {
  const locks = 'LMDB and its locks need a local file system'
  const restart = 'it is gone at a restart of the machine'
  // As statfs(2) has them; some of them Node gives with a sign.
  it.each([
    [0x6969, 'problem', 'NFS', locks],
    [0xff534d42, 'problem', 'CIFS', locks],
    [0xff534d42 | 0, 'problem', 'CIFS', locks],
    [0xfe534d42, 'problem', 'SMB', locks],
    [0x01021997, 'problem', '9p', locks],
    [0x01021994, 'warning', 'tmpfs', restart],
    [0x858458f6, 'warning', 'ramfs', restart],
    [0x65735546, 'warning', 'FUSE', 'it may be a network file system'],
    [0x794c7630, 'warning', 'overlay', 'it is gone with the container, and slow; mount a volume'],
  ])('of type %i', (type, status, name, why) => {
    const found = `/data is on ${name}: ${why}`
    const remedy = 'put the data folder on a local disk'
    expect(checkFileSystem('/data', type)).toEqual({ name: 'file system', status, found, remedy })
  })

  it('of another type is local', () => {
    for (const type of [0xef53, 0x58465342, 0x9123683e, 0]) {
      expect(checkFileSystem('/data', type)).toEqual({ name: 'file system', status: 'ok', found: 'local' })
    }
  })
})

describe('disk space', () => {
  const copy = 'too little for a second copy: make room before compact or a backup here'
  it.each([
    [0, 0, 'problem', '0.0 MB free', more],
    [100 * MB - 1, 0, 'problem', '99 MB free', more],
    [100 * MB, 0, 'warning', '100 MB free', more],
    [1024 * MB - 1, 0, 'warning', '1023 MB free', more],
    [1024 * MB, 0, 'ok', '1024 MB free', undefined],
    [1024 * MB, 1024 * MB, 'ok', '1024 MB free', undefined],
    [1024 * MB, 1024 * MB + 1, 'warning', '1024 MB free', copy],
    [9.25 * MB, 0, 'problem', '9.3 MB free', more],
    [10 * MB - 1, 0, 'problem', '10.0 MB free', more],
    [10 * MB, 0, 'problem', '10 MB free', more],
  ])('of %d bytes, for a copy of %d', (bytes, copyBytes, status, found, remedy) => {
    const check = checkDiskSpace({ bavail: bytes / 512, bsize: 512 }, copyBytes)
    expect(check).toEqual({ name: 'disk space', status, found, ...(remedy !== undefined && { remedy }) })
  })
})

it.each([
  [99, 'problem'],
  [100, 'warning'],
  [9999, 'warning'],
  [10_000, 'ok'],
])('%i inodes', (ffree, status) => {
  const check = { name: 'inodes', status, found: `${ffree} inodes free`, ...(status !== 'ok' && { remedy: more }) }
  expect(checkInodes({ files: 1, ffree })).toEqual([check])
  expect(checkInodes({ files: 0, ffree })).toEqual([])
})

it('a path is looked at, if it is there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bletchley-'))
  try {
    const { type, files } = await statfs(folder)
    expect((await checkRoom(folder, 0)).map(({ name }) => name)).toEqual(
      files === 0 ? ['file system', 'disk space'] : ['file system', 'disk space', 'inodes'],
    )
    expect((await checkRoom(folder, 0))[0]).toEqual(checkFileSystem(folder, type))
    const [, space] = await checkRoom(folder, Number.POSITIVE_INFINITY)
    expect(space!.status).not.toBe('ok')
    expect(await checkRoom(join(folder, 'absent'), 0)).toEqual([])
  } finally {
    await rm(folder, { recursive: true })
  }
})
