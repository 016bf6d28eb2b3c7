import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { temporaryFolder } from '@bletchley/testkit'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const script = fileURLToPath(new URL('../scripts/setup.mjs', import.meta.url))

/** An npm that notes when it is called and when it is done, and takes a while. */
const npm = `#!/usr/bin/env bash
echo "begin $1" >> calls
sleep 0.2
[ "$1" != ci ] || { mkdir -p node_modules && echo '{}' > node_modules/.package-lock.json; }
echo "end $1" >> calls
`

async function clone(folder: string): Promise<() => Promise<{ stderr: string }>> {
  await mkdir(join(folder, 'scripts'))
  await mkdir(join(folder, 'bin'))
  await cp(script, join(folder, 'scripts/setup.mjs'))
  await writeFile(join(folder, 'package-lock.json'), '{}')
  await writeFile(join(folder, 'bin/npm'), npm)
  await chmod(join(folder, 'bin/npm'), 0o755)
  const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` }
  return () => run(process.execPath, ['scripts/setup.mjs'], { cwd: folder, env })
}

it('sets a clone up once when several first calls come at once', async () => {
  await using folder = await temporaryFolder()
  const setUp = await clone(folder.path)
  await Promise.all([setUp(), setUp(), setUp()])
  const build = ['begin run', 'end run']
  const calls = (await readFile(join(folder.path, 'calls'), 'utf8')).trim().split('\n')
  expect(calls).toEqual(['begin ci', 'end ci', ...build, ...build, ...build])
})

it('sets a clone up whose last set-up was killed', async () => {
  await using folder = await temporaryFolder()
  const setUp = await clone(folder.path)
  // No process has a number that large.
  await writeFile(join(folder.path, '.setup.lock'), String(2 ** 30))
  await setUp()
  expect(await readFile(join(folder.path, 'calls'), 'utf8')).toContain('end ci')
})
