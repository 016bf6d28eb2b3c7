import { temporaryFolder } from '@bletchley/testkit'
import { Address } from 'ox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import createWabt from 'wabt'
import { Chain, keccak, lengthPrefixed, recoverSigner } from './enigmaP2p/chain.ts'
import { decodeUint64, User } from './enigmaP2p/dapp.ts'
import { type PrincipalProcess, startPrincipalProcess } from './enigmaP2p/jsonRpcPrincipal.ts'
import { unpack } from './enigmaP2p/msgPack.ts'
import { CoreFailure, hashOf, P2pNode } from './enigmaP2p/p2pNode.ts'
import { type Ended, issuer, ledgerDeployment, mint, randomAddress, totalSupply, Worker } from './enigmaP2p/worker.ts'

// An archived enigma-p2p node has to work with this core as it is. The node is emulated from what is known of it
// (folder enigmaP2p): its one lock-step socket, the requests that its schema lets out, what it reads of replies, and
// what it repeats of them to other nodes. Chain, user and receipts use other implementations of the cryptography.

const keysError = 'Error inside the Enclave = (KeysError)'

/** The failure that a node sees. */
async function failureOf(promise: Promise<unknown>): Promise<CoreFailure> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof CoreFailure) return error
  throw error ?? new Error('no failure')
}

/** What the user reads of a failed task. */
function failureText({ user, result }: Ended): string {
  expect(result.status).toBe('FAILED')
  return user.decrypt(result.output).toString()
}

async function assemble(wat: string): Promise<Uint8Array> {
  const wabt = await createWabt()
  const module = wabt.parseWat('contract.wat', wat)
  try {
    return module.toBinary({}).buffer
  } finally {
    module.destroy()
  }
}

let principal: PrincipalProcess
let worker: Worker
let chain: Chain

beforeAll(async () => {
  principal = await startPrincipalProcess()
  worker = await Worker.start(principal, { principal: principal.address })
  chain = new Chain()
})

afterAll(async () => {
  await worker?.[Symbol.asyncDispose]()
  await principal?.[Symbol.asyncDispose]()
})

describe('registration', () => {
  it('has what the node writes into the chain', async () => {
    const reply = await worker.node.request('GetRegistrationParams')
    expect(reply).toStrictEqual({
      id: expect.any(String),
      type: 'GetRegistrationParams',
      result: { signingKey: expect.stringMatching(/^[0-9a-f]{40}$/), report: expect.any(String), signature: '' },
    })
    const { signingKey, report } = reply.result
    expect(Address.validate(`0x${signingKey}`, { strict: false })).toBe(true)
    expect(report).toMatch(/^([0-9a-f]{2})+$/)
    const quote = Buffer.from(Buffer.from(report, 'hex').toString('ascii'), 'base64')
    expect(quote).toHaveLength(1116)
    expect(quote.subarray(368, 388).toString('hex')).toBe(signingKey)
  })

  it('is asked again and again, and stays the same', async () => {
    const first = await worker.node.getRegistrationParams()
    expect(await worker.node.isHealthy()).toBe(true)
    expect(await worker.node.getRegistrationParams()).toStrictEqual(first)
  })
})

describe('the key exchange of a user', () => {
  it('gives a fresh key with the signature of the worker', async () => {
    const user = new User()
    const reply = await worker.node.request('NewTaskEncryptionKey', { userPubKey: user.publicKey })
    expect(reply).toStrictEqual({
      id: expect.any(String),
      type: 'NewTaskEncryptionKey',
      result: {
        workerEncryptionKey: expect.stringMatching(/^[0-9a-f]{128}$/),
        workerSig: expect.stringMatching(/^[0-9a-f]{128}1[bc]$/),
      },
    })
    user.acceptWorkerKey(worker.address, reply.result)
    const again = await worker.node.newTaskEncryptionKey(user.publicKey)
    expect(again.workerEncryptionKey).not.toBe(reply.result.workerEncryptionKey)
  })

  it.each([
    ['no key', ''],
    ['no hex', 'z'.repeat(128)],
    ['too short', '11'.repeat(63)],
    ['not on the curve', '11'.repeat(64)],
  ])('is an Error to the node: %s', async (_, userPubKey) => {
    const { reply } = await failureOf(worker.node.newTaskEncryptionKey(userPubKey))
    expect(reply).toMatchObject({ type: 'Error', msg: expect.any(String) })
    expect(reply).not.toHaveProperty('result')
  })
})

