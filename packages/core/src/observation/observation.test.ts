import { bytesToHex } from '@bletchley/bytes'
import { generateKeyPair, keccak256, randomBytes } from '@bletchley/crypto'
import { KeyValueStore, openMemory, StorageError } from '@bletchley/store'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AnsweredMessage } from '../dispatch.ts'
import { StateKeys } from '../keys/stateKeys.ts'
import { Observation } from './observation.ts'

/** What Node measures of the main thread: no delay, unless a test says so. */
const histogram = vi.hoisted(() => ({
  ...{ count: 1, delayMs: 0, percentile: () => (histogram.delayMs + 20) * 1e6 },
  ...{ enable: () => {}, disable: vi.fn(), reset: () => {} },
}))
vi.mock('node:perf_hooks', async (actual) => ({
  ...(await actual<object>()),
  monitorEventLoopDelay: () => histogram,
}))

beforeEach(() => {
  histogram.delayMs = 0
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] })
})
afterEach(() => void vi.useRealTimers())

const message = (parts: Partial<AnsweredMessage> = {}): AnsweredMessage => ({
  ...{ type: 'GetTip', id: 'x', address: undefined, requestBytes: 1, replyBytes: 2, at: 0, milliseconds: 3 },
  ...{ outcome: 'ok', code: undefined, gas: undefined },
  ...parts,
})

const counted = ({ tallies, messages }: Observation) => [tallies.messages, messages.count]

describe('messages', () => {
  it('are counted together, a tenth of a second behind the first', () => {
    const observation = new Observation('nowhere')
    expect(observation.eventLoopMs).toBe(0)
    observation.messageAnswered(message())
    vi.advanceTimersByTime(60)
    observation.messageAnswered(message())
    vi.advanceTimersByTime(39)
    expect(counted(observation)).toEqual([0, 0])
    vi.advanceTimersByTime(1)
    expect(counted(observation)).toEqual([2, 2])
    expect([vi.getTimerCount(), observation.messages.since(0).messages.length]).toEqual([0, 2])
  })

  it('are counted when somebody looks, and the next ones have their own time', () => {
    const observation = new Observation('nowhere')
    observation.settle()
    observation.messageAnswered(message())
    observation.settle()
    expect(counted(observation)).toEqual([1, 1])
    vi.advanceTimersByTime(60)
    observation.messageAnswered(message())
    vi.advanceTimersByTime(99)
    expect(counted(observation)).toEqual([1, 1])
    vi.advanceTimersByTime(1)
    expect(counted(observation)).toEqual([2, 2])
  })

  it('are counted when they are 256, and the last 200 are shown', () => {
    const observation = new Observation('nowhere')
    for (let id = 0; id < 255; id++) observation.messageAnswered(message({ id: String(id) }))
    expect(counted(observation)).toEqual([0, 0])
    observation.messageAnswered(message({ id: '255' }))
    expect(counted(observation)).toEqual([256, 256])
    const { messages, missed } = observation.messages.since(0)
    expect([messages.length, messages[0]!.id, messages.at(-1)!.id, missed]).toEqual([200, '56', '255', 56])
  })

  it('are timed by type, in seconds, and nothing long of them is kept', async () => {
    const observation = new Observation('nowhere')
    observation.messageAnswered(message({ milliseconds: 250 }))
    observation.messageAnswered(message({ type: 'T'.repeat(1000), milliseconds: 2000 }))
    observation.settle()
    const registry = new Registry()
    observation.latencies.registerIn(registry)
    const text = await registry.metrics()
    expect(text).toContain('bletchley_message_duration_seconds_sum{type="GetTip"} 0.25\n')
    expect(text).toContain('bletchley_message_duration_seconds_sum{type="unknown"} 2\n')
    expect(observation.messages.since(1).messages[0]!.type).toHaveLength(64)
  })
})

it('commits are timed', async () => {
  const observation = new Observation('nowhere')
  const backend = observation.watchCommits(openMemory())
  await backend.commit([])
  const registry = new Registry()
  observation.latencies.registerIn(registry)
  expect(await registry.metrics()).toContain('bletchley_commit_duration_seconds_count 1\n')
})

async function start() {
  const store = await KeyValueStore.open(openMemory(), {
    hash: keccak256,
    onChange: (change) => observation.contractChanged(change),
  })
  const observation = new Observation('nowhere')
  const look = vi.spyOn(observation.storeWatch, 'look').mockResolvedValue()
  return { store, observation, look }
}

