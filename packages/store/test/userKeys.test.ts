import { describe, expect, test } from 'vitest'
import type { ContractStore, SealedUserKey, TaskCommit } from '../src/contractStore.ts'
import type { SqlContractStore } from '../src/postgres.ts'
import { bytes32, hash } from './model.ts'
import { hasServer, SqlDatabase } from './sqlDatabase.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)
const levels = ['read committed', 'repeatable read', 'serializable']
const code = { bytecode: bytes(1), hash: hash(bytes(1)) }

function keyOf(user: number, exchange = 1): SealedUserKey {
  return { userKey: new Uint8Array(64).fill(user), id: new Uint8Array(8).fill(exchange), sealed: bytes(user, exchange) }
}

/** The next task on a contract, that uses up a key. */
async function taskWith(
  store: ContractStore,
  address: Uint8Array,
  data: Uint8Array,
  burnt: SealedUserKey,
): Promise<TaskCommit> {
  const { contract } = await store.load(address)
  const key = contract === undefined ? 0 : contract.tip!.key + 1
  const receipt = { taskId: hash(data), reply: data }
  return {
    address,
    version: contract?.version,
    delta: { key, data },
    deltaHash: hash(data),
    receipt,
    burnt,
    ...(contract === undefined && { code }),
  }
}

async function find(store: ContractStore, { userKey }: SealedUserKey): Promise<SealedUserKey | undefined> {
  return (await store.load(bytes32(99), undefined, userKey)).userKey
}

describe.skipIf(!hasServer)('one-time keys in PostgreSQL', () => {
  async function deployed(store: SqlContractStore, count: number): Promise<Uint8Array[]> {
    const addresses = Array.from({ length: count }, (_, index) => bytes32(index + 1))
    await store.putDeltas(addresses.map((address) => ({ address, key: 0, data: bytes(0) })))
    return addresses
  }

  test('are there for every store until a task is stored, and then for none', async () => {
    await using database = await SqlDatabase.create()
    const [one, two] = [await database.open(), await database.open()]
    await one.putUserKey(keyOf(7))
    expect(await find(two, keyOf(7))).toEqual(keyOf(7))
    expect(await find(two, keyOf(8))).toBeUndefined()
    // A deployment, and a computation.
    for (const exchange of [1, 2]) {
      const key = keyOf(7, exchange)
      await one.putUserKey(key)
      const task = await taskWith(two, bytes32(1), bytes(exchange), key)
      expect(await two.commitTask(task)).toBe('committed')
      expect(await find(one, key)).toBeUndefined()
    }
  })

  test('hold a task up that comes with one that is gone, or with one of another exchange', async () => {
    await using database = await SqlDatabase.create()
    const store = await database.open()
    await store.putUserKey(keyOf(7, 1))
    await store.putUserKey(keyOf(7, 2))
    for (const address of [bytes32(1), ...(await deployed(store, 3)).slice(2)]) {
      const before = (await store.load(address)).contract
      for (const burnt of [keyOf(7, 1), keyOf(8)]) {
        expect(await store.commitTask(await taskWith(store, address, bytes(9), burnt))).toBe('moved')
      }
      expect((await store.load(address)).contract).toEqual(before)
    }
    expect(await find(store, keyOf(7))).toEqual(keyOf(7, 2))
    expect(await store.burnUserKey(keyOf(7, 1))).toBe(false)
    expect(await store.burnUserKey(keyOf(7, 2))).toBe(true)
    expect(await store.burnUserKey(keyOf(7, 2))).toBe(false)
  })

  test('stay with the user whose task is not stored', async () => {
    await using database = await SqlDatabase.create()
    const store = await database.open()
    const [address] = await deployed(store, 1)
    await store.putUserKey(keyOf(7))
    const task = await taskWith(store, address!, bytes(1), keyOf(7))
    await store.putBytecode(address!, bytes(3))
    expect(await store.commitTask(task)).toBe('moved')
    expect(await find(store, keyOf(7))).toEqual(keyOf(7))
  })

  test.each(levels)('serve one task each, also in one statement, where transactions are %s', async (level) => {
    await using database = await SqlDatabase.create(level)
    const stores = [await database.open(), await database.open()]
    const addresses = await deployed(stores[0]!, 12)
    for (let round = 1; round <= 20; round++) {
      // Three users, each with a task on four contracts in each store.
      for (const user of [1, 2, 3]) await stores[0]!.putUserKey(keyOf(user, round))
      const tasks = await Promise.all(
        addresses.map((address, index) =>
          taskWith(stores[0]!, address, bytes(round, index), keyOf((index % 3) + 1, round)),
        ),
      )
      const outcomes = await Promise.all(
        stores.flatMap((store, turn) => (turn ? tasks.toReversed() : tasks).map((task) => store.commitTask(task))),
      )
      expect(
        outcomes.filter((outcome) => outcome === 'committed'),
        `round ${round}`,
      ).toHaveLength(3)
      expect(await database.query('select count(*)::int from user_keys')).toEqual([0])
    }
    expect(await database.query('select count(*)::int from deltas where key > 0')).toEqual([60])
    await database.close()
    const deadlocks = 'select deadlocks::int from pg_stat_database where datname = current_database()'
    expect(await database.query(deadlocks)).toEqual([0])
  })

  test('serve nobody when they are a day old, and go then', async () => {
    await using database = await SqlDatabase.create()
    const store = await database.open()
    const [address] = await deployed(store, 1)
    await store.putUserKey(keyOf(7))
    await store.putUserKey(keyOf(8))
    await database.query(
      `update user_keys set made_at = now() - interval '25 hours' where user_key = '\\x${'07'.repeat(64)}'`,
    )
    expect(await find(store, keyOf(7))).toBeUndefined()
    expect(await store.burnUserKey(keyOf(7))).toBe(false)
    expect(await store.commitTask(await taskWith(store, address!, bytes(1), keyOf(7)))).toBe('moved')
    await store.sweepUserKeys()
    expect(await database.query(`select encode(user_key, 'hex') from user_keys`)).toEqual(['08'.repeat(64)])
    // An exchange of the same user begins anew.
    await store.putUserKey(keyOf(7))
    expect(await find(store, keyOf(7))).toEqual(keyOf(7))
  })

  test('are 100 000 at most, the last ones', async () => {
    await using database = await SqlDatabase.create()
    const store = await database.open()
    await database.query(`insert into user_keys (user_key, id, sealed, made_at)
      select decode(lpad(to_hex(n), 128, '0'), 'hex'), '\\x00', '\\x00', now() - n * interval '1 ms' from generate_series(1, 100002) n`)
    await store.sweepUserKeys()
    expect(await database.query(`select count(*)::int from user_keys`)).toEqual([100_000])
    expect(
      await database.query(`select 1 from user_keys where user_key > decode(lpad(to_hex(100000), 128, '0'), 'hex')`),
    ).toEqual([])
  })

  test('of the wrong shape are refused', async () => {
    await using database = await SqlDatabase.create()
    const store = await database.open()
    const wrong = [
      { ...keyOf(1), userKey: bytes32(1) },
      { ...keyOf(1), id: bytes(1) },
    ]
    for (const key of wrong) {
      await expect(store.putUserKey(key)).rejects.toThrow(RangeError)
      await expect(store.burnUserKey(key)).rejects.toThrow(RangeError)
      await expect(store.commitTask(await taskWith(store, bytes32(1), bytes(1), key))).rejects.toThrow(RangeError)
    }
    await expect(store.load(bytes32(1), undefined, bytes32(1))).rejects.toThrow(RangeError)
  })
})
