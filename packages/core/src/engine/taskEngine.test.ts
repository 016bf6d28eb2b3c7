import { bytesToHex, concatBytes, hexToBytes } from '@bletchley/bytes'
import {
  addressOf,
  computeInputsHash,
  computeSuccessItems,
  decrypt,
  deployInputsHash,
  deploySuccessItems,
  generateKeyPair,
  keccak256,
  randomBytes,
} from '@bletchley/crypto'
import { WorkerError } from '@bletchley/protocol'
import { openDelta } from '@bletchley/state'
import { type ContractStore, type KeyValueBackend, openMemory, StorageError } from '@bletchley/store'
import { describe, expect, it, vi } from 'vitest'
import { code, gasLimit, noCall, peer, preCode, signer, World, worker } from '../../test/engineWorld.ts'
import type { JobKind } from './threadMessages.ts'

describe('a deployment', () => {
  it('is stored, signed and told, and has its code prepared', async () => {
    const world = await World.start()
    const address = randomBytes(32)
    const stateKey = world.installKey(address)
    const { input } = world.request(address, 'construct()')
    const reply = await world.engine.deploy({ ...input, preCode }, peer)
    if (reply.kind !== 'deployed') throw new Error('it failed')
    const { result, codeHash } = reply
    expect(result.output).toEqual(await world.store.getBytecode(address))
    expect(result.delta).toEqual(await world.store.getTip(address))
    expect(result.delta.key).toBe(0)
    expect(openDelta(stateKey, result.delta.data).previousHash).toEqual(new Uint8Array(32))
    expect(codeHash).toEqual(keccak256(result.output))
    expect(result.preCodeHash).toEqual(keccak256(preCode))
    expect([result.ethereumPayload, result.ethereumAddress]).toEqual([noCall.payload, noCall.address])
    const inputsHash = deployInputsHash({ ...input, userKey: input.userDHKey, preCodeHash: keccak256(preCode) })
    const items = deploySuccessItems({
      ...{ inputsHash, exeCodeHash: codeHash, deltaHash: keccak256(result.delta.data), gasLimit },
      ...{ usedGas: result.usedGas, ethereum: noCall },
    })
    expect(signer(items, result.signature)).toEqual(addressOf(worker.publicKey))
    expect(world.ended).toEqual([
      { address, type: 'DeploySecretContract', outcome: 'success', usedGas: result.usedGas, delta: result.delta },
    ])
    expect(world.states).toEqual([[bytesToHex(address), 0]])
    expect(world.pool.jobs).toEqual(['deploy', 'prepare'])
    expect(world.userKeys.size).toBe(0)
  })

  it('to an address that is in use runs nothing, and burns the key', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const { input } = world.request(address, 'construct()')
    await expect(world.engine.deploy({ ...input, preCode }, peer)).rejects.toMatchObject(
      code('already_exists', { address }),
    )
    expect(world.ended).toEqual([{ address, type: 'DeploySecretContract', outcome: 'error', usedGas: 0n }])
    expect([world.pool.jobs, world.userKeys.size]).toEqual([[], 0])
  })

  it('that fails is answered for, stores nothing, and is not run twice', async () => {
    const world = await World.start()
    const address = randomBytes(32)
    world.installKey(address)
    const { input, sharedKey } = world.request(address, 'construct()')
    const task = { ...input, preCode: hexToBytes('00') }
    const reply = await world.engine.deploy(task, peer)
    expect(reply.kind).toBe('failed')
    expect(new TextDecoder().decode(decrypt(sharedKey, reply.result.output))).not.toBe('')
    expect(world.ended).toEqual([{ address, type: 'DeploySecretContract', outcome: 'failed', usedGas: 0n }])
    expect(world.states).toEqual([])
    expect(await world.store.hasContract(address)).toBe(false)
    expect(await world.engine.deploy(task, peer)).toBe(reply)
    expect(world.pool.jobs).toEqual(['deploy'])
  })
})

