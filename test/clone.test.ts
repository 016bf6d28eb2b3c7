import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { temporaryFolder } from '@bletchley/testkit'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))

/** What building, the command and a test need of a clone. */
const parts = [
  ...['package.json', 'package-lock.json', 'vitest.config.ts'],
  ...['tsconfig.base.json', 'tsconfig.build.json', 'tsconfig.json'],
  ...['docs/configuration.md', 'packages', 'scripts', 'test/setup.ts'],
]

/** Makes a clone with its dependencies that has been built before: building it again takes seconds. */
async function cloneInto(folder: string): Promise<void> {
  for (const part of parts) {
    await cp(join(root, part), join(folder, part), {
      recursive: true,
      preserveTimestamps: true,
      filter: (path) => basename(path) !== 'node_modules',
    })
  }
  const modules = join(root, 'node_modules')
  await mkdir(join(folder, 'node_modules'))
  for (const name of await readdir(modules)) {
    // What the runner of the tests remembers of this clone, and npm of what it installed.
    if (name.startsWith('.') && name !== '.bin') continue
    // The packages of the clone are its own; their links are relative.
    if (name === '@bletchley') {
      await cp(join(modules, name), join(folder, 'node_modules', name), { recursive: true, verbatimSymlinks: true })
    } else await symlink(join(modules, name), join(folder, 'node_modules', name))
  }
  // As new as it gets: nothing has to be installed.
  await writeFile(join(folder, 'node_modules/.package-lock.json'), '{}')
}

it.each([
  ['a b/é 50%20', 'and so do its tests'],
  ['c#d/1?', 'but Vite cannot read the tests there, and says so'],
])('a clone in %j builds, its command runs, %s', async (name) => {
  await using folder = await temporaryFolder()
  const clone = join(folder.path, name)
  await cloneInto(clone)
  await run(process.execPath, ['scripts/setup.mjs'], { cwd: clone })

  const help = await run(process.execPath, [join(clone, 'packages/cli/bin/bletchley.js'), '--help'])
  expect(help.stdout).toContain('Usage: bletchley')

  // One test that reads a file beside itself, and one that runs the command.
  const tests = ['packages/cli/src/configurationPage.test.ts', 'packages/testkit/src/commandProcess.test.ts']
  const tested = run('npx', ['vitest', 'run', ...tests], { cwd: clone })
  if (/[#?]/.test(name)) await expect(tested).rejects.toThrow('whose path has a # or a ?')
  else expect((await tested).stdout).toMatch(/Test Files .*2 passed/)
})
