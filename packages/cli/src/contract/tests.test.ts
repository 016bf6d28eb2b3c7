import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gasLogVariable } from '@bletchley/contract'
import { temporaryFolder } from '@bletchley/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { withProperty } from '../../test/standardStreams.ts'
import { CommandError } from '../exitCodes.ts'
import { findTests, runTests } from './tests.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('a command that runs tests', () => {
  it('runs in the folder, and passes if it ends with 0', async () => {
    await using folder = await temporaryFolder()
    const run = (command: string) => runTests(folder.path, { run: command, stdout: 'stderr' })
    expect(await run('echo ran > here')).toEqual({ passed: true, gas: {} })
    expect(await readdir(folder.path)).toEqual(['here'])
    // Only Node's test runner has a code for that no test was run.
    for (const code of [1, 3]) expect(await run(`exit ${code}`), `exit ${code}`).toEqual({ passed: false, gas: {} })
  })

  it('logs the gas of its calls where nothing is left of it', async () => {
    await using folder = await temporaryFolder()
    vi.stubEnv('TMPDIR', folder.path)
    vi.stubEnv('NODE_TEST_CONTEXT', 'child')
    const entry = JSON.stringify({ contract: 'token', function: 'f', gas: 7 })
    const run = `test -z "$NODE_TEST_CONTEXT" && echo '${entry}' > "$${gasLogVariable}/1.jsonl"`
    expect(await runTests(folder.path, { run, stdout: 'stderr' })).toEqual({
      passed: true,
      gas: { token: { f: { calls: 1, min: 7, median: 7, max: 7 } } },
    })
    expect(await readdir(folder.path)).toEqual([])
  })
})

it('runs nothing without a folder for temporary files, and says how to name another', async () => {
  vi.stubEnv('TMPDIR', '/nowhere/at all')
  const run = runTests('.', { run: 'exit 0', stdout: 'stderr' })
  await expect(run).rejects.toThrow(/^No folder can be made in \/nowhere\/at all \(ENOENT\): set TMPDIR to /)
})

describe('the tests of a folder', () => {
  /** What is found in a folder by a Node that runs TypeScript, or does not. */
  const foundIn = (folder: string, typescript?: string | false) =>
    withProperty(process.features, 'typescript', typescript, () => findTests(folder))

  it('are files that Node runs as they are, at any depth, but not those of packages', async () => {
    await using folder = await temporaryFolder()
    await mkdir(join(folder.path, 'node_modules', 'other'), { recursive: true })
    await mkdir(join(folder.path, 'sub', 'node_modules'), { recursive: true })
    await mkdir(join(folder.path, 'my_node_modules'))
    const put = async (...names: string[]) => {
      for (const name of names) await writeFile(join(folder.path, name), '')
    }
    const paths = (...names: string[]) => names.map((name) => join(folder.path, name))
    await put('node_modules/other/a.test.js', 'sub/node_modules/a.test.js', 'test.js', 'a.test.js.map', 'a.test.d.ts')
    const none = new CommandError(`there are no tests (*.test.js) in ${folder.path}`)
    for (const typescript of [false, 'strip'] as const) {
      await expect(foundIn(folder.path, typescript)).rejects.toEqual(none)
    }
    await put('d.test.js', 'my_node_modules/e.test.mjs', 'a.test.cjs')
    const scripts = paths('a.test.cjs', 'd.test.js', 'my_node_modules/e.test.mjs')
    for (const typescript of [undefined, false, 'strip'] as const) {
      expect(await foundIn(folder.path, typescript)).toEqual(scripts)
    }
    await put('b.test.ts', 'c.test.mts', 'f.test.cts')
    expect(await foundIn(folder.path, 'strip')).toEqual(
      paths('a.test.cjs', 'b.test.ts', 'c.test.mts', 'd.test.js', 'f.test.cts', 'my_node_modules/e.test.mjs'),
    )
  })

  it.each([
    ['b.test.ts', [undefined, false]],
    ['b.test.mts', [undefined, false]],
    ['b.test.cts', [undefined, false]],
    ['b.test.tsx', [undefined, false, 'strip']],
    ['b.test.jsx', [undefined, false, 'strip']],
  ] as const)('are not passed over where Node does not run them: %s', async (name, features) => {
    await using folder = await temporaryFolder()
    for (const each of ['a.test.js', name]) await writeFile(join(folder.path, each), '')
    for (const typescript of features) {
      await expect(foundIn(folder.path, typescript)).rejects.toEqual(
        new CommandError(
          `Node ${process.version} does not run ${name} in ${folder.path}: name another test runner with --run, or take a Node that does`,
        ),
      )
    }
  })
})
