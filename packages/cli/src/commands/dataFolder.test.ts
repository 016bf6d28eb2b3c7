import { cp, mkdir, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { CoreClient } from '@bletchley/client'
import { randomBytes } from '@bletchley/crypto'
import { createCurveKeyFile } from '@bletchley/crypto/curve-key-file'
import { type Principal, startPrincipal } from '@bletchley/principal'
import { KeyValueStore, openLmdb } from '@bletchley/store'
import { temporaryFolder } from '@bletchley/testkit'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import createWabt from 'wabt'
import { json, run } from '../../test/run.ts'
import { signalTo, withProperty } from '../../test/standardStreams.ts'
import { startDevNetwork } from '../network.ts'

// The commands of an operator on the data folder of a core that does not run, in this process.

const ledger = fileURLToPath(new URL('../../../../contracts/ledger/build/ledger.wasm', import.meta.url))
const logger = pino({ enabled: false })
const account = (): string => bytesToHex(randomBytes(32))

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let data: string
let principal: Principal
let keys: string[]
let issuer: string
/** A contract with a delta that does not begin its chain, whose address is the first. */
const hole = '0a'.repeat(32)
/** Its functions cost what is known. */
const priced = '11'.repeat(32)
/** With two tasks. */
const chain = '22'.repeat(32)
/** Its only delta does not decrypt. */
const garbled = '33'.repeat(32)

beforeAll(async () => {
  folder = await temporaryFolder()
  data = join(folder.path, 'core')
  const dataFolder = folder.path
  const network = await startDevNetwork(
    { endpoints: ['tcp://127.0.0.1:0'], dataFolder, dialect: 'document', threads: 1, runLimitMs: 300_000, logger },
    { port: 0, logger },
  )
  const [endpoint] = network.core.endpoints
  const done = async (...args: string[]) =>
    expect(await run([...args, '--endpoint', endpoint!]), args.join(' ')).toMatchObject({ code: 0 })
  issuer = account()
  await done('deploy', ledger, 'construct(bytes32,uint64)', issuer, '1000', '--address', chain)
  await done('compute', chain, 'mint(bytes32,uint64)', issuer, '1')
  using client = new CoreClient(endpoint!)
  await client.methods.updateNewContract({ address: hexToBytes(priced), bytecode: await pricedContract() })
  await done('compute', priced, 'f()')
  const deltas = [
    { address: hexToBytes(garbled), key: 0, data: randomBytes(100) },
    { address: hexToBytes(hole), key: 5, data: randomBytes(100) },
  ]
  await client.methods.updateDeltas({ deltas })
  await network.close()
  principal = await startPrincipal({ dataFolder: join(folder.path, 'principal'), port: 0, logger })
  keys = ['--principal-url', principal.url, '--principal', principal.address]
})

afterAll(async () => {
  await principal.close()
  await folder[Symbol.asyncDispose]()
})

const stored = (...args: string[]) => json([...args, '--data', data])

/** Twelve functions of which each two cost the same, and a state. */
async function pricedContract(): Promise<Uint8Array> {
  const wabt = await createWabt()
  const indices = Array.from({ length: 12 }, (_, index) => index)
  const functions = indices.map((index) => `(func $f${index} ${'(nop)'.repeat(index >> 1)})`)
  const calls = indices.map((index) => `(call $f${index})`)
  const text = `(module
    (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
    (import "env" "gas" (func $gas (param i32)))
    (import "env" "eprint" (func $print (param i32 i32)))
    (import "env" "write_eth_bridge" (func $ethereum (param i32 i32 i32)))
    (import "env" "memory" (memory 1 4))
    (data (i32.const 0) "secretkey7")
    ${functions.join('')}
    (func (export "call")
      ${calls.join('')}
      (call $gas (i32.const 77))
      (call $print (i32.const 3) (i32.const 3))
      (call $ethereum (i32.const 0) (i32.const 2) (i32.const 64))
      (call $write (i32.const 0) (i32.const 9) (i32.const 9) (i32.const 1))))`
  return wabt.parseWat('contract.wat', text).toBinary({}).buffer
}

describe('simulate', () => {
  const simulate = (...args: string[]) => stored('simulate', ...args, ...keys)
  const key = expect.stringMatching(/^\d+$/)

  it('tells what a task would give, and of what tip', async () => {
    const supply = await simulate(chain, 'total_supply()(uint64)')
    expect(supply).toMatchObject({
      ...{ code: 0, stderr: '', status: 'success', simulation: true, contract: chain, output: ['1001'] },
      ...{ tip: { key: 1, hash: expect.stringMatching(/^[0-9a-f]{64}$/) }, usedGas: key, changedKeys: 0 },
    })
    for (const name of ['error', 'changes', 'ethereum', 'printed', 'stateWrites'])
      expect(supply).not.toHaveProperty(name)
    const gas = Object.values(supply.gas as Record<string, string>).reduce((sum, part) => sum + BigInt(part), 0n)
    expect(String(gas)).toBe(supply.usedGas)
  })

  it('tells of a failure by the exit code', async () => {
    const failed = await simulate(chain, 'transfer(bytes32,bytes32,uint64)', account(), issuer, '5')
    expect(failed).toMatchObject({
      ...{ code: 3, status: 'failed', error: 'Error in execution of WASM code: unreachable' },
      tip: { key: 1 },
    })
    for (const name of ['output', 'raw', 'changedKeys', 'ethereum']) expect(failed).not.toHaveProperty(name)
    expect(await simulate(chain, 'total_supply()', '--gas-limit', '3000')).toMatchObject({ code: 3, usedGas: '3000' })
    expect(await simulate(chain, 'f(uint64)', 'ten')).toMatchObject({ code: 2, stdout: '' })
  })

  it('tells where the gas went', async () => {
    const simulated = await simulate(priced, 'f()')
    expect(simulated).toMatchObject({
      code: 0,
      gas: { memoryGrow: '0', gasCalls: '77', stateWrites: '10', flat: '10000', lost: '0', refund: '0' },
      hostCalls: expect.arrayContaining([{ name: 'gas', calls: 1, bytes: 0 }]),
      printed: ['ret'],
      changedKeys: 0,
      ethereum: { payload: '7365', address: '00'.repeat(20) },
    })
    // Four imported functions come first. The last one calls all others; the three that cost least are left out.
    const functions = simulated.functions as { index: number; gas: string }[]
    expect(functions.map(({ index }) => index)).toEqual([16, 14, 15, 12, 13, 10, 11, 8, 9, 6])
    const costs = functions.map(({ gas }) => Number(gas))
    expect(costs).toEqual(costs.toSorted((one, other) => other - one))
    const { instructions } = simulated.gas as { instructions: string }
    expect(Number(instructions)).toBeGreaterThan(costs.reduce((sum, each) => sum + each, 0))
    expect(simulated).not.toHaveProperty('stateWrites')
    expect(simulated).not.toHaveProperty('changes')
  })

  it('shows the state only if asked', async () => {
    expect(await simulate(priced, 'f()', '--show-state')).toMatchObject({
      stateWrites: [{ key: 'secretkey', writes: 1, charged: expect.any(String), refunded: expect.any(String) }],
      changes: [],
    })
    const transfer = [chain, 'transfer(bytes32,bytes32,uint64)', issuer, account(), '1']
    const { changes, changedKeys } = await simulate(...transfer, '--show-state')
    expect([changedKeys, changes]).toEqual([
      2,
      expect.arrayContaining([
        { key: expect.any(String), before: '1001', after: '1000' },
        { key: expect.any(String), before: null, after: '1' },
      ]),
    ])
  })

  it('asks the principal that is pinned, and for a contract that is there', async () => {
    const stranger = await json(
      ['simulate', chain, 'total_supply()', '--data', data, '--principal-url', principal.url].concat([
        '--principal',
        bytesToHex(randomBytes(20)),
      ]),
    )
    expect(stranger).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('not signed by the principal'),
    })
    expect(await simulate(account(), 'f()')).toMatchObject({ code: 1, stdout: '' })
    const withoutPrincipal = await stored('simulate', chain, 'f()')
    expect([withoutPrincipal.code, withoutPrincipal.stderr]).toEqual([
      2,
      expect.stringContaining("required option '--principal-url <url>' not specified"),
    ])
  })
})

