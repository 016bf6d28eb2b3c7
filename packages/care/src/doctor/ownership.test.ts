import { describe, expect, it } from 'vitest'
import { checkOwner, checkWritable } from './ownership.ts'

describe.skipIf(process.platform === 'win32')('an owner', () => {
  const me = process.getuid?.() ?? 0
  const path = '/srv/it’s/data'
  const quoted = `'${path}'`
  it.each([
    [0o700, '700', undefined, undefined],
    [0o600, '600', 'EROFS', undefined],
    [0o604, '600', undefined, `chmod 600 ${quoted}`],
    [0o610, '600', 'EACCES', `chmod 600 ${quoted}`],
    [0o777, '700', undefined, `chmod 700 ${quoted}`],
    [0o701, '700', 'EROFS', `mount it for writing, and then chmod 700 ${quoted}`],
  ] as const)('of mode %o', (mode, wanted, unwritable, remedy) => {
    const rights = mode.toString(8)
    // With the bits of a folder, and the sticky one.
    const status = { uid: me, mode: mode | 0o41000 }
    expect(checkOwner('data folder', path, status, wanted, unwritable)).toEqual(
      remedy === undefined
        ? { name: 'data folder', status: 'ok', found: `${path}, its owner’s alone` }
        : { name: 'data folder', status: 'problem', found: `${path} is open to other users (mode ${rights})`, remedy },
    )
  })

  it.each([
    [undefined, `run as its owner, or chown it to ${me}`],
    ['EACCES', `run as its owner, or chown it to ${me}`],
    ['EROFS', 'run as its owner'],
  ])('who is another user (%s)', (unwritable, remedy) => {
    expect(checkOwner('key files', path, { uid: me + 1, mode: 0o100600 }, '600', unwritable)).toEqual({
      name: 'key files',
      status: 'problem',
      found: `${path} belongs to user ${me + 1}, and this is user ${me}`,
      remedy,
    })
  })
})

it('writing', () => {
  const [name, status] = ['writing', 'problem']
  expect(checkWritable(undefined, { uid: 7 })).toEqual({ name, status: 'ok', found: 'the data folder can be written' })
  expect(checkWritable('EACCES', { uid: 7 })).toEqual({
    name,
    status,
    found: 'the data folder cannot be written (EACCES)',
    remedy: 'run as its owner, user 7, who may write to it',
  })
  expect(checkWritable('EROFS', { uid: 7 })).toEqual({
    name,
    status,
    found: 'the data folder cannot be written (EROFS): it is mounted read-only',
    remedy: 'mount it for writing; verify, export and backup read it as it is',
  })
})
