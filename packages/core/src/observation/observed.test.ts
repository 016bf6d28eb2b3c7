import { randomBytes } from '@bletchley/crypto'
import { describe, expect, it, vi } from 'vitest'
import { createRegistry } from './metrics.ts'
import { Observation } from './observation.ts'
import type { Observed } from './observed.ts'
import { readinessReasons } from './readiness.ts'
import { statusOf } from './status.ts'

const mebibyte = 1024 * 1024
const signingAddress = new Uint8Array(20).fill(0xab)
const address = new Uint8Array(32).fill(0xcd)
type Thread = Observed['engine']['pool']['threads'][number]
const none = { entries: 0, bytes: 0 }
const idle: Thread = { alive: true, replaced: 0, states: none }
const busy: Thread = { ...idle, replaced: 2, running: { kind: 'compute', address, milliseconds: 12.6 } }
const down: Thread = { ...idle, alive: false, replaced: 3 }

/** A core that is well, but for what a test changes. */
function observe() {
  const observation = new Observation('nowhere')
  observation.close()
  observation.storeWatch.freeBytes = 5000 * mebibyte
  const keys = { size: 0, lastPttAt: undefined as number | undefined, held: new Set<string>() }
  const core = {
    observation,
    folderWatch: {
      problem: undefined as string | undefined,
      unreachable: undefined as string | undefined,
      oldestReaderSeconds: undefined as number | undefined,
    },
    engine: {
      jobs: 0,
      queue: new Map<string, number>(),
      pool: { threads: [idle], modules: { entries: 3, bytes: 30 }, states: { entries: 4, bytes: 40 } },
    },
    stateKeys: Object.assign(keys, { has: (name: string) => keys.held.has(name) }),
    keyFetcher: undefined as { lastError: string | undefined } | undefined,
    userKeys: { size: 6 },
    dispatcher: { stopping: false, inFlight: 7 },
    omissions: { total: 8 },
    traffic: {
      refusals: { curve: 9, address: 10 },
      connections: 11,
      endedConnections: { displaced: 12, deaf: 14 },
      droppedReplies: 13,
    },
    countDroppedLogLines: () => 14,
    listeners: () => 15,
    facts: {
      ...{ version: '1.2.3', signingAddress, endpoints: ['ipc:///x'], curve: false, dialect: 'document' as const },
      ...{ principal: undefined as Uint8Array | undefined, startedAt: 17 },
    },
  }
  return { core, observed: core as unknown as Observed }
}

describe('readiness', () => {
  type Core = ReturnType<typeof observe>['core']
  const cases: [string, (core: Core) => void, string[]][] = [
    ['nothing', () => {}, []],
    ['a stop', ({ dispatcher }) => Object.assign(dispatcher, { stopping: true }), ['the core is stopping']],
    ['its folder', ({ folderWatch }) => Object.assign(folderWatch, { problem: 'gone' }), ['gone']],
    ['its socket', ({ folderWatch }) => Object.assign(folderWatch, { unreachable: 'no file' }), ['no file']],
    [
      'a write',
      ({ observation }) => Object.assign(observation.storeWatch, { broken: true }),
      ['the last write to the database failed'],
    ],
    [
      'the disk',
      ({ observation }) => Object.assign(observation.storeWatch, { freeBytes: 100 * mebibyte - 1 }),
      ['the disk is nearly full: 99 MiB are free'],
    ],
    [
      'a disk with just enough room',
      ({ observation }) => Object.assign(observation.storeWatch, { freeBytes: 100 * mebibyte }),
      [],
    ],
    [
      'a disk that nobody knows',
      ({ observation }) => Object.assign(observation.storeWatch, { freeBytes: undefined }),
      [],
    ],
    ['its threads', ({ engine }) => Object.assign(engine.pool, { threads: [down, down] }), ['no compute thread is up']],
    ['one of its threads', ({ engine }) => Object.assign(engine.pool, { threads: [down, idle] }), []],
    ['keys that a p2p node brings', ({ observation }) => observation.contracts.load([address]), []],
    [
      'keys that it fetches',
      (core) => {
        core.observation.contracts.load([address, randomBytes(32)])
        core.stateKeys.held.add('cd'.repeat(32))
        core.keyFetcher = { lastError: undefined }
      },
      ['state keys are missing for 1 of 2 contracts'],
    ],
    [
      'a principal that is down',
      (core) => {
        core.observation.contracts.load([address])
        core.keyFetcher = { lastError: 'ECONNREFUSED' }
      },
      ['state keys are missing for 1 of 1 contracts (the principal: ECONNREFUSED)'],
    ],
    [
      'a principal that was down',
      (core) => {
        core.keyFetcher = { lastError: 'ECONNREFUSED' }
      },
      [],
    ],
  ]
  it.each(cases)('is prevented by %s as it ought to be', async (_, change, reasons) => {
    const { core, observed } = observe()
    change(core)
    expect(readinessReasons(observed)).toEqual(reasons)
    expect(statusOf(observed)).toMatchObject({ ready: reasons.length === 0, reasons })
    const text = await createRegistry(observed).metrics()
    expect(text).toContain(`bletchley_ready ${reasons.length === 0 ? 1 : 0}\n`)
  })
})