const gap = { contract: hole, problem: 'deltas 0 to 4 are missing' }

describe('verify', () => {
  it('walks the records, and with the keys the chains', async () => {
    expect(await stored('verify')).toMatchObject({
      ...{ code: 1, stderr: '', contracts: 4, decrypted: 0, broken: 1, findings: [gap] },
    })
    expect(await stored('verify', ...keys)).toMatchObject({
      ...{ code: 1, stderr: '', contracts: 4, decrypted: 4, broken: 2 },
      findings: [gap, { contract: garbled, problem: expect.stringMatching(/^delta 0: undecryptable/) }],
    })
  })

  it.skipIf(process.platform === 'win32')(
    'takes the folder that the system finds, up from where a link leads',
    async () => {
      const elsewhere = join(folder.path, 'elsewhere')
      await mkdir(elsewhere)
      await symlink(join(data, 'store'), join(elsewhere, 'link'))
      const [named, up] = [
        await json(['verify', '--data', data]),
        await json(['verify', '--data', `${elsewhere}/link/..`]),
      ]
      expect(named).toMatchObject({ contracts: expect.any(Number), stderr: '' })
      expect(up).toEqual(named)
    },
  )

  it('of contracts that are named, or behind one', async () => {
    expect(await stored('verify', chain, ...keys)).toMatchObject({ code: 0, contracts: 1, decrypted: 1, broken: 0 })
    expect(await stored('verify', chain, priced)).toMatchObject({ code: 0, contracts: 2 })
    expect(await stored('verify', '--after', hole)).toMatchObject({ code: 0, contracts: 3, findings: [] })
    expect(await stored('verify', '--after', garbled)).toMatchObject({ code: 0, contracts: 0 })
  })

  it('with a principal that is not the pinned one fails', async () => {
    const stranger = ['--principal-url', principal.url, '--principal', bytesToHex(randomBytes(20))]
    expect(await stored('verify', ...stranger)).toMatchObject({
      ...{ code: 1, stdout: '', stderr: expect.stringMatching(/^error: .*gave no state keys/) },
    })
  })

  it('that is stopped says what it found, and how far it came', async () => {
    const others = process.listeners('SIGINT')
    // As soon as the bar tells of the first contract.
    const onText = (text: string) => {
      if (text.includes('25 %')) signalTo('SIGINT', others)
    }
    const verify = (...args: string[]) =>
      withProperty(process.stderr, 'isTTY', true, () => run(['verify', '--data', data, ...args], { onText }))
    const stopped = await verify()
    expect([stopped.code, stopped.stdout]).toEqual([1, ''])
    expect(stopped.stderr.split('\n').slice(1)).toEqual([
      `${hole}: deltas 0 to 4 are missing`,
      `verified up to --after ${hole}`,
      'error: stopped; run it again',
      '',
    ])
    // Those that are named have no order to go on in.
    const named = await verify(hole, priced, chain, garbled)
    expect(named.stderr.split('\n').slice(1)).toEqual(['error: stopped; run it again', ''])
  })
})

