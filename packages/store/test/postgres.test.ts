import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { startProxy } from '@bletchley/testkit/postgres-proxy'
import { describe, expect, test } from 'vitest'
import type { ContractChange, ContractStore, TaskCommit } from '../src/contractStore.ts'
import { OutcomeUnknown, StorageError } from '../src/errors.ts'
import { openPostgres } from '../src/postgres.ts'
import { bytes32, collect, deploy, hash } from './model.ts'
import { hasServer, SqlDatabase, server } from './sqlDatabase.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)
const numbered = (value: number) =>
  new Uint8Array(
    Buffer.alloc(32, 7)
      .fill(value & 255, 31)
      .fill(value >> 8, 30, 31),
  )
const address = bytes32(1)
const levels = ['read committed', 'repeatable read', 'serializable']

/** What must be true of the tables at any moment, told as what is wrong. */
const inconsistencies = `
  select 'a delta of no contract' from deltas d where not exists (select 1 from contracts c where c.address = d.address)
  union all select 'a receipt without its delta' from receipts r
    where not exists (select 1 from deltas d where d.address = r.address and d.key = r.key)
  union all select 'bytecode that its contract does not know' from bytecodes b
    where not exists (select 1 from contracts c where c.address = b.address and c.code_hash = sha256(b.code))
  union all select 'a contract without its bytecode' from contracts c
    where c.code_hash is not null and not exists (select 1 from bytecodes b where b.address = c.address)
  union all select 'a snapshot that is not of its delta' from snapshots s
    where not exists (
      select 1 from deltas d where d.address = s.address and d.key = s.key and sha256(d.data) = s.delta_hash
    )
  union all select 'another tip than the highest delta' from contracts c
    where c.tip is distinct from (select max(key) from deltas d where d.address = c.address)
  union all select 'another hash than that of the tip' from contracts c
    join deltas d on d.address = c.address and d.key = c.tip where c.tip_hash <> sha256(d.data)
  union all select 'a contract of nothing' from contracts where tip is null and code_hash is null`

/** A task on what the store finds. */
async function taskOn(store: ContractStore, address: Uint8Array, data: Uint8Array): Promise<TaskCommit | undefined> {
  const { contract: loaded } = await store.load(address, hash(data))
  if (loaded === undefined) return undefined
  const delta = { key: (loaded.tip?.key ?? -1) + 1, data }
  const receipt = { taskId: hash(data), reply: data }
  return { address, version: loaded.version, delta, deltaHash: hash(data), receipt }
}

