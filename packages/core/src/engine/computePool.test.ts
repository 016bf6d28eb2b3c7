import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@bletchley/bytes'
import { randomBytes } from '@bletchley/crypto'
import { type Prepared, threadStackMb } from '@bletchley/sandbox'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ComputePool } from './computePool.ts'
import type { ContractRecords } from './contractStates.ts'
import type { Job, JobResult, MessageFromThread, MessageToThread } from './threadMessages.ts'

/** The end of a thread that the main thread holds, and what has come out of it. */
interface Thread {
  readonly url: URL
  readonly options: { workerData: object; resourceLimits: object; env: object }
  readonly posted: MessageToThread[]
  readonly moved: ArrayBuffer[][]
  ended: boolean
  emit(event: 'message', message: MessageFromThread): void
  emit(event: 'error', error: Error): void
  emit(event: 'exit'): void
}

const threads = vi.hoisted((): Thread[] => [])

// Node's threads, as far as the pool sees them: each does what a test says, when it says so.
vi.mock('node:worker_threads', async () => {
  const { EventEmitter } = await import('node:events')
  class Worker extends EventEmitter {
    readonly posted: MessageToThread[] = []
    readonly moved: ArrayBuffer[][] = []
    ended = false
    readonly url: URL
    readonly options: Thread['options']
    constructor(url: URL, options: Thread['options']) {
      super()
      this.url = url
      this.options = options
      threads.push(this as unknown as Thread)
    }
    postMessage(message: MessageToThread, moved: ArrayBuffer[]): void {
      this.posted.push(message)
      this.moved.push(moved)
    }
    async terminate(): Promise<number> {
      if (!this.ended) {
        this.ended = true
        this.emit('exit')
      }
      return 1
    }
  }
  return { Worker }
})

