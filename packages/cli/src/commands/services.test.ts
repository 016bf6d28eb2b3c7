import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defaultCoreLimits } from '@bletchley/core'
import { temporaryFolder } from '@bletchley/testkit'
import { Command } from 'commander'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { json, run, runUntil } from '../../test/run.ts'
import { exitCodes } from '../exitCodes.ts'
import { countDroppedLogLines } from '../log.ts'
import { type CoreFlags, coreOptions, curveOptions, startOptions } from './core.ts'

// The commands that stay up, in this process.

const ledger = fileURLToPath(new URL('../../../../contracts/ledger/build/ledger.wasm', import.meta.url))
const logger = pino({ enabled: false })
let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeEach(async () => {
  folder = await temporaryFolder()
})

afterEach(() => folder[Symbol.asyncDispose]())

describe('the options of a core', () => {
  /** What a core is started with. */
  function started(...args: string[]) {
    const command = new Command('core')
    for (const each of [...coreOptions(), ...curveOptions()]) command.addOption(each)
    const flags = command.exitOverride().parse(args, { from: 'user' }).opts<CoreFlags>()
    const { consoleFolder, sealing, ...options } = startOptions(flags, logger)
    expect(consoleFolder).toMatch(/console/)
    return { options, sealing }
  }

  const { inFlight, inFlightPerPeer, queue } = defaultCoreLimits
  const usual = {
    endpoints: ['tcp://127.0.0.1:5552'],
    dataFolder: '.bletchley',
    dialect: 'document',
    limits: { inFlight, inFlightPerPeer, queue },
    logger,
    countDroppedLogLines,
  }

  it('say little by default', () => {
    expect(started()).toEqual({
      options: usual,
      sealing: { path: undefined, lock: undefined, askPassphrase: undefined },
    })
  })

  it('say what is typed', () => {
    const limits = ['--max-in-flight', '7', '--max-in-flight-per-peer', '6', '--max-queue', '5']
    const others = [
      '--bind',
      'ipc:///a',
      '--data',
      'd',
      '--dialect',
      'enigma-p2p',
      '--threads',
      '2',
      '--run-limit',
      '9',
    ]
    const doors = ['--insecure', '--http', 'localhost:0', '--clients', 'c', '--curve-key', 'k', '--sealing-key', 's']
    expect(started(...limits, ...others, ...doors)).toMatchObject({
      options: {
        ...{ endpoints: ['ipc:///a'], dataFolder: 'd', dialect: 'enigma-p2p', threads: 2, runLimitMs: 9 },
        ...{ insecure: true, http: { host: 'localhost', port: 0 }, curve: { clientsPath: 'c', keyPath: 'k' } },
        limits: { inFlight: 7, inFlightPerPeer: 6, queue: 5 },
      },
      sealing: { path: 's' },
    })
    expect(started('--clients', 'c').options).toEqual({ ...usual, curve: { clientsPath: 'c' } })
  })

  it('of CURVE need a list of clients', () => {
    expect(() => started('--curve-key', 'k')).toThrow(
      expect.objectContaining({
        message: 'CURVE needs --clients: a file with the public keys of the clients.',
        exitCode: exitCodes.usage,
      }),
    )
  })

  it.each([
    ['--threads', 1, 256],
    ['--max-in-flight', 1, 1_000_000],
    ['--max-in-flight-per-peer', 1, 1_000_000],
    ['--max-queue', 1, 1_000_000],
  ])('%s has its bounds', (name, least, greatest) => {
    for (const bound of [least, greatest]) started(name, String(bound))
    for (const beyond of [least - 1, greatest + 1]) {
      const command = new Command().exitOverride().configureOutput({ writeErr: () => {} })
      for (const each of coreOptions()) command.addOption(each)
      expect(() => command.parse([name, String(beyond)], { from: 'user' })).toThrow(
        `It must be a whole number from ${least} to ${greatest}.`,
      )
    }
  })
})

const local = ['--bind', 'tcp://127.0.0.1:0', '--log-level', 'silent']
const endpointOf = (text: string) => /^ready (\S+)$/m.exec(text)![1]!

