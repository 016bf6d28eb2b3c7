import { type CoreProcess, startCoreProcess } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { User } from './enigmaP2p/dapp.ts'
import { hashOf } from './enigmaP2p/p2pNode.ts'
import { openDelta, RustClient, readUint64, sealDelta } from './enigmaP2p/rustClient.ts'
import { issuer, ledgerDeployment, mint, randomAddress, totalSupply } from './enigmaP2p/worker.ts'

// The archived enigma-core had integration tests of its socket (enigma-core/app/tests/ipc_*.rs, commit 3c04c262). These
// make the same checks on the same replies, with the ledger in place of their contracts.

const keysError = 'Error inside the Enclave = (KeysError)'

describe('the integration tests of enigma-core', () => {
  const isHex = /^(0x|0X)?[0-9a-fA-F]*$/
  const gasLimit = 100_000_000
  const deployment = { ...ledgerDeployment(17n), gasLimit }
  let core: CoreProcess
  let rust: RustClient

  beforeAll(async () => {
    core = await startCoreProcess({ dialect: 'enigma-p2p' })
    rust = new RustClient(core.endpoint)
  })

  afterAll(() => core?.[Symbol.asyncDispose]())

  it('registration and key exchange give hex', async () => {
    const registration = await rust.call('GetRegistrationParams')
    expect(registration.type).toBe('GetRegistrationParams')
    for (const name of ['signingKey', 'report', 'signature'] as const) {
      expect(registration.result[name], name).toMatch(isHex)
    }
    const { result } = await rust.call('NewTaskEncryptionKey', { userPubKey: new User().publicKey })
    for (const name of ['workerEncryptionKey', 'workerSig'] as const) expect(result[name], name).toMatch(isHex)
  })

  it('a round with the principal has no errors, also the second time', async () => {
    const addresses = [randomAddress(), randomAddress()]
    for (let round = 0; round < 2; round++) {
      const reply = await rust.runPttRound(addresses)
      expect(reply).toMatchObject({ type: 'PTTResponse', result: { errors: [] } })
    }
    expect((await rust.call('GetAllAddrs')).result.addresses).not.toContain(addresses[0])
  })

  it('deploys and computes', async () => {
    const { reply, address } = await rust.deploy(deployment)
    expect(reply).toMatchObject({ type: 'DeploySecretContract', result: { signature: expect.stringMatching(isHex) } })
    expect(reply.result.usedGas).toBeGreaterThan(0)
    const read = await rust.compute(address, { ...totalSupply, gasLimit })
    expect(read.reply.type).toBe('ComputeTask')
    expect(readUint64(read)).toBe(17n)
    expect(Object.keys(read.reply.result.delta)).not.toContain('data')
  })

  it('reads tips, deltas, addresses and contracts', async () => {
    await using fresh = await startCoreProcess({ dialect: 'enigma-p2p' })
    const client = new RustClient(fresh.endpoint)
    const addresses: string[] = []
    let output: string | undefined
    for (let i = 0; i < 3; i++) {
      const { address, reply } = await client.deploy(deployment)
      expect((await client.call('GetTip', { input: address })).result).toStrictEqual({
        key: 0,
        data: reply.result.delta.data,
      })
      await client.compute(address, { ...mint(BigInt(10 + i)), gasLimit })
      addresses.push(address)
      output = reply.result.output
    }
    expect((await client.call('GetAllAddrs')).result.addresses).toEqual(addresses)
    const all = await client.call('GetAllTips')
    expect(all.type).toBe('GetAllTips')
    expect(all.result.tips.map(({ key }) => key)).toEqual([1, 1, 1])
    const some = await client.call('GetTips', { input: addresses.slice(0, 2) })
    expect(some.result.tips.map(({ address, key }) => [address, key])).toEqual(
      addresses.slice(0, 2).map((address) => [address, 1]),
    )

    const { result } = await client.call('GetDelta', { input: { address: addresses[1], key: 1 } })
    const delta: unknown = result.delta
    if (typeof delta !== 'string') throw new Error('the delta is no string')
    expect(delta).toMatch(/^([0-9a-f]{2})+$/)
    expect(openDelta(addresses[1]!, delta)[0][0]![2]).toBe(17 + 11)

    const input = [
      { address: addresses[1], from: 1, to: 2 },
      { address: addresses[0], from: 0, to: 1 },
    ]
    const { deltas } = (await client.call('GetDeltas', { input })).result
    expect(deltas.map(({ address, key }) => [address, key])).toEqual([
      [addresses[1], 1],
      [addresses[0], 0],
    ])
    const contract = await client.call('GetContract', { input: addresses[2] })
    expect(contract.type).toBe('GetContract')
    expect(contract.result.address).toBe(addresses[2])
    expect(Buffer.from(contract.result.bytecode).toString('hex')).toBe(output)
  })

  it('takes a contract under another address, its deltas sealed anew, and computes on it', async () => {
    const old = await rust.deploy(deployment)
    const minted = await rust.compute(old.address, { ...mint(43n), gasLimit })
    const address = randomAddress()
    const bytecode = [...Buffer.from(old.reply.result.output, 'hex')]
    const updated = await rust.call('UpdateNewContract', { address, bytecode })
    expect(updated).toMatchObject({ address, result: { status: 0 } })

    const first = sealDelta(address, openDelta(old.address, old.reply.result.delta.data!))
    const [patch] = openDelta(old.address, minted.reply.result.delta.data!)
    const second = sealDelta(address, [patch, [...Buffer.from(hashOf(first)!, 'hex')]])
    const deltas = [
      { address, key: 0, data: first },
      { address, key: 1, data: second },
    ]
    const { result } = await rust.call('UpdateDeltas', { deltas })
    expect(result.status).toBe(0)
    expect(result.errors.map(({ status }: { status: number }) => status)).toEqual([0, 0])
    await rust.runPttRound([address])

    expect(readUint64(await rust.compute(address, { ...totalSupply, gasLimit }))).toBe(60n)
    const next = await rust.compute(address, { ...mint(1n), gasLimit })
    expect(next.reply.result.delta.key).toBe(minted.reply.result.delta.key + 1)
    expect(Buffer.from(openDelta(address, next.reply.result.delta.data!)[1] as number[]).toString('hex')).toBe(
      hashOf(second),
    )
  })

  it('writes a contract on deployment, and removes contracts, known or not', async () => {
    const { reply } = await rust.deploy(deployment)
    const address = randomAddress()
    const members = { address, bytecode: reply.result.output, delta: reply.result.delta }
    expect(await rust.call('UpdateNewContractOnDeployment', members)).toMatchObject({ address, result: { status: 0 } })
    for (let i = 0; i < 2; i++) {
      expect(await rust.call('RemoveContract', { address })).toMatchObject({ address, result: { status: 0 } })
    }
  })

  it('removes deltas without errors', async () => {
    const [a, b] = [await rust.deploy(deployment), await rust.deploy(deployment)]
    await rust.compute(a.address, { ...mint(1n), gasLimit })
    const input = [
      { address: a.address, from: 0, to: 2 },
      { address: b.address, from: 0, to: 1 },
    ]
    expect((await rust.call('RemoveDeltas', { input })).result).toStrictEqual({ status: 0, errors: [] })
  })

  it('says literally what went wrong', async () => {
    const noKey = await rust.deploy(deployment, randomAddress())
    expect(noKey.reply.msg).toBe(keysError)

    const empty = randomAddress()
    await rust.runPttRound([empty])
    expect((await rust.compute(empty, { ...mint(100n), gasLimit })).reply.msg).toBe(
      `Error while trying to get_contract, Because: The following Key doesn't exist: ${empty}`,
    )

    const { address } = await rust.deploy(deployment)
    expect((await rust.deploy(deployment, address)).reply.msg).toBe(
      `Error while trying to create, Because: the key already exists for the following address: "${address}"`,
    )

    const call = { callable: 'mint(bytes32,bytes32)', args: [issuer, issuer], gasLimit }
    const wrong = await rust.compute(address, call)
    expect(wrong.user.decrypt(wrong.reply.result.output).toString()).toBe(
      'Error in execution of WASM code: unreachable',
    )

    const poor = await rust.deploy({ ...deployment, gasLimit: 200 })
    expect(poor.reply).toMatchObject({ type: 'FailedTask', result: { usedGas: 200 } })
    expect(poor.user.decrypt(poor.reply.result.output).toString()).toBe('Invocation resulted in gas limit violated')
  })
})
