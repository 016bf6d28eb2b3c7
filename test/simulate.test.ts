import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesToHex } from '@bletchley/bytes'
import { type CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { keccak256, randomBytes } from '@bletchley/crypto'
import { CommandProcess, type CoreProcess, runCommand, startCoreProcess, temporaryFolder } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import createWabt from 'wabt'
import { WireSocket } from './wireSocket.ts'

// `bletchley simulate` beside a core, a principal and a database as operators run them, against the tasks of that core.

const gasLimit = 10_000_000n
const account = (): string => `0x${bytesToHex(randomBytes(32))}`

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let principal: CommandProcess
let keys: string[]
let core: CoreProcess
let data: string
let ledger: Uint8Array

beforeAll(async () => {
  ledger = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
  folder = await temporaryFolder()
  data = join(folder.path, 'core')
  principal = new CommandProcess(['principal', '--port', '0', '--data', join(folder.path, 'principal')])
  const [, url, address] = (await principal.readLine()).split(' ')
  keys = ['--principal-url', url!, '--principal', address!]
  core = await startCore()
})

afterAll(async () => {
  await core[Symbol.asyncDispose]()
  await principal[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

const startCore = () => startCoreProcess({ dataFolder: data, args: keys })

interface Simulation {
  code: number | null
  stderr: string
  status?: string
  simulation?: boolean
  tip?: { key: number; hash: string } | null
  raw?: string
  output?: string[]
  error?: string
  usedGas?: string
  gas?: Record<string, string>
  [name: string]: unknown
}

const run = (...args: string[]) => runCommand(['simulate', '--data', data, ...keys, ...args])

async function simulate(...args: string[]): Promise<Simulation> {
  const { code, stdout, stderr } = await run('--json', ...args)
  return { ...(stdout === '' ? {} : (JSON.parse(stdout) as object)), code, stderr }
}

/** A call, as the user's side and the command take it. */
interface Call {
  callable: string
  args?: string[]
  gasLimit?: bigint
}

async function deploy(preCode: Uint8Array, callable: string, args: string[]): Promise<Uint8Array> {
  const contractAddress = randomBytes(32)
  const deployed = await deployContract(core.client, preCode, { contractAddress, gasLimit, callable, args })
  if (deployed.kind === 'failed') throw new Error(deployed.message)
  return contractAddress
}

async function deployLedger(): Promise<{ address: Uint8Array; issuer: string }> {
  const issuer = account()
  return { address: await deploy(ledger, 'construct(bytes32,uint64)', [issuer, '1000']), issuer }
}

/** A contract of stored bytecode alone. */
async function install(wat: string): Promise<Uint8Array> {
  const address = randomBytes(32)
  const wabt = await createWabt()
  const bytecode = wabt.parseWat('contract.wat', wat).toBinary({}).buffer
  await core.client.methods.updateNewContract({ address, bytecode })
  return address
}

function mint(client: CoreClient, contractAddress: Uint8Array, issuer: string) {
  return computeFunction(client, { contractAddress, gasLimit, callable: 'mint(bytes32,uint64)', args: [issuer, 1n] })
}

async function tipOf(address: Uint8Array): Promise<{ key: number; hash: string } | null> {
  const tip = await core.client.methods.getTip({ address }).catch(() => undefined)
  return tip === undefined ? null : { key: tip.key, hash: bytesToHex(keccak256(tip.data)) }
}

/** Simulates a call, then computes it on the same tip, and expects the same of both. */
async function expectSame(address: Uint8Array, call: Call): Promise<Simulation> {
  const limit = call.gasLimit ?? gasLimit
  const tip = await tipOf(address)
  const simulated = await simulate(
    bytesToHex(address),
    call.callable,
    ...(call.args ?? []),
    '--gas-limit',
    String(limit),
  )
  expect(await tipOf(address), call.callable).toEqual(tip)
  const end = await computeFunction(core.client, {
    contractAddress: address,
    gasLimit: limit,
    callable: call.callable,
    args: call.args ?? [],
  })
  const [status, code] = end.kind === 'failed' ? ['failed', 3] : ['success', 0]
  expect(simulated, call.callable).toMatchObject({ status, code, simulation: true, contract: bytesToHex(address), tip })
  expect(simulated.usedGas, call.callable).toBe(String(end.usedGas))
  if (end.kind === 'failed') expect(simulated.error, call.callable).toBe(end.message)
  else {
    expect(simulated.raw, call.callable).toBe(`0x${bytesToHex(end.output)}`)
    // The first task on a contract without deltas makes one in any case.
    if (tip !== null) expect((simulated.changedKeys as number) > 0, call.callable).toBe(end.delta !== undefined)
  }
  if (simulated.gas !== undefined) {
    const bill = Object.values(simulated.gas).reduce((sum, part) => sum + BigInt(part), 0n)
    expect(bill, call.callable).toBe(end.usedGas)
  }
  return simulated
}

describe('a simulation', () => {
  it('gives what the task gives: result, gas, and the text of a failure', async () => {
    const { address, issuer } = await deployLedger()
    const friend = account()
    const transfer = 'transfer(bytes32,bytes32,uint64)'
    const minted = { callable: 'mint(bytes32,uint64)', args: [issuer, '5'] }
    await expectSame(address, { callable: 'balance_of(bytes32)', args: [issuer] })
    await expectSame(address, minted)
    await expectSame(address, { callable: transfer, args: [issuer, friend, '250'] })
    await expectSame(address, { callable: 'total_supply()' })
    const failures: Call[] = [
      { callable: transfer, args: [friend, issuer, '9999'] },
      { callable: transfer, args: [issuer, friend, '1'], gasLimit: 3000n },
      { callable: transfer, args: [issuer, friend, '1'], gasLimit: 0n },
      { callable: 'transfer(uint64)', args: ['1'] },
      { callable: 'no_such_function()' },
    ]
    for (const call of failures) expect((await expectSame(address, call)).status, call.callable).toBe('failed')
    const decoded = await simulate(bytesToHex(address), 'balance_of(bytes32)(uint64)', friend)
    expect(decoded.output).toEqual(['250'])
    // The simulated transfers and mints left nothing behind.
    expect((await simulate(bytesToHex(address), 'total_supply()(uint64)')).output).toEqual(['1005'])
  })

  it('of a contract compiled from Rust', async () => {
    const erc20 = await readFile(new URL('../packages/sandbox/vectors/rust/erc20.wasm', import.meta.url))
    const [owner, other] = [`0x${'11'.repeat(20)}`, `0x${'22'.repeat(20)}`]
    const address = await deploy(erc20, 'construct(address,uint256)', [owner, '1000000'])
    await expectSame(address, { callable: 'transfer(address,address,uint256)', args: [owner, other, '12345'] })
    await expectSame(address, { callable: 'balanceOf(address)', args: [other] })
    await expectSame(address, { callable: 'totalSupply()' })
    expect((await expectSame(address, { callable: 'totalSupply()', gasLimit: 20_000n })).status).toBe('failed')
    expect((await simulate(bytesToHex(address), 'balanceOf(address)(uint256)', other)).output).toEqual(['12345'])
  })

  it('tells where the gas went and what was printed, and the state only if asked', async () => {
    const address = await install(`(module
      (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
      (import "env" "remove_from_state" (func $remove (param i32 i32)))
      (import "env" "gas" (func $gas (param i32)))
      (import "env" "eprint" (func $print (param i32 i32)))
      (import "env" "memory" (memory 1 4))
      (data (i32.const 0) "secretkey\\1b[31mred\\"hidden\\"7")
      (func (export "call")
        (drop (memory.grow (i32.const 1)))
        (call $gas (i32.const 77))
        (call $print (i32.const 9) (i32.const 8))
        (call $write (i32.const 0) (i32.const 9) (i32.const 17) (i32.const 8))
        (call $write (i32.const 0) (i32.const 6) (i32.const 25) (i32.const 1))
        (call $remove (i32.const 0) (i32.const 6))
        (call $write (i32.const 0) (i32.const 9) (i32.const 25) (i32.const 1))))`)
    const name = bytesToHex(address)
    await expectSame(address, { callable: 'f()' })
    const simulated = await simulate(name, 'f()', '--show-state')
    expect(simulated).toMatchObject({
      tip: { key: 0 },
      printed: ['\u001b[31mred'],
      // The task before has left 7 under the longer key: grown from 1 byte to 8, and back.
      gas: { memoryGrow: '8192', gasCalls: '77', stateWrites: '28', flat: '10000', lost: '0', refund: '-7' },
      functions: [{ index: 4 }],
      hostCalls: [
        { name: 'gas', calls: 1, bytes: 0 },
        { name: 'eprint', calls: 1, bytes: 8 },
        { name: 'write_state', calls: 3 },
        { name: 'remove_from_state', calls: 1, bytes: 6 },
      ],
      stateWrites: [
        { key: 'secretkey', writes: 2, charged: '17', refunded: '7' },
        { key: 'secret', writes: 1, charged: '11', refunded: '0' },
      ],
      changedKeys: 0,
      changes: [],
    })
    const shown = await run(name, 'f()')
    expect(shown.stdout).toContain('simulation: true')
    expect(shown.stdout).toContain('\\u{1b}[31mred')
    for (const hidden of ['secret', 'hidden', '\u001b']) expect(shown.stdout, hidden).not.toContain(hidden)
  })

  it('shows the changes that a task would make', async () => {
    const { address, issuer } = await deployLedger()
    const call = [bytesToHex(address), 'mint(bytes32,uint64)', issuer, '1']
    const { changes, changedKeys } = await simulate(...call, '--show-state')
    expect(changedKeys).toBe(2)
    expect(changes).toContainEqual({ key: expect.any(String), before: '1000', after: '1001' })
    expect(await simulate(...call)).not.toHaveProperty('changes')
  })
})

describe('the data folder', () => {
  /** Hash and time of each file but LMDB's table of readers. */
  async function contentOf(path: string): Promise<Record<string, string>> {
    const content: Record<string, string> = {}
    for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name)
      const isTable = entry.name === 'lock.mdb'
      content[file] =
        entry.isFile() && !isTable
          ? createHash('sha256')
              .update(await readFile(file))
              .digest('hex')
          : ''
    }
    return content
  }

  it('is as it was, whether the core runs or not', async () => {
    const { address, issuer } = await deployLedger()
    const name = bytesToHex(address)
    const calls = [
      [name, 'mint(bytes32,uint64)', issuer, '1'],
      [name, 'transfer(bytes32,bytes32,uint64)', issuer, account(), '5000'],
      [bytesToHex(randomBytes(32)), 'f()'],
    ]
    for (const stopped of [false, true]) {
      if (stopped) await core.process.kill('SIGKILL')
      const before = await contentOf(data)
      expect(Object.keys(before).length).toBeGreaterThan(4)
      const codes = []
      for (const call of calls) codes.push((await simulate(...call)).code)
      expect(codes).toEqual([0, 3, 1])
      expect(await contentOf(data), stopped ? 'core stopped' : 'core running').toEqual(before)
    }
    core = await startCore()
    expect(await expectSame(address, { callable: 'total_supply()' })).toMatchObject({ tip: { key: 0 } })
  })

  it('may be written by the core meanwhile; each simulation tells its tip', async () => {
    const { address, issuer } = await deployLedger()
    let minted = 0
    let simulating = true
    const minting = (async () => {
      while (simulating) {
        await mint(core.client, address, issuer)
        minted++
      }
    })()
    // The core writes in each of them.
    for (let round = 0; round < 3; round++) {
      const before = minted
      const { tip, output } = await simulate(bytesToHex(address), 'total_supply()(uint64)')
      expect(output, `round ${round}`).toEqual([String(1000 + tip!.key)])
      expect(tip!.key, `round ${round}`).toBeGreaterThanOrEqual(before)
      expect(minted, `round ${round}`).toBeGreaterThan(before)
    }
    simulating = false
    await minting
    const last = await simulate(bytesToHex(address), 'total_supply()(uint64)')
    expect(last).toMatchObject({ output: [String(1000 + minted)], tip: await tipOf(address) })
    expect(last.tip!.key).toBe(minted)
  })

  it('that is not a worker’s is refused, and stays as it is', async () => {
    await using empty = await temporaryFolder()
    const call = [bytesToHex(randomBytes(32)), 'f()']
    for (const path of [empty.path, join(empty.path, 'nowhere')]) {
      const end = await simulate(...call, '--data', path)
      expect(end, path).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no sealing key') })
    }
    expect(await readdir(empty.path)).toEqual([])
    await mkdir(join(empty.path, 'store'))
    await copyFile(join(data, 'sealing.key'), join(empty.path, 'sealing.key'))
    expect((await simulate(...call, '--data', empty.path)).stderr).toContain('There is no signing key')
    await copyFile(join(data, 'signing-key.sealed'), join(empty.path, 'signing-key.sealed'))
    expect((await simulate(...call, '--data', empty.path)).stderr).toContain('it has no store/data.mdb')
    expect((await readdir(empty.path, { recursive: true })).sort()).toEqual([
      'sealing.key',
      'signing-key.sealed',
      'store',
    ])
  })
})

describe('a simulation is refused', () => {
  it('for an unknown contract, without asking for a key', async () => {
    const end = await simulate(bytesToHex(randomBytes(32)), 'f()', '--principal-url', 'http://127.0.0.1:1')
    expect(end).toMatchObject({ code: 1, stderr: expect.stringContaining("The following Key doesn't exist") })
  })

  it('without a principal that gives the key, and for one that is not the pinned one', async () => {
    const { address } = await deployLedger()
    const call = [bytesToHex(address), 'total_supply()']
    expect(await simulate(...call, '--principal-url', 'http://127.0.0.1:1')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('gave no state key'),
    })
    expect(await simulate(...call, '--principal', bytesToHex(randomBytes(20)))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it is not signed by the principal'),
    })
    const bare = await runCommand(['simulate', ...call, '--data', data])
    expect([bare.code, bare.stdout]).toEqual([2, ''])
  })

  it('on a chain that is broken, with the words of the task; behind a hole it is not', async () => {
    const { address, issuer } = await deployLedger()
    await mint(core.client, address, issuer)
    const last = await tipOf(address)
    const call: Call = { callable: 'total_supply()' }
    await core.client.methods.updateDeltas({ deltas: [{ address, key: 5, data: randomBytes(99) }] })
    const onHole = await simulate(bytesToHex(address), call.callable)
    expect(onHole).toMatchObject({ code: 0, tip: last })

    await core.client.methods.updateDeltas({ deltas: [{ address, key: 2, data: randomBytes(99) }] })
    const broken = await simulate(bytesToHex(address), call.callable)
    const task = { contractAddress: address, gasLimit, callable: call.callable, args: [] }
    const refusal = await computeFunction(core.client, task).catch((error: Error) => error)
    expect(refusal).toMatchObject({ code: 'enclave_error' })
    expect(broken).toMatchObject({ code: 1, stderr: `error: ${(refusal as Error).message}\n` })
  })

  it('when it takes too long', async () => {
    const address = await install('(module (func (export "call") (loop (br 0))))')
    const limits = ['--gas-limit', String(2n ** 64n - 1n), '--run-limit', '500']
    const end = await simulate(bytesToHex(address), 'f()', ...limits)
    expect(end).toMatchObject({ code: 1, stderr: expect.stringContaining('took too long') })
  })

  it('over the socket: no message asks for one', async () => {
    const { address } = await deployLedger()
    using socket = new WireSocket(core.endpoint)
    const ask = (type: string) => socket.askOne({ id: 'one', type, input: { address: bytesToHex(address) } })
    const unknown = JSON.stringify(await ask('NoSuchMessage'))
    for (const type of ['Simulate', 'SimulateTask', 'simulate']) {
      expect(JSON.stringify(await ask(type)), type).toBe(unknown.replaceAll('NoSuchMessage', type))
    }
  })
})
