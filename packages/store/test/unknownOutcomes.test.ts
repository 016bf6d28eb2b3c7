import { startPostgres } from '@bletchley/testkit/postgres'
import { type Cut, type Injection, type PostgresProxy, startProxy } from '@bletchley/testkit/postgres-proxy'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ContractStore, TaskCommit } from '../src/contractStore.ts'
import { OutcomeUnknown } from '../src/errors.ts'
import { openPostgres, type SqlContractStore } from '../src/postgres.ts'
import { SqlContractReader } from '../src/sql/sqlContractReader.ts'
import { bytes32, hash } from './model.ts'
import { hasServer, SqlDatabase, server } from './sqlDatabase.ts'

/** All of them with BLETCHLEY_ALL_CUTS=1; else one in eight of those that cost a deadline each. */
const every = process.env.BLETCHLEY_ALL_CUTS ? 1 : 8
/** How often each error comes in each place. */
const injections = process.env.BLETCHLEY_ALL_CUTS ? 50 : 5
/** A third of it is what a statement waits for that nobody answers. */
const deadlineMs = 1500

const bytes = (...values: number[]) => Uint8Array.from(values)
const code = { bytecode: bytes(1), hash: hash(bytes(1)) }

function taskOf(address: Uint8Array, key: number, version?: TaskCommit['version']): TaskCommit {
  // What is sealed with a random nonce is nobody else's.
  const data = bytes(...address, key)
  const receipt = { taskId: hash(data), reply: data }
  return { address, version, delta: { key, data }, deltaHash: hash(data), receipt, ...(key === 0 && { code }) }
}

/**
 * A task's whole way, and that of its retry: five statements, of 20 frames each way and more. However it is disturbed, it is stored
 * once, is not taken for anybody else's, and is answered with what was stored.
 *
 * @param held lets go of the lock of a statement that nobody ends; without it there is none
 */
async function goesRight(
  store: ContractStore,
  address: Uint8Array,
  key: number,
  held?: () => Promise<unknown>,
): Promise<void> {
  const asked = taskOf(address, key)
  const { taskId, reply } = asked.receipt!
  const ask = async () => {
    const { contract: loaded } = await store.load(address, taskId)
    if (!loaded?.hasReceipt) expect(await store.commitTask({ ...asked, version: loaded?.version })).toBe('committed')
    expect((await store.load(address, taskId)).contract).toMatchObject({
      hasReceipt: true,
      tip: { key, hash: asked.deltaHash },
    })
    expect(await store.getReceipt(address, taskId)).toEqual({ key, reply })
    expect(await store.getDelta(address, key)).toEqual(asked.delta.data)
  }
  await ask().catch(async (error: unknown) => {
    if (held === undefined || !(error instanceof OutcomeUnknown)) throw error
    await held()
    await ask()
  })
}

const frames = Array.from({ length: 20 }, (_, index) => index + 1)
const points = (['request', 'reply'] as const).flatMap((direction) =>
  frames.flatMap((frame) => (['before', 'after'] as const).map((when) => ({ direction, frame, when }))),
)

describe.skipIf(!hasServer)('what a connection leaves unknown is found out', () => {
  let database: SqlDatabase
  let proxy: PostgresProxy
  let store: SqlContractStore
  let contracts = 0

  beforeAll(async () => {
    database = await SqlDatabase.create()
    proxy = await startProxy(server.port)
    store = await database.open({ url: proxy.urlOf(database.url), deadlineMs })
  })
  afterAll(async () => {
    await proxy?.close()
    await database?.[Symbol.asyncDispose]()
  })

  /** A deployment and a computation, each with something planned for it, on contracts of their own. */
  async function eachDisturbed(plan: () => { readonly done: boolean }, held?: () => Promise<unknown>): Promise<void> {
    for (const key of [0, 1]) {
      const address = hash(Buffer.from(`contract ${++contracts}`))
      if (key === 1) await store.commitTask(taskOf(address, 0))
      // On a connection that is there.
      await store.getTipKey(address)
      const planned = plan()
      await goesRight(store, address, key, held)
      expect(planned.done).toBe(true)
      expect(await store.getDeltas(address, 0, 9)).toEqual(
        Array.from({ length: key + 1 }, (_, number) => taskOf(address, number).delta),
      )
      expect((await store.receiptTasks(address)).length).toBe(key + 1)
    }
  }

  test.each(points)('a reset $when frame $frame of the $direction', async (point) => {
    await eachDisturbed(() => proxy.cut({ ...point, how: 'reset' }))
  })

  test.each(points.filter(({ frame }) => frame <= 10))(
    'a reset $when frame $frame of the $direction, while several are committed',
    async (point) => {
      const addresses = Array.from({ length: 8 }, () => hash(Buffer.from(`contract ${++contracts}`)))
      await Promise.all(addresses.map((address) => store.commitTask(taskOf(address, 0))))
      const tasks = await Promise.all(
        addresses.map(async (address) => taskOf(address, 1, (await store.load(address)).contract!.version)),
      )
      const planned = proxy.cut({ ...point, how: 'reset' })
      expect(await Promise.all(tasks.map((task) => store.commitTask(task)))).toEqual(tasks.map(() => 'committed'))
      expect(planned.done).toBe(true)
      for (const { address, delta } of tasks) expect(await store.getTip(address)).toEqual(delta)
    },
  )

  const slow: Cut[] = [
    ...points.filter((_, index) => index % every === 0).map((point) => ({ ...point, how: 'blackHole' as const })),
    ...points
      .filter((_, index) => index % every === 4 % every)
      .map((point) => ({ ...point, how: 'halfReply' as const })),
  ]
  test.each(slow)('a $how $when frame $frame of the $direction', { timeout: 30_000 }, async (cut) => {
    // Between Execute and Sync, a server that hears no more of its client waits for it with the contract locked. Its keep-alive
    // ends that.
    const isHeld = cut.how === 'blackHole' && cut.direction === 'request'
    const others = `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`
    await eachDisturbed(() => proxy.cut(cut), isHeld ? () => database.query(others) : undefined)
  })

  const commits = /^\s*with (keys|locked|found)/
  const errors: Pick<Injection, 'sqlState' | 'severity' | 'passOn'>[] = [
    { sqlState: '40001' },
    { sqlState: '40P01' },
    { sqlState: '25006' },
    { sqlState: '40003', passOn: true },
    { sqlState: '40003', passOn: false },
    { sqlState: '57P01', severity: 'FATAL', passOn: true },
    { sqlState: '57P01', severity: 'FATAL', passOn: false },
    { sqlState: '01000', severity: 'WARNING' },
  ]
  test.each(errors)('%o, at any write of a task, several times in a row', async (error) => {
    for (let round = 0; round < injections; round++) {
      // The commit, what finds out about it, and the answer of the retry.
      const nth = (round % 3) + 1
      const matching: Injection['matching'] = ({ text }) => commits.test(text)
      await eachDisturbed(() => {
        // The first one is what makes the task try again.
        if (nth > 1) proxy.inject({ matching, ...error })
        return proxy.inject({ matching, nth, ...error })
      })
    }
  })
})

