import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { bytesToHex } from '@bletchley/bytes'
import { describe, expect, it } from 'vitest'
import {
  openSealingKey,
  readOrCreateSealed,
  readSealed,
  readSealingKey,
  type SealingKey,
  writeSealed,
} from './keyFile.ts'

const secret = Uint8Array.from({ length: 32 }, (_, i) => i + 100)
const purpose = 'a test'
const code = (name: string) => expect.objectContaining({ name: 'KeyFileError', code: name })

async function temporaryFolder() {
  const base = await mkdtemp(join(tmpdir(), 'bletchley-'))
  return {
    base,
    data: join(base, 'data', 'worker'),
    [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true }),
  }
}

async function sealedFile(folder: string): Promise<{ key: SealingKey; path: string }> {
  const key = await openSealingKey(folder)
  const path = join(folder, 'state-keys', 'secret.sealed')
  await writeSealed(path, key, purpose, secret)
  return { key, path }
}

const permissions = async (path: string) => (await stat(path)).mode & 0o777

describe('a sealed file', () => {
  it('gives back what was sealed, also with the key opened again', async () => {
    await using folder = await temporaryFolder()
    const { path } = await sealedFile(folder.data)
    expect(await readSealed(path, await openSealingKey(folder.data), purpose)).toEqual(secret)
  })

  it('is absent before it is written', async () => {
    await using folder = await temporaryFolder()
    const key = await openSealingKey(folder.data)
    expect(await readSealed(join(folder.data, 'none.sealed'), key, purpose)).toBeUndefined()
  })

  it('may hold nothing, and may be replaced', async () => {
    await using folder = await temporaryFolder()
    const { key, path } = await sealedFile(folder.data)
    await writeSealed(path, key, purpose, new Uint8Array())
    expect(await readSealed(path, key, purpose)).toEqual(new Uint8Array())
  })

  it('has the documented form and does not show the secret', async () => {
    await using folder = await temporaryFolder()
    const { path } = await sealedFile(folder.data)
    const content = await readFile(path)
    expect(content.subarray(0, 18).toString('latin1')).toBe('BLETCHLEY SEALED\n\x01')
    expect(content).toHaveLength(18 + 32 + 28)
    expect(content.includes(Buffer.from(secret.subarray(0, 8)))).toBe(false)
  })

  it('and its key and folders belong to the owner alone, and no temporary file stays', async () => {
    await using folder = await temporaryFolder()
    const { path } = await sealedFile(folder.data)
    expect(await permissions(path)).toBe(0o600)
    expect(await permissions(join(folder.data, 'sealing.key'))).toBe(0o600)
    expect(await permissions(folder.data)).toBe(0o700)
    expect(await permissions(dirname(path))).toBe(0o700)
    expect((await readdir(folder.data, { recursive: true })).sort()).toEqual([
      'sealing.key',
      'state-keys',
      'state-keys/secret.sealed',
    ])
  })

  it('does not open with any byte changed or missing', async () => {
    await using folder = await temporaryFolder()
    const { key, path } = await sealedFile(folder.data)
    const content = await readFile(path)
    for (let i = 0; i < content.length; i++) {
      await writeFile(
        path,
        content.map((byte, at) => (at === i ? byte ^ 1 : byte)),
      )
      const expected = i < 17 ? 'malformed' : i === 17 ? 'unsupported_version' : 'undecryptable'
      await expect(readSealed(path, key, purpose), `byte ${i}`).rejects.toThrow(code(expected))
    }
    for (let length = 0; length < content.length; length++) {
      await writeFile(path, content.subarray(0, length))
      const expected = length < 18 + 28 ? 'malformed' : 'undecryptable'
      await expect(readSealed(path, key, purpose), `${length} bytes`).rejects.toThrow(code(expected))
    }
  })

  it('does not open for another purpose or with the key of another folder', async () => {
    await using folder = await temporaryFolder()
    const { key, path } = await sealedFile(folder.data)
    const otherKey = await openSealingKey(join(folder.base, 'other'))
    await expect(readSealed(path, key, `${purpose} `)).rejects.toThrow(code('undecryptable'))
    await expect(readSealed(path, otherKey, purpose)).rejects.toThrow(code('undecryptable'))
  })

  it('that cannot be read is never overwritten', async () => {
    await using folder = await temporaryFolder()
    const { path } = await sealedFile(folder.data)
    const before = await readFile(path)
    const otherKey = await openSealingKey(join(folder.base, 'other'))
    await expect(writeSealed(path, otherKey, purpose, secret)).rejects.toThrow(code('undecryptable'))
    await expect(readOrCreateSealed(path, otherKey, purpose, () => secret)).rejects.toThrow(code('undecryptable'))
    expect(await readFile(path)).toEqual(before)
  })

  it.each([0o640, 0o604, 0o620, 0o610])('with permissions %o is refused', async (mode) => {
    await using folder = await temporaryFolder()
    const { key, path } = await sealedFile(folder.data)
    await chmod(path, mode)
    await expect(readSealed(path, key, purpose)).rejects.toThrow(code('unsafe_permissions'))
    await expect(writeSealed(path, key, purpose, secret)).rejects.toThrow(code('unsafe_permissions'))
  })

  it('is refused where a folder, something huge or a broken link stands', async () => {
    await using folder = await temporaryFolder()
    const { key, path } = await sealedFile(folder.data)
    const other = join(folder.data, 'other.sealed')
    await mkdir(other)
    await expect(readSealed(other, key, purpose)).rejects.toThrow(code('unreadable'))
    await writeFile(path, new Uint8Array((1 << 20) + 1))
    await expect(readSealed(path, key, purpose)).rejects.toThrow('is too large to be a key')
    await writeFile(path, new Uint8Array(1 << 20))
    await expect(readSealed(path, key, purpose)).rejects.toThrow('is not a sealed file')
    const loop = join(folder.data, 'loop.sealed')
    await symlink(loop, loop)
    await expect(readSealed(loop, key, purpose)).rejects.toThrow(code('unreadable'))
  })

  it('is written for a name that ends in .sealed only, and up to a size', async () => {
    await using folder = await temporaryFolder()
    const key = await openSealingKey(folder.data)
    await expect(writeSealed(join(folder.data, 'key'), key, purpose, secret)).rejects.toThrow(RangeError)
    const huge = new Uint8Array(1 << 20)
    await expect(writeSealed(join(folder.data, 'a.sealed'), key, purpose, huge)).rejects.toThrow(RangeError)
    expect(await readdir(folder.data)).toEqual(['sealing.key'])
    const largest = new Uint8Array((1 << 20) - 18 - 28)
    await writeSealed(join(folder.data, 'a.sealed'), key, purpose, largest)
    expect(await readSealed(join(folder.data, 'a.sealed'), key, purpose)).toEqual(largest)
    const larger = new Uint8Array(largest.length + 1)
    await expect(writeSealed(join(folder.data, 'a.sealed'), key, purpose, larger)).rejects.toThrow(RangeError)
  })

  it('is one for all who create it at once', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.data, 'state-keys', 'one.sealed')
    const results = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const key = await openSealingKey(folder.data)
        return readOrCreateSealed(path, key, purpose, () => Uint8Array.of(i))
      }),
    )
    expect(new Set(results.map(bytesToHex)).size).toBe(1)
    expect(await readSealed(path, await openSealingKey(folder.data), purpose)).toEqual(results[0])
    expect(await readdir(join(folder.data, 'state-keys'))).toEqual(['one.sealed'])
  })
})