describe('the request for state keys', () => {
  it('is signed by the worker, and the principal can read it', async () => {
    const reply = await worker.node.request('GetPTTRequest')
    expect(reply).toStrictEqual({
      id: expect.any(String),
      type: 'GetPTTRequest',
      result: { request: expect.stringMatching(/^([0-9a-f]{2})+$/), workerSig: expect.any(String) },
    })
    const request = unpack(Buffer.from(reply.result.request, 'hex')) as { id: number[]; pubkey: number[] }
    expect(request).toMatchObject({ data: 'Request', prefix: [...Buffer.from('Enigma Message')] })
    const items = [request.pubkey, request.id].map((bytes) => Buffer.from(bytes).toString('hex'))
    expect(items.map((item) => item.length / 2)).toEqual([64, 12])
    expect(recoverSigner(lengthPrefixed(items), reply.result.workerSig)).toBe(worker.address)
  })
})

describe('tasks', () => {
  it('deploys: the node builds its result, and the chain takes the receipt', async () => {
    const address = randomAddress()
    const { task, result } = await worker.deployLedger(chain, address)
    expect(result).toStrictEqual({
      taskId: address,
      status: 'SUCCESS',
      preCodeHash: keccak(Uint8Array.from(task.preCode!)),
      usedGas: expect.any(Number),
      output: expect.stringMatching(/^([0-9a-f]{2})+$/),
      delta: { key: 0, data: expect.any(Array) },
      ethereumAddress: '00'.repeat(20),
      ethereumPayload: '',
      signature: expect.any(String),
    })
    expect(result.usedGas).toBeGreaterThan(0)
    expect(chain.contract(address)).toEqual({
      codeHash: hashOf(result.output),
      deltaHashes: [hashOf(result.delta.data!)],
    })
  })

  it('computes with a delta: the chain links it to the one before', async () => {
    const address = randomAddress()
    await worker.deployLedger(chain, address)
    const { user, result } = await worker.compute(chain, address, mint(5n))
    expect(result).toStrictEqual({
      taskId: expect.any(String),
      status: 'SUCCESS',
      usedGas: expect.any(Number),
      output: expect.stringMatching(/^[0-9a-f]{56}$/),
      delta: { key: 1, data: expect.any(Array) },
      ethereumAddress: '00'.repeat(20),
      ethereumPayload: '',
      signature: expect.any(String),
    })
    // Nothing was returned, so that is what the user reads; on the wire it is a ciphertext, for the node hashes it.
    expect(user.decrypt(result.output)).toHaveLength(0)
    expect(chain.contract(address).deltaHashes).toHaveLength(2)
  })

  it('computes without a delta: the node sees that there is none', async () => {
    const address = randomAddress()
    await worker.deployLedger(chain, address, 77n)
    const { user, result } = await worker.compute(chain, address, totalSupply)
    expect(result.delta).toStrictEqual({ key: 0 })
    expect(decodeUint64(user.decrypt(result.output))).toBe(77n)
    expect(chain.contract(address).deltaHashes).toHaveLength(1)
  })

  it('signs a call of another Ethereum contract in the form that the chain takes', async () => {
    const target = 'abcdefghijklmnopqrst'
    const preCode = await assemble(`(module
      (import "env" "memory" (memory 1))
      (import "env" "write_eth_bridge" (func $call (param i32 i32 i32)))
      (data (i32.const 0) "\\de\\ad\\be\\ef${target}")
      (func (export "deploy") (call $call (i32.const 0) (i32.const 4) (i32.const 4)))
      (func (export "call") (call $call (i32.const 1) (i32.const 2) (i32.const 4))))`)
    const address = randomAddress()
    const call = { callable: 'construct()', args: [], gasLimit: 1_000_000 }
    const { task, result } = await worker.runDeployment(address, call, { preCode })
    const ethereumAddress = Buffer.from(target).toString('hex')
    expect(result).toMatchObject({ status: 'SUCCESS', ethereumPayload: 'deadbeef', ethereumAddress })
    await worker.node.commit(chain, worker.address, task, result)
    const computed = await worker.compute(chain, address, { ...call, callable: 'f()' })
    expect(computed.result).toMatchObject({ delta: { key: 0 }, ethereumPayload: 'adbe', ethereumAddress })
  })

  it('reverts a computation whose receipt the chain did not carry out, and computes on the state before', async () => {
    const address = randomAddress()
    await worker.deployLedger(chain, address)
    await worker.compute(chain, address, mint(1n))
    const { task, result } = await worker.runComputation(address, mint(500n))
    expect(result).toMatchObject({ delta: { key: 2 } })
    await worker.node.commit(chain, worker.address, task, result, { callbackFails: true })
    expect(await worker.node.getTips([address])).toMatchObject([{ address, key: 1 }])
    // What was signed for the reverted state is not handed out again.
    expect((await failureOf(worker.node.execute(task))).message).toBe(keysError)
    expect(await worker.readSupply(chain, address)).toBe(1001n)
    expect((await worker.compute(chain, address, mint(2n))).result.delta.key).toBe(2)
    expect(await worker.readSupply(chain, address)).toBe(1003n)
  })

  it('reverts a deployment, after which the address is free', async () => {
    const address = randomAddress()
    const { task, result } = await worker.runDeployment(address, ledgerDeployment(1n))
    await worker.node.commit(chain, worker.address, task, result, { callbackFails: true })
    expect(await worker.node.getAllAddresses()).not.toContain(address)
    expect((await failureOf(worker.node.execute(task))).message).toBe(keysError)
    await worker.deployLedger(chain, address, 2n)
    expect(await worker.readSupply(chain, address)).toBe(2n)
  })

  it('pipelines nothing: many requests at once are answered one after the other', async () => {
    const address = randomAddress()
    await worker.deployLedger(chain, address, 0n)
    const [ended] = await Promise.all([
      worker.runComputation(address, mint(1n)),
      ...Array.from({ length: 20 }, () => worker.node.isHealthy()),
      worker.node.getAllTips(),
    ])
    await worker.node.commit(chain, worker.address, ended.task, ended.result)
    expect(await worker.readSupply(chain, address)).toBe(1n)
  })
})

