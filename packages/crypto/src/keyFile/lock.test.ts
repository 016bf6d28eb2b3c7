import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToUtf8, concatBytes, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { describe, expect, it } from 'vitest'
import {
  backUpKeys,
  describeLock,
  isLockedKeyFile,
  type Lock,
  listSealed,
  mayHoldKey,
  openSealingKey,
  readSealed,
  readSealingKey,
  relockSealingKey,
  restoreKeys,
  rotateSealingKey,
  type SealingOptions,
  writeSealed,
} from '../keyFile.ts'
import { makeLock } from './lock.ts'
import { SealingKey } from './sealingKey.ts'

/** Made from docs/key-files.md with `node:crypto` alone (vectors/README.md). Passphrase, key and secret are obviously fake. */
const snapshots = JSON.parse(
  await readFile(new URL('../../vectors/self/key-files.json', import.meta.url), 'utf8'),
) as Record<
  'passphrase' | 'command' | 'sealingKey' | 'secret' | 'passphraseLine' | 'commandLine' | 'sealedFile' | 'backupFile',
  string
>

const purpose = 'a test'
const purposesOf = () => ['another purpose', purpose]
const code = (expected: string) => expect.objectContaining({ code: expected })
const passphrase = (text: string): Lock => ({ kind: 'passphrase', read: async () => text })
const command = (text: string): Lock => ({ kind: 'command', command: text })
const printing = (hex: string) => command(`printf ${hex}`)

async function temporaryFolder() {
  const base = await mkdtemp(join(tmpdir(), 'bletchley-'))
  return { base, data: join(base, 'data'), [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true }) }
}

/** A data folder with some sealed files. */
async function makeKeys(data: string, options: SealingOptions = {}, count = 3): Promise<void> {
  const key = await openSealingKey(data, options)
  for (let i = 0; i < count; i++)
    await writeSealed(join(data, 'state-keys', `${i}.sealed`), key, purpose, Uint8Array.of(i))
}

async function expectKeys(data: string, options: SealingOptions = {}, count = 3): Promise<void> {
  const key = await readSealingKey(data, options)
  for (let i = 0; i < count; i++) {
    const path = join(data, 'state-keys', `${i}.sealed`)
    expect(await readSealed(path, key, purpose), path).toEqual(Uint8Array.of(i))
  }
}

const keyLine = (data: string) => readFile(join(data, 'sealing.key'), 'utf8')

it('a copy of a data folder, inside of it, is none of its own files', async () => {
  await using folder = await temporaryFolder()
  await makeKeys(folder.data)
  await makeKeys(join(folder.data, 'backups', 'monday'))
  expect(await listSealed(folder.data)).toEqual(['state-keys/0.sealed', 'state-keys/1.sealed', 'state-keys/2.sealed'])
  expect(await rotateSealingKey(folder.data, {}, purposesOf)).toBe(3)
  await expectKeys(folder.data)
  await expectKeys(join(folder.data, 'backups', 'monday'))
})

it('a folder of sealed files that cannot be read is not taken for an empty one', async () => {
  await using folder = await temporaryFolder()
  expect(await listSealed(folder.data)).toEqual([])
  await mkdir(folder.data)
  await writeFile(join(folder.data, 'state-keys'), '')
  await expect(listSealed(folder.data)).rejects.toThrow('ENOTDIR')
})