describe('a computation', () => {
  it('is stored, signed on the delta before it, and told', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const first = (await world.store.getTip(address))!
    const { input } = world.request(address, 'set()', '5')
    const reply = await world.engine.compute(input, peer)
    if (reply.kind !== 'computed') throw new Error('it failed')
    const { delta, output, usedGas, signature } = reply.result
    expect([delta.key, delta]).toEqual([1, await world.store.getTip(address)])
    expect(openDelta(world.stateKeys.get(address)!, delta.data!)).toMatchObject({
      patch: [{ op: 'add', path: '/k', value: 5 }],
      previousHash: keccak256(first.data),
    })
    const items = computeSuccessItems({
      exeCodeHash: keccak256((await world.store.getBytecode(address))!),
      inputsHash: computeInputsHash({ ...input, userKey: input.userDHKey }),
      previousDeltaHash: keccak256(first.data),
      newDeltaHash: keccak256(delta.data!),
      ...{ outputHash: keccak256(output), gasLimit, usedGas, ethereum: noCall },
    })
    expect(signer(items, signature)).toEqual(addressOf(worker.publicKey))
    expect(world.ended).toEqual([{ address, type: 'ComputeTask', outcome: 'success', usedGas, delta }])
    // `k`, its quotes, colon and comma, and the number.
    expect(world.states).toEqual([[bytesToHex(address), 6]])
    expect(world.pool.jobs).toEqual(['compute'])
  })

  it('that changes nothing stores nothing, names delta 0, and is not run twice', async () => {
    const world = await World.start()
    const address = await world.deployed()
    await world.set(address, 1)
    const { input } = world.request(address, 'keep()')
    const reply = await world.engine.compute(input, peer)
    expect(reply).toMatchObject({ kind: 'computed', result: { delta: { key: 0 } } })
    expect('data' in (reply.result as { delta: object }).delta).toBe(false)
    expect(world.ended.at(-1)).toEqual({
      ...{ address, type: 'ComputeTask', outcome: 'success', usedGas: reply.result.usedGas, delta: undefined },
    })
    expect(await world.deltas(address)).toEqual([0, 1])
    expect(await world.engine.compute(input, peer)).toBe(reply)
    expect(world.pool.jobs).toEqual(['compute', 'compute'])
    expect(world.ended).toHaveLength(2)
  })

  it('that fails is answered for with its gas, and is not run twice', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const { input, sharedKey } = world.request(address, 'fail()')
    const reply = await world.engine.compute(input, peer)
    expect(reply.kind).toBe('failed')
    expect(reply.result.usedGas).toBeGreaterThan(0n)
    expect(new TextDecoder().decode(decrypt(sharedKey, reply.result.output))).toContain('Error in execution')
    expect(world.ended).toEqual([
      { address, type: 'ComputeTask', outcome: 'failed', usedGas: reply.result.usedGas, delta: undefined },
    ])
    expect([world.states, await world.deltas(address)]).toEqual([[], [0]])
    expect(await world.engine.compute(input, peer)).toBe(reply)
    expect(world.pool.jobs).toEqual(['compute'])
  })

  it('of an unknown contract burns no key, and of a user without one runs nothing', async () => {
    const world = await World.start()
    const unknown = randomBytes(32)
    const { input } = world.request(unknown, 'keep()')
    const notFound = code('not_found', { command: 'get_contract', address: unknown })
    await expect(world.engine.compute(input, peer)).rejects.toMatchObject(notFound)
    expect(world.userKeys.size).toBe(1)
    const address = await world.deployed()
    const keysError = code('enclave_error', { name: 'KeysError' })
    for (const userDHKey of [generateKeyPair().publicKey, new Uint8Array(64), new Uint8Array(10)]) {
      const task = { ...input, contractAddress: address, userDHKey }
      await expect(world.engine.compute(task, peer), String(userDHKey.length)).rejects.toMatchObject(keysError)
    }
    expect([world.pool.jobs, world.ended]).toEqual([[], []])
  })

  it('without a state key asks for it once, and is refused if it does not come', async () => {
    const asked: string[] = []
    let world!: World
    let key: Uint8Array | undefined
    const fetchStateKey = async (address: Uint8Array) => {
      asked.push(bytesToHex(address))
      if (key !== undefined) world.installKey(address, key)
    }
    world = await World.start({ fetchStateKey })
    const address = randomBytes(32)
    await world.engine.write([address], () => world.store.putBytecode(address, preCode), peer)
    await expect(world.set(address, 1)).rejects.toMatchObject(code('enclave_error', { name: 'KeysError' }))
    expect([world.userKeys.size, asked]).toEqual([0, [bytesToHex(address)]])
    expect(world.ended).toEqual([{ address, type: 'ComputeTask', outcome: 'error', usedGas: 0n }])
    key = randomBytes(32)
    const reply = await world.set(address, 1)
    expect(openDelta(key, (reply.result as { delta: { data: Uint8Array } }).delta.data).patch).toHaveLength(1)
    await world.set(address, 2)
    expect(asked).toHaveLength(2)
  })

  it.each([
    ['a thread that is lost', new WorkerError('task_aborted', { reason: 'crashed' }), 1],
    ['an exception that nobody foresaw', new Error('oops'), 1],
    ['a documented refusal', new WorkerError('enclave_error', { name: 'StateError' }), 0],
  ])('that ends in %s keeps the user’s key as it ought to', async (_, error, keys) => {
    const world = await World.start()
    const address = await world.deployed()
    const { input } = world.request(address, 'set()', '5')
    world.pool.next.set('compute', () => Promise.reject(error))
    await expect(world.engine.compute(input, peer)).rejects.toBe(error)
    expect(world.ended).toEqual([{ address, type: 'ComputeTask', outcome: 'error', usedGas: 0n }])
    expect(world.userKeys.size).toBe(keys)
    if (keys === 1) expect((await world.engine.compute(input, peer)).kind).toBe('computed')
  })

  it('is not taken by a queue that is full, and no key is burnt; other contracts are', async () => {
    const world = await World.start({ maxQueue: 2 })
    const [address, other] = [await world.deployed(), await world.deployed()]
    let go = () => {}
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    world.pool.next.set('compute', (work) => gate.then(work))
    const running = [world.set(address, 1), world.set(address, 2)]
    const { input } = world.request(address, 'set()', '3')
    const full = code('busy', { limit: 'requests waiting for this contract', maximum: 2 })
    await expect(world.engine.compute(input, peer)).rejects.toMatchObject(full)
    await expect(world.engine.write([other, address], async () => {}, peer)).rejects.toMatchObject(full)
    const elsewhere = world.set(other, 9)
    expect([...world.engine.queue]).toEqual([
      [bytesToHex(address), 2],
      [bytesToHex(other), 1],
    ])
    expect(world.engine.jobs).toBe(3)
    expect((await elsewhere).kind).toBe('computed')
    go()
    await Promise.all(running)
    expect(world.engine.jobs).toBe(0)
    expect((await world.engine.compute(input, peer)).kind).toBe('computed')
  })
})