describe('failed tasks', () => {
  const outOfGas = 'Invocation resulted in gas limit violated'
  const trapped = 'Error in execution of WASM code: unreachable'
  const undecipherable = 'Input Error: Cryptography Error: DecryptionError'

  /** As a user who mistook another worker's key for this one's. */
  async function encryptForAnother(call: { callable: string; args: []; gasLimit: number }) {
    const stranger = await worker.meet()
    return (user: User) => ({ ...stranger.encrypt(call), userDHKey: user.publicKey })
  }

  it.each([
    ['out of gas', { ...ledgerDeployment(1n), gasLimit: 200 }, outOfGas, 200],
    ['without the arguments', { ...ledgerDeployment(1n), callable: 'construct()', args: [] }, trapped, undefined],
  ])('deploys nothing %s', async (_, call, text, usedGas) => {
    const address = randomAddress()
    const ended = await worker.runDeployment(address, call)
    expect(failureText(ended)).toBe(text)
    if (usedGas !== undefined) expect(ended.result.usedGas).toBe(usedGas)
    await worker.node.commit(chain, worker.address, ended.task, ended.result)
    expect(await worker.node.getAllAddresses()).not.toContain(address)
    // The address is still free.
    await worker.deployLedger(chain, address)
  })

  it('deploys no code that is none', async () => {
    const preCode = Buffer.from('This is forty-three bytes, and no WebAssem.')
    const ended = await worker.runDeployment(randomAddress(), ledgerDeployment(1n), { preCode })
    expect(failureText(ended)).toMatch(/^Error in execution of deserialization into WASM module: /)
    await worker.node.commit(chain, worker.address, ended.task, ended.result)
  })

  it('deploys nothing that was encrypted for another', async () => {
    const encrypt = await encryptForAnother({ callable: 'construct()', args: [], gasLimit: 1000 })
    const ended = await worker.runDeployment(randomAddress(), ledgerDeployment(1n), { encrypt })
    expect(failureText(ended)).toBe(undecipherable)
    expect(ended.result.usedGas).toBe(0)
    await worker.node.commit(chain, worker.address, ended.task, ended.result)
  })

  it('computes nothing that was encrypted for another, without gas, or that traps; and the state stays', async () => {
    const address = randomAddress()
    await worker.deployLedger(chain, address)
    const encrypt = await encryptForAnother({ callable: 'total_supply()', args: [], gasLimit: 1000 })
    const intruder = { ...mint(5n), args: [`0x${'ee'.repeat(32)}`, 5n] as const }
    const cases = [
      [await worker.runComputation(address, totalSupply, encrypt), undecipherable],
      [await worker.runComputation(address, { ...mint(5n), gasLimit: 100 }), outOfGas],
      [await worker.runComputation(address, intruder), trapped],
      [await worker.runComputation(address, { ...mint(5n), callable: 'mint(bytes32)', args: [issuer] }), trapped],
    ] as const
    for (const [ended, text] of cases) {
      expect(failureText(ended)).toBe(text)
      expect(Object.keys(ended.result).sort()).toEqual(['output', 'signature', 'status', 'taskId', 'usedGas'])
      await worker.node.commit(chain, worker.address, ended.task, ended.result)
    }
    expect(await worker.node.getTips([address])).toMatchObject([{ key: 0 }])
    expect(await worker.readSupply(chain, address)).toBe(1000n)
  })
})

