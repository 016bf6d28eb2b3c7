import { execFileSync } from 'node:child_process'
import { chmod, chown, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { temporaryFolder } from '@bletchley/testkit'
import { Command, CommanderError } from 'commander'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { outputOf, withProperty } from '../test/standardStreams.ts'
import { addConfiguration } from './configuration.ts'
import { CommandError, exitCodes } from './exitCodes.ts'
import { collect, dataOption, option, parseInteger } from './options.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let before: string

beforeEach(async () => {
  folder = await temporaryFolder()
  before = process.cwd()
  process.chdir(folder.path)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  process.chdir(before)
  await folder[Symbol.asyncDispose]()
})

const commands = new Map([
  ['serve', new Set(['data', 'threads', 'bind', 'insecure', 'mode', 'url'])],
  ['keys rotate', new Set(['data', 'logLevel'])],
])

interface Outcome {
  /** The options that the action got, if it ran. */
  flags?: Record<string, unknown>
  /** What was refused. */
  error?: string
  printed: string
  /** Whether the options of all commands were asked for. */
  asked: boolean
}

/** Runs a command with options of each kind. */
async function serve(...args: string[]): Promise<Outcome> {
  let flags: Record<string, unknown> | undefined
  let error: string | undefined
  let asked = false
  const output = await outputOf(async () => {
    try {
      const command = new Command('serve')
        .exitOverride()
        .configureOutput({ writeErr: () => {} })
        .addOption(dataOption())
        .addOption(option('--threads <number>', '').argParser(parseInteger(1, 256)))
        .addOption(option('--bind <endpoint>', '').argParser(collect))
        .addOption(option('--insecure', ''))
        .addOption(option('--mode <mode>', '').choices(['fast', 'slow']).default('fast'))
        .addOption(option('--url <url>', '').makeOptionMandatory())
        .action((given: Record<string, unknown>) => {
          flags = given
        })
      addConfiguration(command, 'serve', async () => {
        asked = true
        return commands
      })
      command.addOption(option('--config <file>', '')).option('--print-config')
      await command.parseAsync(args, { from: 'user' })
    } catch (reason) {
      if (reason instanceof CommandError) expect(reason.exitCode).toBe(exitCodes.usage)
      else expect(reason).toBeInstanceOf(CommanderError)
      if ((reason as CommanderError).code !== 'bletchley.printed') error = (reason as Error).message
      else expect((reason as CommanderError).exitCode).toBe(0)
    }
  })
  return { ...(flags && { flags }), ...(error !== undefined && { error }), printed: output.stdout, asked }
}

/** The same with a file of this text that is named. */
async function configured(text: string | Uint8Array, ...args: string[]): Promise<Outcome> {
  await writeFile('a.yaml', text)
  return serve('--config', 'a.yaml', ...args)
}

const url = ['--url', 'u']
const usual = { data: '.bletchley', mode: 'fast', url: 'u' }

describe('an option', () => {
  it('comes from the command line, else the environment, else the file, else its default', async () => {
    const text = 'threads: 2\nmode: slow\ndata: shared\nbind: [ipc:///a]\nurl: f\nserve:\n  data: own\n'
    const config = 'a.yaml'
    expect((await configured(text)).flags).toEqual({
      ...{ config, threads: 2, mode: 'slow', data: 'own', bind: ['ipc:///a'], url: 'f' },
    })
    vi.stubEnv('BLETCHLEY_THREADS', '3')
    vi.stubEnv('BLETCHLEY_DATA', 'environment')
    vi.stubEnv('BLETCHLEY_BIND', 'ipc:///b,ipc:///c')
    const args = ['--threads', '4', '--mode', 'fast']
    expect((await configured(text, ...args)).flags).toEqual({
      ...{ config, threads: 4, mode: 'fast', data: 'environment', bind: ['ipc:///b', 'ipc:///c'], url: 'f' },
    })
  })

  it('that is mandatory may come from the file, and must come from somewhere', async () => {
    expect((await configured('url: f')).flags).toMatchObject({ url: 'f' })
    expect(await configured('data: d')).toEqual({
      error: "error: required option '--url <url>' not specified",
      printed: '',
      asked: false,
    })
    expect((await serve(...url)).flags).toEqual(usual)
  })

  it('that is a switch is true or false in the environment', async () => {
    vi.stubEnv('BLETCHLEY_INSECURE', 'true')
    expect((await serve(...url)).flags).toEqual({ ...usual, insecure: true })
    vi.stubEnv('BLETCHLEY_INSECURE', 'false')
    expect((await serve(...url)).flags).toEqual(usual)
    vi.stubEnv('BLETCHLEY_INSECURE', 'yes')
    expect((await serve(...url)).error).toBe('BLETCHLEY_INSECURE (--insecure) must be true or false.')
  })

  it('that is a switch is true or false in the file', async () => {
    expect((await configured('insecure: true\nurl: u')).flags).toMatchObject({ insecure: true })
    expect((await configured('insecure: false\nurl: u')).flags).not.toHaveProperty('insecure', true)
    expect((await configured('insecure: yes')).error).toBe(
      'a.yaml: insecure (--insecure) is invalid. It must be true or false.',
    )
  })
})

describe('a file', () => {
  it('that is not named is looked for in the working directory', async () => {
    expect((await serve(...url)).flags).toEqual(usual)
    await writeFile('bletchley.config.json', '{"threads": 2}')
    expect((await serve(...url)).flags).toEqual({ ...usual, threads: 2 })
    await writeFile('bletchley.config.yaml', 'threads: 1')
    expect((await serve(...url)).flags).toEqual({ ...usual, threads: 1 })
    await writeFile('a.yaml', 'threads: 3')
    expect((await serve(...url, '--config', 'a.yaml')).flags).toEqual({ ...usual, config: 'a.yaml', threads: 3 })
  })

  it('that cannot be read is refused, unless it is absent and was not named', async () => {
    expect((await serve('--config', 'none.yaml')).error).toBe('The configuration file none.yaml cannot be read: ENOENT')
    await symlink('bletchley.config.yaml', 'bletchley.config.yaml')
    expect((await serve(...url)).error).toBe('The configuration file bletchley.config.yaml cannot be read: ELOOP')
  })

  it('is one mebibyte at most', async () => {
    const room = ' '.repeat((1 << 20) - 'url: u\n#'.length)
    expect((await configured(`url: u\n#${room}`)).flags).toMatchObject({ url: 'u' })
    expect((await configured(`url: u\n#${room} `)).error).toBe('The configuration file a.yaml is too large.')
  })

  it('is text in UTF-8', async () => {
    expect((await configured('data: donnée\nurl: u')).flags).toMatchObject({ data: 'donnée' })
    expect((await configured(Buffer.from('data: donn\u00e9e', 'latin1'))).error).toBe(
      'The configuration file a.yaml is not text in UTF-8.',
    )
  })

  it('that anybody may write is refused', async () => {
    for (const mode of [0o601, 0o644, 0o664]) {
      await writeFile(`${mode}.yaml`, 'url: f')
      await chmod(`${mode}.yaml`, mode)
      expect((await serve('--config', `${mode}.yaml`)).flags, mode.toString(8)).toMatchObject({ url: 'f' })
    }
    await writeFile('open.yaml', 'url: f')
    await chmod('open.yaml', 0o602)
    expect((await serve('--config', 'open.yaml')).error).toBe(
      'The configuration file open.yaml can be written by anybody (chmod o-w).',
    )
    await writeFile('bletchley.config.yaml', 'url: f')
    await chmod('bletchley.config.yaml', 0o666)
    expect((await serve()).error).toContain('bletchley.config.yaml can be written by anybody')
  })

  it('of another user is used only if it is named', async () => {
    await writeFile('bletchley.config.yaml', 'url: f')
    const owner = process.getuid!() || 1234
    // What root owns belongs to the system.
    if (process.getuid!() === 0) {
      expect((await serveAs(owner)).flags).toMatchObject({ url: 'f' })
      await chown('bletchley.config.yaml', owner, 0)
    }
    expect((await serveAs(owner)).flags).toMatchObject({ url: 'f' })
    expect((await serveAs(owner + 1)).error).toBe(
      'The configuration file bletchley.config.yaml belongs to another user; name it with --config to use it.',
    )
    expect((await serveAs(owner + 1, '--config', 'bletchley.config.yaml')).flags).toMatchObject({ url: 'f' })
  })

  it.skipIf(process.platform === 'win32')('may be a pipe if it is named, one mebibyte at most', async () => {
    const through = async (text: string): Promise<Outcome> => {
      execFileSync('mkfifo', ['-m', '600', 'pipe'])
      const outcome = serve('--config', 'pipe')
      // Whoever has read enough closes it.
      await writeFile('pipe', text).catch(() => {})
      await rm('pipe')
      return outcome
    }
    expect((await through('url: f')).flags).toMatchObject({ url: 'f' })
    expect((await through(' '.repeat(2 << 20))).error).toBe('The configuration file pipe is too large.')
    // Nobody writes to this one.
    execFileSync('mkfifo', ['-m', '600', 'bletchley.config.yaml'])
    expect((await serve(...url)).error).toBe(
      'The configuration file bletchley.config.yaml is not a file; name it with --config to use it.',
    )
  })

  it('is refused where it is a folder', async () => {
    await mkdir('folder.yaml')
    expect((await serve('--config', 'folder.yaml')).error).toBe(
      'The configuration file folder.yaml cannot be read: EISDIR',
    )
  })
})

describe('a key', () => {
  it('of another command is passed over', async () => {
    const text = 'logLevel: warn\nurl: f\nkeys rotate:\n  data: theirs\n  logLevel: debug\n'
    expect(await configured(text)).toMatchObject({ flags: { ...usual, url: 'f' }, asked: true })
    expect(await configured('keys rotate:\n  logLevel: debug\n', ...url)).toMatchObject({ flags: usual, asked: true })
  })

  it('of this command does not need the options of all others to be known', async () => {
    expect(await configured('threads: 1\nurl: f\n')).toMatchObject({ flags: { threads: 1 }, asked: false })
  })

  it.each([
    ['thread: 1', 'a.yaml: thread is no option of any command.'],
    ['log-level: warn', 'a.yaml: log-level is no option of any command. It is called logLevel.'],
    ['config: b.yaml', 'a.yaml: config is no option of any command.'],
    ['printConfig: true', 'a.yaml: printConfig is no option of any command.'],
    ['serves:\n  data: a', 'a.yaml: serves is no command.'],
    ['Keys-Rotate:\n  data: a', 'a.yaml: Keys-Rotate is no command. It is called keys rotate.'],
    ['serve:\n  logLevel: a', 'a.yaml: serve.logLevel is no option of bletchley serve.'],
    ['serve:\n  DATA: a', 'a.yaml: serve.DATA is no option of bletchley serve. It is called data.'],
    ['keys rotate:\n  threads: 1', 'a.yaml: keys rotate.threads is no option of bletchley keys rotate.'],
    ['serve:\n  config: a', 'a.yaml: serve.config is no option of bletchley serve.'],
  ])('that nobody knows is refused: %j', async (text, error) => {
    expect(await configured(text, ...url)).toEqual({ error, printed: '', asked: true })
  })

  it.each([
    ['threads: 0', 'a.yaml: threads (--threads <number>) is invalid. It must be a whole number from 1 to 256.'],
    ['threads: [1]', 'a.yaml: threads (--threads <number>) is invalid. It takes one value.'],
    ['mode: idle', 'a.yaml: mode (--mode <mode>) is invalid. Allowed choices are fast, slow.'],
    ['data: ""', 'a.yaml: data (--data <folder>) is invalid. It must be a folder, and is empty.'],
    ['url: [a]', 'a.yaml: url (--url <url>) is invalid. It takes one value.'],
    ['insecure: [true]', 'a.yaml: insecure (--insecure) is invalid. It must be true or false.'],
  ])('has a value that the command line would take: %j', async (text, error) => {
    expect(await configured(text)).toEqual({ error, printed: '', asked: false })
  })

  it('that may be repeated has one value or several', async () => {
    expect((await configured('bind: ipc:///a', ...url)).flags?.bind).toEqual(['ipc:///a'])
    expect((await configured('bind: [ipc:///a, ipc:///b]', ...url)).flags?.bind).toEqual(['ipc:///a', 'ipc:///b'])
  })
})

it('--print-config prints each option with its origin, and does nothing else', async () => {
  vi.stubEnv('BLETCHLEY_THREADS', '3')
  expect(await configured('bind: [ipc:///a]\n', ...url, '--print-config')).toEqual({
    printed: [
      'data: ".bletchley"    # default',
      'threads: 3            # environment, BLETCHLEY_THREADS',
      'bind: ["ipc:///a"]    # a.yaml',
      '# insecure:           # not set',
      'mode: "fast"          # default',
      'url: "u"              # command line',
      '',
    ].join('\n'),
    asked: false,
  })
  expect(await serve('--print-config')).toMatchObject({ error: expect.stringContaining('--url <url>'), printed: '' })
})

function serveAs(user: number, ...args: string[]): Promise<Outcome> {
  return withProperty(
    process,
    'getuid',
    () => user,
    () => serve(...args),
  )
}