describe('bletchley core', () => {
  it('tells where it answers, and ends when it is told to', async () => {
    const data = ['--data', join(folder.path, 'core'), '--threads', '1']
    const plain = await runUntil(['core', ...local, ...data], '\n', async (text) => {
      expect((await json(['inspect', '--endpoint', endpointOf(text)])).contracts).toEqual([])
    })
    expect(plain).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^ready tcp:\/\/127\.0\.0\.1:[1-9]\d*\n$/),
      stderr: '',
    })
    const twice = ['--bind', `ipc://${join(folder.path, 'socket')}`, '--http', '127.0.0.1:0']
    const seen = await runUntil(['core', ...local, ...data, ...twice], 'http ')
    expect(seen.stdout).toMatch(/^ready tcp:\S+\nready ipc:\S+\/socket\nhttp http:\/\/127\.0\.0\.1:\d+\n$/)
  })

  it('that cannot start fails', async () => {
    const taken = ['core', ...local, '--data', folder.path, '--http', '0.0.0.0:0']
    expect(await run(taken)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^error: ./) })
  })

  it('asks its principal, and takes keys of no other', async () => {
    const principal = ['principal', '--port', '0', '--data', join(folder.path, 'principal'), '--log-level', 'silent']
    const codes: unknown[] = []
    const end = await runUntil(principal, '\n', async (text) => {
      const [, url, address] = /^ready (\S+) ([0-9a-f]{40})\n$/.exec(text)!
      for (const pinned of [address!, '00'.repeat(20)]) {
        const core = ['core', ...local, '--data', join(folder.path, pinned), '--principal', pinned]
        const args = [...core, '--principal-url', url!, '--threads', '1', '--run-limit', '300000']
        await runUntil(args, '\n', async (ready) => {
          const deploy = ['deploy', ledger, 'construct(bytes32,uint64)', '11'.repeat(32), '1']
          codes.push((await json([...deploy, '--endpoint', endpointOf(ready)])).code)
        })
      }
    })
    expect([end.code, codes]).toEqual([0, [0, 1]])
  })
})

describe('bletchley dev', () => {
  it('tells where all of it is', async () => {
    const args = ['dev', ...local, '--data', folder.path, '--threads', '1']
    const end = await runUntil(args, 'console ', async (text) => {
      const [, url] = /^console (\S+)$/m.exec(text)!
      expect(await run(['console', '--http', url!])).toMatchObject({ code: 0, stdout: `console ${url}\n` })
    })
    expect(end).toEqual({
      code: 0,
      stdout: expect.stringMatching(
        /^ready tcp:\S+\nprincipal http:\/\/127\.0\.0\.1:[1-9]\d* [0-9a-f]{40}\nconsole http:\/\/127\.0\.0\.1:[1-9]\d*\n$/,
      ),
      stderr: '',
    })
  })

  it('whose core cannot start leaves no principal behind', async () => {
    const args = ['dev', '--log-level', 'silent', '--data', folder.path]
    const end = await run([...args, '--bind', 'tcp://192.0.2.1:1'])
    expect(end).toMatchObject({ code: 1, stdout: '' })
    // Nobody has the folder.
    expect(await runUntil([...args, ...local], 'console ')).toMatchObject({ code: 0 })
  })
})

describe('bletchley principal', () => {
  it('keeps to a list of workers, and to loopback without one', async () => {
    const args = ['principal', '--port', '0', '--data', folder.path, '--log-level', 'silent']
    const open = await run([...args, '--host', '0.0.0.0'])
    expect(open).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^error: ./) })
    const ready = { code: 0, stdout: expect.stringMatching(/^ready http:\/\/\S+ [0-9a-f]{40}\n$/) }
    expect(await runUntil([...args, '--host', '0.0.0.0', '--insecure'], '\n')).toMatchObject(ready)
    const list = join(folder.path, 'workers')
    await writeFile(list, '')
    expect(await runUntil([...args, '--host', '0.0.0.0', '--workers', list], '\n')).toMatchObject(ready)
  })
})

describe('what a service is started with', () => {
  it.each([
    ['principal', ['host: "127.0.0.1"', 'port: 3040', 'data: ".bletchley/principal"', 'logLevel: "info"']],
    ['dev', ['principalPort: 0', 'dialect: "document"', 'logLevel: "info"']],
    ['demo', ['logLevel: "warn"', 'data: ".bletchley"']],
  ])('by default, of %s', async (name, values) => {
    const { stdout } = await run([name, '--print-config'])
    for (const value of values) expect(stdout).toMatch(new RegExp(`^${value.replace('.', '\\.')} +# default$`, 'm'))
  })

  it.each([
    ['principal', '--port', 0, 65_535],
    ['principal', '--max-requests', 1, 1_000_000_000],
    ['principal', '--max-requests-in-all', 1, 1_000_000_000],
    ['principal', '--max-new-keys', 1, 1_000_000_000],
    ['dev', '--principal-port', 0, 65_535],
  ])('%s %s has its bounds', async (name, option, least, greatest) => {
    for (const bound of [least, greatest]) {
      expect((await run([name, option, String(bound), '--print-config'])).code, String(bound)).toBe(0)
    }
    for (const beyond of [least - 1, greatest + 1]) {
      const { code, stderr } = await run([name, `${option}=${beyond}`, '--print-config'])
      const reason = `It must be a whole number from ${least} to ${greatest}.`
      expect([code, stderr], String(beyond)).toEqual([2, expect.stringContaining(reason)])
    }
  })
})