describe('the line of a contract', () => {
  /** A contract with a task that runs until it is let go. */
  async function held(maxQueue: number) {
    const world = await World.start({ maxQueue })
    const address = await world.deployed()
    const gate = deferred<void>()
    world.pool.next.set('compute', (work) => gate.promise.then(work))
    const text = code('busy', { limit: 'requests waiting for this contract', maximum: maxQueue })
    const compute = (peer: string) => world.engine.compute(world.request(address, 'set()', '1').input, peer)
    return { world, address, compute, text, letGo: () => gate.resolve() }
  }

  it('has a place for whoever has none in it, and half of what the others leave for each', async () => {
    const { world, address, compute, text, letGo } = await held(4)
    const taken = [1, 2, 3, 4].map(() => compute('a'))
    await expect(compute('a')).rejects.toMatchObject(text)
    const rows = [{ address, key: 9, data: randomBytes(9) }]
    taken.push(compute('b'), compute('b'))
    await expect(compute('b')).rejects.toMatchObject(text)
    await expect(world.engine.putDeltas(rows, 'b')).rejects.toMatchObject(text)
    await expect(world.engine.write([randomBytes(32), address], async () => {}, 'b')).rejects.toMatchObject(text)
    for (const peer of ['c', 'd', 'e']) {
      taken.push(compute(peer))
      await expect(compute(peer)).rejects.toMatchObject(text)
    }
    // Elsewhere they have what they would have anyway.
    expect(await world.engine.write([randomBytes(32)], async () => 7, 'a')).toBe(7)
    expect([...world.engine.queue]).toEqual([[bytesToHex(address), 9]])
    letGo()
    for (const reply of await Promise.all(taken)) expect(reply.kind).toBe('computed')
    expect(await Promise.all([1, 2, 3, 4].map(() => compute('e')))).toHaveLength(4)
  })

  it('counts a rebuild to the one whose keys it is for, and refuses none', async () => {
    const { world, address, compute, text, letGo } = await held(2)
    const running = compute('other')
    const rebuilt = [1, 2, 3].map(() => world.engine.rebuild([address], 'a'))
    await expect(compute('a')).rejects.toMatchObject(text)
    const next = compute('b')
    letGo()
    expect((await running).kind).toBe('computed')
    expect(await Promise.all(rebuilt)).toEqual([[], [], []])
    expect((await next).kind).toBe('computed')
    expect((await compute('a')).kind).toBe('computed')
  })

  it('counts a contract once that a request names again and again', async () => {
    const { world, address, letGo, text } = await held(3)
    const write = (peer: string) => world.engine.write([address, address, address], async () => 7, peer)
    const taken = [1, 2, 3].map(() => write('a'))
    await expect(write('a')).rejects.toMatchObject(text)
    letGo()
    expect(await Promise.all(taken)).toEqual([7, 7, 7])
    expect([...world.engine.queue]).toEqual([])
  })
})

