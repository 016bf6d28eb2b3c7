import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CompileError } from '@bletchley/contract'
import { temporaryFolder } from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'
import { CommandError, exitCodes } from '../exitCodes.ts'
import { buildAll, changedFiles, compiling, writeBuilds } from './build.ts'

const dice = fileURLToPath(new URL('../../../../contracts/dice', import.meta.url))

describe('the sources', () => {
  it('are those that are named, and the contracts of folders', async () => {
    await using folder = await temporaryFolder()
    const path = (name: string) => join(folder.path, name)
    await mkdir(path('empty.ts'))
    await writeFile(path('a.wasm'), '')
    for (const [named, message, exitCode] of [
      ['none', `there is no ${path('none')}`, exitCodes.usage],
      ['a.wasm', `${path('a.wasm')} is neither a folder nor the source of a contract (.ts)`, exitCodes.usage],
      ['empty.ts', `no file in ${path('empty.ts')} has a class with @contract`, exitCodes.failed],
    ] as const)
      await expect(buildAll([path(named)]), named).rejects.toMatchObject({ message, exitCode })
  })
})

describe('a source that does not compile', () => {
  it('is told with the way to it from here', async () => {
    const failing = (source: string, lines: string) =>
      compiling(source, () => Promise.reject(new CompileError(lines))).catch((error: unknown) => error)
    const lines = 'a.ts:1:2: wrong\n~lib/array.ts:3:4: wrong as well\nsub/b.ts:5:6: and c.ts:7:8: too'
    expect(await failing('$&/x/a.ts', lines)).toEqual(
      new CommandError(
        '$&/x/a.ts does not compile\n$&/x/a.ts:1:2: wrong\n~lib/array.ts:3:4: wrong as well\n$&/x/sub/b.ts:5:6: and c.ts:7:8: too',
      ),
    )
    expect(await failing('a.ts', lines)).toEqual(new CommandError(`a.ts does not compile\n${lines}`))
    const absolute = join(process.cwd(), 'a.ts')
    expect(await failing(absolute, lines)).toEqual(new CommandError(`${absolute} does not compile\n${lines}`))
    const other = new Error('no memory')
    await expect(compiling('a.ts', () => Promise.reject(other))).rejects.toBe(other)
  })
})

describe('a build', () => {
  it('is written where it is not there as it should be, and taken from there if that is allowed', async () => {
    await using folder = await temporaryFolder()
    await cp(dice, folder.path, { recursive: true })
    const path = (name: string) => join(folder.path, name)
    const source = path('dice.ts')
    const built = await buildAll([folder.path], { reuse: true })
    expect(built).toMatchObject([{ source, build: { manifest: { contract: 'Dice' } } }])
    const names = ['dice.wasm', 'dice.abi.json', 'dice.manifest.json'].map((name) => path(join('build', name))).sort()
    expect([await changedFiles(built), await writeBuilds(built)]).toEqual([new Map(), []])
    await rm(path('build'), { recursive: true })
    expect([...(await changedFiles(built)).keys()].sort()).toEqual(names)
    expect((await writeBuilds(built)).sort()).toEqual(names)
    for (const name of names)
      expect(await readFile(name), name).toEqual(await readFile(join(dice, relative(folder.path, name))))
    await writeFile(names[2]!, 'damaged')
    expect([...(await changedFiles(built)).keys()]).toEqual([names[2]])
    expect(await writeBuilds(built)).toEqual([names[2]])
    expect(await changedFiles(built)).toEqual(new Map())
  })

  it('is made anew unless that is allowed', async () => {
    await using folder = await temporaryFolder()
    await cp(dice, folder.path, { recursive: true })
    const manifest = join(folder.path, 'build/dice.manifest.json')
    // A name that only the build that is there has.
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('"contract": "Dice"', '"contract": "There"'))
    const nameOf = async (options?: { reuse: boolean }) => {
      const [contract] = await buildAll([join(folder.path, 'dice.ts')], options)
      return contract!.build.manifest.contract
    }
    expect([await nameOf({ reuse: true }), await nameOf()]).toEqual(['There', 'Dice'])
  })
})
