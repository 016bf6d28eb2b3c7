import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gasLogVariable } from '@bletchley/contract'
import { temporaryFolder } from '@bletchley/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { CommandError } from '../exitCodes.ts'
import { runTests } from './tests.ts'

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

describe('Node’s test runner', () => {
  it('needs files of tests', async () => {
    await using folder = await temporaryFolder()
    await mkdir(join(folder.path, 'node_modules', 'other'), { recursive: true })
    for (const name of ['node_modules/other/a.test.js', 'test.js', 'a.test.js.map', 'a.test.cjs'])
      await writeFile(join(folder.path, name), '')
    await expect(runTests(folder.path, { stdout: 'stderr' })).rejects.toEqual(
      new CommandError(`there are no tests (*.test.js) in ${folder.path}`),
    )
  })
})