describe('errors of the system', () => {
  it('are visible to the node, and it goes on', async () => {
    const address = randomAddress()
    await worker.deployLedger(chain, address)
    const { task } = await worker.runComputation(address, mint(1n))
    // The user's key was for that one task.
    const { message, reply } = await failureOf(
      worker.node.execute({ ...task, record: { ...task.record, gasLimit: 1 } }),
    )
    expect(message).toBe(keysError)
    expect(reply).toMatchObject({ type: 'Error', msg: keysError, error: keysError, requestType: 'ComputeTask' })
    expect(await worker.node.isHealthy()).toBe(true)
  })

  it.each([
    ['UpdateDeltas', { deltas: [{ address: 'xyz', key: 0, data: [1] }] }],
    ['UpdateDeltas', { deltas: [{ address: '11'.repeat(32), key: -1, data: [1] }] }],
    ['UpdateDeltas', { deltas: [{ address: '11'.repeat(32), key: 0, data: [256] }] }],
    ['UpdateNewContract', { address: '11'.repeat(31), bytecode: [1] }],
    ['UpdateNewContractOnDeployment', { address: '11'.repeat(32), bytecode: '0', delta: { key: 0, data: [1] } }],
    ['RemoveContract', { address: '' }],
    ['RemoveDeltas', { input: [{ address: '11'.repeat(32), from: 0.5, to: 1 }] }],
  ] as const)('a write that is refused is a failure to the node: %s %j', async (type, members) => {
    const { reply } = await failureOf(worker.node.update(type, members))
    expect(reply).toMatchObject({ type: 'Error', requestType: type, msg: expect.any(String) })
    expect(reply.error).toBe(reply.msg)
    expect(await worker.node.getAllAddresses()).not.toContain('11'.repeat(32))
  })

  it.each([2 ** 64, 1e21, -1, 0.5])(
    'a gas limit that is none is refused, whatever the schema says: %d',
    async (gasLimit) => {
      const address = randomAddress()
      await worker.deployLedger(chain, address)
      const { task } = await worker.runComputation(address, totalSupply)
      const { reply } = await failureOf(worker.node.execute({ ...task, record: { ...task.record, gasLimit } }))
      expect(reply).toMatchObject({
        type: 'Error',
        requestType: 'ComputeTask',
        msg: expect.stringContaining('gasLimit'),
      })
    },
  )

  it('an unknown contract fails the read of its tip', async () => {
    const address = randomAddress()
    expect((await failureOf(worker.node.getTips([address]))).message).toBe(
      `Error while trying to get_tip, Because: The following Key doesn't exist: ${address}`,
    )
  })

  it('the keys of a principal that is not trusted fail the whole deployment', async () => {
    await using impostor = await startPrincipalProcess()
    using node = new P2pNode(worker.core.endpoint, impostor)
    const { reply } = await failureOf(node.fetchStateKeys({ addresses: [randomAddress()] }))
    expect(reply).toMatchObject({ type: 'Error', requestType: 'PTTResponse' })
    await expect(worker.node.fetchStateKeys({ addresses: [randomAddress()] })).resolves.toBeUndefined()
  })
})