describe('backup and restore', () => {
  it('tell what is in them, and fail with what is wrong', async () => {
    const [backup, restored] = [join(folder.path, 'backup'), join(folder.path, 'restored')]
    const made = await stored('backup', backup)
    expect(made).toMatchObject({
      ...{ code: 1, stderr: '', backup, contracts: 4, sealingKey: 'not in the backup: keep it apart', findings: [gap] },
      files: ['store/data.mdb', 'signing-key.sealed'],
    })
    const files = await Promise.all((made.files as string[]).map((name) => stat(join(backup, name))))
    expect(made.bytes).toBe(files.reduce((sum, { size }) => sum + size, 0))
    expect(await json(['restore', backup, '--data', restored])).toMatchObject({
      ...{ code: 0, stderr: '', data: restored, contracts: 4, findings: [gap], made: expect.stringMatching(/^\d{4}-/) },
      sealingKey: `not in the backup: put it at ${join(restored, 'sealing.key')} (chmod 600), or name it with --sealing-key`,
    })
    expect(await stored('backup', backup)).toMatchObject({ code: 1, stdout: '' })
  })

  it('have a sealing key in them if it is locked', async () => {
    const path = (name: string) => join(folder.path, name)
    await cp(data, path('locked'), { recursive: true })
    const command = ['--new-sealing-command', `printf ${'ab'.repeat(32)}`]
    const locked = ['--data', path('locked')]
    expect(await json(['keys', 'relock', ...locked, ...command])).toMatchObject({ code: 0, status: 'relocked' })
    const inIt = { sealingKey: 'in the backup, locked' }
    expect(await json(['backup', path('lockedBackup'), ...locked])).toMatchObject(inIt)
    const restore = ['restore', path('lockedBackup'), '--data', path('lockedRestored')]
    expect(await json(restore)).toMatchObject({ code: 0, sealingKey: 'restored, locked' })
  })
})

describe('export and import', () => {
  it('bring the contracts that are named, or all, elsewhere', async () => {
    const [all, one, target] = ['all.export', 'one.export', 'imported'].map((name) => join(folder.path, name))
    const exported = await stored('export', all!)
    expect(exported).toMatchObject({
      ...{ code: 1, stderr: '', file: all, contracts: 3, bytes: (await stat(all!)).size },
      leftOut: [{ contract: hole, problem: 'delta 0 is missing' }],
    })
    expect(exported).not.toHaveProperty('resumed')
    expect(await stored('export', one!, chain)).toMatchObject({ code: 0, contracts: 1, leftOut: [] })
    const into = ['--data', target!]
    expect(await json(['import', one!, ...into])).toMatchObject({ code: 0, imported: 1, equal: 0, conflicts: [] })
    expect(await json(['import', all!, ...into])).toMatchObject({ code: 0, imported: 2, equal: 1, conflicts: [] })
    expect(await json(['verify', ...into])).toMatchObject({ code: 0, contracts: 3 })
    expect(await json(['backup', `${target}.backup`, ...into])).toMatchObject({ code: 0, contracts: 3, findings: [] })
  })

  it('fail with what differs', async () => {
    const [file, target] = ['differing.export', 'differing'].map((name) => join(folder.path, name))
    await stored('export', file!, garbled)
    const store = await KeyValueStore.open(await openLmdb({ folder: join(target!, 'store') }), {
      hash: (blob) => blob,
    })
    await store.putDeltas([{ address: hexToBytes(garbled), key: 0, data: randomBytes(100) }])
    await store.close()
    expect(await json(['import', file!, '--data', target!])).toMatchObject({
      ...{ code: 1, imported: 0, equal: 0 },
      conflicts: [{ contract: garbled, problem: expect.stringMatching(/./) }],
    })
  })
})

