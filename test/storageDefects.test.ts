import { readFile } from 'node:fs/promises'
import { bytesToHex } from '@bletchley/bytes'
import { type CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { decodeOutput } from '@bletchley/client/user'
import { randomBytes } from '@bletchley/crypto'
import { type CoreProcess, startCoreProcess, TestPrincipal, temporaryFolder } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// The storage defects of the archived core, D1 to D12, that show on the socket: none of them is here. What the store
// alone can show is tested beside it.

const principal = new TestPrincipal()
const gasLimit = 10_000_000n
let core: CoreProcess
let ledger: Uint8Array

beforeAll(async () => {
  ledger = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
  core = await startCoreProcess()
})
afterAll(() => core[Symbol.asyncDispose]())

const account = (): string => `0x${bytesToHex(randomBytes(32))}`

async function deploy(client: CoreClient, address = randomBytes(32)) {
  const issuer = account()
  await principal.installKeys(client, [address])
  const call = { contractAddress: address, gasLimit, callable: 'construct(bytes32,uint64)', args: [issuer, 0n] }
  const end = await deployContract(client, ledger, call)
  if (end.kind === 'failed') throw new Error(end.message)
  return { address, issuer }
}

const mint = (client: CoreClient, address: Uint8Array, issuer: string) =>
  computeFunction(client, { contractAddress: address, gasLimit, callable: 'mint(bytes32,uint64)', args: [issuer, 1n] })

async function supply(client: CoreClient, address: Uint8Array): Promise<unknown> {
  const end = await computeFunction(client, {
    contractAddress: address,
    gasLimit,
    callable: 'total_supply()',
    args: [],
  })
  if (end.kind === 'failed') throw new Error(end.message)
  return decodeOutput(['uint64'], end.output)[0]
}

async function listed(client: CoreClient): Promise<string[]> {
  return (await client.methods.getAllAddrs(undefined)).addresses.map(bytesToHex)
}

describe('storage defects of the archived core', () => {
  it('D1, D3: keys for an address without data, or for a removed contract, bring no contract into being', async () => {
    const { address } = await deploy(core.client)
    await core.client.methods.removeContract({ address })
    const before = [await listed(core.client), (await core.client.methods.getAllTips(undefined)).tips.length]
    expect(await principal.installKeys(core.client, [address, randomBytes(32)])).toEqual([])
    expect([await listed(core.client), (await core.client.methods.getAllTips(undefined)).tips.length]).toEqual(before)
  })

  it('D2: a contract that gets its first delta after its key starts at that delta', async () => {
    const { address, issuer } = await deploy(core.client)
    await mint(core.client, address, issuer)
    const { bytecode } = await core.client.methods.getContract({ address })
    const { deltas } = await core.client.methods.getDeltas({ ranges: [{ address, from: 0, to: 9 }] })
    await using other = await startCoreProcess()
    await principal.installKeys(other.client, [address])
    await other.client.methods.updateNewContract({ address, bytecode })
    await other.client.methods.updateDeltas({ deltas })
    expect(await supply(other.client, address)).toBe(1n)
    expect(await mint(other.client, address, issuer)).toMatchObject({ kind: 'success', delta: { key: 2 } })
  })

  it('D4: a second deployment is refused before it runs', async () => {
    const { address } = await deploy(core.client)
    const before = await core.client.methods.getDeltas({ ranges: [{ address, from: 0, to: 9 }] })
    await expect(deploy(core.client, address)).rejects.toMatchObject({ code: 'already_exists' })
    expect(await core.client.methods.getDeltas({ ranges: [{ address, from: 0, to: 9 }] })).toEqual(before)
    expect(await supply(core.client, address)).toBe(0n)
  })

  it('D4: a deployment to an address that has deltas only is refused as well, and they stay', async () => {
    const address = randomBytes(32)
    const delta = { address, key: 4, data: Uint8Array.of(1, 2) }
    await core.client.methods.updateDeltas({ deltas: [delta] })
    await expect(deploy(core.client, address)).rejects.toMatchObject({ code: 'already_exists' })
    expect(await core.client.methods.getTip({ address })).toMatchObject({ key: 4, data: delta.data })
    await core.client.methods.removeDeltas({ ranges: [{ address, from: 0, to: 9 }] })
    expect((await deploy(core.client, address)).address).toEqual(address)
  })

  it('D5: bytecode and delta 0 of a deployment come together, and stay over a kill', async () => {
    await using folder = await temporaryFolder()
    let address: Uint8Array
    {
      await using killed = await startCoreProcess({ dataFolder: folder.path })
      ;({ address } = await deploy(killed.client))
      await killed.process.kill('SIGKILL')
    }
    await using again = await startCoreProcess({ dataFolder: folder.path })
    expect((await again.client.methods.getTip({ address })).key).toBe(0)
    expect((await again.client.methods.getContract({ address })).bytecode.length).toBeGreaterThan(0)
  })

  it('D6: a task whose result cannot be stored is an error, and leaves the contract as it was', async () => {
    await using folder = await temporaryFolder()
    let contract: Awaited<ReturnType<typeof deploy>>
    let minted = 0n
    {
      await using full = await startCoreProcess({ dataFolder: folder.path, fileSizeLimit: 2048 })
      contract = await deploy(full.client)
      const { address, issuer } = contract
      let refusal: unknown
      // 60 000 bytes each: far more than there is room for.
      for (let round = 0; round < 100 && refusal === undefined; round++) {
        await mint(full.client, address, issuer).then(
          (end) => {
            expect(end.kind).toBe('success')
            minted += 1n
          },
          (error: unknown) => {
            refusal = error
          },
        )
        await full.client.methods
          .updateDeltas({ deltas: [{ address: randomBytes(32), key: 0, data: randomBytes(60_000) }] })
          .catch(() => {})
      }
      expect(refusal).toMatchObject({ code: 'store_failed' })
      expect((await full.client.methods.getTip({ address })).key).toBe(Number(minted))
      // Reads go on, also those that compute.
      expect(await supply(full.client, address)).toBe(minted)
    }
    await using roomy = await startCoreProcess({ dataFolder: folder.path })
    expect(await principal.installKeys(roomy.client, [contract.address])).toEqual([])
    expect(await supply(roomy.client, contract.address)).toBe(minted)
  })

  it('D7: deltas keep their numbers behind a hole, and become usable when it is filled', async () => {
    const { address, issuer } = await deploy(core.client)
    for (let round = 0; round < 3; round++) await mint(core.client, address, issuer)
    const { bytecode } = await core.client.methods.getContract({ address })
    const { deltas } = await core.client.methods.getDeltas({ ranges: [{ address, from: 0, to: 9 }] })
    await using other = await startCoreProcess()
    await other.client.methods.updateNewContract({ address, bytecode })
    await other.client.methods.updateDeltas({ deltas: deltas.filter(({ key }) => key !== 1) })
    expect(await principal.installKeys(other.client, [address])).toEqual([address])
    await other.client.methods.updateDeltas({ deltas: deltas.filter(({ key }) => key === 1) })
    expect(await principal.installKeys(other.client, [address])).toEqual([])
    expect(await supply(other.client, address)).toBe(3n)
  })

  it('D8: a contract without deltas does not empty the list of tips', async () => {
    await core.client.methods.updateNewContract({ address: randomBytes(32), bytecode: ledger })
    const { address } = await deploy(core.client)
    const { tips } = await core.client.methods.getAllTips(undefined)
    expect(tips.map((tip) => bytesToHex(tip.address))).toContain(bytesToHex(address))
  })

  it('D9, D11: a broken chain stops its own contract, and is told in the exchange of its own key only', async () => {
    const [broken, sound] = [await deploy(core.client), await deploy(core.client)]
    await core.client.methods.updateDeltas({ deltas: [{ address: broken.address, key: 1, data: randomBytes(80) }] })
    await expect(supply(core.client, broken.address)).rejects.toMatchObject({ code: 'enclave_error' })
    expect(await supply(core.client, sound.address)).toBe(0n)
    expect(await principal.installKeys(core.client, [sound.address])).toEqual([])
    expect(await principal.installKeys(core.client, [sound.address, broken.address])).toEqual([broken.address])
    await core.client.methods.removeDeltas({ ranges: [{ address: broken.address, from: 1, to: 2 }] })
    expect(await supply(core.client, broken.address)).toBe(0n)
  })

  it('D10: the width of a range to remove costs nothing', async () => {
    const { address } = await deploy(core.client)
    const ranges = Array.from({ length: 100 }, () => ({ address, from: 0, to: 2 ** 32 - 1 }))
    expect((await core.client.methods.removeDeltas({ ranges })).status).toBe(0)
    await expect(core.client.methods.getTip({ address })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('D12: deltas that came in before a restart are in the state after it', async () => {
    await using folder = await temporaryFolder()
    const { address, issuer } = await deploy(core.client)
    for (let round = 0; round < 2; round++) await mint(core.client, address, issuer)
    const { bytecode } = await core.client.methods.getContract({ address })
    const { deltas } = await core.client.methods.getDeltas({ ranges: [{ address, from: 0, to: 9 }] })
    {
      await using first = await startCoreProcess({ dataFolder: folder.path })
      await first.client.methods.updateNewContract({ address, bytecode })
      await first.client.methods.updateDeltas({ deltas: deltas.slice(0, 2) })
      await principal.installKeys(first.client, [address])
      expect(await supply(first.client, address)).toBe(1n)
      await first.client.methods.updateDeltas({ deltas: deltas.slice(2) })
      await first.process.kill('SIGKILL')
    }
    await using second = await startCoreProcess({ dataFolder: folder.path })
    await principal.installKeys(second.client, [address])
    expect(await supply(second.client, address)).toBe(2n)
  })
})
