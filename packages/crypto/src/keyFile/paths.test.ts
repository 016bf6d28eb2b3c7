import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { expect, it } from 'vitest'
import { isInside, quoted, systemPath } from './paths.ts'

it('knows what lies in a folder, by whatever way', async () => {
  const base = await mkdtemp(join(tmpdir(), 'bletchley-'))
  try {
    const folder = join(base, 'data')
    await mkdir(join(folder, 'store'), { recursive: true })
    await mkdir(join(base, 'database'))
    await symlink(folder, join(base, 'link'))
    await symlink(join(base, 'database'), join(folder, 'away'))
    await symlink(join(folder, 'store'), join(base, 'into'))
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
    // Windows strikes `..` out before it looks at links; other systems go up from what a link leads to.
    if (process.platform !== 'win32') {
      cases.push(
        [`${base}/into/../monday`, folder, true],
        [`${base}/into/../../monday`, folder, false],
        [`${base}/into/../not/there/../../monday`, folder, true],
        [`${folder}/away/../monday`, folder, false],
        [join(folder, 'x'), `${base}/into/..`, true],
        [`${relative(process.cwd(), base)}/into/../monday`, folder, true],
      )
    }
    for (const [path, of, inside] of cases) expect(isInside(path, of), `${path} in ${of}`).toBe(inside)
  } finally {
    await rm(base, { recursive: true })
  }
})

it.skipIf(process.platform === 'win32')(
  'is the path that the system takes, where `join` would take another',
  async () => {
    const base = await mkdtemp(join(await realpath(tmpdir()), 'bletchley-'))
    try {
      await mkdir(join(base, 'data', 'store'), { recursive: true })
      await symlink(join(base, 'data', 'store'), join(base, 'into'))
      expect(systemPath(`${base}/into/../x`)).toBe(join(base, 'data', 'x'))
      const same = [`${base}/data/../x`, `${base}/into/x`, '../x', '..', '.', '', `${base}/..x/into`, '/../..']
      for (const path of same) expect(systemPath(path), path).toBe(path)
    } finally {
      await rm(base, { recursive: true })
    }
  },
)

it.each([...['/srv/bletchley/core', 'a b', "it's", '$HOME', '`x`', 'é', '#', '*', '']])(
  '%j comes through a shell as it is',
  (path) => {
    expect(execFileSync('sh', ['-c', `printf %s ${quoted(path)}`], { encoding: 'utf8' })).toBe(path)
  },
)

it('leaves a plain path as it is', () => {
  expect(quoted('/srv/bletchley/core-1')).toBe('/srv/bletchley/core-1')
})
