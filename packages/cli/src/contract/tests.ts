import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type GasSnapshot, gasLogVariable, readGasLog } from '@bletchley/contract'
import { CommandError } from '../exitCodes.ts'
import { noTestCode } from './testRunnerCodes.ts'

export interface TestRun {
  passed: boolean
  /** Of all calls that the tests made. */
  gas: GasSnapshot
}

export interface TestRunOptions {
  /** A shell command that runs the tests; Node's test runner if absent. */
  run?: string
  /** Where the tests' stdout goes. */
  stdout: 'stdout' | 'stderr'
}

/** The process that runs test files, beside this file in dist/ and in bundle/. */
const runnerPath = fileURLToPath(new URL('./testRunner.js', import.meta.url))

/** Runs the tests of a folder, in it. @throws CommandError if there are none */
export async function runTests(folder: string, { run, stdout }: TestRunOptions): Promise<TestRun> {
  const log = await mkdtemp(join(tmpdir(), 'bletchley-gas-'))
  try {
    const [file, args] = run === undefined ? [process.execPath, [runnerPath, ...(await findTests(folder))]] : [run, []]
    // Node would take the tests for part of tests of its own, if this runs in some.
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env
    const child = spawn(file, args, {
      cwd: folder,
      env: { ...environment, [gasLogVariable]: log },
      shell: run !== undefined,
      stdio: ['ignore', stdout === 'stdout' ? 'inherit' : 2, 'inherit'],
    })
    const code = await new Promise<number | null>((resolveCode, reject) => {
      child.on('error', reject)
      child.on('close', resolveCode)
    })
    const gas = await readGasLog(log)
    // What calls a contract is a test, even if it does not say so.
    const isTest = code !== noTestCode || Object.keys(gas).length > 0
    if (run === undefined && !isTest) throw new CommandError(`no test was run in ${folder}`)
    return { passed: code === 0 || (run === undefined && code === noTestCode), gas }
  } finally {
    await rm(log, { recursive: true, force: true })
  }
}

/** Test files that Node runs as they are, at any depth. @throws CommandError if there are none */
export async function findTests(folder: string): Promise<string[]> {
  // False, or absent, where it takes JavaScript only.
  const { typescript } = process.features as { typescript?: string | false }
  const isTest = typescript ? /\.test\.(js|mjs|ts|mts)$/ : /\.test\.(js|mjs)$/
  const names = (await readdir(folder, { recursive: true })).filter(
    (name) => isTest.test(name) && !/(^|[/\\])node_modules[/\\]/.test(name),
  )
  if (names.length === 0) throw new CommandError(`there are no tests (*.test.js) in ${folder}`)
  return names.sort().map((name) => resolve(folder, name))
}