describe.skipIf(!hasServer)('a store that is closed', () => {
  test('does not wait for a database that is away', async () => {
    await using database = await SqlDatabase.create()
    await using proxy = await startProxy(server.port)
    const store = await openPostgres({ url: proxy.urlOf(database.url), connections: 2 }, { hash })
    await Promise.all([store.load(bytes32(1)), store.load(bytes32(2))])
    proxy.partitioned = true
    const tasks = [1, 2, 3, 4].map((value) => store.commitTask(taskOf(bytes32(value), 0)))
    const outcomes = Promise.allSettled(tasks)
    await store.close()
    expect((await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason.name)).toEqual([
      // Two were sent, and wait; the others have not got as far.
      ...['OutcomeUnknown', 'OutcomeUnknown', 'StorageError', 'StorageError'],
    ])
  })
})

describe.skipIf(!hasServer)('a commit that no standby has', () => {
  /** What a server of its own does whose standby is away, with a task that waits for it. */
  async function waiting(storeDeadlineMs: number) {
    const primary = await startPostgres()
    const { url } = await primary.createDatabase()
    const store = await openPostgres({ url, deadlineMs: storeDeadlineMs }, { hash })
    const address = bytes32(1)
    await store.commitTask(taskOf(address, 0))
    const task = taskOf(address, 1, (await store.load(address)).contract!.version)
    const set = async (names: string) => {
      await primary.psql(`alter system set synchronous_standby_names = '${names}'`)
      await primary.psql('select pg_reload_conf()')
      await expect.poll(() => primary.psql('show synchronous_standby_names')).toBe(names)
    }
    await set('nobody')
    const waiters = `select pid from pg_stat_activity where wait_event = 'SyncRep'`
    return {
      store,
      address,
      task,
      set,
      /** Has the server crash while a commit waits. It comes back, with that commit, though no standby has it. */
      async crash() {
        await expect.poll(() => primary.psql(waiters), { timeout: 10_000 }).not.toBe('')
        process.kill(Number((await primary.psql(waiters)).split('\n')[0]), 'SIGKILL')
        const tip = () => primary.psql('select tip from contracts', url).catch(() => 'away')
        await expect.poll(tip, { timeout: 10_000 }).toBe('1')
      },
      async [Symbol.asyncDispose]() {
        await store.close()
        await primary.stop()
      },
    }
  }

  test('is not reported as stored, though it is found after a crash', { timeout: 60_000 }, async () => {
    await using world = await waiting(4500)
    const { store, address, task } = world
    const commit = store.commitTask(task).catch((error: unknown) => error)
    await world.crash()
    expect(await commit).toBeInstanceOf(OutcomeUnknown)
    await world.set('')
    expect((await store.load(address, task.receipt!.taskId)).contract).toMatchObject({
      hasReceipt: true,
      tip: { key: 1 },
    })
    expect(await store.commitTask(task)).toBe('moved')
  })

  test('is reported as soon as the standby is there', { timeout: 60_000 }, async () => {
    await using world = await waiting(30_000)
    const commit = world.store.commitTask(world.task)
    await world.crash()
    await world.set('')
    expect(await commit).toBe('committed')
  })

  test('answers no retry, though its receipt is found after a crash', { timeout: 60_000 }, async () => {
    await using world = await waiting(1500)
    const { store, address, task } = world
    const { taskId, reply } = task.receipt!
    const commit = expect(store.commitTask(task)).rejects.toThrow(OutcomeUnknown)
    await world.crash()
    await commit
    await expect(store.getReceipt(address, taskId)).rejects.toThrow(OutcomeUnknown)
    // Whoever only reads finds it: it is the write beside it that waits.
    const read = SqlContractReader.prototype.getReceipt.call(store, address, taskId)
    expect(await read).toEqual({ key: 1, reply })
    await world.set('')
    expect(await store.getReceipt(address, taskId)).toEqual({ key: 1, reply })
  })
})
