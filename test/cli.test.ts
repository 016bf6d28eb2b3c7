import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@bletchley/bytes'
import { CoreClient } from '@bletchley/client'
import { randomBytes } from '@bletchley/crypto'
import { CommandProcess, lastingPort, runCommand, startCoreProcess, temporaryFolder } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Router } from 'zeromq'
import { run as runHere } from '../packages/cli/test/run.ts'

const ledger = fileURLToPath(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
const command = fileURLToPath(new URL('../packages/cli/bin/bletchley.js', import.meta.url))
const account = (): string => bytesToHex(randomBytes(32))

describe('a core that is hostile', () => {
  it('cannot drive the terminal of who asks it', async () => {
    const hostile = 'gone \u001b[2J\u007f\u009b31m\u2028\u202e'
    const core = new Router({ linger: 0 })
    await core.bind('tcp://127.0.0.1:0')
    const answering = (async () => {
      for await (const frames of core) {
        const { id } = JSON.parse(String(frames.at(-1))) as { id: string }
        await core.send([...frames.slice(0, -1), JSON.stringify({ id, type: 'Error', msg: hostile })])
      }
    })()
    for (const args of [['call', 'GetAllTips'], ['inspect'], ['inspect', '--json'], ['compute', account(), 'f()']]) {
      const { code, stdout, stderr } = await runCommand([...args, '--endpoint', core.lastEndpoint!])
      expect([code, stdout + stderr], args.join(' ')).toEqual([1, expect.stringContaining('gone ')])
      expect(stdout + stderr, args.join(' ')).not.toMatch(/[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u)
    }
    core.close()
    await answering.catch(() => {})
  })
})

describe('bletchley dev, and the commands of a user', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let dev: CommandProcess
  let endpoint: string

  beforeAll(async () => {
    folder = await temporaryFolder()
    endpoint = `tcp://127.0.0.1:${await lastingPort()}`
    dev = new CommandProcess(['dev', '--bind', endpoint, '--data', folder.path])
    expect(await dev.readLine()).toBe(`ready ${endpoint}`)
  })
  afterAll(async () => {
    await dev[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })

  const run = (...args: string[]) => runCommand([...args, '--endpoint', endpoint])
  async function runJson(...args: string[]): Promise<Record<string, unknown>> {
    const end = await run(...args, '--json')
    return { ...(JSON.parse(end.stdout) as Record<string, unknown>), code: end.code }
  }

  it('deploys, computes, and decodes, with no key exchange by hand', async () => {
    const [issuer, address] = [account(), account()]
    const construct = 'construct(bytes32,uint64)'
    const deployed = await runJson('deploy', ledger, construct, issuer, '1000', '--address', address)
    expect(deployed).toMatchObject({ code: 0, status: 'success', contract: address, codeSize: expect.any(Number) })

    const balance = await runJson('compute', address, 'balance_of(bytes32)(uint64)', `0x${issuer}`)
    expect(balance).toMatchObject({ code: 0, status: 'success', output: ['1000'], delta: null })
    expect(balance.verified).toHaveLength(2)

    const minted = await runJson('compute', `0x${address}`, 'mint(bytes32,uint64)', issuer, '5')
    expect(minted).toMatchObject({ code: 0, raw: '0x', delta: 1 })

    const refused = await runJson('compute', address, 'transfer(bytes32,bytes32,uint64)', issuer, account(), '5000')
    expect(refused).toMatchObject({ code: 3, status: 'failed', error: 'Error in execution of WASM code: unreachable' })

    const shown = await run('compute', address, 'total_supply()(uint64)')
    expect(shown.stdout).toContain('1005')
    const none = account()
    expect(await run('inspect', none)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `error: The worker has no contract ${none}.\n`,
    })
    expect(await runJson('inspect', address)).toMatchObject({ address, tip: { key: 1 }, codeHash: deployed.codeHash })
    expect(await runJson('inspect')).toMatchObject({ attestation: 'simulation', contracts: [{ address, tip: 1 }] })
  })

  it('shows a result that is not of the types that were asked for', async () => {
    const [issuer, address] = [account(), account()]
    await run('deploy', ledger, 'construct(bytes32,uint64)', issuer, '7', '--address', address)
    const misread = await runJson('compute', address, 'balance_of(bytes32)(string)', issuer)
    const raw = `0x${'7'.padStart(64, '0')}`
    expect(misread).toMatchObject({ code: 1, status: 'success', problem: expect.any(String), raw })
  })

  it('tells scripts what went wrong by the exit code', async () => {
    expect((await run('compute', account(), 'f()')).code).toBe(1)
    expect((await run('compute', 'no address', 'f()')).code).toBe(2)
    expect((await run('compute', account(), 'f(uint64)', 'ten')).code).toBe(2)
    expect((await run('compute', account(), 'f(uint64)')).code).toBe(2)
    expect((await run('deploy', ledger, 'construct(')).code).toBe(2)
    expect((await run('deploy', '/no/such/file.wasm', 'construct()')).code).toBe(1)
    expect((await runCommand(['call', 'GetAllTips', '--endpoint', 'nonsense'])).code).toBe(1)
    expect((await runCommand(['core', '--principal-url', '127.0.0.1:3040'])).code).toBe(2)
    const stranger = bytesToHex(randomBytes(20))
    expect((await run('deploy', ledger, 'construct()', '--worker', stranger)).code).toBe(4)
    expect(
      (await runCommand(['compute', account(), 'f()', '--endpoint', 'tcp://127.0.0.1:1', '--timeout', '300'])).code,
    ).toBe(1)
  })

  it('shows messages as they are on the wire', async () => {
    const { stdout, code } = await run('call', 'GetTips', '[]')
    expect([JSON.parse(stdout), code]).toMatchObject([{ type: 'GetTips', result: { tips: [] } }, 0])
    const removed = await run('call', 'RemoveContract', JSON.stringify({ address: account() }))
    expect(JSON.parse(removed.stdout)).toMatchObject({ type: 'RemoveContract', result: { status: 0 } })
    expect((await run('call', 'GetTip', `"${account()}"`)).code).toBe(1)
    expect((await run('call', 'GetTip', 'not json')).code).toBe(2)
  })

  it('sends messages as they are typed', async () => {
    const task = `"encryptedArgs":"","encryptedFn":"","userDHKey":"${'0d'.repeat(64)}","contractAddress":"${account()}"`
    const most = await run('call', 'ComputeTask', `{${task},"gasLimit":18446744073709551615}`)
    expect(JSON.parse(most.stdout).msg).toMatch(/^Error while trying to get_contract/)
    const tooMuch = await run('call', 'ComputeTask', `{${task},"gasLimit":18446744073709551616}`)
    expect(JSON.parse(tooMuch.stdout).msg).toMatch(/gasLimit: expected an exact integer/)
    const twice = await run('call', 'RemoveContract', `{"id":"mine","address":"${account()}"}`)
    expect(JSON.parse(twice.stdout).msg).toMatch(/id: given more than once/)
  })

  it('takes what is too long for a command line from a file or from stdin', async () => {
    const [issuer, address] = [account(), account()]
    const args = join(folder.path, 'args.json')
    await writeFile(args, `\uFEFF["${issuer}", 1000]\n`)
    const construct = 'construct(bytes32,uint64)'
    expect(await runJson('deploy', ledger, construct, '--args', args, '--address', address)).toMatchObject({ code: 0 })
    const from = async (input: string, ...line: string[]) =>
      runCommand([...line, '--endpoint', endpoint], { input }).then(({ code, stdout }) => ({
        code,
        ...JSON.parse(stdout),
      }))
    const asked = ['compute', address, 'balance_of(bytes32)(uint64)', '--args', '-', '--json']
    expect(await from(JSON.stringify([issuer]), ...asked)).toMatchObject({ code: 0, output: ['1000'] })
    const long = JSON.stringify([`0x${'ab'.repeat(70_000)}`, ['9007199254740993']])
    const unknown = ['compute', address, 'f(bytes,uint64[])', '--args', '-', '--json']
    expect(await from(long, ...unknown)).toMatchObject({ code: 3, status: 'failed' })
    const addresses = JSON.stringify(new Array(3000).fill(address))
    expect(await from(addresses, 'call', 'GetTips', '--input', '-')).toMatchObject({ code: 0, type: 'GetTips' })
  })

  it('says how an argument is written', async () => {
    const wrong: [line: string[], hint: RegExp][] = [
      [['f(int64)', '-0x5'], /unknown option '-0x5'\n.*behind --: … -- -0x5/],
      [['f(string)', '-hello'], /unknown option '-hello'\n.*behind --/],
      [['f(uint64[])', '[9007199254740993]'], /Argument 1 is no uint64: above 2\^53, it stands in quotes/],
      [['f(uint64)', '5', '--args', 'args.json'], /typed, or in a file: not both/],
      [['f(uint64)', '--args', join(folder.path, 'none.json')], /none\.json cannot be read: ENOENT/],
      [['f(uint64)', '--args', ledger], /is no JSON list/],
    ]
    for (const [line, hint] of wrong) {
      const { code, stderr } = await runHere(['compute', account(), ...line])
      expect([code, stderr], line.join(' ')).toEqual([2, expect.stringMatching(hint)])
    }
    const { code, stderr } = await run('call', 'GetTips', '[]', '--input', 'tips.json')
    expect([code, stderr]).toEqual([2, expect.stringContaining('not both')])
  })

  it('says what a WebAssembly file is', async () => {
    expect(await runJson('inspect', ledger)).toMatchObject({
      size: (await readFile(ledger)).length,
      deploy: expect.stringMatching(/^accepted/),
      compute: 'accepted',
      exports: expect.arrayContaining(['function deploy', 'function call']),
    })
    const garbage = join(folder.path, 'garbage.wasm')
    await writeFile(garbage, 'garbage')
    expect(await runJson('inspect', garbage)).toMatchObject({ code: 1, error: expect.any(String) })
  })

  it('keeps contracts and keys over a restart', async () => {
    const [issuer, address] = [account(), account()]
    await runJson('deploy', ledger, 'construct(bytes32,uint64)', issuer, '7', '--address', address)
    expect((await dev.kill('SIGTERM')).code).toBe(0)
    dev = new CommandProcess(['dev', '--bind', endpoint, '--data', folder.path])
    expect(await dev.readLine()).toBe(`ready ${endpoint}`)
    const [, url, principal] = /^principal (\S+) ([0-9a-f]{40})$/.exec(await dev.readLine()) ?? []
    const call = [address, 'balance_of(bytes32)(uint64)', issuer]
    expect(await runJson('compute', ...call)).toMatchObject({ output: ['7'] })
    const keys = ['--data', join(folder.path, 'core'), '--principal-url', url!, '--principal', principal!]
    const simulated = await runCommand(['simulate', ...call, ...keys, '--json'])
    expect(JSON.parse(simulated.stdout)).toMatchObject({ output: ['7'], tip: { key: 0 } })
  })
})

describe('bletchley core', () => {
  it('announces each endpoint with its real port, logs to stderr only, and ends on SIGTERM and SIGINT with 0', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      await using folder = await temporaryFolder()
      const twice = ['--bind', 'tcp://127.0.0.1:0', '--bind', `ipc://${join(folder.path, 'core.sock')}`]
      await using core = new CommandProcess(['core', ...twice, '--data', join(folder.path, 'data')])
      expect(await core.readLine()).toMatch(/^ready tcp:\/\/127\.0\.0\.1:[1-9]\d+$/)
      expect(await core.readLine()).toBe(`ready ipc://${join(folder.path, 'core.sock')}`)
      const end = await core.kill(signal)
      expect([end.code, end.signal]).toEqual([0, null])
      expect(end.stdout.trim().split('\n')).toHaveLength(2)
      for (const line of end.stderr.trim().split('\n')) expect(JSON.parse(line), line).toHaveProperty('msg')
    }
  })

  it('goes on when nobody reads its log any more', async () => {
    await using folder = await temporaryFolder()
    const args = ['core', '--bind', 'tcp://127.0.0.1:0', '--data', folder.path, '--log-level', 'debug']
    for (const format of ['json', 'pretty']) {
      await using core = new CommandProcess([...args, '--log-format', format])
      using client = new CoreClient((await core.readLine()).replace('ready ', ''))
      core.closeOutput()
      for (let asked = 0; asked < 3; asked++) await client.methods.getAllAddrs(undefined)
      expect((await core.kill('SIGTERM')).code, format).toBe(0)
    }
  })

  it.skipIf(process.platform !== 'linux')('says that its output cannot be written, and goes on', async () => {
    await using folder = await temporaryFolder()
    await using full = await open('/dev/full', 'w')
    const start = (...args: string[]) => {
      const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', full.fd, 'pipe'] })
      return { child, lines: createInterface({ input: child.stderr! }), end: once(child, 'close') }
    }
    const core = start('core', '--data', folder.path, '--bind', 'tcp://127.0.0.1:0', '--log-format', 'json')
    const told: string[] = []
    for await (const line of core.lines) {
      told.push(line)
      const { endpoints } = line.startsWith('{') ? (JSON.parse(line) as { endpoints?: string[] }) : {}
      if (endpoints === undefined) continue
      expect((await runCommand(['call', 'GetAllTips', '--endpoint', endpoints[0]!])).code).toBe(0)
      core.child.kill('SIGTERM')
    }
    expect(await core.end).toEqual([0, null])
    expect(told).toContain('error: the output cannot be written (ENOSPC)')

    const help = start('--help')
    const complaints: string[] = []
    for await (const line of help.lines) complaints.push(line)
    expect(complaints).toEqual(['error: the output cannot be written (ENOSPC)'])
    expect(await help.end).toEqual([1, null])
  })

  it('goes on after a SIGHUP, also with nothing to read again', async () => {
    await using core = await startCoreProcess()
    core.process.signal('SIGHUP')
    await core.process.untilLogged(/SIGHUP/)
    expect(await core.client.methods.getAllAddrs(undefined)).toEqual({ addresses: [] })
  })

  it('takes its options from the environment', async () => {
    await using folder = await temporaryFolder()
    const env = { BLETCHLEY_BIND: 'tcp://127.0.0.1:0', BLETCHLEY_DATA: folder.path, BLETCHLEY_DIALECT: 'enigma-p2p' }
    await using core = new CommandProcess(['core'], { env })
    const endpoint = (await core.readLine()).replace('ready ', '')
    const { stdout } = await runCommand(['call', 'GetTip', `"${account()}"`], {
      env: { BLETCHLEY_ENDPOINT: endpoint },
    })
    expect(JSON.parse(stdout)).toMatchObject({ type: 'Error', requestType: 'GetTip' })
  })

  it('keeps its keys for its owner only, and its identity over restarts', async () => {
    await using folder = await temporaryFolder()
    const identities = []
    for (let start = 0; start < 2; start++) {
      await using core = await startCoreProcess({ dataFolder: folder.path })
      identities.push(bytesToHex((await core.client.methods.getRegistrationParams(undefined)).signingKey))
    }
    expect(identities[1]).toBe(identities[0])
    for (const file of ['signing-key.sealed', 'sealing.key']) {
      expect((await stat(join(folder.path, file))).mode & 0o777, file).toBe(0o600)
    }
  })

  it('does not replace a key that it cannot read', async () => {
    await using folder = await temporaryFolder()
    await (await startCoreProcess({ dataFolder: folder.path }))[Symbol.asyncDispose]()
    const path = join(folder.path, 'signing-key.sealed')
    const damaged = await readFile(path)
    damaged[damaged.length - 1]! ^= 1
    await writeFile(path, damaged)
    const end = await runCommand(['core', '--bind', 'tcp://127.0.0.1:0', '--data', folder.path])
    expect([end.code, end.stdout]).toEqual([1, ''])
    expect(await readFile(path)).toEqual(damaged)
  })

  it('says so when an endpoint is taken', async () => {
    await using first = await startCoreProcess()
    await using folder = await temporaryFolder()
    const end = await runCommand(['core', '--bind', first.endpoint, '--data', folder.path])
    expect(end.code).toBe(1)
    expect(end.stderr).toContain(`${first.endpoint} cannot be bound: listen EADDRINUSE: address already in use`)
  })
})

