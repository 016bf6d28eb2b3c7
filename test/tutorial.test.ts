import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@bletchley/testkit'
import { expect, it } from 'vitest'

// docs/contracts/tutorial.md, block by block: files are written, commands run, and what they print is what stands there.
// A block is ```<language> <file> for a file, and ```console for commands; `…` stands for any text, or for any lines.

const root = fileURLToPath(new URL('..', import.meta.url))

/** A command and what it should print. */
interface Step {
  command: string
  output: string[]
  exitCode: number
}

it('leads to a computed result, command by command', { timeout: 400_000 }, async () => {
  await using folder = await temporaryFolder()
  // The tutorial's `../guess`; ports and data of its network are the test's own.
  const project = join(folder.path, 'guess')
  await mkdir(join(folder.path, 'clone'))
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    BLETCHLEY_BIND: 'tcp://127.0.0.1:0',
    BLETCHLEY_DATA: join(folder.path, 'data'),
  }
  delete environment.CI
  const background: { stop(): Promise<void> }[] = []
  const text = await readFile(join(root, 'docs/contracts/tutorial.md'), 'utf8')
  let commands = 0
  try {
    for (const [, info = '', body = ''] of text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)) {
      const [language, ...rest] = info.split(' ')
      if (language !== 'console') {
        await writeFile(join(project, rest[0]!), body)
        continue
      }
      for (const step of stepsOf(body, Number(/exits with (\d)/.exec(info)?.[1] ?? 0))) {
        commands++
        const command = step.command.replaceAll('../guess', project)
        if (rest[0] === 'background') {
          const service = await serve(command, environment, step.output.length)
          background.push(service)
          expectOutput(step, service.printed)
          environment.BLETCHLEY_ENDPOINT = /^ready (\S+)$/m.exec(service.printed)![1]!
          continue
        }
        const { code, printed } = await run(command, environment)
        expect({ command, code, printed }).toMatchObject({ code: step.exitCode })
        expectOutput(step, printed)
        environment.CONTRACT = /^contract\W+([0-9a-f]{64})$/m.exec(printed)?.[1] ?? environment.CONTRACT
      }
    }
  } finally {
    for (const service of background) await service.stop()
  }
  expect(commands).toBeGreaterThan(9)
})

function stepsOf(body: string, exitCode: number): Step[] {
  const steps: Step[] = []
  for (const line of body.trimEnd().split('\n')) {
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), output: [], exitCode })
    else steps.at(-1)!.output.push(line)
  }
  return steps
}

/** Each line stands in what was printed, in this order. */
function expectOutput({ command, output }: Step, printed: string): void {
  const lines = output.map((line) => line.split('…').map(escapePattern).join('.*'))
  const pattern = lines.filter((line) => line !== '.*').join('[\\s\\S]*')
  expect(printed, command).toMatch(new RegExp(pattern))
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

async function run(command: string, env: NodeJS.ProcessEnv): Promise<{ code: number; printed: string }> {
  const child = spawn('bash', ['-c', command], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (printed += data.toString()))
  const [code] = await once(child, 'close')
  return { code: code as number, printed }
}

/** Runs a command that goes on, until it has printed so many lines. */
async function serve(command: string, env: NodeJS.ProcessEnv, lines: number) {
  // exec, so that the signal reaches the command and not the shell in front of it.
  const child = spawn('bash', ['-c', command.replace('npx bletchley', 'exec node packages/cli/bin/bletchley.js')], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = once(child, 'close')
  let printed = ''
  for await (const data of child.stdout.iterator({ destroyOnReturn: false })) {
    printed += String(data)
    if (printed.split('\n').length > lines) break
  }
  return {
    printed,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