describe('compact and prune', () => {
  it('tell what they gave back', async () => {
    const copy = join(folder.path, 'compacted')
    await cp(data, copy, { recursive: true })
    const compacted = await json(['compact', '--data', copy])
    const after = (await stat(join(copy, 'store', 'data.mdb'))).size
    const before = (await stat(join(data, 'store', 'data.mdb'))).size
    expect(compacted).toMatchObject({ code: 0, stderr: '', bytesBefore: before, bytesAfter: after })
    const removed = { snapshots: 0, receipts: 0, bytes: 0 }
    expect(await json(['prune', '--data', copy])).toMatchObject({ code: 0, stderr: '', removed })
  })
})

describe('doctor', () => {
  const local = ['--bind', 'tcp://127.0.0.1:0']
  interface Row {
    name: string
    status: string
    found: string
  }
  const doctor = async (...args: string[]) => {
    const end = await stored('doctor', ...args)
    const checks = end.checks as Row[]
    return { end, checks, of: (name: string) => checks.filter((each) => each.name === name) }
  }

  it('counts what is not right, and fails with a problem', async () => {
    const one = await doctor(...local, '--principal-url', 'http://127.0.0.1:1')
    for (const [status, counted] of [
      ['problem', one.end.problems],
      ['warning', one.end.warnings],
    ])
      expect(one.checks.filter((each) => each.status === status)).toHaveLength(counted as number)
    expect([one.end.code, one.of('principal')]).toMatchObject([1, [{ status: 'problem' }]])
    const fine = await doctor(...local, '--principal-url', principal.url)
    expect(fine.of('principal')).toMatchObject([{ status: 'ok' }])
    expect(fine.end).toMatchObject({ problems: (one.end.problems as number) - 1 })
    expect(fine.end.code).toBe(fine.end.problems === 0 ? 0 : 1)
  })

  it('looks at what the options of the core say', async () => {
    const usual = await doctor()
    expect(usual.of('endpoint')).toMatchObject([{ found: expect.stringMatching(/^tcp:\/\/127\.0\.0\.1:5552 /) }])
    expect([usual.of('http'), usual.of('principal')]).toEqual([[], []])
    const [list, key] = [join(folder.path, 'clients'), join(folder.path, 'server.key')]
    await writeFile(list, `${'0'.repeat(64)}\n`)
    await createCurveKeyFile(key, 'server')
    const open = ['--bind', 'tcp://0.0.0.0:0']
    const doors = async (...args: string[]) =>
      (await doctor(...args)).checks
        .filter(({ name }) => /clients|CURVE|HTTP/.test(name))
        .map(({ name, status }) => `${name} ${status}`)
    expect(await doors(...open)).toEqual(['clients problem'])
    expect(await doors(...open, '--insecure')).toEqual(['clients warning'])
    expect(await doors(...open, '--clients', list)).toEqual(['clients ok', 'CURVE key problem'])
    expect(await doors(...open, '--clients', list, '--curve-key', key)).toEqual(['clients ok', 'CURVE key ok'])
    expect(await doors(...local, '--http', '0.0.0.0:0')).toContain('HTTP door problem')
    expect((await doctor(...local, '--threads', '256')).of('memory')[0]!.found).toContain('256 threads')
  })

  it('shows each check on a line, and below it what to do', async () => {
    const { stdout } = await run(['doctor', '--data', data, ...local, '--principal-url', 'http://127.0.0.1:1'])
    expect(stdout).toMatch(/^ok {7}node {11}v\d\S+$/m)
    expect(stdout).toMatch(/^ok {7}signing key {4}opens with the sealing key$/m)
    expect(stdout).toMatch(
      /^problem {2}principal {6}it does not answer: .*\n {24}check --principal-url, and that the principal runs$/m,
    )
    expect(stdout).toMatch(/[^\n]\n$/)
  })
})
