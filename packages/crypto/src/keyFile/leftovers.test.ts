import { readdirSync } from 'node:fs'
import {
  type FileHandle,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createCurveKeyFile } from '../curveKeyFile.ts'
import {
  openSealingKey,
  readOrCreateSealed,
  readSealingKey,
  relockSealingKey,
  removeLeftovers,
  rotateSealingKey,
  type SealingKey,
  writeSealed,
} from '../keyFile.ts'

afterEach(() => void vi.restoreAllMocks())

const purpose = 'a test'
const purposesOf = () => [purpose]
const places = ['signing-key.sealed', 'old-signing-keys/aa.sealed', 'state-keys/bb.sealed']
const random = '0123456789abcdef'

async function temporaryFolder() {
  const base = await mkdtemp(join(tmpdir(), 'bletchley-'))
  return { base, data: join(base, 'data'), [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true }) }
}

async function makeKeys(data: string): Promise<SealingKey> {
  const key = await openSealingKey(data)
  for (const place of places) await writeSealed(join(data, place), key, purpose, Uint8Array.of(1))
  return key
}

const leftoverOf = (path: string) => path.replace(/[^/]+$/, `.$&.${random}.tmp`)

/** A process that was killed once a file had its name leaves the other one. */
async function leaveBehind(data: string): Promise<string[]> {
  for (const place of places) await link(join(data, place), join(data, leftoverOf(place)))
  return places.map(leftoverOf)
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

async function openingWith(key: SealingKey, folder: string): Promise<string[]> {
  const opening: string[] = []
  for (const path of await filesOf(folder)) {
    const content = await readFile(path)
    if (content.length > 46 && key.unseal(purpose, content) !== undefined) opening.push(path)
  }
  return opening
}

async function makeOld(path: string): Promise<void> {
  await utimes(path, new Date(), new Date(Date.now() - 3_600_000))
}

describe('a rotation', () => {
  it('leaves nothing that opens with the old key', async () => {
    await using folder = await temporaryFolder()
    const old = await makeKeys(folder.data)
    await leaveBehind(folder.data)
    expect(await openingWith(old, folder.data)).toHaveLength(6)
    await rotateSealingKey(folder.data, {}, purposesOf)
    expect(await openingWith(old, folder.data)).toEqual([])
    expect(await openingWith(await readSealingKey(folder.data), folder.data)).toHaveLength(3)
  })

  it('that was broken off leaves nothing of it either when it is ended', async () => {
    await using folder = await temporaryFolder()
    const old = await makeKeys(folder.data)
    const last = (done: number, all: number) => {
      if (done === all) throw new Error('broken off')
    }
    await expect(rotateSealingKey(folder.data, {}, purposesOf, last)).rejects.toThrow('broken off')
    await writeFile(join(folder.data, leftoverOf(places[0]!)), old.seal(purpose, Uint8Array.of(1)))
    await rotateSealingKey(folder.data, {}, purposesOf)
    expect(await openingWith(old, folder.data)).toEqual([])
  })

  it('also leaves nothing beside what a symbolic link leads to', async () => {
    await using folder = await temporaryFolder()
    const old = await makeKeys(folder.data)
    const [medium, path] = [join(folder.base, 'medium'), join(folder.data, places[0]!)]
    await mkdir(medium)
    await rename(path, join(medium, 'key'))
    await symlink(join(medium, 'key'), path)
    for (const name of ['key', 'other']) await link(join(medium, 'key'), join(medium, `.${name}.${random}.tmp`))
    await rotateSealingKey(folder.data, {}, purposesOf)
    expect((await readdir(medium)).sort()).toEqual([`.other.${random}.tmp`, 'key'])
    expect(await openingWith(old, folder.data)).toEqual([])
  })

  it('makes durable that they are gone before the old key is', async () => {
    await using folder = await temporaryFolder()
    const old = await makeKeys(folder.data)
    const [leftover] = (await leaveBehind(folder.data)).slice(-1)
    const keys = join(folder.data, 'state-keys')
    const keyFolder = (await stat(keys)).ino
    const flushed: boolean[] = []
    await using handle = await open(tmpdir())
    const prototype = Object.getPrototypeOf(handle) as FileHandle
    const { sync } = prototype
    vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
      await sync.call(this)
      if ((await this.stat()).ino !== keyFolder || readdirSync(keys).length > 1) return
      const opens = (await readSealingKey(folder.data)).unseal(purpose, old.seal(purpose, Uint8Array.of(1)))
      flushed.push(opens !== undefined)
    })
    await rotateSealingKey(folder.data, {}, purposesOf)
    expect(leftover).toContain('state-keys/')
    expect(flushed).toEqual([true])
  })

  it('leaves what killed processes left if it cannot be made', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    await leaveBehind(folder.data)
    const before = (await filesOf(folder.data)).sort()
    await expect(rotateSealingKey(folder.data, {}, () => ['another'])).rejects.toThrow('for another purpose')
    const lock = join(folder.data, 'sealing.key.lock')
    expect((await filesOf(folder.data)).sort()).toEqual([...before, lock].sort())
  })
})