describe('a task that may not begin', () => {
  const refusal = new WorkerError('busy', { limit: 'bytes', maximum: 1 })
  const mayBegin = () => {
    throw refusal
  }

  it('is asked about in its turn, and nothing is done: no key is burnt', async () => {
    const world = await World.start()
    const address = await world.deployed()
    let refused = false
    const turn = {
      mayBegin: () => {
        if (refused) throw refusal
      },
    }
    const first = world.set(address, 1)
    const { input } = world.request(address, 'set()', '2')
    const second = world.engine.compute(input, peer, turn)
    refused = true
    expect((await first).kind).toBe('computed')
    await expect(second).rejects.toBe(refusal)
    expect(world.ended).toHaveLength(1)
    const other = randomBytes(32)
    world.installKey(other)
    const deployment = { ...world.request(other, 'construct()').input, preCode }
    await expect(world.engine.deploy(deployment, peer, turn)).rejects.toBe(refusal)
    refused = false
    expect((await world.engine.compute(input, peer, turn)).kind).toBe('computed')
    expect((await world.engine.deploy(deployment, peer, turn)).kind).toBe('deployed')
  })

  it('gets its reply if it was done before', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const { input } = world.request(address, 'set()', '1')
    const reply = await world.engine.compute(input, peer)
    expect(await world.engine.compute(input, peer, { mayBegin })).toBe(reply)
    expect(await (await world.again()).engine.compute(input, peer, { mayBegin })).toEqual(reply)
  })
})

it('a task that was taken before gets its reply, however many wait for its contract', async () => {
  const world = await World.start({ maxQueue: 1 })
  const address = await world.deployed()
  const { input } = world.request(address, 'set()', '1')
  const reply = await world.engine.compute(input, peer)
  const running = world.set(address, 2)
  await expect(world.engine.compute(input, peer)).rejects.toMatchObject(code('busy', {}))
  expect(await world.engine.compute(input, peer, { isAgain: true })).toBe(reply)
  await running
})

