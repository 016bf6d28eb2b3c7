import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { expect, it } from 'vitest'
import { isInside, quoted } from './paths.ts'

it('knows what lies in a folder, by whatever way', async () => {
  const base = await mkdtemp(join(tmpdir(), 'bletchley-'))
  try {
    const folder = join(base, 'data')
    await mkdir(join(folder, 'store'), { recursive: true })
    await mkdir(join(base, 'database'))
    await symlink(folder, join(base, 'link'))
    await symlink(join(base, 'database'), join(folder, 'away'))
    const cases: [path: string, folder: string, inside: boolean][] = [
      [folder, folder, true],
      [join(folder, 'store'), folder, true],
      [join(folder, 'not', 'there', 'yet'), folder, true],
      [join(folder, '..names'), folder, true],
      [join(base, 'x', '..', 'data', 'y'), folder, true],
      [relative(process.cwd(), join(folder, 'x')), folder, true],
      [join(folder, 'x'), relative(process.cwd(), folder), true],
      [join(base, 'link', 'x'), folder, true],
      [join(folder, 'x'), join(base, 'link'), true],
      [base, folder, false],
      [join(base, 'other'), folder, false],
      [join(base, 'database'), folder, false],
      [join(base, 'data.partial'), folder, false],
      [join(folder, 'away', 'x'), folder, false],
      [join(folder, '..', 'x'), folder, false],
    ]
    for (const [path, of, inside] of cases) expect(isInside(path, of), `${path} in ${of}`).toBe(inside)
  } finally {
    await rm(base, { recursive: true })
  }
})

it.each([...['/srv/bletchley/core', 'a b', "it's", '$HOME', '`x`', 'é', '#', '*', '']])(
  '%j comes through a shell as it is',
  (path) => {
    expect(execFileSync('sh', ['-c', `printf %s ${quoted(path)}`], { encoding: 'utf8' })).toBe(path)
  },
)

it('leaves a plain path as it is', () => {
  expect(quoted('/srv/bletchley/core-1')).toBe('/srv/bletchley/core-1')
})