describe('a sealing key', () => {
  it('that is locked with a passphrase opens with it alone', async () => {
    await using folder = await temporaryFolder()
    const lock = passphrase('a passphrase of the test \u00e9')
    await makeKeys(folder.data, { lock })
    await expectKeys(folder.data, { lock: passphrase('a passphrase of the test e\u0301') })
    expect(await describeLock(folder.data)).toBe('passphrase (scrypt, N 2^17, r 8, p 1)')
    const before = await keyLine(folder.data)
    const wrong = openSealingKey(folder.data, { lock: passphrase('wrong obviously') })
    await expect(wrong).rejects.toThrow(code('wrong_passphrase'))
    await expect(wrong).rejects.toThrow(/^(?!.*wrong obviously)/)
    await expect(openSealingKey(folder.data)).rejects.toThrow(code('locked'))
    await expect(openSealingKey(folder.data, { lock: printing('11'.repeat(32)) })).rejects.toThrow(code('other_lock'))
    expect(await keyLine(folder.data)).toBe(before)
    const askPassphrase = async () => 'a passphrase of the test \u00e9'
    await expectKeys(folder.data, { askPassphrase })
  })

  it('that is not locked is not taken for one that is', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    await expect(readSealingKey(folder.data, { lock: passphrase('whatever it may be') })).rejects.toThrow(
      code('other_lock'),
    )
  })

  it('takes no passphrase that has lost its bytes, and opens with one that was taken before', async () => {
    await using folder = await temporaryFolder()
    const lock = passphrase('\ufffd'.repeat(20))
    await expect(openSealingKey(folder.data, { lock })).rejects.toThrow(code('weak_passphrase'))
    expect(await readdir(folder.data)).toEqual([])
    await makeKeys(folder.data, { lock: passphrase('a passphrase of the test') })
    await expect(readSealingKey(folder.data, { lock })).rejects.toThrow(code('wrong_passphrase'))
  })

  it('takes no weak passphrase: it has twelve characters', async () => {
    await using folder = await temporaryFolder()
    for (const text of ['too short', 'twelve is 1', '\u{1f511}'.repeat(11)]) {
      await expect(openSealingKey(folder.data, { lock: passphrase(text) })).rejects.toThrow(code('weak_passphrase'))
    }
    expect(await readdir(folder.data)).toEqual([])
    await openSealingKey(folder.data, { lock: passphrase('twelve is 12') })
  })

  it.each([
    ['hex', '11'.repeat(32)],
    ['base64', Buffer.alloc(32, 0x11).toString('base64')],
  ])('is locked with a command that prints %s', async (_, printed) => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data, { lock: command(`echo '${printed}'`) })
    await expectKeys(folder.data, { lock: command(`sh -c "printf '${printed}'"`) })
    await expect(readSealingKey(folder.data, { lock: printing('22'.repeat(32)) })).rejects.toThrow(
      code('wrong_passphrase'),
    )
  })

  it.each([
    ['is missing', '/no/such/program', 'could not be run'],
    ['fails', 'false', 'exit code 1'],
    ['prints nothing', 'true', '32 bytes'],
    ['prints half a key', 'printf 1234secret', '32 bytes'],
    ['never stops printing', 'yes 1234secret', 'too much'],
    ['prints 4096 bytes', 'printf %4096s 1234secret', '32 bytes'],
    ['prints 4097 bytes', 'printf %4097s 1234secret', 'too much'],
    ['is killed', 'sh -c "kill -9 $$"', 'ended by SIGKILL'],
    ['is empty', ' ', 'is empty'],
  ])('says so when the command %s, and quotes nothing of it', async (_, text, reason) => {
    await using folder = await temporaryFolder()
    const opening = openSealingKey(folder.data, { lock: command(text) })
    await expect(opening).rejects.toThrow(code('command_failed'))
    await expect(opening).rejects.toThrow(new RegExp(`^(?!.*1234secret).*${reason}`))
    expect(await readdir(folder.data)).toEqual([])
  })

  it('opens as docs/key-files.md says', async () => {
    await using folder = await temporaryFolder()
    await mkdir(folder.data)
    const path = join(folder.data, 'a.sealed')
    await writeFile(path, hexToBytes(snapshots.sealedFile), { mode: 0o600 })
    const locks: [string, Lock][] = [
      [snapshots.passphraseLine, passphrase(snapshots.passphrase)],
      [snapshots.commandLine, command(snapshots.command)],
    ]
    for (const [line, lock] of locks) {
      await writeFile(join(folder.data, 'sealing.key'), `${line}\n`, { mode: 0o600 })
      const key = await readSealingKey(folder.data, { lock })
      expect(key.bytes).toEqual(hexToBytes(snapshots.sealingKey))
      expect(bytesToUtf8((await readSealed(path, key, purpose))!)).toBe(snapshots.secret)
    }
    const backup = join(folder.base, 'backup')
    await writeFile(backup, hexToBytes(snapshots.backupFile), { mode: 0o600 })
    const restored = join(folder.base, 'restored')
    expect(await restoreKeys(restored, {}, backup, async () => snapshots.passphrase)).toEqual(['a.sealed'])
    expect((await readSealingKey(restored)).bytes).toEqual(hexToBytes(snapshots.sealingKey))
    expect(await readFile(join(restored, 'a.sealed'))).toEqual(await readFile(path))
  })

  it('is authenticated: no part of its line can be another', async () => {
    await using folder = await temporaryFolder()
    await mkdir(folder.data)
    const lock = passphrase(snapshots.passphrase)
    const [name, kind, logN, r, p, salt, sealed] = snapshots.passphraseLine.split(' ') as [string, ...string[]]
    const flipped = (hex: string, at: number) => `${hex.slice(0, at)}${hex[at] === '0' ? '1' : '0'}${hex.slice(at + 1)}`
    const lines: [string, string][] = [
      [`${name} ${kind} ${logN} ${r} ${p} ${flipped(salt!, 3)} ${sealed}`, 'wrong_passphrase'],
      [`${name} ${kind} 16 ${r} ${p} ${salt} ${sealed}`, 'wrong_passphrase'],
      [`${name} ${kind} ${logN} ${r} 2 ${salt} ${sealed}`, 'wrong_passphrase'],
      [`${name} ${kind} ${logN} ${r} ${p} ${salt} ${flipped(sealed!, 60)}`, 'wrong_passphrase'],
      [`${name} ${kind} ${logN} ${r} ${p} ${salt} ${sealed!.slice(0, -2)}`, 'wrong_passphrase'],
      [`${name} ${kind} ${logN} ${r} ${p} ${salt} ab`, 'wrong_passphrase'],
      // Too cheap, or so dear that it would eat the memory: refused before any work.
      [`${name} ${kind} 14 ${r} ${p} ${salt} ${sealed}`, 'malformed'],
      [`${name} ${kind} 19 ${r} ${p} ${salt} ${sealed}`, 'malformed'],
      [`${name} ${kind} 99 ${r} ${p} ${salt} ${sealed}`, 'malformed'],
      [`${name} ${kind} 18 16 ${p} ${salt} ${sealed}`, 'malformed'],
      [`${name} ${kind} ${logN} 99 ${p} ${salt} ${sealed}`, 'malformed'],
      [`${name} ${kind} ${logN} ${r} 9 ${salt} ${sealed}`, 'malformed'],
      // The cheapest and the dearest that are accepted, and what is beside them.
      [`${name} ${kind} 15 16 1 ${salt} ${sealed}`, 'wrong_passphrase'],
      [`${name} ${kind} 15 8 4 ${salt} ${sealed}`, 'wrong_passphrase'],
      [`${name} ${kind} 18 8 1 ${salt} ${sealed}`, 'wrong_passphrase'],
      [`${name} ${kind} 15 7 1 ${salt} ${sealed}`, 'malformed'],
      [`${name} ${kind} 15 17 1 ${salt} ${sealed}`, 'malformed'],
      [`${name} ${kind} 15 8 0 ${salt} ${sealed}`, 'malformed'],
      [`${name} ${kind} 15 8 5 ${salt} ${sealed}`, 'malformed'],
      [`${name} ${kind} ${logN} ${r} ${p} ${salt!.slice(2)} ${sealed}`, 'malformed'],
      [`${name} ${kind} ${sealed}`, 'malformed'],
      [`${name} riddle ${sealed}`, 'malformed'],
      [`${name} none ab`, 'other_lock'],
      [snapshots.passphraseLine.replace('key-2', 'key-3'), 'malformed'],
      ['', 'malformed'],
    ]
    for (const [line, expected] of lines) {
      await writeFile(join(folder.data, 'sealing.key'), line, { mode: 0o600 })
      const opening = openSealingKey(folder.data, { lock })
      await expect(opening, line).rejects.toThrow(code(expected))
      expect(await keyLine(folder.data)).toBe(line)
    }
  })

  it('holds one key, or two in a rotation, and nothing else', async () => {
    await using folder = await temporaryFolder()
    await mkdir(folder.data)
    const path = join(folder.data, 'sealing.key')
    const [one, other] = ['ab'.repeat(32), 'cd'.repeat(32)]
    await writeFile(path, `bletchley-sealing-key-2 none ${one}${other}\n`, { mode: 0o600 })
    const key = await readSealingKey(folder.data)
    expect([key.bytes, key.previous?.bytes]).toEqual([hexToBytes(one), hexToBytes(other)])
    expect(await describeLock(folder.data)).toBe('none')
    for (const hex of [one.slice(2), `${one}cd`, `${one}${other.slice(2)}`, `${one}${other}ab`]) {
      await writeFile(path, `bletchley-sealing-key-2 none ${hex}\n`)
      await expect(readSealingKey(folder.data), hex).rejects.toThrow(code('malformed'))
    }
  })

  it('may be in a file, as far as that tells', async () => {
    const key = new SealingKey(hexToBytes('ab'.repeat(32)))
    const of = (text: string) => mayHoldKey(utf8ToBytes(text), key)
    expect(of(`bletchley-sealing-key-1 ${'ab'.repeat(32)}\n`)).toBe(true)
    expect(of(`bletchley-sealing-key-2 none ${'ab'.repeat(32)}${'cd'.repeat(32)}\n`)).toBe(true)
    expect(of(`bletchley-sealing-key-1 ${'ac'.repeat(32)}\n`)).toBe(false)
    expect(of(`bletchley-sealing-key-2 command ${'00'.repeat(46)}\n`)).toBe(true)
    expect(of(`bletchley-sealing-key-2 command ${'00'.repeat(45)}\n`)).toBe(false)
    expect(of('')).toBe(false)
    const isLocked = (text: string) => isLockedKeyFile(utf8ToBytes(text))
    expect([snapshots.passphraseLine, snapshots.commandLine].map(isLocked)).toEqual([true, true])
    expect(isLocked(`bletchley-sealing-key-1 ${'ab'.repeat(32)}`)).toBe(false)
    expect(isLocked(`bletchley-sealing-key-2 none ${'ab'.repeat(32)}`)).toBe(false)
  })

  it('gets another lock, and stays the same key', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    const first = { lock: passphrase('the first passphrase') }
    await writeFile(join(folder.data, '.sealing.key.0123456789abcdef.tmp'), await keyLine(folder.data))
    for (const name of ['.sealing.key.mine', '.other.0123456789abcdef.tmp'])
      await writeFile(join(folder.data, name), '')
    await relockSealingKey(folder.data, {}, first.lock)
    expect((await readdir(folder.data)).sort()).toEqual([
      '.other.0123456789abcdef.tmp',
      '.sealing.key.mine',
      'sealing.key',
      'sealing.key.lock',
      'state-keys',
    ])
    await expectKeys(folder.data, first)
    const second = { lock: printing('22'.repeat(32)) }
    await expect(relockSealingKey(folder.data, second, undefined)).rejects.toThrow(code('other_lock'))
    await relockSealingKey(folder.data, first, second.lock)
    await expectKeys(folder.data, second)
    await expect(readSealingKey(folder.data, first)).rejects.toThrow(code('other_lock'))
    await relockSealingKey(folder.data, second, undefined)
    await expectKeys(folder.data)
    expect(await keyLine(folder.data)).toMatch(/^bletchley-sealing-key-1 /)
  })

  it('is rewritten by one at a time, by whatever name it is called', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    const inUse = expect.objectContaining({
      ...{ code: 'in_use', message: expect.stringContaining(`process ${process.pid} (bletchley keys relock), since`) },
    })
    const link = join(folder.base, 'link')
    await symlink(join(folder.data, 'sealing.key'), link)
    const lock: Lock = {
      kind: 'passphrase',
      async read() {
        const [before, names] = [await keyLine(folder.data), await readdir(folder.data)]
        await expect(rotateSealingKey(folder.data, {}, purposesOf)).rejects.toThrow(inUse)
        await expect(relockSealingKey(folder.data, {}, undefined)).rejects.toThrow(inUse)
        await expect(relockSealingKey(folder.base, { path: link }, undefined)).rejects.toThrow(inUse)
        expect([await keyLine(folder.data), await readdir(folder.data)]).toEqual([before, names])
        // Whoever only reads it is let in.
        await expectKeys(folder.data)
        return 'a passphrase of some length'
      },
    }
    await relockSealingKey(folder.data, {}, lock)
    const options = { lock: passphrase('a passphrase of some length') }
    await rotateSealingKey(folder.data, options, purposesOf)
    await expectKeys(folder.data, options)
    // One that fails lets go of it as well.
    await expect(relockSealingKey(folder.data, options, passphrase('short'))).rejects.toThrow(code('weak_passphrase'))
    await relockSealingKey(folder.data, options, undefined)
    await expectKeys(folder.data)
  })

  it('that is missing gets no lock, and no file', async () => {
    await using folder = await temporaryFolder()
    const missing = code('missing_sealing_key')
    await expect(relockSealingKey(folder.base, {}, undefined)).rejects.toThrow(missing)
    await expect(rotateSealingKey(folder.base, {}, purposesOf)).rejects.toThrow(missing)
    expect(await readdir(folder.base)).toEqual([])
  })
})

