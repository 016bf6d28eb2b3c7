import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'
import { createProject } from './index.ts'

const files = [
  'README.md',
  '.gitattributes',
  '.gitignore',
  'package.json',
  'token.test.js',
  'token.ts',
  'tsconfig.json',
]

describe('a new project', () => {
  it('has its files, those for Git and npm under their own names', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'deep/down/$& my Token!')
    expect(await createProject(path)).toEqual(files)
    expect((await readdir(path)).sort()).toEqual([...files].sort())
    const { name } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as { name: string }
    expect(name).toBe('my-token-')
    const readme = await readFile(join(path, 'README.md'), 'utf8')
    expect(readme).toContain(`npx bletchley contract test ${path}\``)
    for (const file of files) expect(await readFile(join(path, file), 'utf8'), file).not.toContain('{{')
  })

  it.each([
    ['Token', 'token'],
    ['.my_own.token-2', 'my_own.token-2'],
    ['...', 'contract'],
    ['größe', 'gr-e'],
  ])('in a folder called %s is the package %s', async (called, expected) => {
    await using folder = await temporaryFolder()
    await createProject(join(folder.path, called))
    const text = await readFile(join(folder.path, called, 'package.json'), 'utf8')
    expect((JSON.parse(text) as { name: string }).name).toBe(expected)
  })

  it('goes into an empty folder, and into no other', async () => {
    await using folder = await temporaryFolder()
    await mkdir(join(folder.path, 'empty'))
    expect(await createProject(join(folder.path, 'empty'))).toEqual(files)
    await mkdir(join(folder.path, 'full'))
    await writeFile(join(folder.path, 'full/.hidden'), '')
    const full = join(folder.path, 'full')
    await expect(createProject(full)).rejects.toThrow(new Error(`${full} is not empty`))
    expect(await readdir(full)).toEqual(['.hidden'])
  })
})