beforeEach(() => {
  threads.length = 0
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => void vi.useRealTimers())

const runLimitMs = 16_000
const signingKey = randomBytes(32)
const none = { entries: 0, bytes: 0 }

function startPool(count: number, records: Partial<ContractRecords> = {}) {
  const log: { level: number; msg: string }[] = []
  const logger = pino({ base: null }, { write: (line: string) => void log.push(JSON.parse(line) as (typeof log)[0]) })
  const options = { threads: count, runLimitMs, signingKey, encryptEmptyOutput: true, logger }
  const pool = new ComputePool(options, records as ContractRecords)
  /** What became of a job of a contract. */
  const run = (address: Uint8Array) => {
    const outcome: { result?: unknown; error?: unknown } = {}
    pool.run('compute', { address, codeHash: address } as Job['request'] & { codeHash: Uint8Array } as never).then(
      (result) => Object.assign(outcome, { result }),
      (error: unknown) => Object.assign(outcome, { error }),
    )
    return outcome
  }
  return { pool, run, log }
}

const ready = (thread: Thread) => thread.emit('message', { kind: 'ready' })
const done = (thread: Thread, result = 'result', states = none) =>
  thread.emit('message', { kind: 'done', result: result as unknown as JobResult, states })
const jobs = ({ posted }: Thread): Job[] => posted.flatMap((message) => (message.kind === 'job' ? [message.job] : []))
/** The jobs that a thread was given: which contract, and whether what it knew of it is forgotten. */
const given = (thread: Thread, addresses: Uint8Array[]) =>
  jobs(thread).map(({ request, forget }) => `${addresses.indexOf(request.address)}${forget ? ' anew' : ''}`)
const aborted = (reason: string) => expect.objectContaining({ code: 'task_aborted', data: { reason } })
const stopping = expect.objectContaining({ code: 'shutting_down' })
const settled = () => vi.advanceTimersByTimeAsync(0)
const contracts = (count: number) => Array.from({ length: count }, () => randomBytes(32))

describe('a thread', () => {
  it('is started with its limits and its key, and sees nothing of the environment', () => {
    startPool(2)
    expect(threads.map(({ options }) => options)).toEqual(
      Array(2).fill({
        workerData: { signingKey, encryptEmptyOutput: true },
        resourceLimits: { stackSizeMb: threadStackMb, maxOldGenerationSizeMb: 1024 },
        env: {},
      }),
    )
    expect(threads[0]!.url.pathname).toMatch(/\/computeThread\.js$/)
  })

  it('is started although the working directory is gone', async () => {
    const before = process.cwd()
    const folder = await mkdtemp(join(tmpdir(), 'pool.'))
    try {
      process.chdir(folder)
      startPool(1)
      expect(process.cwd()).toBe(folder)
      await rm(folder, { recursive: true })
      startPool(1)
      expect(process.cwd()).toBe('/')
    } finally {
      process.chdir(before)
    }
  })

  it('has one job at a time, in the order of arrival, and tells what it is at', async () => {
    const { pool, run } = startPool(1)
    const [thread] = threads as [Thread]
    const [a, b] = contracts(2) as [Uint8Array, Uint8Array]
    expect(pool.threads).toEqual([{ alive: false, replaced: 0, states: none }])
    ready(thread)
    expect(pool.threads).toEqual([{ alive: true, replaced: 0, states: none }])
    const outcomes = [run(a), run(b), run(a)]
    expect(given(thread, [a, b])).toEqual(['0 anew'])
    vi.advanceTimersByTime(70)
    expect(pool.threads[0]!.running).toEqual({ kind: 'compute', address: a, milliseconds: 70 })
    done(thread, 'first', { entries: 3, bytes: 700 })
    await settled()
    expect(outcomes).toEqual([{ result: 'first' }, {}, {}])
    expect(pool.states).toEqual({ entries: 3, bytes: 700 })
    done(thread, 'second')
    done(thread, 'third')
    await settled()
    expect(outcomes).toEqual([{ result: 'first' }, { result: 'second' }, { result: 'third' }])
    expect(given(thread, [a, b])).toEqual(['0 anew', '1 anew', '0'])
    expect(pool.threads).toEqual([{ alive: true, replaced: 0, states: none }])
  })

  it('whose job fails goes on with the next', async () => {
    const { pool, run, log } = startPool(1)
    const [thread] = threads as [Thread]
    const [a] = contracts(1) as [Uint8Array]
    const outcomes = [run(a), run(a)]
    thread.emit('message', { kind: 'failed', reason: 'TypeError\n    at place', states: { entries: 1, bytes: 5 } })
    done(thread)
    await settled()
    expect(outcomes).toEqual([{ error: aborted('crashed') }, { result: 'result' }])
    expect(log).toMatchObject([{ level: 50, thread: 0, reason: 'TypeError\n    at place', msg: 'job failed' }])
    expect(pool.states).toEqual(none)
  })

  it('that has no room for contracts is told of, with what to do about it', () => {
    const { log } = startPool(1)
    threads[0]!.emit('message', { kind: 'noRoom' })
    const remedy = expect.stringContaining('ulimit -v unlimited')
    expect(log).toMatchObject([{ level: 50, thread: 0, remedy, msg: 'no contract can run on a thread' }])
  })

  it('that ends is replaced at once: its job is lost, and those that wait are not', async () => {
    const { pool, run, log } = startPool(1)
    const [a] = contracts(1) as [Uint8Array]
    ready(threads[0]!)
    done(threads[0]!, '', { entries: 1, bytes: 5 })
    const outcomes = [run(a), run(a)]
    threads[0]!.emit('exit')
    expect(pool.threads).toEqual([{ alive: false, replaced: 1, states: none }])
    await settled()
    expect(threads).toHaveLength(2)
    expect(outcomes).toEqual([{ error: aborted('crashed') }, {}])
    expect(pool.threads[0]).toMatchObject({ alive: false, replaced: 1 })
    done(threads[1]!)
    await settled()
    expect(outcomes[1]).toEqual({ result: 'result' })
    expect(log).toMatchObject([{ level: 40, thread: 0, msg: 'compute thread ended and is replaced' }])
  })

  it('that cannot even start is started again after a second', async () => {
    startPool(1)
    threads[0]!.emit('exit')
    await vi.advanceTimersByTimeAsync(999)
    expect(threads).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(threads).toHaveLength(2)
    ready(threads[1]!)
    threads[1]!.emit('exit')
    await settled()
    expect(threads).toHaveLength(3)
  })

  it.each([
    ['ERR_WORKER_OUT_OF_MEMORY', 'ran out of memory'],
    ['ERR_OTHER', 'crashed'],
  ] as const)('that ends with %s tells that its job %s; the next one starts afresh', async (code, reason) => {
    const { run, log } = startPool(1)
    const [a] = contracts(1) as [Uint8Array]
    ready(threads[0]!)
    const outcomes = [run(a), run(a)]
    threads[0]!.emit('error', Object.assign(new Error('secret'), { code }))
    threads[0]!.emit('exit')
    await settled()
    ready(threads[1]!)
    threads[1]!.emit('exit')
    await settled()
    expect(outcomes).toEqual([{ error: aborted(reason) }, { error: aborted('crashed') }])
    expect(log[0]).toMatchObject({ level: 50, thread: 0, error: code, msg: 'compute thread failed' })
    expect(JSON.stringify(log)).not.toContain('secret')
  })
})

describe('the clock of a job', () => {
  it('ends its thread at the limit, which begins when the thread is at the job', async () => {
    const { run } = startPool(1)
    const [a] = contracts(1) as [Uint8Array]
    const outcome = run(a)
    await vi.advanceTimersByTimeAsync(2 * runLimitMs)
    expect(threads[0]!.ended).toBe(false)
    ready(threads[0]!)
    await vi.advanceTimersByTimeAsync(runLimitMs - 1)
    expect(outcome).toEqual({})
    await vi.advanceTimersByTimeAsync(1)
    expect(threads[0]!.ended).toBe(true)
    expect(outcome).toEqual({ error: aborted('took too long') })
  })

  it('begins anew with each job and each answer from the store, and stops in between', async () => {
    const { run } = startPool(1, { snapshot: async () => undefined })
    const [thread] = threads as [Thread]
    const [a] = contracts(1) as [Uint8Array]
    ready(thread)
    run(a)
    await vi.advanceTimersByTimeAsync(runLimitMs - 1)
    thread.emit('message', { kind: 'records', call: { name: 'snapshot', args: [a] } })
    await vi.advanceTimersByTimeAsync(runLimitMs - 1)
    done(thread)
    await vi.advanceTimersByTimeAsync(2 * runLimitMs)
    run(a)
    await vi.advanceTimersByTimeAsync(runLimitMs - 1)
    done(thread)
    // A thread that asks behind its job is none that runs too long.
    thread.emit('message', { kind: 'records', call: { name: 'snapshot', args: [a] } })
    await vi.advanceTimersByTimeAsync(2 * runLimitMs)
    expect(thread.ended).toBe(false)
    const outcome = run(a)
    await vi.advanceTimersByTimeAsync(runLimitMs)
    expect(outcome).toEqual({ error: aborted('took too long') })
  })

  it('counts for nothing when the thread is gone', async () => {
    let give = (_: undefined) => {}
    const { run } = startPool(1, { snapshot: () => new Promise((resolve) => (give = resolve)) })
    const [a] = contracts(1) as [Uint8Array]
    run(a)
    threads[0]!.emit('message', { kind: 'records', call: { name: 'snapshot', args: [a] } })
    threads[0]!.emit('exit')
    run(a)
    give(undefined)
    await vi.advanceTimersByTimeAsync(1000)
    await vi.advanceTimersByTimeAsync(2 * runLimitMs)
    // The new one is still starting.
    expect(threads.map(({ ended }) => ended)).toEqual([false, false])
  })
})

describe('records for a thread', () => {
  const [a] = contracts(1) as [Uint8Array]
  const own = (length: number) => new Uint8Array(length)
  const ask = async (records: Partial<ContractRecords>, name: 'bytecode' | 'snapshot' | 'deltas') => {
    startPool(1, records)
    const [thread] = threads as [Thread]
    thread.emit('message', { kind: 'records', call: { name, args: [a, 7] } as never })
    await settled()
    return { message: thread.posted[0], moved: thread.moved[0] }
  }

  it('are those that it asks for', async () => {
    const records = {
      bytecode: vi.fn(async () => own(3)),
      snapshot: vi.fn(async () => undefined),
      deltas: vi.fn(async () => []),
    }
    for (const [name, value] of [
      ['bytecode', own(3)],
      ['snapshot', undefined],
      ['deltas', []],
    ] as const) {
      threads.length = 0
      expect(await ask(records, name), name).toEqual({ message: { kind: 'records', value }, moved: [] })
      expect(records[name].mock.calls, name).toEqual([[a, 7]])
    }
  })

  it('that fail are told by the kind of the failure, and not by its text', async () => {
    const failing = (error: unknown) => ask({ bytecode: () => Promise.reject(error) }, 'bytecode')
    expect((await failing(new RangeError('secret'))).message).toEqual({ kind: 'noRecords', reason: 'RangeError' })
    threads.length = 0
    expect((await failing('secret')).message).toEqual({ kind: 'noRecords', reason: 'unknown' })
  })

  it('are moved from 64 KiB on, if they have their memory to themselves', async () => {
    const large = own(65_536)
    const packed = own(131_072)
    const deltas = [
      { key: 0, data: large },
      { key: 1, data: own(65_535) },
      { key: 2, data: packed.subarray(0, 65_536) },
    ]
    const { moved } = await ask({ deltas: async () => deltas }, 'deltas')
    expect(moved).toEqual([large.buffer])
    threads.length = 0
    const { pool } = startPool(1)
    void pool.run('rebuild', { address: a, stateKey: own(32), tip: { key: 1, hash: large } })
    expect(threads[0]!.moved).toEqual([[large.buffer]])
  })
})

describe('a compiled module', () => {
  const prepared: Prepared = { kind: 'refused', message: 'for the test' }
  const compiled = (thread: Thread, codeHash: Uint8Array, codeBytes = 1) =>
    thread.emit('message', { kind: 'compiled', module: { codeHash, codeBytes, prepared } })

  it('comes with the jobs that need it, on all threads', () => {
    const { pool, run } = startPool(2)
    const [a, b, c] = contracts(3) as [Uint8Array, Uint8Array, Uint8Array]
    compiled(threads[1]!, a)
    run(a)
    run(b)
    done(threads[0]!)
    void pool.run('rebuild', { address: c, stateKey: a, tip: { key: 0, hash: a } })
    expect(threads.flatMap(jobs).map(({ module }) => module)).toEqual([prepared, undefined, undefined])
    expect('module' in jobs(threads[1]!)[0]!).toBe(false)
  })

  it('takes memory by the bytes of its code, of 256 MiB for all', () => {
    const { pool } = startPool(1)
    const hashes = contracts(150)
    compiled(threads[0]!, hashes[0]!, 100_000)
    expect(pool.modules).toEqual({ entries: 1, bytes: 300 * 1024 + 16 * 100_000 })
    for (const hash of hashes) compiled(threads[0]!, hash, 100_000)
    expect(pool.modules.entries).toBe(140)
  })
})

describe('the home of a contract', () => {
  it('is the next of the threads with the fewest jobs, and stays', () => {
    const { pool, run } = startPool(3)
    const addresses = contracts(6)
    const [a, b, c, d, e, f] = addresses as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    expect([pool.home(a), pool.knows(a)]).toEqual([undefined, false])
    for (const address of [a, b, c]) run(address)
    expect([a, b, c].map((address) => pool.home(address))).toEqual([0, 1, 2])
    expect(pool.knows(a)).toBe(true)
    for (const thread of threads) done(thread)
    // The second is busy: the turns go past it.
    run(b)
    run(d)
    run(e)
    run(f)
    expect([d, e, f].map((address) => pool.home(address))).toEqual([0, 2, 0])
    done(threads[0]!)
    done(threads[0]!)
    run(a)
    expect(threads.map((thread) => given(thread, addresses))).toEqual([
      ['0 anew', '3 anew', '5 anew', '0'],
      ['1 anew', '1'],
      ['2 anew', '4 anew'],
    ])
  })

  it('is told at once, alone, what it shall forget, and with the next job', () => {
    const { pool, run } = startPool(2)
    const addresses = contracts(3)
    const [a, b, c] = addresses as [Uint8Array, Uint8Array, Uint8Array]
    for (const address of [a, b]) {
      run(address)
      done(threads[pool.home(address)!]!)
    }
    pool.forget([c, a])
    const forgets = ({ posted }: Thread) => posted.filter(({ kind }) => kind === 'forget')
    expect(threads.map(forgets)).toEqual([[{ kind: 'forget', names: [bytesToHex(a)] }], []])
    expect(pool.knows(c)).toBe(false)
    run(a)
    run(b)
    expect(threads.map((thread) => given(thread, addresses))).toEqual([
      ['0 anew', '0 anew'],
      ['1 anew', '1'],
    ])
  })

  it('is remembered of 100 000 contracts', () => {
    const { pool, run } = startPool(1)
    const address = (index: number) => {
      const bytes = new Uint8Array(32)
      new DataView(bytes.buffer).setUint32(0, index)
      return bytes
    }
    for (let index = 0; index <= 100_000; index++) run(address(index))
    expect([0, 1, 100_000].map((index) => pool.knows(address(index)))).toEqual([false, true, true])
  })
})

describe('a job that waits while another thread is idle', () => {
  /** Two contracts on the first of two threads: one runs, and the other, which took `settlingMs` at first, waits. */
  function waitingFor(settlingMs: number) {
    const world = startPool(2)
    const addresses = contracts(3)
    const [busy, waits, other] = addresses as [Uint8Array, Uint8Array, Uint8Array]
    world.run(waits)
    vi.advanceTimersByTime(settlingMs)
    done(threads[0]!)
    world.run(other)
    done(threads[1]!)
    world.run(busy)
    const outcome = world.run(waits)
    const moved = () => given(threads[1]!, addresses).slice(1)
    return { ...world, addresses, waits, outcome, moved }
  }

  it('moves as soon as it has waited for as long as its first job took, at least 5 ms', () => {
    for (const [settlingMs, patienceMs] of [
      [0, 5],
      [3, 5],
      [40, 40],
    ] as const) {
      threads.length = 0
      const { moved } = waitingFor(settlingMs)
      vi.advanceTimersByTime(patienceMs - 1)
      expect(moved(), String(settlingMs)).toEqual([])
      vi.advanceTimersByTime(1)
      expect(moved(), String(settlingMs)).toEqual(['1 anew'])
    }
  })

  it('is run there, its old home forgets it, and its further jobs follow it', async () => {
    const { pool, run, addresses, waits, outcome, moved } = waitingFor(0)
    vi.advanceTimersByTime(5)
    expect(threads[0]!.posted.at(-1)).toEqual({ kind: 'forget', names: [bytesToHex(waits)] })
    expect(pool.home(waits)).toBe(1)
    done(threads[1]!, 'moved')
    await settled()
    expect(outcome).toEqual({ result: 'moved' })
    run(waits)
    expect(moved()).toEqual(['1 anew', '1'])
    done(threads[0]!)
    expect(given(threads[0]!, addresses)).toEqual(['1 anew', '0 anew'])
  })

  it('stays if its home is free in time', async () => {
    const { addresses, outcome, moved } = waitingFor(40)
    vi.advanceTimersByTime(39)
    done(threads[0]!)
    vi.advanceTimersByTime(100)
    done(threads[0]!, 'stayed')
    await settled()
    expect([outcome, moved()]).toEqual([{ result: 'stayed' }, []])
    expect(given(threads[0]!, addresses)).toEqual(['1 anew', '0 anew', '1'])
  })

  it('moves once there is a thread that is idle, the one that has lost patience first', () => {
    const { run } = startPool(2)
    const addresses = contracts(4)
    const [slow, quick, first, second] = addresses as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    // `slow` takes 50 ms to settle in and `quick` 10, both on the first thread.
    run(slow)
    vi.advanceTimersByTime(50)
    done(threads[0]!)
    run(first)
    done(threads[1]!)
    run(quick)
    vi.advanceTimersByTime(10)
    done(threads[0]!)
    run(second)
    done(threads[1]!)
    run(slow)
    run(first)
    run(slow)
    run(quick)
    vi.advanceTimersByTime(20)
    done(threads[1]!)
    expect(given(threads[1]!, addresses).at(-1)).toBe('1 anew')
    done(threads[1]!)
    vi.advanceTimersByTime(29)
    expect(given(threads[1]!, addresses).at(-1)).toBe('1 anew')
    vi.advanceTimersByTime(1)
    expect(given(threads[1]!, addresses).at(-1)).toBe('0 anew')
  })

  it('takes all jobs of its contract along, in their order, and no others', async () => {
    const { pool, run, addresses, waits, outcome } = waitingFor(0)
    const [busy, , other] = addresses as [Uint8Array, Uint8Array, Uint8Array]
    const outcomes = [run(waits), run(busy)]
    // However many jobs came.
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(5)
    expect(pool.home(waits)).toBe(1)
    run(other)
    run(other)
    for (const result of ['1', '2']) done(threads[1]!, result)
    for (const result of ['5', '6']) done(threads[0]!, result)
    for (const result of ['3', '4']) done(threads[1]!, result)
    await settled()
    expect([outcome, ...outcomes]).toEqual([{ result: '1' }, { result: '2' }, { result: '6' }])
    expect(threads.map((thread) => given(thread, addresses))).toEqual([
      ['1 anew', '0 anew', '0'],
      ['2 anew', '1 anew', '1', '2', '2'],
    ])
  })

  it('does not move to a thread that is down', () => {
    const { moved } = waitingFor(0)
    threads[1]!.emit('exit')
    vi.advanceTimersByTime(100)
    expect([moved(), threads.length]).toEqual([[], 2])
    vi.advanceTimersByTime(900)
    expect(jobs(threads[2]!)).toHaveLength(0)
    done(threads[0]!)
    expect(jobs(threads[0]!)).toHaveLength(3)
  })
})

describe('a pool that is closed', () => {
  it('ends all threads, and every job in an error; none is started again', async () => {
    const { pool, run, log } = startPool(2)
    const [a, b] = contracts(2) as [Uint8Array, Uint8Array]
    ready(threads[0]!)
    const outcomes = [run(a), run(a), run(a), run(b)]
    await pool.close()
    outcomes.push(run(a))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(outcomes).toEqual(Array(5).fill({ error: stopping }))
    expect(threads.map(({ ended }) => ended)).toEqual([true, true])
    expect([pool.threads.map(({ replaced }) => replaced), log, vi.getTimerCount()]).toEqual([[0, 0], [], 0])
  })

  it('starts no thread in the place of one that was down, and moves no job to it', async () => {
    const { pool, run } = startPool(2)
    const [busy, other] = contracts(2) as [Uint8Array, Uint8Array]
    run(busy)
    run(other)
    done(threads[1]!)
    const waits = run(busy)
    for (const thread of threads) thread.emit('exit')
    await pool.close()
    expect([threads.length, vi.getTimerCount(), waits]).toEqual([2, 0, { error: stopping }])
  })
})