describe('a task that is sent again', () => {
  it('gets the same signed bytes behind a restart, without key or run', async () => {
    const world = await World.start()
    const address = randomBytes(32)
    world.installKey(address)
    const deployment = { ...world.request(address, 'construct()').input, preCode }
    const computation = world.request(address, 'set()', '5').input
    const replies = [await world.engine.deploy(deployment, peer), await world.engine.compute(computation, peer)]
    await world.set(address, 6)
    const again = await world.again()
    expect([await again.engine.deploy(deployment, peer), await again.engine.compute(computation, peer)]).toEqual(
      replies,
    )
    expect([again.pool.jobs, again.ended]).toEqual([['hashCode'], []])
  })

  it('is known by all that its result depends on, and not by the form of its key', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const { input } = world.request(address, 'set()', '5')
    const reply = await world.engine.compute(input, peer)
    const sec1 = concatBytes(Uint8Array.of(4), input.userDHKey)
    expect(await world.engine.compute({ ...input, userDHKey: sec1 }, peer)).toBe(reply)
    const other = await world.deployed()
    const variants = [
      { encryptedFn: randomBytes(40) },
      { encryptedArgs: randomBytes(40) },
      { contractAddress: other },
      { userDHKey: generateKeyPair().publicKey },
      { gasLimit: gasLimit + 1n },
    ]
    const keysError = code('enclave_error', { name: 'KeysError' })
    for (const variant of variants) {
      await expect(
        world.engine.compute({ ...input, ...variant }, peer),
        String(Object.keys(variant)),
      ).rejects.toMatchObject(keysError)
    }
    // A deployment with the same inputs is another task.
    await expect(world.engine.deploy({ ...input, preCode }, peer)).rejects.toMatchObject(keysError)
    const fresh = randomBytes(32)
    world.installKey(fresh)
    const deployment = { ...world.request(fresh, 'construct()').input, preCode }
    await world.engine.deploy(deployment, peer)
    await expect(world.engine.deploy({ ...deployment, preCode: hexToBytes('00') }, peer)).rejects.toMatchObject(
      keysError,
    )
  })

  it('is run again behind a commit that failed, and not behind one that only seemed to', async () => {
    const inner = openMemory()
    let fault: 'before' | 'behind' | undefined
    const backend = Object.assign(Object.create(inner) as KeyValueBackend, {
      get: inner.get.bind(inner),
      first: inner.first.bind(inner),
      entries: inner.entries.bind(inner),
      keys: inner.keys.bind(inner),
      async commit(...args: Parameters<KeyValueBackend['commit']>) {
        if (fault === 'before') throw new StorageError('no space')
        await inner.commit(...args)
        if (fault === 'behind') throw new StorageError('the answer was lost')
      },
    })
    const world = await World.start({ backend })
    const address = await world.deployed()
    const { input } = world.request(address, 'set()', '5')
    fault = 'before'
    await expect(world.engine.compute(input, peer)).rejects.toBeInstanceOf(StorageError)
    expect([await world.deltas(address), world.userKeys.size]).toEqual([[0], 1])
    expect(world.ended.map(({ outcome }) => outcome)).toEqual(['error'])
    fault = undefined
    const reply = await world.engine.compute(input, peer)
    expect(reply).toMatchObject({ kind: 'computed', result: { delta: { key: 1 } } })
    expect(world.pool.jobs).toEqual(['compute', 'compute'])

    const next = world.request(address, 'set()', '6').input
    fault = 'behind'
    await expect(world.engine.compute(next, peer)).rejects.toBeInstanceOf(StorageError)
    fault = undefined
    const stored = await world.engine.compute(next, peer)
    expect(stored).toMatchObject({ kind: 'computed', result: { delta: await world.store.getTip(address) } })
    expect(world.pool.jobs).toHaveLength(3)
  })

  it.each([
    ['receipt', 'getReceipt'],
    ['delta', 'getDelta'],
  ] as const)('is a new one if its %s is gone meanwhile', async (_, read) => {
    const world = await World.start()
    const address = await world.deployed()
    const { input } = world.request(address, 'set()', '5')
    const reply = await world.engine.compute(input, peer)
    const again = await world.again()
    // Another process may write between any two reads.
    vi.spyOn(world.store, read as 'getDelta').mockResolvedValueOnce(undefined)
    await expect(again.engine.compute(input, peer)).rejects.toMatchObject(code('enclave_error', { name: 'KeysError' }))
    expect(await again.engine.compute(input, peer)).toEqual(reply)
  })
})

