import { Readable } from 'node:stream'
import { main } from '../src/main.ts'
import { type Output, outputOf, signalTo, withProperty } from './standardStreams.ts'

// The command in the process of a test: much sooner than in one of its own.

export interface RunOptions {
  env?: Readonly<Record<string, string>>
  /** What stands on stdin; the test's own stdin if absent. */
  input?: string
  /** Is told what it writes to stdout and stderr, as it comes. */
  onText?: (text: string) => void
}

export interface End extends Output {
  code: number
}

/** Runs the command, and leaves the process as it was. */
export async function run(args: readonly string[], { env = {}, input, onText }: RunOptions = {}): Promise<End> {
  const exitCode = process.exitCode
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const)
  process.exitCode = undefined
  Object.assign(process.env, env)
  let code = -1
  try {
    const running = () =>
      outputOf(async () => {
        code = await main([process.execPath, 'bletchley', ...args])
      }, onText)
    const stdin = input === undefined ? process.stdin : Readable.from([input])
    const output = await withProperty(process, 'stdin', stdin, running)
    return { code, ...output }
  } finally {
    process.exitCode = exitCode
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

/** Runs the command with `--json`, and adds what it printed. */
export async function json(args: readonly string[], options?: RunOptions): Promise<Record<string, unknown> & End> {
  const end = await run([...args, '--json'], options)
  return { ...(end.stdout === '' ? {} : (JSON.parse(end.stdout) as object)), ...end }
}

/** Runs a command that stays up, until it has printed this; then `work`, and a signal that ends it. */
export async function runUntil(
  args: readonly string[],
  printed: string,
  work: (stdout: string) => Promise<void> = async () => {},
  options?: RunOptions,
): Promise<End> {
  const before = process.listeners('SIGTERM')
  let text = ''
  let working: Promise<void> | undefined
  const end = await run(args, {
    ...options,
    onText(more) {
      text += more
      if (!text.includes(printed) || working !== undefined) return
      working = work(text).finally(() => signalTo('SIGTERM', before))
    },
  })
  await working
  return end
}