describe('bletchley principal', () => {
  it('gives a core its keys, and keeps them', async () => {
    await using folder = await temporaryFolder()
    const startPrincipal = () =>
      new CommandProcess(['principal', '--port', '0', '--data', join(folder.path, 'principal')])
    const [issuer, contract] = [account(), account()]
    const balances = []
    let firstAddress: string | undefined
    for (let start = 0; start < 2; start++) {
      await using principal = startPrincipal()
      const [, url, address] = (await principal.readLine()).split(' ')
      firstAddress ??= address
      expect(address).toBe(firstAddress)
      const pinned = ['--principal', address!, '--principal-url', url!]
      await using core = await startCoreProcess({ dataFolder: join(folder.path, 'core'), args: pinned })
      const run = (...args: string[]) => runCommand([...args, '--endpoint', core.endpoint])
      if (start === 0) {
        expect(
          (await run('deploy', ledger, 'construct(bytes32,uint64)', issuer, '3', '--address', contract)).code,
        ).toBe(0)
      }
      const { stdout } = await run('compute', contract, 'balance_of(bytes32)(uint64)', issuer, '--json')
      balances.push((JSON.parse(stdout) as { output: string[] }).output)
      expect((await principal.kill('SIGTERM')).code).toBe(0)
    }
    expect(balances).toEqual([['3'], ['3']])
  })
})