describe('a write from elsewhere', () => {
  it('makes all be forgotten that was known of its contracts, also when it fails', async () => {
    const world = await World.start()
    const [address, other] = [await world.deployed(), await world.deployed()]
    const tasks = [address, other].map((each) => world.request(each, 'keep()').input)
    for (const task of tasks) await world.engine.compute(task, peer)
    world.pool.forgotten.length = 0
    const failure = new Error('no space')
    const write = world.engine.write([address], () => Promise.reject(failure), peer)
    await expect(write).rejects.toBe(failure)
    expect(world.pool.forgotten).toEqual([bytesToHex(address)])
    // Its replies too, of tasks that left no receipt.
    await expect(world.engine.compute(tasks[0]!, peer)).rejects.toMatchObject({ code: 'enclave_error' })
    expect((await world.engine.compute(tasks[1]!, peer)).kind).toBe('computed')

    const hash = await world.engine.codeHash(address)
    const bytecode = Uint8Array.of(1, 2, 3)
    await world.engine.write([address], () => world.store.putBytecode(address, bytecode), peer)
    expect(await world.engine.write([], async () => 7, peer)).toBe(7)
    expect(await world.engine.codeHash(address)).toEqual(keccak256(bytecode))
    expect(await world.engine.codeHash(other)).toEqual(hash)
    await world.engine.write([address, other], () => world.store.removeContract(address), peer)
    await expect(world.engine.codeHash(address)).rejects.toMatchObject(code('not_found', { command: 'get_contract' }))
    expect(world.pool.forgotten.slice(-2)).toEqual([bytesToHex(address), bytesToHex(other)])
  })

  it('reads a contract’s code once', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const read = vi.spyOn(world.store, 'getBytecode')
    await world.engine.codeHash(address)
    expect(read).toHaveBeenCalledTimes(0)
    const again = await world.again()
    for (let time = 0; time < 2; time++) {
      expect(await again.engine.codeHash(address)).toEqual(keccak256((await world.store.getBytecode(address))!))
    }
    expect(read).toHaveBeenCalledTimes(3)
  })

  it('remembers the code hashes of 100 000 contracts', async () => {
    const world = await World.start()
    const read = vi.spyOn(world.store, 'getBytecode').mockResolvedValue(Uint8Array.of(1))
    const ask = (index: number) => {
      const address = new Uint8Array(32)
      new DataView(address.buffer).setUint32(0, index)
      return world.engine.codeHash(address)
    }
    for (let index = 0; index <= 100_000; index++) await ask(index)
    await ask(1)
    expect(read).toHaveBeenCalledTimes(100_001)
    await ask(0)
    expect(read).toHaveBeenCalledTimes(100_002)
  })

  it('of deltas of many contracts lets others have their turn', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const world = await World.start()
      world.pool.knows = () => {
        vi.advanceTimersByTime(1)
        return false
      }
      const rows = Array.from({ length: 40 }, () => ({ address: randomBytes(32), key: 0, data: randomBytes(9) }))
      let turns = 0
      let ended = false
      const count = (): void => {
        turns++
        if (!ended) setImmediate(count)
      }
      setImmediate(count)
      await world.engine.putDeltas(rows, peer)
      ended = true
      // After each three milliseconds.
      expect(turns).toBeGreaterThan(10)
    } finally {
      vi.useRealTimers()
    }
  })

  it('of deltas lets everything be known of a contract whose tip it is behind', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const name = bytesToHex(address)
    await world.set(address, 1)
    const row = (key: number) => ({ address, key, data: randomBytes(20) })
    const forgets = async (rows: ReturnType<typeof row>[]) => {
      world.pool.forgotten.length = 0
      await world.engine.putDeltas(rows, peer)
      for (const { address, key, data } of rows) expect(await world.store.getDelta(address, key)).toEqual(data)
      return world.pool.forgotten
    }
    expect(await forgets([row(2)])).toEqual([])
    expect(await forgets([row(2)])).toEqual([name])
    expect(await forgets([row(4), row(3)])).toEqual([])
    expect(await forgets([row(5), row(4)])).toEqual([name])
    expect(await forgets([row(0), row(6)])).toEqual([name])
    const unknown = randomBytes(32)
    expect(await forgets([{ ...row(0), address: unknown }])).toEqual([])
    expect(await forgets([{ ...row(0), address: unknown }])).toEqual([])
    world.pool.known.add(bytesToHex(unknown))
    await world.engine.write([unknown], () => world.store.removeContract(unknown), peer)
    expect(await forgets([row(7), { ...row(0), address: unknown }])).toEqual([bytesToHex(unknown)])
    expect(await forgets([{ ...row(1), address: unknown }, row(8)])).toEqual([])
  })

  it('waits for its turn, in the order of arrival', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const order: string[] = []
    const note = (name: string) => () => void order.push(name)
    world.pool.next.set('compute', (work) => work().finally(note('task')))
    await Promise.all([
      world.set(address, 1),
      world.engine.putDeltas([{ address, key: 9, data: randomBytes(9) }], peer).then(note('deltas')),
      world.engine.write([address], async () => {}, peer).then(note('write')),
    ])
    expect(order).toEqual(['task', 'deltas', 'write'])
  })
})

