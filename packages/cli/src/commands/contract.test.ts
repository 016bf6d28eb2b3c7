import { cp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@bletchley/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { json, run } from '../../test/run.ts'

// What `bletchley contract` does without a compiler: the builds are there.

const dice = fileURLToPath(new URL('../../../../contracts/dice', import.meta.url))
const modules = fileURLToPath(new URL('../../../../node_modules', import.meta.url))
const before = process.cwd()

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let path: (name: string) => string

beforeEach(async () => {
  folder = await temporaryFolder()
  path = (name) => join(folder.path, name)
  await cp(dice, folder.path, { recursive: true })
  await rm(path('gas.snapshot.json'))
  // With the toolkit in it.
  await symlink(modules, path('node_modules'), 'junction')
  vi.stubEnv('CI', '')
  process.chdir(folder.path)
})

afterEach(async () => {
  process.chdir(before)
  vi.unstubAllEnvs()
  await folder[Symbol.asyncDispose]()
})

/** A command that runs one test, whose call costs this. */
const costs = (gas: number) =>
  `echo '{"contract":"dice","function":"roll","gas":${gas}}' > "$BLETCHLEY_GAS_LOG/1.jsonl"`
const figures = (gas: number) => ({ dice: { roll: { calls: 1, min: gas, median: gas, max: gas } } })
const table = (gas: number) => `           calls  min  median  max\ndice.roll      1    ${gas}       ${gas}    ${gas}\n`
const snapshot = async () => JSON.parse(await readFile('gas.snapshot.json', 'utf8')) as object
const contract = (...args: string[]) => run(['contract', ...args])

describe('contract test', () => {
  it('writes the snapshot that is missing, and holds the next run against it', async () => {
    const first = await contract('test', '--run', costs(7))
    expect([first.code, first.stdout]).toEqual([0, `${table(7)}written: gas.snapshot.json\n`])
    expect(await snapshot()).toEqual(figures(7))
    expect(await contract('test', '--run', costs(7))).toEqual({ code: 0, stdout: table(7), stderr: '' })
    const more = await contract('test', '--run', costs(8))
    expect([more.code, more.stdout, more.stderr]).toEqual([
      1,
      table(8),
      expect.stringMatching(/^error: gas went up; .*\ndice\.roll: min 7 -> 8 \(\+1\)\n/),
    ])
    const less = await contract('test', '--run', costs(6))
    expect([less.code, less.stdout]).toEqual([0, expect.stringContaining('dice.roll: max 7 -> 6 (-1)\n')])
    expect(await snapshot()).toEqual(figures(7))
  })

  it('writes no snapshot where nobody would commit it', async () => {
    vi.stubEnv('CI', 'true')
    const end = await contract('test', '--run', costs(7))
    expect([end.code, end.stderr]).toEqual([
      1,
      expect.stringContaining(
        'error: there is no gas.snapshot.json in .; `bletchley contract gas --update` writes one\n',
      ),
    ])
    expect(await readdir('.')).not.toContain('gas.snapshot.json')
  })

  it('fails with the tests, and needs contracts', async () => {
    const end = await contract('test', folder.path, '--run', 'exit 1')
    expect([end.code, end.stdout, end.stderr]).toEqual([1, '', 'error: tests failed\n'])
    await rm('dice.ts')
    expect(await contract('test', '--run', 'exit 0')).toEqual({
      ...{ code: 1, stdout: '', stderr: 'error: no file in . has a class with @contract\n' },
    })
  })

  it('writes the build that is not there as it should be', async () => {
    const code = await readFile('build/dice.wasm')
    await writeFile('build/dice.abi.json', '[]')
    await contract('test', '--run', costs(7))
    expect(await readFile('build/dice.abi.json')).toEqual(await readFile(join(dice, 'build/dice.abi.json')))
    expect(await readFile('build/dice.wasm')).toEqual(code)
  })
})

describe('contract gas', () => {
  it('prints figures, and writes or checks them if that is wanted', async () => {
    const printed = await contract('gas', '--run', costs(7))
    expect([printed.code, printed.stdout]).toEqual([0, table(7)])
    expect(await readdir('.')).not.toContain('gas.snapshot.json')
    const missing = await contract('gas', folder.path, '--check', '--run', costs(7))
    expect([missing.code, missing.stderr]).toEqual([
      1,
      expect.stringContaining(`there is no gas.snapshot.json in ${folder.path}`),
    ])
    const updated = await contract('gas', '--update', '--run', costs(7))
    expect(updated).toEqual({ code: 0, stdout: table(7), stderr: 'written: gas.snapshot.json\n' })
    expect(await snapshot()).toEqual(figures(7))
    expect(await contract('gas', '--check', '--run', costs(7))).toEqual({ code: 0, stdout: table(7), stderr: '' })
    expect(await contract('gas', '--check', '--run', costs(8))).toMatchObject({ code: 1, stdout: table(8) })
    expect(await contract('gas', '--run', costs(8))).toMatchObject({ code: 0, stderr: '' })
    const scripts = await run(['contract', 'gas', '--json', '--run', costs(7)])
    expect(scripts).toEqual({ code: 0, stdout: `${JSON.stringify(figures(7))}\n`, stderr: '' })
    expect(await contract('gas', '--run', 'exit 1')).toEqual({ code: 1, stdout: '', stderr: 'error: tests failed\n' })
    expect((await contract('gas', '--check', '--update')).code).toBe(2)
  })
})

describe('contract inspect', () => {
  it('tells of code, and fails if it is refused', async () => {
    expect(await json(['contract', 'inspect', 'build/dice.wasm'])).toMatchObject({
      ...{ code: 0, file: 'build/dice.wasm', compute: 'accepted' },
    })
    await writeFile('ts.wasm', 'garbage')
    expect(await json(['contract', 'inspect', 'ts.wasm'])).toMatchObject({
      code: 1,
      size: 7,
      error: expect.any(String),
    })
  })
})

describe('contract abi', () => {
  it('writes a client beside the build, or elsewhere', async () => {
    const client = await readFile('build/dice.client.ts', 'utf8')
    await rm('build/dice.client.ts')
    expect(await json(['contract', 'abi'])).toMatchObject({ code: 0, written: ['build/dice.client.ts'] })
    expect(await readFile('build/dice.client.ts', 'utf8')).toBe(client)
    await rm('build/dice.abi.json')
    const elsewhere = await json(['contract', 'abi', path('dice.ts'), '--out', 'new/clients'])
    expect(elsewhere).toMatchObject({ code: 0, written: [path('build/dice.abi.json'), 'new/clients/dice.client.ts'] })
    expect(await readFile('new/clients/dice.client.ts', 'utf8')).toBe(client)
  })
})

describe('contract bind', () => {
  it('prints a class that is called as the file, or as told', async () => {
    const notify = { type: 'function', name: 'notify', inputs: [{ name: 'amount', type: 'uint256' }], outputs: [] }
    await writeFile('tallyBoard.abi.json', JSON.stringify([notify]))
    const named = await contract('bind', 'tallyBoard.abi.json')
    expect(named).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('export class TallyBoard ') })
    const told = await contract('bind', path('tallyBoard.abi.json'), '--name', 'Board')
    expect(told.stdout).toContain('export class Board ')
    expect(await contract('bind', 'dice.ts')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: dice\.ts: the ABI is not JSON/),
    })
    expect(await contract('bind', 'none.json')).toMatchObject({
      code: 1,
      stderr: 'error: none.json: it is not there (ENOENT)\n',
    })
  })
})

describe('contract new', () => {
  it('makes a project, and says how to go on', async () => {
    const { code, stdout, stderr } = await contract('new', 'mine')
    const files = (await readdir('mine')).map((name) => join('mine', name))
    expect([code, stdout.split('\n').slice(0, -3).sort()]).toEqual([0, files.sort()])
    expect(stdout.split('\n').slice(-3)).toEqual(['', 'Now: bletchley contract test mine', ''])
    expect(stderr).toBe('')
    expect(await contract('new', 'mine')).toMatchObject({ code: 1, stdout: '' })
  })
})
