import { spawn } from 'node:child_process'
import { Command } from 'commander'
import { CommandError, exitCodes } from '../exitCodes.ts'
import { httpOption, option, parseHttpAddress, timeoutOption } from '../options.ts'

interface ConsoleFlags {
  http: string
  open?: true
  timeout: number
}

export const createCommand = () =>
  new Command('console')
    .description('Tell where the console of a running core is, and open it.')
    .addOption(httpOption('the HTTP door of the core').default('127.0.0.1:5553'))
    .addOption(option('--open', 'open it in a browser'))
    .addOption(timeoutOption())
    .action(async ({ http, open, timeout }: ConsoleFlags) => {
      const { host, port } = parseHttpAddress(http)
      const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
      await assertCore(url, timeout)
      process.stdout.write(`console ${url}\n`)
      if (open) openBrowser(url)
    })

async function assertCore(url: string, timeoutMs: number): Promise<void> {
  let answer: unknown
  try {
    const response = await fetch(`${url}/api/status`, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' })
    answer = await response.json()
  } catch {
    throw new CommandError(
      `No core answers at ${url}. Start it with --http: bletchley core --http 127.0.0.1:5553`,
      exitCodes.failed,
    )
  }
  if (typeof answer !== 'object' || answer === null || !('signingAddress' in answer)) {
    throw new CommandError(`What answers at ${url} is no core.`, exitCodes.failed)
  }
}

function openBrowser(url: string): void {
  const [program, ...args] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', url]
        : ['xdg-open', url]
  // Without a browser the address is on the terminal all the same.
  spawn(program!, args, { detached: true, stdio: 'ignore' })
    .on('error', () => {})
    .unref()
}
