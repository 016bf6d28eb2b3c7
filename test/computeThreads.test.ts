import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesToHex } from '@bletchley/bytes'
import { type CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { decodeOutput } from '@bletchley/client/user'
import { keccak256, randomBytes } from '@bletchley/crypto'
import { type Patch, sealDelta } from '@bletchley/state'
import { KeyValueStore, openLmdb } from '@bletchley/store'
import { startCoreProcess, TestPrincipal, temporaryFolder } from '@bletchley/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import createWabt from 'wabt'

// Where contracts' states and modules are kept, as far as it can be seen from outside.

const principal = new TestPrincipal()
const gasLimit = 10_000_000n
let ledger: Uint8Array

beforeAll(async () => {
  ledger = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
})

interface Ledger {
  contractAddress: Uint8Array
  issuer: string
}

async function deployLedger(client: CoreClient): Promise<Ledger> {
  const contractAddress = randomBytes(32)
  const issuer = `0x${bytesToHex(randomBytes(32))}`
  await principal.installKeys(client, [contractAddress])
  const call = { contractAddress, gasLimit, callable: 'construct(bytes32,uint64)', args: [issuer, 0n] }
  const deployed = await deployContract(client, ledger, call)
  if (deployed.kind === 'failed') throw new Error(deployed.message)
  return { contractAddress, issuer }
}

async function mint(client: CoreClient, { contractAddress, issuer }: Ledger, amount: bigint): Promise<void> {
  const call = { contractAddress, gasLimit, callable: 'mint(bytes32,uint64)', args: [issuer, amount] }
  const end = await computeFunction(client, call)
  if (end.kind === 'failed') throw new Error(end.message)
}

async function supplyOf(client: CoreClient, { contractAddress }: Ledger): Promise<bigint> {
  const end = await computeFunction(client, { contractAddress, gasLimit, callable: 'total_supply()', args: [] })
  if (end.kind === 'failed') throw new Error(end.message)
  return decodeOutput(['uint64'], end.output)[0] as bigint
}

const logLines = (log: string, text: string): number => log.split(text).length - 1

describe('a contract whose home thread is busy', () => {
  it('moves to an idle one, with the newest state each time', async () => {
    await using core = await startCoreProcess({ args: ['--threads', '2', '--log-level', 'debug'] })
    const { client } = core
    const wabt = await createWabt()
    const loop = wabt.parseWat('loop.wat', '(module (func (export "call") (loop (br 0))))').toBinary({}).buffer
    const loops = [randomBytes(32), randomBytes(32)]
    for (const address of loops) await client.methods.updateNewContract({ address, bytecode: loop })
    await principal.installKeys(client, loops)
    // Runs until its gas ends, on a thread that stays.
    const spin = (contractAddress: Uint8Array) =>
      computeFunction(client, { contractAddress, gasLimit: 3_000_000_000n, callable: 'f()', args: [] })
    for (const address of loops) {
      await computeFunction(client, { contractAddress: address, gasLimit, callable: 'f()', args: [] })
    }
    // New contracts live on the two threads by turns, so each loop shares its thread with one of these.
    const ledgers = [await deployLedger(client), await deployLedger(client)]
    const rounds = 4
    for (let round = 0; round < rounds; round++) {
      const spinning = spin(loops[round % 2]!)
      for (const each of ledgers) await mint(client, each, 1n)
      expect(await spinning).toMatchObject({ kind: 'failed', message: 'Invocation resulted in gas limit violated' })
      for (const [index, each] of ledgers.entries()) {
        expect(await supplyOf(client, each), `ledger ${index} after round ${round}`).toBe(BigInt(round + 1))
      }
    }
    const { stderr } = await core.process.kill('SIGTERM')
    // One had to go in the first round, and both, or the loop itself, in the following ones.
    expect(logLines(stderr, 'contract moved')).toBeGreaterThanOrEqual(rounds)
  })
})

describe('a contract that is removed', () => {
  it('leaves no state in the memory of its thread', async () => {
    await using core = await startCoreProcess({ args: ['--threads', '1', '--http', '127.0.0.1:0'] })
    const url = (await core.process.readLine()).replace('http ', '')
    const states = async () => {
      const metrics = await (await fetch(`${url}/metrics`)).text()
      return Number(/^bletchley_cache_entries\{cache="states"\} (\d+)$/m.exec(metrics)?.[1])
    }
    const stays = await deployLedger(core.client)
    const goes = [await deployLedger(core.client), await deployLedger(core.client)]
    await mint(core.client, stays, 1n)
    expect(await states()).toBe(3)
    for (const { contractAddress: address } of goes) await core.client.methods.removeContract({ address })
    // The thread says with each job how many it has.
    await mint(core.client, stays, 1n)
    expect(await states()).toBe(1)
    expect(await supplyOf(core.client, stays)).toBe(2n)
  })
})

describe('a module', () => {
  it('is compiled once, when its contract is deployed, for all contracts with the code and all threads', async () => {
    await using core = await startCoreProcess({ args: ['--threads', '2', '--log-level', 'debug'] })
    const first = await deployLedger(core.client)
    await mint(core.client, first, 1n)
    const second = await deployLedger(core.client)
    await mint(core.client, second, 1n)
    await mint(core.client, first, 1n)
    const { stderr } = await core.process.kill('SIGTERM')
    expect(logLines(stderr, 'contract compiled')).toBe(1)
  })
})

describe('a snapshot', () => {
  it('is made behind the task that makes it due, before the next one of its contract', async () => {
    await using folder = await temporaryFolder()
    await using core = await startCoreProcess({ dataFolder: folder.path })
    const contract = await deployLedger(core.client)
    for (let count = 0; count < 63; count++) await mint(core.client, contract, 1n)
    // It changes nothing, and so would not make one due.
    expect(await supplyOf(core.client, contract)).toBe(63n)
    await core.process.kill('SIGKILL')
    const store = await KeyValueStore.open(await openLmdb({ folder: join(folder.path, 'store') }), {
      hash: keccak256,
    })
    expect((await store.getSnapshot(contract.contractAddress))?.key).toBe(63)
    await store.close()
  })

  it('is also stored after deltas from elsewhere have been applied, and carries over a restart', async () => {
    await using folder = await temporaryFolder()
    let contract: Ledger
    {
      await using core = await startCoreProcess({ dataFolder: folder.path })
      const { client } = core
      contract = await deployLedger(client)
      const { contractAddress: address, issuer } = contract
      let previousHash = keccak256((await client.methods.getTip({ address })).data)
      const deltas = Array.from({ length: 200 }, (_, index) => {
        const patch = [
          { op: 'add', path: '/supply', value: index } as const,
          { op: 'add', path: `/balance:${issuer.slice(2)}`, value: index } as const,
        ]
        const data = sealDelta(principal.stateKey(address), { patch, previousHash })
        previousHash = keccak256(data)
        return { address, key: index + 1, data }
      })
      await client.methods.updateDeltas({ deltas })
      expect(await principal.installKeys(client, [address])).toEqual([])
      await core.process.kill('SIGKILL')
    }
    const store = await KeyValueStore.open(await openLmdb({ folder: join(folder.path, 'store') }), {
      hash: keccak256,
    })
    expect((await store.getSnapshot(contract.contractAddress))?.key).toBe(200)
    await store.close()

    await using again = await startCoreProcess({ dataFolder: folder.path })
    const { contractAddress: address } = contract
    expect(await principal.installKeys(again.client, [address])).toEqual([])
    expect(await supplyOf(again.client, contract)).toBe(199n)
    await mint(again.client, contract, 1n)
    expect(await supplyOf(again.client, contract)).toBe(200n)
    expect((await again.client.methods.getTip({ address })).key).toBe(201)
  })
})

describe('a state that does not fit into memory', () => {
  it('ends its task in an error, and its thread is replaced', async () => {
    await using core = await startCoreProcess({ args: ['--threads', '1'] })
    const { client } = core
    const other = await deployLedger(client)
    const address = randomBytes(32)
    await client.methods.updateNewContract({ address, bytecode: ledger })
    await principal.installKeys(client, [address])
    await client.methods.updateDeltas({ deltas: growingChain(address, 200) })
    const call = { contractAddress: address, gasLimit, callable: 'total_supply()', args: [] }
    await expect(computeFunction(client, call)).rejects.toMatchObject({
      code: 'task_aborted',
      data: { reason: 'ran out of memory' },
    })
    await mint(client, other, 5n)
    expect(await supplyOf(client, other)).toBe(5n)
  })
})

/** A list of a million numbers, and then deltas that each put one more copy of it into the state: 8 MB of memory. */
function growingChain(address: Uint8Array, copies: number) {
  const list: Patch = [{ op: 'add', path: '/0', value: new Array<number>(999_000).fill(1) }]
  let previousHash: Uint8Array = new Uint8Array(32)
  return Array.from({ length: copies }, (_, key) => {
    const patch = key === 0 ? list : ([{ op: 'copy', from: '/0', path: `/${key}` }] satisfies Patch)
    const data = sealDelta(principal.stateKey(address), { patch, previousHash })
    previousHash = keccak256(data)
    return { address, key, data }
  })
}
