import {
  addressOf,
  computeInputsHash,
  computeSuccessItems,
  keccak256,
  lengthPrefixed,
  randomBytes,
  recoverAddress,
} from '@bletchley/crypto'
import { type Result, WorkerError } from '@bletchley/protocol'
import { openDelta, type Patch, sealDelta } from '@bletchley/state'
import { describe, expect, it, vi } from 'vitest'
import { code, gasLimit, peer, preCode, World, wabt, worker } from '../../test/engineWorld.ts'

describe('a second core that writes to the same database', () => {
  const pathK: Patch = [{ op: 'add', path: '/k', value: 77 }]
  const otherCode = wabt
    .parseWat('other.wat', '(module (import "env" "memory" (memory 17 17)) (func (export "call")))')
    .toBinary({}).buffer

  /** What another core may do to a contract, and what a task that was under way comes to then. */
  const changes: [name: string, change: (world: World, address: Uint8Array) => Promise<unknown>, answer: object][] = [
    [
      'adds a delta',
      async ({ store, stateKeys }, address) => {
        const { key, data } = (await store.getTip(address))!
        const next = sealDelta(stateKeys.get(address)!, { patch: pathK, previousHash: keccak256(data) })
        await store.putDeltas([{ address, key: key + 1, data: next }])
      },
      { kind: 'computed', result: { delta: { key: 2 } } },
    ],
    [
      'computes a task',
      async (world, address) => (await world.second(address)).set(address, 6),
      { kind: 'computed', result: { delta: { key: 2 } } },
    ],
    [
      'puts other code in its place',
      ({ store }, address) => store.putBytecode(address, otherCode),
      { kind: 'computed', result: { delta: { key: 0 } } },
    ],
    [
      'cuts the chain',
      async ({ store, stateKeys }, address) => {
        const data = sealDelta(stateKeys.get(address)!, { patch: pathK, previousHash: new Uint8Array(32) })
        await store.putDeltas([{ address, key: 0, data }])
      },
      { kind: 'computed', result: { delta: { key: 1 } } },
    ],
    ['removes it', ({ store }, address) => store.removeContract(address), code('not_found')],
    [
      'removes it and deploys it anew',
      async (world, address) => {
        await world.store.removeContract(address)
        const again = await world.second(address)
        await again.engine.deploy({ ...again.request(address, 'construct()').input, preCode }, peer)
      },
      { kind: 'computed', result: { delta: { key: 1 } } },
    ],
  ]
  /** Where it comes in between: what a task does at that moment has a name. */
  const moments = ['loaded', 'code hashed', 'run', 'receipt made'] as const

  it.each(
    changes.flatMap(([name, change, answer]) => moments.map((moment) => [name, moment, change, answer] as const)),
  )('that %s behind the moment "%s" has the task run on what is there then', async (_, moment, change, answer) => {
    const world = await World.start()
    const address = await world.deployed()
    // With nothing in memory, so that all is read.
    const core = await world.second(address)
    let changed = false
    const once = async <T>(result: T): Promise<T> => {
      if (!changed) {
        changed = true
        await change(world, address)
      }
      return result
    }
    const load = core.store.load.bind(core.store)
    const commit = core.store.commitTask.bind(core.store)
    const loads = vi.spyOn(core.store, 'load')
    const commits = vi.spyOn(core.store, 'commitTask')
    if (moment === 'loaded') loads.mockImplementationOnce(async (...args) => once(await load(...args)))
    if (moment === 'code hashed') core.pool.next.set('hashCode', async (work) => once(await work()))
    if (moment === 'run') core.pool.next.set('compute', async (work) => once(await work()))
    if (moment === 'receipt made') commits.mockImplementationOnce(async (task) => commit(await once(task)))
    const { input } = core.request(address, 'set()', '5')
    const outcome = await core.engine.compute(input, peer).catch((error: unknown) => error)
    expect(changed).toBe(true)
    expect(outcome).toMatchObject(answer)
    if (outcome instanceof WorkerError) return
    // What was signed is true of what is stored.
    const { result } = outcome as { result: Result<'ComputeTask'> }
    const stored = (await world.store.getBytecode(address))!
    const { delta, usedGas, output, ethereumPayload, ethereumAddress } = result
    const previous = delta.data && (await world.store.getDelta(address, delta.key - 1))
    const newest = keccak256((await world.store.getTip(address))!.data)
    const items = computeSuccessItems({
      exeCodeHash: keccak256(stored),
      inputsHash: computeInputsHash({ ...input, userKey: input.userDHKey }),
      previousDeltaHash: previous ? keccak256(previous) : newest,
      newDeltaHash: delta.data ? newest : new Uint8Array(32),
      outputHash: keccak256(output),
      ...{ gasLimit, usedGas, ethereum: { payload: ethereumPayload, address: ethereumAddress } },
    })
    expect(recoverAddress(lengthPrefixed(items), result.signature)).toEqual(addressOf(worker.publicKey))
    if (delta.data) {
      const state = openDelta(world.stateKeys.get(address)!, delta.data)
      expect(state.patch).toMatchObject([{ path: '/k', value: 5 }])
    }
  })

  it('that has stored this very task gives its reply', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const other = await world.second(address)
    const { input, sharedKey } = world.request(address, 'set()', '5')
    // As where cores share the keys too.
    const taken = { sharedKey, burnt: undefined, use: async () => true, end() {} }
    vi.spyOn(other.userKeys, 'take').mockReturnValueOnce(taken)
    let first: unknown
    world.pool.next.set('compute', async (work) => {
      first = await other.engine.compute(input, peer)
      return work()
    })
    const reply = await world.engine.compute(input, peer)
    expect(reply).toEqual(first)
    expect((await world.store.getTip(address))?.key).toBe(1)
  })

  it('that is always quicker leaves the task its key, and tells its peer to come later', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const { input } = world.request(address, 'set()', '5')
    const commit = vi.spyOn(world.store, 'commitTask').mockResolvedValue('moved')
    await expect(world.engine.compute(input, peer)).rejects.toMatchObject({ code: 'busy', retryable: true })
    expect([commit.mock.calls.length, world.userKeys.size]).toEqual([6, 1])
    commit.mockRestore()
    expect(await world.engine.compute(input, peer)).toMatchObject({ kind: 'computed', result: { delta: { key: 1 } } })
  })

  it('that puts other deltas in their place while they are read does not have the task refused', async () => {
    const world = await World.start()
    const address = await world.deployed()
    const core = await world.second(address)
    core.pool.next.set('compute', async () => {
      const data = sealDelta(world.stateKeys.get(address)!, { patch: pathK, previousHash: new Uint8Array(32) })
      await world.store.putDeltas([{ address, key: 0, data }])
      return { kind: 'refused', name: 'StateError' }
    })
    expect(await core.set(address, 5)).toMatchObject({ kind: 'computed', result: { delta: { key: 1 } } })
    core.pool.next.set('compute', async () => ({ kind: 'refused', name: 'StateError' }))
    await expect(core.set(address, 6)).rejects.toMatchObject(code('enclave_error', { name: 'StateError' }))
  })

  it('that deploys the contract meanwhile leaves its code and state as they are', async () => {
    const world = await World.start()
    const address = randomBytes(32)
    world.installKey(address)
    const other = await world.second(address)
    world.pool.next.set('deploy', async (work) => {
      await other.engine.deploy({ ...other.request(address, 'construct()').input, preCode }, peer)
      return work()
    })
    const deployment = { ...world.request(address, 'construct()').input, preCode }
    await expect(world.engine.deploy(deployment, peer)).rejects.toMatchObject({ code: 'already_exists' })
    expect((await world.store.getTip(address))?.key).toBe(0)
  })
})