describe('bletchley demo', () => {
  it('shows a contract that is deployed, computed and decrypted, and stays up', async () => {
    await using folder = await temporaryFolder()
    await using demo = new CommandProcess(['demo', '--bind', 'tcp://127.0.0.1:0', '--data', folder.path])
    const lines = []
    for (let line = await demo.readLine(); !line.includes('npx bletchley inspect'); line = await demo.readLine())
      lines.push(line)
    const text = lines.join('\n')
    expect(lines.filter((line) => / gas \d/.test(line))).toEqual([
      expect.stringMatching(/^ {2}construct\(alice, 1000\) {10}gas [1-9]\d*, [1-9]\d* bytes of code$/),
      expect.stringMatching(/^ {2}transfer\(alice, bob, 250\) {7}gas [1-9]\d*$/),
      expect.stringMatching(/^ {2}balance_of\(alice\) {15}gas [1-9]\d*, 750$/),
      expect.stringMatching(/^ {2}balance_of\(bob\) {17}gas [1-9]\d*, 250$/),
      expect.stringMatching(
        /^ {2}transfer\(bob, alice, 9999\) {6}gas [1-9]\d*, failed: Error in execution of WASM code: unreachable$/,
      ),
      expect.stringMatching(/^ {2}total_supply\(\) {18}gas [1-9]\d*, 1000$/),
    ])
    expect(lines[0]).toMatch(/^ready tcp:/)
    expect(text).toMatch(/^ {2}http:\/\/127\.0\.0\.1:[1-9]\d*\/#\/contracts\/[0-9a-f]{64}$/m)
    // What it says to try works as it stands.
    const [, simulate] = /npx bletchley (simulate .*)$/m.exec(text) ?? []
    const words = simulate!.split(' ').map((word) => word.replaceAll("'", ''))
    const simulated = await runCommand([...words, '--json'])
    expect(JSON.parse(simulated.stdout)).toMatchObject({ simulation: true, output: ['1000'], tip: { key: 1 } })
    expect(demo.running).toBe(true)
    expect(await demo.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  })
})