describe('a network of workers', () => {
  /** A principal, a chain, and workers that no other test uses. */
  function startWorker(dataFolder?: string): Promise<Worker> {
    return Worker.start(principal, { principal: principal.address, ...(dataFolder !== undefined && { dataFolder }) })
  }

  it('takes over the results that another worker publishes', async () => {
    await using other = await startWorker()
    const address = randomAddress()
    const publish = async ({ task, result }: Ended) =>
      other.node.storeResult(chain, task.type, address, JSON.stringify(result))
    await publish(await worker.deployLedger(chain, address))
    await publish(await worker.compute(chain, address, mint(1n)))
    await publish(await worker.compute(chain, address, totalSupply))
    await publish(await worker.compute(chain, address, mint(2n)))
    expect(await other.node.getAllTips()).toEqual(await worker.node.getTips([address]))
    // At the next epoch the contract is this worker's.
    await other.node.fetchStateKeys({ block_number: '4711' })
    expect(await other.readSupply(chain, address)).toBe(1003n)
    expect((await other.compute(chain, address, mint(3n))).result.delta.key).toBe(3)
  })

  it('bears results that arrive in another order, and its own ones', async () => {
    await using other = await startWorker()
    const address = randomAddress()
    const deployed = await worker.deployLedger(chain, address)
    const computed = [await worker.compute(chain, address, mint(1n)), await worker.compute(chain, address, mint(2n))]
    for (const { task, result } of [...computed.toReversed(), deployed]) {
      const published = JSON.stringify(result)
      await other.node.storeResult(chain, task.type, address, published)
      await worker.node.storeResult(chain, task.type, address, published)
    }
    await other.node.fetchStateKeys({ addresses: [address] })
    for (const each of [other, worker]) expect(await each.readSupply(chain, address)).toBe(1003n)
    expect((await worker.compute(chain, address, mint(4n))).result.delta.key).toBe(3)
  })

  it('takes the delta of the worker that the chain believes in place of its own', async () => {
    await using other = await startWorker()
    const address = randomAddress()
    for (const { task, result } of [
      await worker.deployLedger(chain, address),
      await worker.compute(chain, address, mint(1n)),
    ]) {
      await other.node.storeResult(chain, task.type, address, JSON.stringify(result))
    }
    await other.node.fetchStateKeys({ addresses: [address] })
    await other.runComputation(address, mint(500n))
    const { task, result } = await worker.compute(chain, address, mint(2n))
    await other.node.storeResult(chain, task.type, address, JSON.stringify(result))
    expect(await other.readSupply(chain, address)).toBe(1003n)
    expect((await other.compute(chain, address, mint(3n))).result.delta.key).toBe(3)
  })

  it('synchronises a new worker, which continues the chain, and is caught up with in turn', async () => {
    await using first = await startWorker()
    await using second = await startWorker()
    const ownChain = new Chain()
    const [short, long] = [randomAddress(), randomAddress()]
    await first.deployLedger(ownChain, short, 1n)
    await first.deployLedger(ownChain, long, 0n)
    // More than a node asks for at once.
    for (let i = 0; i < 12; i++) await first.compute(ownChain, long, mint(10n))

    await second.node.synchronize(ownChain, first.node)
    expect(await second.node.getAllTips()).toStrictEqual(await first.node.getAllTips())
    expect(await second.node.getAllAddresses()).toStrictEqual([short, long])

    await second.node.fetchStateKeys()
    expect(await second.readSupply(ownChain, long)).toBe(120n)
    expect((await second.compute(ownChain, long, mint(3n))).result.delta.key).toBe(13)
    await second.compute(ownChain, short, mint(4n))

    await first.node.synchronize(ownChain, second.node)
    expect(await first.readSupply(ownChain, long)).toBe(123n)
    expect(await first.readSupply(ownChain, short)).toBe(5n)
    expect((await first.compute(ownChain, long, mint(1n))).result.delta.key).toBe(14)
    // Nothing is missing, so nothing is asked for.
    await second.node.synchronize(ownChain, first.node)
    expect(await second.readSupply(ownChain, long)).toBe(124n)
  })

  it('drops contracts that the chain does not know', async () => {
    await using first = await startWorker()
    const unknown = randomAddress()
    await first.runDeployment(unknown, ledgerDeployment(1n))
    const ownChain = new Chain()
    await first.deployLedger(ownChain, randomAddress())
    await first.node.synchronize(ownChain, worker.node)
    expect(await first.node.getAllAddresses()).toStrictEqual([...ownChain.contracts.keys()])
  })

  it('bears the hole that a node leaves when it drops surplus deltas', async () => {
    await using first = await startWorker()
    await using second = await startWorker()
    const ownChain = new Chain()
    const address = randomAddress()
    await first.deployLedger(ownChain, address, 0n)
    await first.compute(ownChain, address, mint(1n))
    await second.node.synchronize(ownChain, first.node)
    // Two computations that the chain never sees: the node removes delta 2, and leaves delta 3.
    await first.runComputation(address, mint(100n))
    await first.runComputation(address, mint(200n))
    await first.node.synchronize(ownChain, second.node)
    const { deltas } = (await first.node.provide('GetDeltas', [{ address, from: 0, to: 9 }])).result
    expect(deltas.map(({ key }) => key)).toEqual([0, 1, 3])

    // The principal's keys arrive, but the contract is reported; tasks go on where the chain is.
    const { reply } = await failureOf(first.node.fetchStateKeys({ addresses: [address] }))
    expect(reply.result).toStrictEqual({ errors: [{ address, status: -1 }] })
    expect(await first.readSupply(ownChain, address)).toBe(1n)
    expect((await first.compute(ownChain, address, mint(10n))).result.delta.key).toBe(2)
    expect(await first.readSupply(ownChain, address)).toBe(11n)
    await first.node.fetchStateKeys({ addresses: [address] })
    expect(await first.node.getTips([address])).toMatchObject([{ key: 2 }])
  })

  it('goes on after a restart, with the keys of the next epoch', async () => {
    await using folder = await temporaryFolder()
    const ownChain = new Chain()
    const address = randomAddress()
    let identity: string
    {
      await using before = await startWorker(folder.path)
      identity = before.address
      await before.deployLedger(ownChain, address, 1n)
      await before.compute(ownChain, address, mint(1n))
    }
    await using after = await startWorker(folder.path)
    expect(after.address).toBe(identity)
    expect((await failureOf(after.runComputation(address, mint(1n)))).message).toBe(keysError)
    await after.node.fetchStateKeys()
    expect((await after.compute(ownChain, address, mint(1n))).result.delta.key).toBe(2)
    expect(await after.readSupply(ownChain, address)).toBe(3n)
  })
})