/** A promise, and what settles it. */
function deferred<T>() {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

describe('what is stored of a contract and may be large', () => {
  /** Which of it is read from now on. */
  function reads(store: ContractStore): string[] {
    const seen: string[] = []
    const large = ['getBytecode', 'getTip', 'getDelta', 'getSnapshot', 'getReceipt'] as const
    for (const name of large) {
      const read = store[name].bind(store) as (...args: unknown[]) => Promise<never>
      vi.spyOn(store, name).mockImplementation((...args: unknown[]) => {
        seen.push(name)
        return read(...args)
      })
    }
    return seen
  }

  /** The next job of a kind waits for a thread until it is told that there is one. */
  function waitingFor(world: World, kind: JobKind) {
    const waiting = deferred<void>()
    const thread = deferred<void>()
    world.pool.next.set(kind, async (work) => {
      waiting.resolve()
      await thread.promise
      return work()
    })
    return { waits: waiting.promise, go: thread.resolve }
  }

  it('is not read for a task without a key', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const again = await world.again()
    const seen = reads(world.store)
    await expect(again.engine.compute(world.request(address, 'keep()').input, peer)).rejects.toMatchObject(
      code('enclave_error', { name: 'KeysError' }),
    )
    expect([seen, again.pool.jobs]).toEqual([[], []])
  })

  it('is not held by a task that waits for a thread, and only one thing at a time by one that has one', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const again = await world.again()
    again.installKey(address, world.stateKeys.get(address)!)
    const seen = reads(world.store)
    const [hashes, computes] = [waitingFor(again, 'hashCode'), waitingFor(again, 'compute')]
    const computed = again.set(address, 1)
    await hashes.waits
    expect(seen).toEqual([])
    hashes.go()
    await computes.waits
    expect(seen.splice(0)).toEqual(['getBytecode'])
    computes.go()
    expect((await computed).kind).toBe('computed')
    expect(seen.slice(0, 2)).toEqual(['getSnapshot', 'getBytecode'])
  })

  it('is not held by a deployment that is sent again, while its code is hashed', async () => {
    const world = await World.start()
    const address = randomBytes(32)
    world.installKey(address)
    const deployment = { ...world.request(address, 'construct()').input, preCode }
    const reply = await world.engine.deploy(deployment, peer)
    const again = await world.again()
    const seen = reads(world.store)
    const hashes = waitingFor(again, 'hashCode')
    const repeated = again.engine.deploy(deployment, peer)
    await hashes.waits
    expect(seen).toEqual([])
    hashes.go()
    expect(await repeated).toEqual(reply)
  })

  it('is not held by a rebuild that waits for a thread', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const seen = reads(world.store)
    const rebuild = waitingFor(world, 'rebuild')
    const failed = world.engine.rebuild([address], peer)
    await rebuild.waits
    expect(seen).toEqual([])
    rebuild.go()
    expect(await failed).toEqual([])
    expect(seen).toEqual([])
  })

  it('is read of one contract at a time for those who look at their codes', async () => {
    const world = await World.start()
    const addresses = [await world.deployed(), await world.deployed()]
    const again = await world.again()
    const reading = deferred<Uint8Array>()
    const read = vi.spyOn(world.store, 'getBytecode').mockReturnValueOnce(reading.promise)
    const hashes = addresses.map((address) => again.engine.codeHash(address))
    await new Promise((resolve) => setImmediate(resolve))
    expect(read).toHaveBeenCalledTimes(1)
    reading.resolve(Uint8Array.of(1))
    expect((await Promise.all(hashes))[0]).toEqual(keccak256(Uint8Array.of(1)))
    expect(read).toHaveBeenCalledTimes(2)
  })

  it('is not read to know whether deltas lie behind the tip', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const seen = reads(world.store)
    await world.engine.putDeltas([{ address, key: 1, data: randomBytes(9) }], peer)
    expect(seen).toEqual(['getSnapshot'])
  })
})