describe('the sealing key', () => {
  it('does not print', async () => {
    await using folder = await temporaryFolder()
    const key = await openSealingKey(folder.data)
    const line = await readFile(join(folder.data, 'sealing.key'), 'utf8')
    expect(line).toMatch(/^bletchley-sealing-key-1 [0-9a-f]{64}\n$/)
    const shown = `${key} ${JSON.stringify({ key })} ${inspect({ key }, { showHidden: true })}`
    expect(shown.match(/\[secret\]/g)).toHaveLength(3)
    expect(shown).not.toContain(line.slice(24, 40))
  })

  it('may lie elsewhere, in a folder that exists', async () => {
    await using folder = await temporaryFolder()
    const medium = join(folder.base, 'medium')
    const path = join(medium, 'my.key')
    await expect(openSealingKey(folder.data, { path })).rejects.toThrow(code('unwritable'))
    await mkdir(medium)
    const key = await openSealingKey(folder.data, { path })
    await writeSealed(join(folder.data, 'a.sealed'), key, purpose, secret)
    expect(await readdir(folder.data)).toEqual(['a.sealed'])
    const again = await openSealingKey(folder.data, { path })
    expect(await readSealed(join(folder.data, 'a.sealed'), again, purpose)).toEqual(secret)
  })

  it('is read without being made', async () => {
    await using folder = await temporaryFolder()
    await expect(readSealingKey(folder.data)).rejects.toThrow(code('missing_sealing_key'))
    expect(await readdir(folder.base)).toEqual([])
    const { path } = await sealedFile(folder.data)
    expect(await readSealed(path, await readSealingKey(folder.data), purpose)).toEqual(secret)
    const elsewhere = join(folder.data, 'sealing.key')
    expect(await readSealed(path, await readSealingKey(folder.base, { path: elsewhere }), purpose)).toEqual(secret)
    await chmod(elsewhere, 0o644)
    await expect(readSealingKey(folder.data)).rejects.toThrow(code('unsafe_permissions'))
  })

  it('is not made anew while there are files that it sealed', async () => {
    await using folder = await temporaryFolder()
    const { path } = await sealedFile(folder.data)
    const keyPath = join(folder.data, 'sealing.key')
    await rename(keyPath, `${keyPath}.away`)
    await expect(openSealingKey(folder.data)).rejects.toThrow(code('missing_sealing_key'))
    await rename(`${keyPath}.away`, keyPath)
    expect(await readSealed(path, await openSealingKey(folder.data), purpose)).toEqual(secret)
  })

  it.each([
    ['empty', ''],
    ['cut off', `bletchley-sealing-key-1 ${'ab'.repeat(31)}a`],
    ['of another version', `bletchley-sealing-key-2 ${'ab'.repeat(32)}\n`],
    ['followed by more', `bletchley-sealing-key-1 ${'ab'.repeat(33)}\n`],
    ['no hexadecimal', `bletchley-sealing-key-1 ${'xy'.repeat(32)}\n`],
  ])('that is %s is refused and left alone', async (_, content) => {
    await using folder = await temporaryFolder()
    const path = join(folder.base, 'sealing.key')
    await writeFile(path, content, { mode: 0o600 })
    const opening = openSealingKey(folder.data, { path })
    await expect(opening).rejects.toThrow(code('malformed'))
    await expect(opening).rejects.toThrow(/^(?!.*(abab|xyxy))/)
    expect(await readFile(path, 'utf8')).toBe(content)
  })

  it('that others may read is refused', async () => {
    await using folder = await temporaryFolder()
    await openSealingKey(folder.data)
    await chmod(join(folder.data, 'sealing.key'), 0o644)
    await expect(openSealingKey(folder.data)).rejects.toThrow(code('unsafe_permissions'))
  })
})
