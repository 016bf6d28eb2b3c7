import { lstat, mkdir, realpath, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { linkPackages } from '@bletchley/contract'
import { temporaryFolder } from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'

describe('the packages of a project', () => {
  const installed = (name: string) => realpath(fileURLToPath(new URL(`../../${name}`, import.meta.url)))

  it('are linked where they are not found, also in the place of a link that leads nowhere', async () => {
    await using folder = await temporaryFolder()
    const scope = join(folder.path, 'node_modules/@bletchley')
    await mkdir(scope, { recursive: true })
    await symlink(join(folder.path, 'gone'), join(scope, 'client'), 'junction')
    expect(await linkPackages(folder.path)).toEqual(['@bletchley/contract', '@bletchley/client'])
    for (const name of ['contract', 'client']) expect(await realpath(join(scope, name))).toBe(await installed(name))
  })

  it('are linked where there are none at all', async () => {
    await using folder = await temporaryFolder()
    expect(await linkPackages(folder.path)).toEqual(['@bletchley/contract', '@bletchley/client'])
    expect(await realpath(join(folder.path, 'node_modules/@bletchley/client'))).toBe(await installed('client'))
  })

  it('stay where they are', async () => {
    await using folder = await temporaryFolder()
    const own = join(folder.path, 'node_modules/@bletchley/client')
    await mkdir(own, { recursive: true })
    await writeFile(join(own, 'package.json'), '{"name":"@bletchley/client","main":"index.js"}')
    await writeFile(join(own, 'index.js'), '')
    expect(await linkPackages(folder.path)).toEqual(['@bletchley/contract'])
    expect((await lstat(own)).isDirectory()).toBe(true)
  })
})
