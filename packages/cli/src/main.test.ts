import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '@bletchley/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { run } from '../test/run.ts'
import { commandNames } from './commands/index.ts'

const before = process.cwd()
let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeEach(async () => {
  folder = await temporaryFolder()
  process.chdir(folder.path)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  process.chdir(before)
  await folder[Symbol.asyncDispose]()
})

describe('the command line', () => {
  it('tells of itself', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, stdout: '0.1.0\n', stderr: '' })
    const help = await run(['--help'])
    expect([help.code, help.stderr]).toEqual([0, ''])
    for (const name of commandNames) expect(help.stdout, name).toMatch(new RegExp(`^  ${name} `, 'm'))
    expect(await run(['help'])).toEqual(help)
    expect(await run([])).toEqual({ code: 2, stdout: '', stderr: help.stdout })
    expect((await run(['keys', 'curve', '--help'])).stdout).toContain('Usage: bletchley keys curve [options]')
  })

  it.each([
    [['nothing'], "error: unknown command 'nothing'\n"],
    [
      ['prune', 'more'],
      "error: too many arguments for 'prune'. Expected 0 arguments but got 1.\n(add --help for the options)\n",
    ],
    [['prune', '--more'], "error: unknown option '--more'\n(add --help for the options)\n"],
    [['keys', 'curve', '--more'], "error: unknown option '--more'\n(add --help for the options)\n"],
    [
      ['compute', '00'.repeat(32), 'f(int64)', '-0x5'],
      "error: unknown option '-0x5'\n(add --help for the options; an argument that begins with - stands behind --: … -- -0x5)\n",
    ],
    [['keys'], expect.stringContaining('Usage: bletchley keys [options] [command]')],
  ])('%j is wrong', async (args, stderr) => {
    expect(await run(args)).toEqual({ code: 2, stdout: '', stderr })
  })

  it('takes each option from the environment and from a file too', async () => {
    const env = { BLETCHLEY_DATA: 'd' }
    await writeFile('a.yaml', 'allSnapshots: true\n')
    expect(await run(['prune', '--config', 'a.yaml', '--print-config'], { env })).toEqual({
      code: 0,
      stdout:
        'data: "d"             # environment, BLETCHLEY_DATA\nallSnapshots: true    # a.yaml\n# json:               # not set\n',
      stderr: '',
    })
  })

  it('forgets variables that are empty, of its own alone', async () => {
    vi.stubEnv('BLETCHLEY_DATA', '')
    vi.stubEnv('OTHER_DATA', '')
    vi.stubEnv('BLETCHLEY_OTHER', 'x')
    expect((await run(['prune', '--print-config'])).stdout).toContain('data: ".bletchley"    # default')
    expect([process.env.BLETCHLEY_DATA, process.env.OTHER_DATA, process.env.BLETCHLEY_OTHER]).toEqual([
      undefined,
      '',
      'x',
    ])
  })
})

describe('an error', () => {
  it('of the system is told in words, with the path', async () => {
    await writeFile('file', '')
    await symlink('loop.wasm', 'loop.wasm')
    const long = `${'x'.repeat(300)}.wasm`
    for (const [path, told] of [
      ['none.wasm', 'none.wasm: it is not there (ENOENT)'],
      ['none/a.wasm', 'There is no folder none (ENOENT)'],
      ['file/a.wasm', 'file/a.wasm: a part of this path is no folder (ENOTDIR)'],
      ['loop.wasm', 'loop.wasm: its symbolic links go round in a circle (ELOOP)'],
      [long, `${long}: the name is too long (ENAMETOOLONG)`],
    ])
      expect(await run(['inspect', path!]), path).toEqual({ code: 1, stdout: '', stderr: `error: ${told}\n` })
    // Node opens a folder, and names no path when it cannot read it.
    await mkdir('folder.wasm')
    for (const command of ['inspect', 'deploy', 'contract inspect', 'contract bind']) {
      const args = [...command.split(' '), 'folder.wasm', ...(command === 'deploy' ? ['construct()'] : [])]
      expect((await run(args)).stderr, command).toBe('error: folder.wasm: this is a folder (EISDIR)\n')
    }
  })

  it('quotes nothing that drives a terminal', async () => {
    expect(await run(['inspect', '\u001b[2J.wasm'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: \\u{1b}[2J.wasm: it is not there (ENOENT)\n',
    })
  })

  it('of a working directory that is gone says so', async () => {
    await mkdir('gone')
    process.chdir('gone')
    await rm(join(folder.path, 'gone'), { recursive: true })
    expect(await run(['principal', '--log-level', 'silent'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: The working directory was removed. Go to another one, or name all files by their full paths.\n',
    })
  })
})