describe('contracts', () => {
  it('are those that are stored, and change with them', async () => {
    const { store, observation, look } = await start()
    const [address, other] = [randomBytes(32), randomBytes(32)]
    await store.putBytecode(address, new Uint8Array(3))
    observation.contracts.load([])
    await observation.start(store, () => 0)
    expect([[...observation.contracts.names], look.mock.calls.length]).toEqual([[bytesToHex(address)], 1])
    observation.tasks.stateSeen(other, 500)
    await store.putDeltas([{ address: other, key: 0, data: new Uint8Array(40) }])
    expect([observation.contracts.size, observation.tasks.stateBytes(other)]).toEqual([2, undefined])
    expect(await observation.chains.of(other, 0)).toMatchObject({ deltas: 1, bytes: 40 })
    await store.putDeltas([{ address: other, key: 0, data: new Uint8Array(50) }])
    expect(await observation.chains.of(other, 0)).toMatchObject({ deltas: 1, bytes: 50 })
    observation.close()
  })

  it('without a state key are counted when something has changed', () => {
    const observation = new Observation('nowhere')
    const stateKeys = new StateKeys(generateKeyPair().secretKey, undefined)
    const held = new Set<string>()
    const has = vi.spyOn(stateKeys, 'has').mockImplementation((name) => held.has(name))
    vi.spyOn(stateKeys, 'size', 'get').mockImplementation(() => held.size)
    expect(observation.missingKeys(stateKeys)).toBe(0)
    const addresses = [randomBytes(32), randomBytes(32), randomBytes(32)]
    observation.contracts.load(addresses)
    expect([observation.missingKeys(stateKeys), observation.missingKeys(stateKeys)]).toEqual([3, 3])
    expect(has).toHaveBeenCalledTimes(3)
    held.add(bytesToHex(addresses[0]!))
    expect(observation.missingKeys(stateKeys)).toBe(2)
    observation.contractChanged({
      address: addresses[1]!,
      kind: 'removed',
      firstDelta: undefined,
      bytecode: false,
      snapshot: false,
    })
    expect(observation.missingKeys(stateKeys)).toBe(1)
    observation.contractChanged({
      address: addresses[2]!,
      kind: 'changed',
      firstDelta: 0,
      bytecode: false,
      snapshot: false,
    })
    expect([observation.missingKeys(stateKeys), has.mock.calls.length]).toEqual([1, 3 + 3 + 2])
  })

  it('without a state key are counted with pauses for others, where they are many', async () => {
    const observation = new Observation('nowhere')
    const stateKeys = new StateKeys(generateKeyPair().secretKey, undefined)
    let calls = 0
    const has = vi.spyOn(stateKeys, 'has').mockImplementation(() => {
      if (++calls % 10_000 === 0) vi.advanceTimersByTime(5)
      return true
    })
    observation.contracts.load(Array.from({ length: 25_000 }, () => randomBytes(32)))
    expect([observation.missingKeys(stateKeys), has.mock.calls.length]).toEqual([25_000, 20_000])
    expect([observation.missingKeys(stateKeys), has.mock.calls.length]).toEqual([25_000, 20_000])
    await vi.waitFor(() => expect(observation.missingKeys(stateKeys)).toBe(0))
    expect(has).toHaveBeenCalledTimes(25_000)
  })
})

describe('the history', () => {
  it('has a sample every five seconds, of what was new', async () => {
    const { store, observation } = await start()
    await store.putBytecode(randomBytes(32), new Uint8Array(3))
    let queue = 4
    await observation.start(store, () => queue)
    const begin = Date.now()
    // At the end of the second they are in the sample, although they would be counted later.
    await vi.advanceTimersByTimeAsync(4950)
    for (let each = 1; each <= 100; each++) observation.messageAnswered(message({ milliseconds: each, gas: 7n }))
    observation.messageAnswered(message({ outcome: 'error', code: 'busy', milliseconds: 1 }))
    expect(observation.history.columns.at).toEqual([])
    observation.storeWatch.bytes = 1234
    await vi.advanceTimersByTimeAsync(50)
    queue = 5
    histogram.delayMs = 30
    await vi.advanceTimersByTimeAsync(1000)
    expect(observation.eventLoopMs).toBe(30)
    histogram.delayMs = 10
    await vi.advanceTimersByTimeAsync(4000)
    expect(observation.eventLoopMs).toBe(10)
    observation.messageAnswered(message({ gas: 1n }))
    await vi.advanceTimersByTimeAsync(5000)
    const { medianMs, p99Ms, ...columns } = observation.history.columns
    expect(columns).toEqual({
      at: [begin + 5000, begin + 10_000, begin + 15_000],
      ...{ messages: [101, 0, 1], errors: [1, 0, 0], gas: ['700', '0', '1'], queue: [4, 5, 5] },
      ...{ eventLoopMs: [0, 30, 10], storeBytes: [1234, 1234, 1234], contracts: [1, 1, 1] },
    })
    // In three digits.
    expect(medianMs.map((ms) => Math.round(ms * 10) / 10)).toEqual([50, 0, 3])
    expect(p99Ms.map((ms) => Math.round(ms * 10) / 10)).toEqual([99, 0, 3])
    observation.close()
  })

  it('looks every second, and asks a broken database whether it is well again', async () => {
    const { store, observation, look } = await start()
    await observation.start(store, () => 0)
    const probe = vi.spyOn(store, 'probe').mockRejectedValue(new StorageError('no space'))
    await vi.advanceTimersByTimeAsync(999)
    expect(look).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1001)
    expect([look.mock.calls.length, probe.mock.calls.length]).toEqual([3, 0])
    observation.storeWatch.broken = true
    await vi.advanceTimersByTimeAsync(3000)
    expect([probe.mock.calls.length, observation.history.columns.at.length]).toEqual([3, 1])
    observation.close()
  })

  it('ends with the core', async () => {
    const { store, observation } = await start()
    await observation.start(store, () => 0)
    observation.messageAnswered(message())
    histogram.disable.mockClear()
    observation.close()
    expect([vi.getTimerCount(), histogram.disable.mock.calls.length]).toEqual([0, 1])
  })
})