describe('the status', () => {
  it('tells what the core is and does', () => {
    const { core, observed } = observe()
    Object.assign(core.engine.pool, { threads: [idle, busy, down] })
    core.engine.queue = new Map([
      ['a', 1],
      ['b', 3],
      ['c', 2],
    ])
    Object.assign(core.stateKeys, { size: 5, lastPttAt: 99 })
    core.observation.contracts.load([address])
    Object.assign(core.observation, { eventLoopMs: 1.2345 })
    core.observation.storeWatch.bytes = 4096
    const before = Date.now()
    const { now, ...status } = statusOf(observed)
    expect(now).toBeGreaterThanOrEqual(before)
    expect(status).toEqual({
      ...{
        version: '1.2.3',
        signingAddress: 'ab'.repeat(20),
        endpoints: ['ipc:///x'],
        curve: false,
        dialect: 'document',
      },
      ...{
        attestation: 'simulation',
        principal: undefined,
        fetchesKeys: false,
        startedAt: 17,
        ready: true,
        reasons: [],
      },
      ...{ contracts: 1, stateKeys: 5, userKeys: 6, lastPttAt: 99, storeBytes: 4096 },
      ...{ dataFolderFreeBytes: 5000 * mebibyte, inFlight: 7, eventLoopDelayMs: 1.2 },
      queue: [
        { address: 'b', waiting: 3 },
        { address: 'c', waiting: 2 },
        { address: 'a', waiting: 1 },
      ],
      threads: [
        { id: 0, alive: true, busy: false, kind: undefined, address: undefined, runningMs: undefined, replaced: 0 },
        { id: 1, alive: true, busy: true, kind: 'compute', address: 'cd'.repeat(32), runningMs: 13, replaced: 2 },
        { id: 2, alive: false, busy: false, kind: undefined, address: undefined, runningMs: undefined, replaced: 3 },
      ],
      caches: { modules: { entries: 3, bytes: 30 }, states: { entries: 4, bytes: 40 } },
    })
    core.facts.principal = signingAddress
    core.keyFetcher = { lastError: undefined }
    core.stateKeys.held.add('cd'.repeat(32))
    expect(statusOf(observed)).toMatchObject({ principal: 'ab'.repeat(20), fetchesKeys: true, ready: true })
  })

  it('shows the 50 contracts with most jobs', () => {
    const { core, observed } = observe()
    core.engine.queue = new Map(Array.from({ length: 60 }, (_, index) => [String(index), index]))
    const { queue } = statusOf(observed)
    expect([queue.length, queue[0], queue.at(-1)]).toEqual([
      ...[50, { address: '59', waiting: 59 }],
      { address: '10', waiting: 10 },
    ])
  })
})