describe('a rebuild', () => {
  it('names the contracts whose deltas do not lead to a state, and passes over those without delta or key', async () => {
    const world = await World.start()
    const [whole, broken, keyless, bare] = [
      await world.deployed(),
      await world.deployed(),
      await world.deployed(),
      randomBytes(32),
    ]
    await world.set(whole, 1)
    const again = await world.again()
    again.installKey(whole, world.stateKeys.get(whole)!)
    again.installKey(broken)
    again.installKey(bare)
    await world.store.putBytecode(bare, preCode)
    expect(await again.engine.rebuild([whole, broken, keyless, bare], peer)).toEqual([broken])
    expect(again.states).toEqual([[bytesToHex(whole), 6]])
    expect(again.pool.jobs).toEqual(['rebuild', 'rebuild'])
  })

  it('that takes too long is one that fails, and a fault of ours is none', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const rebuild = (error: Error) => {
      world.pool.next.set('rebuild', () => Promise.reject(error))
      return world.engine.rebuild([address], peer)
    }
    expect(await rebuild(new WorkerError('task_aborted', { reason: 'took too long' }))).toEqual([address])
    expect(world.states).toEqual([])
    for (const error of [new WorkerError('shutting_down', {}), new Error('task_aborted')]) {
      await expect(rebuild(error)).rejects.toBe(error)
    }
  })

  it('stores the snapshot that is due, and does without one that cannot be stored', async () => {
    const world = await World.start()
    const address = await world.deployed()
    for (let task = 0; task < 62; task++) await world.set(address, task)
    expect(world.pool.jobs.every((kind) => kind === 'compute')).toBe(true)
    const put = vi.spyOn(world.store, 'putSnapshot').mockRejectedValueOnce(new StorageError('no space'))
    // Two make one due, and the first of them stores none.
    await Promise.all([world.set(address, 62), world.set(address, 63)])
    await vi.waitUntil(() => world.engine.jobs === 0)
    expect(put).toHaveBeenCalledTimes(1)
    expect(world.log.map((line) => JSON.parse(line) as object)).toMatchObject([
      { level: 40, address: bytesToHex(address), msg: 'snapshot could not be stored' },
    ])
    expect(await world.store.getSnapshot(address)).toBeUndefined()
    for (let task = 0; task < 64; task++) await world.set(address, task)
    await vi.waitUntil(() => world.engine.jobs === 0)
    expect((await world.store.getSnapshot(address))?.key).toBe(128)
    expect(world.pool.jobs.filter((kind) => kind === 'rebuild')).toHaveLength(2)
  })
})

it('ends with its threads', async () => {
  const world = await World.start()
  expect(world.engine.pool).toBe(world.pool)
  await world.engine.close()
  expect(world.pool.closed).toBe(true)
})
