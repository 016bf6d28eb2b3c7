import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type GasSnapshot, gasLogVariable, readGasLog } from '@bletchley/contract'
import { CommandError } from '../exitCodes.ts'
import { exitNotesVariable, noTestCode } from './testRunnerCodes.ts'

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
/** What it loads into the processes of the files: Node hands them what stands before the program. */
const loaded = ['--import', new URL('./testExit.js', import.meta.url).href]

/** Runs the tests of a folder, in it. @throws CommandError if there are none */
export async function runTests(folder: string, { run, stdout }: TestRunOptions): Promise<TestRun> {
  const log = await temporaryFolder()
  try {
    const node = async () => [process.execPath, [...loaded, runnerPath, ...(await findTests(folder))]] as const
    const [file, args] = run === undefined ? await node() : ([run, []] as const)
    // Node would take the tests for part of tests of its own, if this runs in some.
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env
    const child = spawn(file, args, {
      cwd: folder,
      env: { ...environment, [gasLogVariable]: log, ...(run === undefined && { [exitNotesVariable]: log }) },
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

async function temporaryFolder(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), 'bletchley-gas-'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CommandError(
      `No folder can be made in ${tmpdir()} (${code}): set TMPDIR to one in which this user may write`,
    )
  }
}

/**
 * Test files, at any depth.
 *
 * @throws CommandError if there are none, or some that Node does not run: tests that are not run do not pass
 */
export async function findTests(folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true }))
    .filter((name) => /\.test\.[cm]?[jt]sx?$/.test(name) && !/(^|[/\\])node_modules[/\\]/.test(name))
    .sort()
  if (names.length === 0) throw new CommandError(`there are no tests (*.test.js) in ${folder}`)
  // False, or absent, where it takes JavaScript only.
  const { typescript } = process.features as { typescript?: string | false }
  const isRun = typescript ? /\.[cm]?[jt]s$/ : /\.[cm]?js$/
  const others = names.filter((name) => !isRun.test(name))
  if (others.length > 0) {
    const remedy = 'name another test runner with --run, or take a Node that does'
    throw new CommandError(`Node ${process.version} does not run ${others.join(', ')} in ${folder}: ${remedy}`)
  }
  return names.map((name) => resolve(folder, name))
}