describe('a rotation', () => {
  it('seals everything with a new key', async () => {
    await using folder = await temporaryFolder()
    const options = { lock: printing('11'.repeat(32)) }
    await makeKeys(folder.data, options, 20)
    const old = await readSealingKey(folder.data, options)
    expect(await rotateSealingKey(folder.data, options, purposesOf)).toBe(20)
    await expectKeys(folder.data, options, 20)
    await expect(readSealed(join(folder.data, 'state-keys', '0.sealed'), old, purpose)).rejects.toThrow(
      code('undecryptable'),
    )
    expect((await readSealingKey(folder.data, options)).previous).toBeUndefined()
  })

  it('leaves a folder that opens wherever it is broken off, and is ended by the next', async () => {
    for (let stopAt = 0; stopAt <= 4; stopAt++) {
      await using folder = await temporaryFolder()
      await makeKeys(folder.data, {}, 40)
      let step = 0
      const broken = rotateSealingKey(folder.data, {}, purposesOf, () => {
        if (step++ === stopAt) throw new Error('broken off')
      })
      await (stopAt < 4 ? expect(broken).rejects.toThrow('broken off') : broken)
      await expectKeys(folder.data, {}, 40)
      // Between the two, the folder is used as ever.
      const key = await openSealingKey(folder.data)
      await writeSealed(join(folder.data, 'state-keys', 'new.sealed'), key, purpose, Uint8Array.of(9))
      const inode = async () => (await stat(join(folder.data, 'state-keys', '0.sealed'))).ino
      const before = await inode()
      await rotateSealingKey(folder.data, {}, purposesOf)
      // The first files were done; they are left as they are.
      if (stopAt >= 1 && stopAt <= 3) expect(await inode()).toBe(before)
      await expectKeys(folder.data, {}, 40)
      expect((await readSealingKey(folder.data)).previous, `stopped at ${stopAt}`).toBeUndefined()
    }
  })

  it('does not begin if any file does not open', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    const before = await keyLine(folder.data)
    await writeFile(join(folder.data, 'state-keys', '1.sealed'), hexToBytes(snapshots.sealedFile), { mode: 0o600 })
    await expect(rotateSealingKey(folder.data, {}, purposesOf)).rejects.toThrow(code('undecryptable'))
    expect(await keyLine(folder.data)).toBe(before)
  })
})

