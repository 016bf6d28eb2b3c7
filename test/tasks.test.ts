import { readFile } from 'node:fs/promises'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { type CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { createTask, createUserKeys, decodeOutput, prepareCompute, prepareDeploy } from '@bletchley/client/user'
import { randomBytes } from '@bletchley/crypto'
import { type Patch, sealDelta } from '@bletchley/state'
import { type CoreProcess, startCoreProcess, TestPrincipal, temporaryFolder } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import createWabt from 'wabt'
import { inTime } from './inTime.ts'
import { WireSocket } from './wireSocket.ts'

// Tasks from the user's key to the decrypted result, on a core that runs as its operators run it.

const principal = new TestPrincipal()
const gasLimit = 10_000_000n
/** For what does not end by itself. */
const shortClock = ['--run-limit', '4000', '--threads', '2']
let core: CoreProcess
let ledger: Uint8Array

beforeAll(async () => {
  ledger = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
  core = await startCoreProcess({ args: ['--threads', '2'] })
})

afterAll(() => core[Symbol.asyncDispose]())

const account = (): string => `0x${bytesToHex(randomBytes(32))}`

/** A contract of the first contract's kind, with its issuer. */
async function deployLedger(client: CoreClient, contractAddress = randomBytes(32)) {
  const issuer = account()
  await principal.installKeys(client, [contractAddress])
  const call = { contractAddress, gasLimit, callable: 'construct(bytes32,uint64)', args: [issuer, 1000n] }
  const deployed = await deployContract(client, ledger, call)
  if (deployed.kind === 'failed') throw new Error(deployed.message)
  return { contractAddress, issuer, deployed }
}

async function balanceOf(client: CoreClient, contractAddress: Uint8Array, owner: string): Promise<bigint> {
  const end = await computeFunction(client, {
    contractAddress,
    gasLimit,
    callable: 'balance_of(bytes32)',
    args: [owner],
  })
  if (end.kind === 'failed') throw new Error(end.message)
  return decodeOutput(['uint64'], end.output)[0] as bigint
}

function mint(client: CoreClient, contractAddress: Uint8Array, issuer: string, amount: bigint) {
  return computeFunction(client, {
    contractAddress,
    gasLimit,
    callable: 'mint(bytes32,uint64)',
    args: [issuer, amount],
  })
}

async function assembleContract(wat: string): Promise<Uint8Array> {
  const wabt = await createWabt()
  return wabt.parseWat('contract.wat', wat).toBinary({}).buffer
}

describe('a contract', () => {
  it('is deployed, computed, and read by the user', async () => {
    const { contractAddress, issuer, deployed } = await deployLedger(core.client)
    expect(deployed.verified).toEqual({ signature: true, output: true, missing: [] })
    expect((await core.client.methods.getContract({ address: contractAddress })).bytecode).toEqual(deployed.exeCode)
    expect((await core.client.methods.getTip({ address: contractAddress })).key).toBe(0)

    const minted = await mint(core.client, contractAddress, issuer, 500n)
    expect(minted).toMatchObject({ kind: 'success', delta: { key: 1 }, verified: { signature: true } })
    expect(minted.kind === 'success' && minted.output.length).toBe(0)
    expect(await balanceOf(core.client, contractAddress, issuer)).toBe(1500n)
    expect((await core.client.methods.getTip({ address: contractAddress })).key).toBe(1)
  })

  it('that fails changes nothing, and says why to the user alone', async () => {
    const { contractAddress, issuer } = await deployLedger(core.client)
    const args = [issuer, account(), 1001n]
    const call = { contractAddress, gasLimit, callable: 'transfer(bytes32,bytes32,uint64)', args }
    const failed = await computeFunction(core.client, call)
    expect(failed).toMatchObject({ kind: 'failed', message: 'Error in execution of WASM code: unreachable' })
    expect(failed.verified.signature).toBe(true)
    expect(failed.usedGas > 0n && failed.usedGas < gasLimit).toBe(true)
    expect((await core.client.methods.getTip({ address: contractAddress })).key).toBe(0)
    expect(await balanceOf(core.client, contractAddress, issuer)).toBe(1000n)
  })

  it('takes tasks of many users at once, in order', async () => {
    const { contractAddress, issuer } = await deployLedger(core.client)
    const ends = await Promise.all(Array.from({ length: 40 }, () => mint(core.client, contractAddress, issuer, 1n)))
    const keys = ends.map((end) => (end.kind === 'success' ? end.delta?.key : undefined))
    expect(keys.sort((a, b) => a! - b!)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
    expect(await balanceOf(core.client, contractAddress, issuer)).toBe(1040n)
  })

  it('goes on from the deltas on another worker', async () => {
    const { contractAddress: address, issuer } = await deployLedger(core.client)
    for (let round = 0; round < 70; round++) await mint(core.client, address, issuer, 1n)
    await using other = await startCoreProcess()
    const { bytecode } = await core.client.methods.getContract({ address })
    const { deltas } = await core.client.methods.getDeltas({ ranges: [{ address, from: 0, to: 100 }] })
    await other.client.methods.updateNewContract({ address, bytecode })
    await other.client.methods.updateDeltas({ deltas })
    expect(await principal.installKeys(other.client, [address])).toEqual([])
    expect(await balanceOf(other.client, address, issuer)).toBe(1070n)
    expect(await mint(other.client, address, issuer, 1n)).toMatchObject({ kind: 'success', delta: { key: 71 } })
  })

  it('goes back when its last deltas are removed', async () => {
    const { contractAddress: address, issuer } = await deployLedger(core.client)
    for (let round = 0; round < 3; round++) await mint(core.client, address, issuer, 100n)
    await core.client.methods.removeDeltas({ ranges: [{ address, from: 2, to: 4 }] })
    expect(await balanceOf(core.client, address, issuer)).toBe(1100n)
    expect(await mint(core.client, address, issuer, 1n)).toMatchObject({ kind: 'success', delta: { key: 2 } })
  })

  it('is gone when it is removed, and its address is free again', async () => {
    const { contractAddress: address } = await deployLedger(core.client)
    await core.client.methods.removeContract({ address })
    expect((await core.client.methods.getAllAddrs(undefined)).addresses.map(bytesToHex)).not.toContain(
      bytesToHex(address),
    )
    const { issuer } = await deployLedger(core.client, address)
    expect(await balanceOf(core.client, address, issuer)).toBe(1000n)
  })
})

describe('a task that changes nothing', () => {
  it.each([
    ['a hole in the deltas', [2, 3]],
    ['a hole behind which all but the tip is gone', [2, 4]],
  ])('is verified in front of %s, where the core goes on from', async (_, [from, to]) => {
    const { methods } = core.client
    const { contractAddress: address, issuer } = await deployLedger(core.client)
    for (let round = 0; round < 4; round++) await mint(core.client, address, issuer, 10n)
    await methods.removeDeltas({ ranges: [{ address, from: from!, to: to! }] })
    expect((await methods.getTip({ address })).key).toBe(4)
    expect(await balanceOf(core.client, address, issuer)).toBe(1010n)
    expect(await mint(core.client, address, issuer, 10n)).toMatchObject({ kind: 'success', delta: { key: 2 } })
    expect(await balanceOf(core.client, address, issuer)).toBe(1020n)
  })

  it('is verified although a peer has put a delta far away', async () => {
    const { contractAddress: address, issuer } = await deployLedger(core.client)
    await mint(core.client, address, issuer, 10n)
    await core.client.methods.updateDeltas({ deltas: [{ address, key: 1000, data: randomBytes(60) }] })
    expect(await balanceOf(core.client, address, issuer)).toBe(1010n)
  })

  it.each([
    ['', () => {}],
    [
      ', the first of which fills a hole',
      async (address: Uint8Array) => {
        await core.client.methods.updateDeltas({ deltas: [{ address, key: 1000, data: randomBytes(60) }] })
      },
    ],
  ])('is verified although tasks came in before it and behind it%s', async (_, prepare) => {
    const { contractAddress, issuer } = await deployLedger(core.client)
    await prepare(contractAddress)
    const mintTwice = async () => {
      for (let round = 0; round < 2; round++) await mint(core.client, contractAddress, issuer, 10n)
    }
    const { methods } = core.client
    const busy = new Proxy(core.client, {
      get: (client, name) => (name === 'methods' ? { ...methods, computeTask } : Reflect.get(client, name)),
    })
    const computeTask: typeof methods.computeTask = async (input) => {
      await mintTwice()
      const answer = await methods.computeTask(input)
      await mintTwice()
      return answer
    }
    expect(await balanceOf(busy, contractAddress, issuer)).toBe(1020n)
  })
})

describe('a lost reply', () => {
  const prepareMint = (client: CoreClient, contractAddress: Uint8Array, issuer: string) =>
    prepare(client, contractAddress, 'mint(bytes32,uint64)', [issuer, 7n])

  /** A task that can be sent again, byte for byte. */
  async function prepare(client: CoreClient, contractAddress: Uint8Array, callable: string, args: (string | bigint)[]) {
    const userKeys = createUserKeys()
    const worker = await client.methods.newTaskEncryptionKey({ userPubKey: hexToBytes(userKeys.publicKey) })
    const call = createTask({ ...worker, callable, args, userKeys })
    const { input } = prepareCompute({ call, contractAddress, gasLimit })
    return { id: 'retry', type: 'ComputeTask', input: { ...input, gasLimit: Number(gasLimit) } }
  }

  it('is given again to the same request, and the task runs once', async () => {
    const { contractAddress, issuer } = await deployLedger(core.client)
    const request = await prepareMint(core.client, contractAddress, issuer)
    using socket = new WireSocket(core.endpoint)
    await socket.send(request)
    await socket.send(request)
    const [first, second] = [await socket.receive(), await socket.receive()]
    expect(first.type).toBe('ComputeTask')
    expect(second).toEqual(first)
    expect(await balanceOf(core.client, contractAddress, issuer)).toBe(1007n)
  })

  it.each([
    ['that changed nothing', 'balance_of(bytes32)', [], 'ComputeTask'],
    ['that failed', 'transfer(bytes32,bytes32,uint64)', [account(), 1001n], 'FailedTask'],
  ])('of a task %s is given again too', async (_, callable, args, type) => {
    const { contractAddress, issuer } = await deployLedger(core.client)
    const request = await prepare(core.client, contractAddress, callable, [issuer, ...args])
    using socket = new WireSocket(core.endpoint)
    const first = await socket.askOne(request)
    expect(first.type).toBe(type)
    expect(await socket.askOne(request)).toEqual(first)
  })

  it('is given again although another user has got more of the same contract, and of another, than is kept', async () => {
    const [contractAddress, another] = [randomBytes(32), randomBytes(32)]
    await principal.installKeys(core.client, [contractAddress, another])
    // `large` returns 4 MiB, and as much for Ethereum; `small` a word.
    const bytecode = await assembleContract(`(module
      (import "env" "fetch_function_name" (func $name (param i32)))
      (import "env" "ret" (func $ret (param i32 i32)))
      (import "env" "write_eth_bridge" (func $bridge (param i32 i32 i32)))
      (import "env" "memory" (memory 128 128))
      (func (export "call") (call $name (i32.const 0))
        (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 108))
          (then (call $ret (i32.const 64) (i32.const 4194304)) (call $bridge (i32.const 64) (i32.const 4194304) (i32.const 0)))
          (else (call $ret (i32.const 64) (i32.const 32))))))`)
    for (const address of [contractAddress, another]) await core.client.methods.updateNewContract({ address, bytecode })
    // The first task of a contract makes a delta.
    await computeFunction(core.client, { contractAddress, gasLimit, callable: 'small()', args: [] })
    const request = await prepare(core.client, contractAddress, 'small()', [])
    using socket = new WireSocket(core.endpoint)
    const first = await socket.askOne(request)
    expect(first.type).toBe('ComputeTask')
    for (let task = 0; task < 10; task++) {
      const address = task % 2 === 0 ? contractAddress : another
      const end = await computeFunction(core.client, {
        contractAddress: address,
        gasLimit,
        callable: 'large()',
        args: [],
      })
      expect(end.kind).not.toBe('failed')
    }
    expect(await socket.askOne(request)).toEqual(first)
  })

  it('is not given to another user who sends the same ciphertexts', async () => {
    const { contractAddress, issuer } = await deployLedger(core.client)
    const request = await prepareMint(core.client, contractAddress, issuer)
    const other = await prepareMint(core.client, contractAddress, issuer)
    using socket = new WireSocket(core.endpoint)
    const first = await socket.askOne(request)
    const { userDHKey } = other.input
    const second = await socket.askOne({ ...request, input: { ...request.input, userDHKey } })
    expect([first.type, second.type]).toEqual(['ComputeTask', 'FailedTask'])
  })

  it('is not given again once its delta, the newest, has become another one', async () => {
    const { contractAddress: address, issuer } = await deployLedger(core.client)
    const request = await prepareMint(core.client, address, issuer)
    using socket = new WireSocket(core.endpoint)
    await socket.askOne(request)
    await core.client.methods.updateDeltas({ deltas: [{ address, key: 1, data: randomBytes(100) }] })
    expect(await socket.askOne(request)).toMatchObject({ msg: 'Error inside the Enclave = (KeysError)' })
  })

  it('is given again to the same request in another spelling', async () => {
    const { contractAddress, issuer } = await deployLedger(core.client)
    const { input, ...request } = await prepareMint(core.client, contractAddress, issuer)
    using socket = new WireSocket(core.endpoint)
    const first = await socket.askOne({ ...request, input })
    const [x, y] = [input.userDHKey.slice(0, 64), hexToBytes(input.userDHKey).at(-1)!]
    for (const userDHKey of [`0x04${input.userDHKey.toUpperCase()}`, (y % 2 === 0 ? '02' : '03') + x]) {
      const contractAddress = `0x${input.contractAddress.toUpperCase()}`
      const spelt = { ...input, userDHKey, contractAddress, gasLimit: String(gasLimit) }
      expect(await socket.askOne({ ...request, input: spelt })).toEqual(first)
    }
  })

  it('is given again by a core that was killed in between', async () => {
    await using folder = await temporaryFolder()
    let first: object
    let request: object
    let address: Uint8Array
    {
      await using killed = await startCoreProcess({ dataFolder: folder.path })
      const { contractAddress, issuer } = await deployLedger(killed.client)
      address = contractAddress
      request = await prepareMint(killed.client, contractAddress, issuer)
      using socket = new WireSocket(killed.endpoint)
      first = await socket.askOne(request)
      await killed.process.kill('SIGKILL')
    }
    await using again = await startCoreProcess({ dataFolder: folder.path })
    using socket = new WireSocket(again.endpoint)
    expect(await socket.askOne(request)).toEqual(first)
    expect((await again.client.methods.getTip({ address })).key).toBe(1)
  })

  it('is given again although everything but the database has been forgotten and the user has a new key', async () => {
    const { contractAddress: address, issuer } = await deployLedger(core.client)
    const request = await prepareMint(core.client, address, issuer)
    using socket = new WireSocket(core.endpoint)
    const first = await socket.askOne(request)
    // Writing the newest delta once more, as peers do, makes the worker forget what it remembers of the contract.
    const { key, data } = await core.client.methods.getTip({ address })
    await core.client.methods.updateDeltas({ deltas: [{ address, key, data }] })
    await core.client.methods.newTaskEncryptionKey({ userPubKey: hexToBytes(request.input.userDHKey) })
    expect(await socket.askOne(request)).toEqual(first)
  })

  it('of a deployment is not given again with other bytecode than was signed', async () => {
    const address = randomBytes(32)
    await principal.installKeys(core.client, [address])
    const userKeys = createUserKeys()
    const worker = await core.client.methods.newTaskEncryptionKey({ userPubKey: hexToBytes(userKeys.publicKey) })
    const args = [account(), 1n]
    const call = createTask({ ...worker, callable: 'construct(bytes32,uint64)', args, userKeys })
    const { input } = prepareDeploy({ call, preCode: ledger, contractAddress: address, gasLimit })
    const request = { id: 'deploy', type: 'DeploySecretContract', input: { ...input, gasLimit: Number(gasLimit) } }
    using socket = new WireSocket(core.endpoint)
    const first = await socket.askOne(request)
    expect(first.type).toBe('DeploySecretContract')
    expect(await socket.askOne(request)).toEqual(first)
    await core.client.methods.updateNewContract({ address, bytecode: Uint8Array.of(1, 2, 3) })
    expect(await socket.askOne(request)).toMatchObject({ msg: 'Error inside the Enclave = (KeysError)' })
  })

  it('is not given again once its delta is removed', async () => {
    const { contractAddress: address, issuer } = await deployLedger(core.client)
    const request = await prepareMint(core.client, address, issuer)
    using socket = new WireSocket(core.endpoint)
    await socket.askOne(request)
    await core.client.methods.removeDeltas({ ranges: [{ address, from: 1, to: 2 }] })
    expect(await socket.askOne(request)).toMatchObject({ msg: 'Error inside the Enclave = (KeysError)' })
  })
})

describe('a chain of deltas that takes too long to apply', () => {
  it('is cut off, and told as one that does not rebuild; other contracts go on', async () => {
    await using hasty = await startCoreProcess({ args: shortClock })
    const { client } = hasty
    const address = randomBytes(32)
    const insert = { op: 'add', path: '/a/0', value: 1 } as const
    /** The first delta of a contract, with so many inserts in front of a list. */
    const put = (contract: Uint8Array, inserts: number) => {
      const patch: Patch = [{ op: 'add', path: '/a', value: [] }, ...new Array<typeof insert>(inserts).fill(insert)]
      const data = sealDelta(principal.stateKey(contract), { patch, previousHash: new Uint8Array(32) })
      return client.methods.updateDeltas({ deltas: [{ address: contract, key: 0, data }] })
    }
    await put(address, 400_000)
    expect(await principal.installKeys(client, [address])).toEqual([address])
    // Its thread was lost over it, and not over what the patch says: a short one of its kind rebuilds.
    await hasty.process.untilLogged(/compute thread ended and is replaced/)
    const short = randomBytes(32)
    await put(short, 100)
    await expect.poll(() => principal.installKeys(client, [short])).toEqual([])
    const { contractAddress, issuer } = await inTime(() => deployLedger(client))
    expect(await inTime(() => balanceOf(client, contractAddress, issuer))).toBe(1000n)
  })
})

describe('a reply that would be too large', () => {
  it('is refused before it is made', async () => {
    const address = randomBytes(32)
    await core.client.methods.updateDeltas({ deltas: [{ address, key: 0, data: new Uint8Array(4 * 1024 * 1024) }] })
    const addresses = new Array<Uint8Array>(40).fill(address)
    await expect(core.client.methods.getTips({ addresses })).rejects.toMatchObject({ code: 'limit_exceeded' })
    const ranges = addresses.map(() => ({ address, from: 0, to: 1 }))
    await expect(core.client.methods.getDeltas({ ranges })).rejects.toMatchObject({ code: 'limit_exceeded' })
    expect((await core.client.methods.getTips({ addresses: addresses.slice(0, 2) })).tips).toHaveLength(2)
  })
})

describe('a contract that does not end', () => {
  it('is stopped by the clock, hinders no reads, and no other contract', async () => {
    await using hasty = await startCoreProcess({ args: shortClock })
    const { client } = hasty
    const address = randomBytes(32)
    const loop = await assembleContract('(module (func (export "call") (loop (br 0))))')
    await client.methods.updateNewContract({ address, bytecode: loop })
    await principal.installKeys(client, [address])
    const other = await inTime(() => deployLedger(client))
    const call = { contractAddress: address, gasLimit: 2n ** 64n - 1n, callable: 'f()', args: [] }
    let wasMeanwhile = false
    // On a busy machine the clock may be faster than the other contract; if that waited for the endless one, it always would be.
    for (let left = 20; left > 0 && !wasMeanwhile; left--) {
      let stopped = false
      const endless = computeFunction(client, call).finally(() => {
        stopped = true
      })
      endless.catch(() => {})
      await client.methods.getTip({ address: other.contractAddress })
      expect(await inTime(() => balanceOf(client, other.contractAddress, other.issuer))).toBe(1000n)
      wasMeanwhile = !stopped
      await expect(endless).rejects.toMatchObject({ code: 'task_aborted', data: { reason: 'took too long' } })
    }
    expect(wasMeanwhile).toBe(true)
    expect(hasty.process.running).toBe(true)
    // Its thread was replaced: contracts that live there go on.
    expect(await inTime(() => computeFunction(client, { ...call, gasLimit: 50_000n }))).toMatchObject({
      kind: 'failed',
      message: 'Invocation resulted in gas limit violated',
    })
  })

  it('holds up what changes its contract, and reads overtake that', async () => {
    await using other = await startCoreProcess({ args: ['--threads', '1'] })
    const { client } = other
    const address = randomBytes(32)
    const loop = await assembleContract('(module (func (export "call") (loop (br 0))))')
    await client.methods.updateNewContract({ address, bytecode: loop })
    await principal.installKeys(client, [address])
    const call = { contractAddress: address, gasLimit: 2n ** 64n - 1n, callable: 'f()', args: [] }
    const endless = expect(computeFunction(client, call)).rejects.toThrow()
    // Answered behind the key exchange of the task, so the task is on its way.
    for (let round = 0; round < 20; round++) await client.methods.getAllAddrs(undefined)
    let written = false
    const write = client.methods.updateDeltas({ deltas: [{ address, key: 0, data: Uint8Array.of(1) }] }).then(
      () => {
        written = true
      },
      () => {},
    )
    const elsewhere = randomBytes(32)
    await client.methods.updateDeltas({ deltas: [{ address: elsewhere, key: 0, data: Uint8Array.of(1) }] })
    await expect(client.methods.getTip({ address })).rejects.toMatchObject({ code: 'not_found' })
    expect((await client.methods.getContract({ address })).bytecode).toEqual(loop)
    expect((await client.methods.getTip({ address: elsewhere })).key).toBe(0)
    expect(written).toBe(false)
    await other.process.kill('SIGKILL')
    client.close()
    await Promise.all([endless, write])
  })

  it('does not keep the worker from stopping', async () => {
    await using other = await startCoreProcess({ args: ['--threads', '1'] })
    const address = randomBytes(32)
    const loop = await assembleContract('(module (func (export "call") (loop (br 0))))')
    await other.client.methods.updateNewContract({ address, bytecode: loop })
    await principal.installKeys(other.client, [address])
    const call = { contractAddress: address, gasLimit: 2n ** 64n - 1n, callable: 'f()', args: [] }
    const endless = expect(computeFunction(other.client, call)).rejects.toMatchObject({ code: 'shutting_down' })
    // Answered behind the key exchange of the task, so the task is on its way.
    for (let round = 0; round < 20; round++) await other.client.methods.getAllAddrs(undefined)
    const ended = other.process.kill('SIGTERM')
    // Requests are answered to the last: first as ever, then with a refusal.
    let refused: unknown
    while (refused === undefined) {
      await other.client.methods.getAllAddrs(undefined).catch((error: unknown) => {
        refused = error
      })
    }
    expect(refused).toMatchObject({ code: 'shutting_down' })
    await endless
    const { code, stderr } = await ended
    expect(code).toBe(0)
    expect(stderr).toContain('core stopped')
  })

  it('recurses until the documented limits stop it, in any shape', async () => {
    const shapes: [string, string][] = [
      ['(module (func $f (call $f)) (func (export "call") (call $f)))', 'stack overflow'],
      [
        '(module (func $f (param i32) (call $f (i32.add (local.get 0) (i32.const 1)))) (func (export "call") (call $f (i32.const 0))))',
        'unreachable',
      ],
      [
        `(module (func $f (local ${'i64 '.repeat(1000)}) (call $f)) (func (export "call") (call $f)))`,
        'stack overflow',
      ],
      ['(module (func $f (call $g)) (func $g (call $f)) (func (export "call") (call $f)))', 'stack overflow'],
      [
        '(module (type $t (func)) (table 1 1 funcref) (elem (i32.const 0) $f) (func $f (call_indirect (type $t) (i32.const 0))) (func (export "call") (call $f)))',
        'stack overflow',
      ],
    ]
    for (const [wat, reason] of shapes) {
      const address = randomBytes(32)
      await core.client.methods.updateNewContract({
        address,
        bytecode: await assembleContract(wat),
      })
      await principal.installKeys(core.client, [address])
      const call = { contractAddress: address, gasLimit: 100_000_000n, callable: 'f()', args: [] }
      expect(await computeFunction(core.client, call), wat).toMatchObject({
        kind: 'failed',
        message: `Error in execution of WASM code: ${reason}`,
      })
    }
  })
})

describe('the log', () => {
  it('holds no key, argument or state, whatever happens', async () => {
    await using chatty = await startCoreProcess({ args: ['--log-level', 'debug'] })
    const { contractAddress, issuer } = await deployLedger(chatty.client)
    const args = [issuer, account(), 2n ** 64n - 1n]
    await computeFunction(chatty.client, {
      contractAddress,
      gasLimit,
      callable: 'transfer(bytes32,bytes32,uint64)',
      args,
    })
    await chatty.client.methods.updateDeltas({ deltas: [{ address: contractAddress, key: 1, data: randomBytes(99) }] })
    await principal.installKeys(chatty.client, [contractAddress])
    using socket = new WireSocket(chatty.endpoint)
    await socket.askOne({ id: issuer, type: 'ComputeTask', input: { encryptedArgs: issuer, gasLimit: issuer } })
    const { code, stderr } = await chatty.process.kill('SIGTERM')
    expect(code).toBe(0)
    expect(stderr).toContain('core stopped')
    const secrets = [issuer.slice(2), args[1], bytesToHex(principal.stateKey(contractAddress)), '18446744073709551615']
    for (const secret of secrets) expect(stderr).not.toContain(secret)
  })
})