describe('what peers get', () => {
  it('is what the core of a peer takes, member for member', async () => {
    const address = randomAddress()
    const { result } = await worker.deployLedger(chain, address)
    const contract = await worker.node.provide('GetContract', address)
    expect(contract.result).toStrictEqual({ address, bytecode: [...Buffer.from(result.output, 'hex')] })
    const deltas = await worker.node.provide('GetDeltas', [{ address, from: 0, to: 1 }])
    expect(deltas.result).toStrictEqual({ deltas: [{ address, key: 0, data: result.delta.data }] })
    const tips = await worker.node.request('GetTips', { input: [address] })
    expect(tips.result).toStrictEqual({ tips: [{ address, key: 0, data: result.delta.data }] })
  })

  it('is also a large contract', async () => {
    const address = randomAddress()
    const bytecode = Array.from({ length: 1 << 20 }, (_, i) => i & 0xff)
    await worker.node.update('UpdateNewContract', { address, bytecode })
    const { result } = await worker.node.provide('GetContract', address)
    expect(hashOf(result.bytecode)).toBe(hashOf(bytecode))
    await worker.node.update('RemoveContract', { address })
  })

  it('is nothing, and no row, where there is nothing', async () => {
    const address = randomAddress()
    expect((await worker.node.provide('GetContract', address)).result).toStrictEqual({ address, bytecode: [] })
    await worker.deployLedger(chain, address)
    for (const [from, to] of [
      [1, 1],
      [1, 11],
      [3, 2],
    ]) {
      const { result } = await worker.node.provide('GetDeltas', [{ address, from, to }])
      expect(result, `${from} to ${to}`).toStrictEqual({ deltas: [] })
    }
  })

  it('leaves the writes with a status where the node looks for it', async () => {
    const address = randomAddress()
    const delta = { key: 0, data: [1, 2, 3] }
    const writes = [
      ['UpdateNewContract', { address, bytecode: [1, 2, 3] }, { address }, { status: 0 }],
      ['UpdateNewContractOnDeployment', { address, bytecode: '0102', delta }, { address }, { status: 0 }],
      [
        'UpdateDeltas',
        { deltas: [{ address, ...delta }] },
        { errors: [{ address, key: 0, status: 0 }] },
        { status: 0, errors: [{ address, key: 0, status: 0 }] },
      ],
      ['UpdateDeltas', { deltas: [] }, { errors: [] }, { status: 0, errors: [] }],
      ['RemoveDeltas', { input: [{ address, from: 0, to: 1 }] }, { errors: [] }, { status: 0, errors: [] }],
      ['RemoveContract', { address }, { address }, { status: 0 }],
    ] as const
    for (const [type, members, top, result] of writes) {
      expect(await worker.node.request(type, members), type).toStrictEqual({
        id: expect.any(String),
        type,
        status: 0,
        ...top,
        result,
      })
    }
  })
})