describe('a backup of keys', () => {
  const secret = async () => 'the passphrase of the backup'

  it('brings all keys back, under another lock if wanted', async () => {
    await using folder = await temporaryFolder()
    const options = { lock: printing('11'.repeat(32)) }
    await makeKeys(folder.data, options)
    const path = join(folder.base, 'backup')
    expect(await backUpKeys(folder.data, options, purposesOf, path, secret)).toHaveLength(3)
    await expect(backUpKeys(folder.data, options, purposesOf, path, secret)).rejects.toThrow(code('exists'))
    const inside = backUpKeys(folder.data, options, purposesOf, join(folder.data, 'backup'), secret)
    await expect(inside).rejects.toThrow(code('unwritable'))
    const elsewhere = join(folder.base, 'elsewhere')
    const other = { lock: printing('22'.repeat(32)) }
    await expect(restoreKeys(elsewhere, other, path, async () => 'wrong, obviously')).rejects.toThrow(
      code('wrong_passphrase'),
    )
    expect(await restoreKeys(elsewhere, other, path, secret)).toHaveLength(3)
    await expectKeys(elsewhere, other)
    await expect(restoreKeys(elsewhere, other, path, secret)).rejects.toThrow(code('exists'))
    // Broken off before the sealing key was there: it goes on.
    await rm(join(elsewhere, 'sealing.key'))
    await rm(join(elsewhere, 'state-keys', '1.sealed'))
    await expect(openSealingKey(elsewhere, other)).rejects.toThrow(code('missing_sealing_key'))
    await restoreKeys(elsewhere, other, path, secret)
    await expectKeys(elsewhere, other)
  })

  it('overwrites nothing that is not its own', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    const path = join(folder.base, 'backup')
    await backUpKeys(folder.data, {}, purposesOf, path, secret)
    const other = join(folder.base, 'other')
    await mkdir(join(other, 'state-keys'), { recursive: true })
    await writeFile(join(other, 'state-keys', '1.sealed'), 'something else', { mode: 0o600 })
    await expect(restoreKeys(other, {}, path, secret)).rejects.toThrow(code('exists'))
    expect(await readdir(other, { recursive: true })).toEqual(['state-keys', 'state-keys/1.sealed'])
  })

  it('writes nothing where there are other keys', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    const path = join(folder.base, 'backup')
    await backUpKeys(folder.data, {}, purposesOf, path, secret)
    const other = join(folder.base, 'other')
    await openSealingKey(other)
    const before = await keyLine(other)
    await expect(restoreKeys(other, {}, path, secret)).rejects.toThrow(code('exists'))
    expect(await readdir(other, { recursive: true })).toEqual(['sealing.key'])
    expect(await keyLine(other)).toBe(before)
  })

  it('is not made in the middle of a rotation, which nothing of it would tell', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    const broken = rotateSealingKey(folder.data, {}, purposesOf, () => {
      throw new Error('broken off')
    })
    await expect(broken).rejects.toThrow('broken off')
    const path = join(folder.base, 'backup')
    await expect(backUpKeys(folder.data, {}, purposesOf, path, secret)).rejects.toThrow('A rotation')
    expect(await readdir(folder.base)).toEqual(['data'])
    await rotateSealingKey(folder.data, {}, purposesOf)
    expect(await backUpKeys(folder.data, {}, purposesOf, path, secret)).toHaveLength(3)
  })

  it.each(['../out.sealed', 'state-keys/../../out.sealed', '/out.sealed', ''])('puts no file at %j', async (name) => {
    await using folder = await temporaryFolder()
    const path = join(folder.base, 'backup')
    const { words, key } = await makeLock({ kind: 'passphrase', read: secret })
    const header = `bletchley-key-backup-1 ${words}\n`
    const payload = JSON.stringify({
      sealingKey: '11'.repeat(32),
      files: { 'state-keys/0.sealed': '00', [name]: '00' },
    })
    await writeFile(path, concatBytes(utf8ToBytes(header), key.seal(header, utf8ToBytes(payload))), { mode: 0o600 })
    await expect(restoreKeys(folder.data, {}, path, secret)).rejects.toThrow(code('malformed'))
    expect(await readdir(folder.base)).toEqual(['backup'])
  })

  it('is refused when it is changed, cut off or open to others', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.base, 'backup')
    const content = hexToBytes(snapshots.backupFile)
    const restore = () => restoreKeys(folder.data, {}, path, async () => snapshots.passphrase)
    await expect(restore()).rejects.toThrow(code('missing'))
    const other = Uint8Array.from(content, (byte, i) => (i === content.length - 50 ? byte ^ 1 : byte))
    for (const [bytes, expected] of [
      [other, 'wrong_passphrase'],
      [content.subarray(0, -1), 'wrong_passphrase'],
      [content.subarray(0, 80), 'malformed'],
      [new Uint8Array(), 'malformed'],
      [utf8ToBytes('bletchley-key-backup-1 command\n'.padEnd(200)), 'malformed'],
    ] as const) {
      await writeFile(path, bytes, { mode: 0o600 })
      await expect(restore()).rejects.toThrow(code(expected))
    }
    await chmod(path, 0o644)
    await expect(restore()).rejects.toThrow(code('unsafe_permissions'))
    expect(await readdir(folder.base)).toEqual(['backup'])
  })
})
