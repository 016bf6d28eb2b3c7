import { Readable } from 'node:stream'
import { main } from '../src/main.ts'
import { type Output, outputOf, withProperty } from './standardStreams.ts'

// The command in the process of a test: much sooner than in one of its own.

export interface RunOptions {
  env?: Readonly<Record<string, string>>
  /** What stands on stdin. */
  input?: string
}

export interface End extends Output {
  code: number
}

/** Runs the command, and leaves the process as it was. */
export async function run(args: readonly string[], { env = {}, input = '' }: RunOptions = {}): Promise<End> {
  const exitCode = process.exitCode
  process.exitCode = undefined
  Object.assign(process.env, env)
  let code = -1
  try {
    const output = await withProperty(process, 'stdin', Readable.from([input]), () =>
      outputOf(async () => {
        code = await main([process.execPath, 'bletchley', ...args])
      }),
    )
    return { code, ...output }
  } finally {
    process.exitCode = exitCode
    for (const name of Object.keys(env)) delete process.env[name]
  }
}

/** Runs the command with `--json`, and adds what it printed. */
export async function json(args: readonly string[], options?: RunOptions): Promise<Record<string, unknown> & End> {
  const end = await run([...args, '--json'], options)
  return { ...(end.stdout === '' ? {} : (JSON.parse(end.stdout) as object)), ...end }
}