describe('what a killed process leaves', () => {
  it('has the names that are cleared', async () => {
    await using folder = await temporaryFolder()
    const key = await makeKeys(folder.data)
    const keys = join(folder.data, 'state-keys')
    const temporary = new Set<string>()
    await using handle = await open(tmpdir())
    const prototype = Object.getPrototypeOf(handle) as FileHandle
    const { sync } = prototype
    const spy = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
      for (const name of readdirSync(keys)) if (!name.endsWith('.sealed')) temporary.add(name)
      await sync.call(this)
    })
    await writeSealed(join(keys, 'bb.sealed'), key, purpose, Uint8Array.of(2))
    await readOrCreateSealed(join(keys, 'cc.sealed'), key, purpose, () => Uint8Array.of(3))
    spy.mockRestore()
    expect([...temporary]).toHaveLength(2)
    for (const name of temporary) await link(join(keys, 'cc.sealed'), join(keys, name))
    expect(await removeLeftovers(folder.data)).toBe(2)
    expect((await readdir(keys)).sort()).toEqual(['bb.sealed', 'cc.sealed'])
  })

  it('is cleared in the places of a folder alone, and nothing else is', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    await leaveBehind(folder.data)
    const keys = join(folder.data, 'state-keys')
    await mkdir(join(keys, 'deep'))
    const others = [
      ...[`bb.sealed.${random}.tmp`, `.bb.sealed.${random}`, `.bb.sealed.${random}.tmp.old`, '.hidden.sealed'],
      ...[`.bb.sealed.${random}0.tmp`, `.bb.sealed.${random.slice(1)}.tmp`, `.bb.sealed.${random.toUpperCase()}.tmp`],
      ...[`.${random}.tmp`, `..${random}.tmp`, `.notes.${random}.tmp`, `.curve.key.${random}.tmp`],
      `deep/${leftoverOf('aa.sealed')}`,
    ]
    for (const name of others) await writeFile(join(keys, name), '')
    for (const name of others.filter((each) => each.includes('.key.'))) await makeOld(join(keys, name))
    await symlink(join(keys, 'bb.sealed'), join(keys, leftoverOf('link.sealed')))
    await mkdir(join(keys, leftoverOf('folder.sealed')))
    expect(await removeLeftovers(folder.data)).toBe(3)
    const kept = ['bb.sealed', 'deep', leftoverOf('link.sealed'), leftoverOf('folder.sealed'), ...others]
    expect((await readdir(keys, { recursive: true })).sort()).toEqual(kept.sort())
    expect(await removeLeftovers(folder.data)).toBe(0)
  })

  it('of what is made without the lock is cleared once nobody can be writing it any more', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    await createCurveKeyFile(join(folder.data, 'curve.key'), 'server')
    const names = ['sealing.key', 'curve.key', 'client.key'].map(leftoverOf)
    for (const name of names) await writeFile(join(folder.data, name), '')
    expect(await removeLeftovers(folder.data)).toBe(0)
    for (const name of names) await makeOld(join(folder.data, name))
    expect(await removeLeftovers(folder.data)).toBe(2)
    expect((await readdir(folder.data)).filter((name) => name.endsWith('.tmp'))).toEqual([names[2]])
  })

  it('of state keys is none of what a new lock clears: a principal may be writing one', async () => {
    await using folder = await temporaryFolder()
    await makeKeys(folder.data)
    const left = await leaveBehind(folder.data)
    const foreign = `.sealing.key.mine.tmp`
    for (const name of [foreign, leftoverOf('sealing.key')]) await writeFile(join(folder.data, name), '')
    await relockSealingKey(folder.data, {}, { kind: 'command', command: `printf ${'22'.repeat(32)}` })
    const hidden = (await filesOf(folder.data)).filter((path) => path.endsWith('.tmp'))
    expect(hidden.sort()).toEqual([foreign, ...left].map((name) => join(folder.data, name)).sort())
  })

  it('is nothing where there is no folder', async () => {
    await using folder = await temporaryFolder()
    expect(await removeLeftovers(folder.data)).toBe(0)
    expect(await readdir(folder.base)).toEqual([])
  })
})