describe.skipIf(!hasServer)('contracts in PostgreSQL', () => {
  describe.each(levels)('whose transactions are %s by default', (level) => {
    test('of tasks on the same delta exactly one is stored', async () => {
      await using database = await SqlDatabase.create(level)
      const stores = [await database.open(), await database.open(), await database.open()]
      await stores[0]!.putContract(address, bytes(1), { key: 0, data: bytes(0) })
      for (let round = 1; round <= 50; round++) {
        const task = await taskOn(stores[round % 3]!, address, bytes(round))
        const outcomes = await Promise.all(stores.map((store) => store.commitTask(task!)))
        expect(outcomes.toSorted(), `round ${round}`).toEqual(['committed', 'moved', 'moved'])
      }
      expect(await stores[0]!.getTipKey(address)).toBe(50)
      expect(await database.query(inconsistencies)).toEqual([])
    })

    test('of deployments of one contract exactly one is stored', async () => {
      await using database = await SqlDatabase.create(level)
      const stores = [await database.open(), await database.open(), await database.open()]
      for (let round = 0; round < 30; round++) {
        const outcomes = await Promise.all(
          stores.map((store, index) => {
            const data = bytes(round, index)
            const code = { bytecode: data, hash: hash(data) }
            const delta = { key: 0, data }
            return store.commitTask({
              address: numbered(round),
              version: undefined,
              delta,
              deltaHash: hash(data),
              code,
            })
          }),
        )
        expect(outcomes.toSorted(), `round ${round}`).toEqual(['committed', 'moved', 'moved'])
        const winner = outcomes.indexOf('committed')
        expect(await stores[0]!.getBytecode(numbered(round))).toEqual(bytes(round, winner))
      }
      expect(await database.query(inconsistencies)).toEqual([])
    })

    test('whatever happens to contracts at once leaves each of them whole', async () => {
      await using database = await SqlDatabase.create(level)
      const stores = [await database.open(), await database.open()]
      const addresses = [1, 2, 3].map(bytes32)
      const writes: ((store: ContractStore, address: Uint8Array, round: number) => Promise<unknown>)[] = [
        (store, address, round) => store.putContract(address, bytes(round), { key: 0, data: bytes(round) }),
        (store, _, round) =>
          store.putDeltas(
            addresses.flatMap((address) => [0, 1, 2].map((key) => ({ address, key, data: bytes(key, round & 1) }))),
          ),
        (store, address) => store.removeContract(address),
        (store) => store.removeDeltas(addresses.map((address) => ({ address, from: 1, to: 3 }))),
        (store) => store.removeDeltas(addresses.map((address) => ({ address, from: 0, to: 2 ** 32 }))),
        async (store, address, round) => {
          const tip = await store.getTip(address)
          if (tip) await store.putSnapshot(address, { key: tip.key, data: bytes(round) }, hash(tip.data))
        },
        ...[1, 2, 3].map(() => async (store: ContractStore, address: Uint8Array, round: number) => {
          const task = await taskOn(store, address, bytes(round, 9))
          if (task) await store.commitTask(task)
        }),
      ]
      for (let round = 0; round < 25; round++) {
        await Promise.all(
          writes.map((write, index) => write(stores[(round + index) % 2]!, addresses[(round + index) % 3]!, round)),
        )
        expect(await database.query(inconsistencies), `round ${round}`).toEqual([])
      }
    })

    test('a write that was prepared before another one is prepared anew, and a task is not', async () => {
      const [old, other] = [bytes(3), bytes(8)]
      const writes: [(store: ContractStore) => Promise<unknown>, outcome?: string][] = [
        [(store) => store.putBytecode(address, bytes(2))],
        [(store) => store.putContract(address, bytes(2), { key: 4, data: bytes(4) })],
        [(store) => store.putDeltas([{ address, key: 4, data: bytes(4) }])],
        [(store) => store.putSnapshot(address, { key: 3, data: bytes(1) }, hash(old))],
        [(store) => store.removeDeltas([{ address, from: 3, to: 9 }])],
        [(store) => store.removeDeltas([{ address, from: 0, to: 9 }])],
        [(store) => store.removeContract(address)],
        [async (store) => store.commitTask((await taskOn(store, address, bytes(4)))!), 'moved'],
      ]
      await using database = await SqlDatabase.create(level)
      await using client = await database.connect()
      const store = await database.open()
      for (const [index, [write, outcome]] of writes.entries()) {
        await store.removeContract(address)
        await store.putDeltas([{ address, key: 3, data: old }])
        await client.query(`begin; update contracts set revision = revision + 1, tip = 9, tip_hash = null`)
        const written = write(store)
        await waitForLocks(database, 1)
        await client.query({ text: 'insert into deltas values ($1, 9, $2)', values: [address, other] })
        await client.query({ text: 'update deltas set data = $1 where key = 3', values: [other] })
        await client.query('commit')
        expect(await written, `write ${index}`).toBe(outcome)
        expect(await database.query(inconsistencies), `write ${index}`).toEqual([])
      }
    })

    test('the same contracts in opposite orders are no deadlock', async () => {
      await using database = await SqlDatabase.create(level)
      // Contracts are then looked up one by one, as they are where there are many.
      for (const setting of ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin'])
        await database.set(setting, 'off')
      const stores = [await database.open(), await database.open()]
      const addresses = Array.from({ length: 50 }, (_, index) => numbered(index))
      const rowsOf = (data: Uint8Array) => addresses.map((address) => ({ address, key: 0, data }))
      const ranges = addresses.map((address) => ({ address, from: 0, to: 1 }))
      await using client = await database.connect()
      // Somebody holds one in the middle until both wait, for him or for each other.
      const twoWrites: [hold: string, (store: ContractStore, turn: <T>(rows: T[]) => T[]) => Promise<void>][] = [
        ['insert into contracts values ($1, 0, 0)', (store, turn) => store.putDeltas(turn(rowsOf(bytes(1))))],
        [
          'select 1 from contracts where address = $1 for update',
          (store, turn) => store.putDeltas(turn(rowsOf(bytes(2)))),
        ],
        ['select 1 from contracts where address = $1 for update', (store, turn) => store.removeDeltas(turn(ranges))],
      ]
      for (const [hold, write] of twoWrites) {
        await client.query('begin')
        await client.query(hold, [addresses[25]])
        const writes = [write(stores[0]!, (rows) => rows), write(stores[1]!, (rows) => rows.toReversed())]
        await waitForLocks(database, 2)
        await client.query('rollback')
        await Promise.all(writes)
        expect(await database.query(inconsistencies)).toEqual([])
      }
      expect(await database.query('select count(*)::int from contracts')).toEqual([0])
      // Whoever ends tells what it has counted.
      await database.close()
      const count = 'select deadlocks::int from pg_stat_database where datname = current_database()'
      expect(await database.query(count)).toEqual([0])
    })
  })

  test('every write raises the revision, and what comes after a removal is another contract', async () => {
    await using database = await SqlDatabase.create()
    const store = await database.open()
    const code = { bytecode: bytes(1), hash: hash(bytes(1)) }
    const deployment = {
      address,
      version: undefined,
      delta: { key: 0, data: bytes(0) },
      deltaHash: hash(bytes(0)),
      code,
    }
    await store.commitTask(deployment)
    const first = (await taskOn(store, address, bytes(1)))!
    const revisions = [first.version!.revision]
    for (const write of [
      () => store.putBytecode(address, bytes(2)),
      () => store.putDeltas([{ address, key: 1, data: bytes(1) }]),
      () => store.putDeltas([{ address, key: 1, data: bytes(1) }]),
      () => store.putSnapshot(address, { key: 1, data: bytes(1) }, hash(bytes(1))),
      () => store.removeDeltas([{ address, from: 1, to: 2 }]),
      async () => store.commitTask((await taskOn(store, address, bytes(1)))!),
    ]) {
      const task = (await taskOn(store, address, bytes(9)))!
      await write()
      expect(await store.commitTask(task)).toBe('moved')
      revisions.push((await store.load(address, bytes32(0))).contract!.version.revision)
    }
    expect(revisions).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n])
    await store.removeContract(address)
    expect(await store.commitTask(first)).toBe('moved')
    await store.commitTask(deployment)
    expect((await store.load(address, bytes32(0))).contract!.version.revision).toBe(0n)
    expect(await store.commitTask(first)).toBe('moved')
  })

  test('a task in a hole takes what is above it away, with its own delta or not at all', async () => {
    await using database = await SqlDatabase.create()
    const changes: ContractChange[] = []
    const store = await database.open({}, { onChange: (change) => void changes.push(change) })
    await store.putDeltas([0, 1, 3, 4].map((key) => ({ address, key, data: bytes(key) })))
    await store.putSnapshot(address, { key: 3, data: bytes(9) }, hash(bytes(3)))
    const { version } = (await store.load(address, bytes32(0))).contract!
    const task = { address, version, delta: { key: 2, data: bytes(7) }, deltaHash: hash(bytes(7)) }
    await expect(store.commitTask({ ...task, delta: { key: 3, data: bytes(7) } })).rejects.toThrow(RangeError)
    // The task's own statement fails in the same transaction.
    await database.query(`alter table deltas add constraint none check (data <> '\\x07')`)
    await expect(store.commitTask(task)).rejects.toThrow(StorageError)
    expect((await store.load(address, bytes32(0))).contract).toMatchObject({ version, tip: { key: 4 } })
    await database.query('alter table deltas drop constraint none')
    changes.length = 0
    expect(await store.commitTask(task)).toBe('committed')
    expect(changes).toEqual([{ address, kind: 'changed', firstDelta: 2, bytecode: false, snapshot: true }])
    expect((await store.getDeltas(address, 0, 9)).map(({ key }) => key)).toEqual([0, 1, 2])
    expect(await store.commitTask(task)).toBe('moved')
    expect(await database.query(inconsistencies)).toEqual([])
  })

  test('receipts that nobody can ask for any more make room for others', async () => {
    await using database = await SqlDatabase.create()
    const store = await database.open()
    await store.putBytecode(address, bytes(1))
    for (let key = 0; key < 70; key++) await store.commitTask((await taskOn(store, address, bytes(key)))!)
    expect(await store.receiptTasks(address)).toHaveLength(64)
    expect(await store.receiptOf(address, 5)).toBeUndefined()
    expect(await store.receiptOf(address, 6)).toEqual({ taskId: hash(bytes(6)), reply: bytes(6) })
    expect(await database.query('select key::int from receipts order by key')).toEqual(
      Array.from({ length: 64 }, (_, index) => index + 6),
    )
  })

  test('a request of many contracts and much data is stored in the order in which it names them', async () => {
    await using database = await SqlDatabase.create()
    const store = await database.open()
    const addresses = Array.from({ length: 2500 }, (_, index) => numbered(2500 - index))
    // One that is larger than a statement should be, among others.
    const large = new Uint8Array(5 << 20).fill(3)
    await store.putDeltas(
      addresses.map((address, index) => ({ address, key: index, data: index === 7 ? large : bytes(index) })),
    )
    expect(await store.allAddresses()).toEqual(addresses)
    expect(hash((await store.getDelta(addresses[7]!, 7))!)).toEqual(hash(large))
    expect(await store.getTip(addresses[2499]!)).toEqual({ key: 2499, data: bytes(2499) })
    // All of them are there now, and all lose their delta.
    await store.removeDeltas(addresses.map((address) => ({ address, from: 0, to: 2 ** 32 })))
    expect(await store.allAddresses()).toEqual([])
    expect(await database.query('select count(*)::int from deltas')).toEqual([0])
  })

  test('tips come by the thousand, and as many at a time as memory should hold', async () => {
    await using database = await SqlDatabase.create()
    const writer = await database.open()
    await using counted = await openCounted(database)
    const { store, take } = counted
    const addresses = Array.from({ length: 2000 }, (_, index) => numbered(index))
    await writer.putDeltas(addresses.map((address, key) => ({ address, key, data: bytes(key) })))
    const tips = addresses.map((_, key) => ({ key, data: bytes(key) }))
    expect(await collect(store.tips(addresses.slice(0, 1000)))).toEqual(tips.slice(0, 1000))
    expect(take()).toBe(1)
    expect(await collect(store.tips(addresses))).toEqual(tips)
    expect(take()).toBe(2)
    const lengths = tips.map(({ key, data }, index) => ({ address: addresses[index]!, key, length: 1, data }))
    expect(await collect(store.tipLengths(1))).toEqual(lengths)
    expect(take()).toBe(3)
    expect(await collect(store.tipLengths(0))).toEqual(lengths.map(({ data, ...tip }) => tip))
    // Two of these are more than a page, and some have no tip.
    const large = [1, 2, 3].map((value) => new Uint8Array(5 << 20).fill(value))
    const asked = [bytes32(200), addresses[0]!, addresses[5]!, bytes32(201), addresses[9]!, addresses[1]!]
    await writer.putBytecode(bytes32(200), bytes(1))
    await writer.putDeltas([0, 5, 9].map((key, index) => ({ address: addresses[key]!, key, data: large[index]! })))
    take()
    const found = await collect(store.tips(asked))
    // A comparison of megabytes, byte by byte, takes a minute.
    expect(found.map((tip) => tip && { key: tip.key, hash: hash(tip.data) })).toEqual([
      undefined,
      { key: 0, hash: hash(large[0]!) },
      { key: 5, hash: hash(large[1]!) },
      undefined,
      { key: 9, hash: hash(large[2]!) },
      { key: 1, hash: hash(bytes(1)) },
    ])
    expect(take()).toBe(3)
    const withData = await collect(store.tipLengths(6 << 20))
    expect(withData.map(({ address }) => address)).toEqual(addresses)
    expect(withData.filter(({ data }) => data === undefined)).toEqual([])
    expect(take()).toBeLessThanOrEqual(6)
    const small = await collect(store.tipLengths(5))
    expect(small.filter(({ data }) => data === undefined)).toEqual(
      [0, 5, 9].map((key) => ({ address: addresses[key], key, length: 5 << 20 })),
    )
    expect(take()).toBe(3)
  })

  test('deltas come in chunks of as many rows and bytes as memory should hold', async () => {
    await using database = await SqlDatabase.create()
    await using counted = await openCounted(database)
    const { store, take } = counted
    const sizes = [300_000, 300_000, 300_000, 300_000, 2_000_000, 10, 0]
    await database
      .open()
      .then((writer) =>
        writer.putDeltas([
          ...sizes.map((size, key) => ({ address, key: 10 * key, data: new Uint8Array(size) })),
          ...Array.from({ length: 1000 }, (_, key) => ({ address, key: 1000 + key, data: bytes(1) })),
        ]),
      )
    const lengths = (chunks: { data: Uint8Array }[][]) => chunks.map((chunk) => chunk.map(({ data }) => data.length))
    expect(lengths(await collect(store.deltaChunks(address, 0, 1000)))).toEqual([
      [300_000, 300_000, 300_000],
      [300_000],
      [2_000_000],
      [10, 0],
    ])
    expect(take()).toBe(4)
    expect(lengths(await collect(store.deltaChunks(address, 41))).map(({ length }) => length)).toEqual([500, 500, 2])
    expect(lengths(await collect(store.deltaChunks(address, 1500)))).toEqual([new Array(500).fill(1)])
    take()
    const keys = await collect(store.deltaKeysBefore(address, 2 ** 32, 1004))
    expect(keys.map(({ length }) => length)).toEqual([500, 500, 4])
    expect(keys.flat()).toEqual([...Array.from({ length: 1000 }, (_, key) => 1999 - key), 60, 50, 40, 30])
    expect(take()).toBe(3)
  })

  test('a task takes two trips, and looking at tips one for each thousand', async () => {
    await using database = await SqlDatabase.create()
    const writer = await database.open()
    await using counted = await openCounted(database)
    const { store, take } = counted
    expect(await store.load(address, bytes32(9))).toEqual({ contract: undefined, userKey: undefined })
    expect(await deploy(store, address, bytes(1), bytes(0))).toBe('committed')
    expect(take()).toBe(2)
    const task = (await taskOn(store, address, bytes(1)))!
    expect(await store.commitTask(task)).toBe('committed')
    expect(take()).toBe(2)
    expect(await store.commitTask(task)).toBe('moved')
    take()
    expect(await store.getTip(address)).toEqual(task.delta)
    expect(take()).toBe(1)
    await writer.putDeltas(
      Array.from({ length: 10_000 }, (_, index) => ({ address: numbered(index), key: 0, data: bytes(1) })),
    )
    expect(await collect(store.tipLengths(1))).toHaveLength(10_001)
    expect(take()).toBeLessThanOrEqual(11)
  })

  describe('tasks of several contracts at once', () => {
    /** Contracts with a tip, and a task for each. */
    async function tasksOn(store: ContractStore, count: number, dataOf: (index: number) => Uint8Array) {
      const addresses = Array.from({ length: count }, (_, index) => numbered(index))
      await store.putDeltas(addresses.map((address) => ({ address, key: 0, data: bytes(0) })))
      return Promise.all(addresses.map(async (address, index) => (await taskOn(store, address, dataOf(index)))!))
    }

    test.each([
      // The first two find nobody under way. Data and reply are of one size. Behind them come as many as a statement may have.
      ['few', 32, 1, [1, 1, 30]],
      ['many', 200, 1, [1, 1, 64, 64, 64, 6]],
      ['large ones', 9, 150_000, [1, 1, 3, 3, 1]],
      ['ones that are larger than a batch', 4, 1_500_000, [1, 1, 1, 1]],
    ])('%s share statements', async (_, count, size, sizes) => {
      await using database = await SqlDatabase.create()
      await using counted = await openCounted(database)
      const { store, take } = counted
      const tasks = await tasksOn(store, count, (index) => new Uint8Array(size).fill(index, 0, 1))
      take()
      const changed: Uint8Array[] = []
      const other = await database.open({}, { onChange: ({ address }) => void changed.push(address) })
      const outcomes = await Promise.all(tasks.map((task) => store.commitTask(task)))
      expect(outcomes).toEqual(new Array(count).fill('committed'))
      expect(take()).toBe(sizes.length)
      expect(await database.query('select count(*)::int from deltas where key = 1 group by xmin::text')).toHaveLength(
        sizes.length,
      )
      // Somebody else has been quicker in half of them: only those come to nothing.
      const again = await Promise.all(tasks.map(async ({ address }) => (await taskOn(store, address, bytes(2)))!))
      const lost = again.filter((_, index) => index % 2 === 0)
      await Promise.all(lost.map(async (task) => other.commitTask(task)))
      expect(await Promise.all(again.map((task) => store.commitTask(task)))).toEqual(
        again.map((_, index) => (index % 2 === 0 ? 'moved' : 'committed')),
      )
      expect(changed).toHaveLength(lost.length)
      expect(await database.query(inconsistencies)).toEqual([])
    })

    test('deployments share statements too', async () => {
      await using database = await SqlDatabase.create()
      await using counted = await openCounted(database)
      const { store, take } = counted
      const deployed = Array.from({ length: 32 }, (_, index) => deploy(store, numbered(index), bytes(1), bytes(index)))
      expect(await Promise.all(deployed)).toEqual(new Array(32).fill('committed'))
      expect(take()).toBe(3)
      expect(await deploy(store, numbered(0), bytes(1), bytes(1))).toBe('moved')
      expect(await database.query(inconsistencies)).toEqual([])
    })

    test('one that the database refuses leaves the others as they are', async () => {
      await using database = await SqlDatabase.create()
      const store = await database.open()
      const tasks = await tasksOn(store, 10, (index) => bytes(index))
      await database.query(`alter table deltas add constraint none check (data <> '\\x07')`)
      const outcomes = await Promise.allSettled(tasks.map((task) => store.commitTask(task)))
      expect(outcomes.map(({ status }) => status)).toEqual(
        tasks.map((_, index) => (index === 7 ? 'rejected' : 'fulfilled')),
      )
      expect(outcomes[7]).toMatchObject({ reason: { name: 'StorageError', cause: { code: '23514' } } })
      expect(await database.query('select count(*)::int from deltas where key = 1')).toEqual([9])
    })

    test('of two stores that commit them in opposite orders one wins each, without a deadlock', async () => {
      await using database = await SqlDatabase.create()
      for (const setting of ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin'])
        await database.set(setting, 'off')
      const stores = [await database.open(), await database.open()] as const
      const tasks = await tasksOn(stores[0], 50, (index) => bytes(index))
      await using client = await database.connect()
      await client.query('begin')
      await client.query('select 1 from contracts where address = $1 for update', [tasks[25]!.address])
      const first = Promise.all(tasks.map((task) => stores[0].commitTask(task)))
      const second = Promise.all(tasks.toReversed().map((task) => stores[1].commitTask(task)))
      await waitForLocks(database, 2)
      await client.query('rollback')
      const [one, other] = [await first, (await second).toReversed()]
      for (const [index, outcome] of one.entries()) {
        expect([outcome, other[index]].toSorted()).toEqual(['committed', 'moved'])
      }
      await database.close()
      const count = 'select deadlocks::int from pg_stat_database where datname = current_database()'
      expect(await database.query(count)).toEqual([0])
      expect(await database.query(inconsistencies)).toEqual([])
    })
  })

  test('removing a range costs two statements, however wide it is', async () => {
    await using database = await SqlDatabase.create()
    await using counted = await openCounted(database)
    const { store, take } = counted
    await store.putContract(address, bytes(1), { key: 5, data: bytes(1) })
    take()
    await store.removeDeltas([{ address, from: 0, to: 2 ** 32 }])
    expect(take()).toBe(2)
    await store.removeDeltas([{ address, from: 0, to: 2 ** 32 }])
    expect(take()).toBe(1)
  })

  test('many that open an empty database at once make its tables once', async () => {
    await using database = await SqlDatabase.create()
    const stores = await Promise.all(Array.from({ length: 8 }, () => database.open()))
    await Promise.all(stores.map((store) => store.probe()))
    expect(await database.query('select schema_version from cluster')).toEqual([1])
  })

  test('a database that is not for this version, or for something else, is refused', async () => {
    await using newer = await SqlDatabase.create()
    await newer.open()
    await newer.query('update cluster set schema_version = 7, oldest_writer = 1')
    await newer.open()
    await newer.query('update cluster set oldest_writer = 7')
    await expect(newer.open()).rejects.toThrow(/from version 7 of its tables on, and this is version 1/)
    await using strange = await SqlDatabase.create()
    await strange.query('create table snapshots (a int)')
    await expect(strange.open()).rejects.toThrow(/something else than contracts/)
    // Nothing was left of the attempt.
    expect(await strange.query(`select to_regclass('cluster')`)).toEqual([null])
    await strange.query('create table cluster (a int)')
    await expect(strange.open()).rejects.toThrow(/something else than contracts/)
  })

  test('a user who may not make tables is told so', async () => {
    await using database = await SqlDatabase.create()
    const user = `guest_${new URL(database.url).pathname.slice(1)}`
    await database.query(`create role ${user} login password 'secret'`)
    const url = new URL(database.url)
    url.username = user
    url.password = 'secret'
    try {
      await expect(database.open({ url: url.href })).rejects.toThrow(/may not make them/)
    } finally {
      await database.query(`drop role ${user}`)
    }
  })

  test('an address that is no URL is refused without being told', async () => {
    const error: unknown = await openPostgres('postgres://user:secret@:x/', { hash }).catch((error) => error)
    expect(error).toBeInstanceOf(RangeError)
    expect(JSON.stringify([String(error), { ...(error as Error) }])).not.toContain('secret')
  })

  test('a server that does not answer is a StorageError', async () => {
    const url = new URL(server.url)
    url.port = '1'
    await expect(openPostgres(url.href, { hash })).rejects.toThrow(/cannot be reached/)
  })

  test('a server that says nothing is a StorageError', async () => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const url = new URL(server.url)
    url.port = String((silent.address() as AddressInfo).port)
    await expect(openPostgres({ url: url.href, deadlineMs: 100 }, { hash })).rejects.toThrow(StorageError)
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  test.each([true, false])('statements have names, or not: %s', async (preparedStatements) => {
    await using database = await SqlDatabase.create()
    const url = preparedStatements ? database.url : `${database.url}?preparedStatements=false`
    const store = await database.open({ url, connections: 1 })
    await database.query('create table prepared (count int)')
    await database.query(onWrite('insert into prepared select count(*) from pg_prepared_statements'))
    await store.putContract(address, bytes(1), { key: 0, data: bytes(2) })
    expect(await store.getTip(address)).toEqual({ key: 0, data: bytes(2) })
    // Opening, looking, and writing.
    expect(await database.query('table prepared')).toEqual([preparedStatements ? 3 : 0])
  })

  test('close waits for what is being written, and refuses what comes later', async () => {
    await using database = await SqlDatabase.create()
    const store = await database.open({ connections: 2 })
    const writes = Array.from({ length: 20 }, (_, index) => store.putBytecode(numbered(index), bytes(index)))
    const reads = Array.from({ length: 20 }, (_, index) => store.getBytecode(numbered(index)))
    await store.close()
    await Promise.all([...writes, ...reads])
    for (const attempt of [
      () => store.getTip(address),
      () => store.putBytecode(address, bytes()),
      () => store.probe(),
      () => collect(store.addressChunks()),
    ]) {
      await expect(attempt()).rejects.toThrow('the store is closed')
    }
    expect(await database.query('select count(*)::int from bytecodes')).toEqual([20])
  })

  describe('when something fails', () => {
    test('connections that end while nobody uses them are replaced', async () => {
      await using database = await SqlDatabase.create()
      const store = await database.open()
      await Promise.all([1, 2, 3].map((value) => store.putBytecode(bytes32(value), bytes(1))))
      await database.query(endOthers())
      await expect.poll(() => store.getBytecode(bytes32(1)).catch(() => undefined)).toEqual(bytes(1))
      await store.putBytecode(bytes32(4), bytes(1))
    })

    test('what was under way on a connection that ends is asked again', async () => {
      await using database = await SqlDatabase.create()
      const store = await database.open()
      await store.putBytecode(address, bytes(1))
      await using client = await database.connect()
      await client.query('begin; select 1 from contracts for update')
      const task = await taskOn(store, address, bytes(2))
      const write = store.commitTask(task!)
      await waitForLocks(database, 1)
      await database.query(endOthers(`wait_event_type = 'Lock'`))
      await waitForLocks(database, 1)
      await client.query('rollback; begin; lock table contracts in access exclusive mode')
      expect(await write).toBe('committed')
      const read = store.getTipKey(address)
      await waitForLocks(database, 1)
      await database.query(endOthers(`wait_event_type = 'Lock'`))
      await waitForLocks(database, 1)
      await client.query('rollback')
      expect(await read).toBe(0)
    })

    test('a write that waits for too long is of unknown outcome', async () => {
      await using database = await SqlDatabase.create()
      const store = await database.open({ connections: 1, deadlineMs: 300 })
      await store.putBytecode(address, bytes(1))
      const task = (await taskOn(store, address, bytes(2)))!
      await using client = await database.connect()
      await client.query('begin; select 1 from contracts for update')
      await expect(store.commitTask(task)).rejects.toThrow(OutcomeUnknown)
      await client.query('rollback')
      // The statement that was given up may have been carried out.
      expect(['committed', 'moved']).toContain(await store.commitTask(task))
    })

    test('a success with a warning is of unknown outcome, and one with a notice is none', async () => {
      await using database = await SqlDatabase.create()
      const store = await database.open({ deadlineMs: 300 })
      await database.query(onWrite(`raise notice 'all is well'`))
      await store.putBytecode(address, bytes(1))
      await database.query(onWrite(`raise warning 'canceling wait'`))
      await expect(store.putBytecode(address, bytes(2))).rejects.toThrow(OutcomeUnknown)
      expect(await store.getBytecode(address)).toEqual(bytes(2))
    })

    test.each(['40001', '40P01', '55P03'])('a write that meets %s is tried ten times', async (state) => {
      await using database = await SqlDatabase.create()
      const store = await database.open()
      await database.query('create sequence tries')
      const fail = (times: number) =>
        database.query(
          onWrite(`if nextval('tries') <= ${times} then raise exception 'again' using errcode = '${state}'; end if`),
        )
      await fail(9)
      await store.putBytecode(address, bytes(1))
      expect(await database.query(`select nextval('tries')::int`)).toEqual([11])
      await fail(99)
      await expect(store.putBytecode(address, bytes(2))).rejects.toMatchObject({ name: 'StorageError' })
      expect(await database.query(`select nextval('tries')::int`)).toEqual([22])
      expect(await store.getBytecode(address)).toEqual(bytes(1))
    })

    test.each([
      ['23514', 'StorageError', 1],
      ['25006', 'StorageError', 2],
      ['40003', 'OutcomeUnknown', 2],
      ['57P01', 'OutcomeUnknown', 2],
      ['08006', 'OutcomeUnknown', 2],
    ])('an error %s is a %s in the end', async (state, name, least) => {
      await using database = await SqlDatabase.create()
      const store = await database.open({ deadlineMs: 300 })
      await database.query('create sequence tries')
      await database.query(onWrite(`perform nextval('tries'); raise exception 'no' using errcode = '${state}'`))
      await expect(store.putBytecode(address, bytes(1))).rejects.toMatchObject({ name, cause: { code: state } })
      const [tries] = await database.query(`select last_value::int from tries`)
      if (least === 1) expect(tries).toBe(1)
      else expect(tries).toBeGreaterThanOrEqual(least)
      await store.removeContract(address)
    })

    test('a probe fails where the database takes no writes', async () => {
      await using database = await SqlDatabase.create()
      const store = await database.open()
      await store.probe()
      await database.set('default_transaction_read_only', 'on')
      const later = await database.open({ deadlineMs: 300 })
      await expect(later.probe()).rejects.toMatchObject({ name: 'StorageError', cause: { code: '25006' } })
    })
  })
})

/** Has the server run something whenever a contract is written. */
function onWrite(action: string): string {
  return `
    create or replace function act() returns trigger language plpgsql as $$ begin ${action}; return new; end $$;
    create or replace trigger act before insert or update on contracts for each row execute function act()`
}

/** Ends the connections of others to the database. */
function endOthers(condition = 'true'): string {
  return `select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and ${condition}`
}

/** Waits until so many connections wait for somebody else's lock. */
async function waitForLocks(database: SqlDatabase, count: number): Promise<void> {
  const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  await expect.poll(() => database.query(waiting)).toHaveLength(count)
}

/** A store by way of a proxy that counts its statements. */
async function openCounted(database: SqlDatabase) {
  const proxy = await startProxy(server.port)
  const store = await database.open({ url: proxy.urlOf(database.url) })
  /** Those since the last time. */
  const take = (): number => proxy.statements.splice(0).length
  take()
  return {
    store,
    take,
    async [Symbol.asyncDispose]() {
      await store.close()
      await proxy.close()
    },
  }
}
