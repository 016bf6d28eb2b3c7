import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommandProcess, runCommand, temporaryFolder } from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'
import { type End, run } from '../packages/cli/test/run.ts'

/** Runs a command with a configuration file of this text. */
async function configured(
  text: string | Uint8Array,
  args: string[],
  options: { name?: string; env?: Record<string, string> } = {},
) {
  await using folder = await temporaryFolder()
  const path = join(folder.path, options.name ?? 'worker.yaml')
  await writeFile(path, text)
  const { env } = options
  return await run([...args, '--config', path], { ...(env && { env }) })
}

/** What `--print-config` says: each key with its value and origin. */
function rowsOf({ stdout }: End): Record<string, [value: string, origin: string]> {
  const rows = [...stdout.matchAll(/^(?:# )?(\w+):(.*?) {2,}# (.*)$/gm)]
  return Object.fromEntries(rows.map(([, key, value, origin]) => [key!, [value!.trim(), origin!] as const])) as never
}

const core = ['core', '--print-config']

it('an empty variable is as good as none', async () => {
  const names = ['PRINCIPAL', 'SEALING_KEY', 'BIND', 'THREADS', 'INSECURE', 'CONFIG', 'HTTP']
  const env = Object.fromEntries(names.map((name) => [`BLETCHLEY_${name}`, '']))
  const { code, stdout } = await runCommand(core, { env })
  expect([code, stdout]).toEqual([0, (await runCommand(core)).stdout])
})

it('an empty folder on the command line is not the working directory', async () => {
  const { code, stderr } = await run(['core', '--data', '', '--print-config'])
  expect(stderr).toContain('It must be a folder, and is empty.')
  expect(code).not.toBe(0)
})

it('an endpoint may have a comma in its path, also beside others', async () => {
  const env = { BLETCHLEY_BIND: 'ipc:///run/a,b/socket, tcp://127.0.0.1:1' }
  expect(rowsOf(await run(core, { env }))).toMatchObject({
    bind: ['["ipc:///run/a,b/socket", "tcp://127.0.0.1:1"]', 'environment, BLETCHLEY_BIND'],
  })
})

describe('a configuration file', () => {
  it('stands behind the environment, which stands behind the command line', async () => {
    const text = 'threads: 2\nrunLimit: 3\ndata: /data\n'
    const env = { BLETCHLEY_THREADS: '4', BLETCHLEY_RUN_LIMIT: '5', BLETCHLEY_INSECURE: 'false' }
    const end = await configured(text, [...core, '--threads', '6'], { env })
    expect(end.code).toBe(0)
    expect(rowsOf(end)).toMatchObject({
      threads: ['6', 'command line'],
      runLimit: ['5', 'environment, BLETCHLEY_RUN_LIMIT'],
      data: ['"/data"', expect.stringMatching(/worker\.yaml$/)],
      dialect: ['"document"', 'default'],
      insecure: ['', 'not set'],
    })
  })

  it('has a section for a command, which comes before what is shared', async () => {
    const text = 'logLevel: warn\ncore:\n  logLevel: debug\nprincipal:\n  port: 1\n  logLevel: error\n'
    expect(rowsOf(await configured(text, core)).logLevel?.[0]).toBe('"debug"')
    expect(rowsOf(await configured(text, ['dev', '--print-config'])).logLevel?.[0]).toBe('"warn"')
    const principal = rowsOf(await configured(text, ['principal', '--print-config']))
    expect([principal.logLevel?.[0], principal.port?.[0]]).toEqual(['"error"', '1'])
  })

  it('gives what a command cannot do without', async () => {
    const address = '00'.repeat(32)
    const end = await configured('principalUrl: http://127.0.0.1:1\n', ['simulate', address, 'f()', '--print-config'])
    expect(rowsOf(end).principalUrl?.[0]).toBe('"http://127.0.0.1:1"')
    expect(await configured('data: x\n', ['simulate', address, 'f()'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("required option '--principal-url <url>' not specified"),
    })
  })

  it('loses no digit, in YAML as in JSON', async () => {
    const address = `0x${'12'.repeat(20)}`
    const rows = {
      principal: [`"${'12'.repeat(20)}"`, expect.anything()],
      bind: ['["ipc:///a", "ipc:///b"]', expect.anything()],
    }
    const yaml = `principal: ${address}\nbind:\n  - ipc:///a\n  - ipc:///b\n`
    expect(rowsOf(await configured(yaml, core))).toMatchObject(rows)
    const json = JSON.stringify({ principal: address, bind: ['ipc:///a', 'ipc:///b'], insecure: true, threads: 1 })
    const end = await configured(json, core, { name: 'worker.json' })
    expect(rowsOf(end)).toMatchObject({
      ...rows,
      insecure: ['true', expect.anything()],
      threads: ['1', expect.anything()],
    })
    const gas = await configured('{"gasLimit":18446744073709551615}', [
      'compute',
      '00'.repeat(32),
      'f()',
      '--print-config',
    ])
    expect(rowsOf(gas).gasLimit?.[0]).toBe('18446744073709551615')
  })

  it('is what --print-config prints', async () => {
    const first = await configured('threads: 7\nbind: [ipc:///a]\ninsecure: true\n', core)
    const second = await configured(first.stdout, core)
    const values = (end: End) => Object.fromEntries(Object.entries(rowsOf(end)).map(([key, [value]]) => [key, value]))
    expect(Object.keys(values(second)).length).toBeGreaterThan(5)
    expect(values(second)).toEqual(values(first))
  })

  it.each([
    ['thread: 1', 'thread is no option of any command'],
    ['log-level: warn', 'It is called logLevel.'],
    ['core:\n  port: 1', 'core.port is no option of bletchley core'],
    ['cores:\n  threads: 1', 'cores is no command'],
    ['threads: many', 'threads (--threads <number>) is invalid. It must be a whole number from 1 to 256.'],
    ['threads: [1, 2]', 'It takes one value.'],
    ['dialect: klingon', 'Allowed choices are document, enigma-p2p.'],
    ['insecure: perhaps', 'It must be true or false.'],
    ['data: a\ndata: b', 'Map keys must be unique'],
    ['data: {a: {b: c}}', 'must be a value or a list'],
    ['- data', 'must hold names and values'],
    ['data: "x', 'Missing closing'],
    ['data: a\n---\ndata: b', 'holds more than one YAML document; one is read'],
    ['config: other.yaml', 'config is no option of any command'],
  ])('is refused where it says %j', async (text, reason) => {
    const end = await configured(text, core)
    expect([end.code, end.stdout]).toEqual([2, ''])
    expect(end.stderr).toContain(reason)
  })

  it('is refused if it is not UTF-8', async () => {
    const end = await configured(Buffer.from('data: donn\u00e9es', 'latin1'), core)
    expect([end.code, end.stdout]).toEqual([2, ''])
    expect(end.stderr).toContain('is not text in UTF-8')
  })

  it('is refused if it is no JSON, cannot be read, or can be written by anybody', async () => {
    expect((await configured('data: x', core, { name: 'a.json' })).stderr).toContain('is not JSON')
    expect(await run([...core, '--config', '/no/such/file'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('ENOENT'),
    })
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'a.yaml')
    await writeFile(path, 'threads: 1\n')
    await chmod(path, 0o666)
    expect((await run([...core, '--config', path])).stderr).toContain('can be written by anybody')
  })

  it('may be named in the environment, and starts a core', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'a.yaml')
    await writeFile(path, `data: ${folder.path}/data\nbind: [tcp://127.0.0.1:0]\nthreads: 1\n`)
    await using started = new CommandProcess(['core'], { env: { BLETCHLEY_CONFIG: path } })
    expect(await started.readLine()).toMatch(/^ready tcp:/)
  })
})

it('a switch in the environment is true or false, and nothing else', async () => {
  const end = await run(core, { env: { BLETCHLEY_INSECURE: '0' } })
  expect(end).toMatchObject({ code: 2, stderr: expect.stringContaining('BLETCHLEY_INSECURE') })
})

it.each([
  ['core.yaml', ['core', 'doctor', 'verify', 'backup', 'keys rotate']],
  ['container.yaml', ['core', 'doctor', 'keys curve']],
  ['principal.yaml', ['principal', 'keys status']],
])('the example %s is read by the commands that it is for', async (file, commands) => {
  const path = fileURLToPath(new URL(`../deploy/examples/${file}`, import.meta.url))
  for (const command of commands) {
    const target = command === 'backup' ? ['/no/such/folder'] : []
    const end = await run([...command.split(' '), ...target, '--config', path, '--print-config'])
    expect(end, command).toMatchObject({ code: 0, stderr: '' })
    expect(end.stdout).toContain(path)
  }
})