describe('the metrics', () => {
  /** Of a text in the format of Prometheus. */
  async function samplesOf(observed: Observed) {
    const registry = createRegistry(observed)
    // A second time: nothing is added up.
    await registry.metrics()
    const samples: Record<string, number> = {}
    for (const [, name, value] of (await registry.metrics()).matchAll(/^([a-z]\S*) (\S+)$/gm))
      samples[name!] = Number(value)
    return samples
  }

  it('are those of the core, in seconds and bytes', async () => {
    const { core, observed } = observe()
    const { observation } = core
    Object.assign(core.engine.pool, { threads: [idle, busy, busy, down] })
    core.engine.jobs = 19
    core.engine.queue = new Map([
      ['a', 1],
      ['b', 18],
    ])
    core.folderWatch.oldestReaderSeconds = 2.5
    Object.assign(core.stateKeys, { size: 5, lastPttAt: 1_700_000_000_500 })
    observation.contracts.load([address, randomBytes(32)])
    core.stateKeys.held.add('cd'.repeat(32))
    Object.assign(observation, { eventLoopMs: 250 })
    Object.assign(observation.storeWatch, { committed: 20, failed: 21, bytes: 22, freeBytes: 23 })
    const seen = {
      id: '',
      address: undefined,
      requestBytes: 24,
      replyBytes: 25,
      at: 0,
      milliseconds: 1000,
      gas: undefined,
    }
    observation.messageAnswered({ ...seen, type: 'GetTip', outcome: 'ok', code: undefined })
    observation.messageAnswered({ ...seen, type: 'GetTip', outcome: 'error', code: 'not_found' })
    observation.settle()
    observation.tasks.taskEnded({ address, type: 'ComputeTask', outcome: 'failed', usedGas: 26n })
    const samples = await samplesOf(observed)
    expect(samples).toMatchObject({
      'bletchley_info{version="1.2.3",dialect="document",attestation="simulation"}': 1,
      bletchley_ready: 0,
      'bletchley_messages_total{type="GetTip",outcome="ok"}': 1,
      'bletchley_messages_total{type="GetTip",outcome="failed_task"}': 0,
      'bletchley_messages_total{type="GetTip",outcome="error"}': 1,
      'bletchley_message_errors_total{code="not_found"}': 1,
      'bletchley_message_errors_total{code="busy"}': 0,
      'bletchley_message_duration_seconds_sum{type="GetTip"}': 2,
      'bletchley_request_bytes_total{type="GetTip"}': 48,
      'bletchley_reply_bytes_total{type="GetTip"}': 50,
      bletchley_requests_in_flight: 7,
      'bletchley_refused_clients_total{reason="curve"}': 9,
      'bletchley_refused_clients_total{reason="address"}': 10,
      bletchley_connections: 11,
      'bletchley_ended_connections_total{reason="displaced"}': 12,
      'bletchley_ended_connections_total{reason="deaf"}': 14,
      bletchley_dropped_replies_total: 13,
      bletchley_omitted_tips_total: 8,
      'bletchley_tasks_total{type="ComputeTask",outcome="failed"}': 1,
      'bletchley_tasks_total{type="DeploySecretContract",outcome="success"}': 0,
      'bletchley_gas_used_total{type="ComputeTask"}': 26,
      ...{ bletchley_queue_jobs: 19, bletchley_queue_longest_jobs: 18 },
      'bletchley_threads{state="idle"}': 1,
      'bletchley_threads{state="busy"}': 2,
      'bletchley_threads{state="down"}': 1,
      bletchley_thread_replacements_total: 7,
      'bletchley_cache_entries{cache="modules"}': 3,
      'bletchley_cache_entries{cache="states"}': 4,
      'bletchley_cache_bytes{cache="modules"}': 30,
      'bletchley_cache_bytes{cache="states"}': 40,
      'bletchley_commits_total{outcome="ok"}': 20,
      'bletchley_commits_total{outcome="failed"}': 21,
      ...{ bletchley_store_bytes: 22, bletchley_disk_free_bytes: 23, bletchley_store_oldest_reader_seconds: 2.5 },
      ...{
        bletchley_contracts: 2,
        bletchley_contracts_without_key: 1,
        bletchley_state_keys: 5,
        bletchley_user_keys: 6,
      },
      bletchley_ptt_last_timestamp_seconds: 1_700_000_000.5,
      bletchley_event_loop_delay_seconds: 0.25,
      ...{ bletchley_log_lines_dropped_total: 14, bletchley_http_listeners: 15 },
    })
  })

  it('show nothing where nothing is known, and no queue as 0', async () => {
    const { core, observed } = observe()
    core.observation.storeWatch.freeBytes = undefined
    const samples = await samplesOf(observed)
    for (const name of ['disk_free_bytes', 'store_oldest_reader_seconds', 'ptt_last_timestamp_seconds']) {
      expect(samples, name).not.toHaveProperty(`bletchley_${name}`)
    }
    expect(samples.bletchley_queue_longest_jobs).toBe(0)
  })

  it('tell of the process what the system tells', async () => {
    const { observed } = observe()
    const usage = { rss: 1, heapTotal: 2, heapUsed: 3, external: 4, arrayBuffers: 5 }
    vi.spyOn(process.memoryUsage, 'rss').mockReturnValue(6)
    vi.spyOn(process, 'memoryUsage').mockReturnValue(usage)
    vi.spyOn(process, 'cpuUsage').mockReturnValue({ user: 2_500_000, system: 500_000 })
    vi.spyOn(process, 'uptime').mockReturnValue(100)
    vi.spyOn(Date, 'now').mockReturnValue(1_700_000_000_000)
    try {
      expect(await samplesOf(observed)).toMatchObject({
        process_cpu_seconds_total: 3,
        process_start_time_seconds: 1_699_999_900,
        process_resident_memory_bytes: 6,
        nodejs_heap_used_bytes: 3,
        nodejs_external_memory_bytes: 4,
      })
    } finally {
      vi.restoreAllMocks()
    }
  })
})

it('shows the longest of any number of queues', async () => {
  const { core, observed } = observe()
  // More than a call may have arguments: one response with keys has as many contracts rebuilt.
  for (let contract = 0; contract < 200_000; contract++) core.engine.queue.set(`${contract}`, (contract * 7919) % 1000)
  const { queue } = statusOf(observed)
  const sorted = [...core.engine.queue].sort(([, a], [, b]) => b - a)
  expect(queue).toEqual(sorted.slice(0, 50).map(([address, waiting]) => ({ address, waiting })))
  expect(await createRegistry(observed).metrics()).toContain('bletchley_queue_longest_jobs 999\n')
})
