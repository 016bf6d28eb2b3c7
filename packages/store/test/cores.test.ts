import { startPgbouncer } from '@bletchley/testkit/postgres'
import { startProxy } from '@bletchley/testkit/postgres-proxy'
import { describe, expect, test } from 'vitest'
import { StorageError } from '../src/errors.ts'
import { Cores, type PostgresOptions } from '../src/postgres.ts'
import { hasServer, SqlDatabase, server } from './sqlDatabase.ts'

const idOf = (value: number) => new Uint8Array(16).fill(value)
const core = (value: number, endpoint = `tcp://10.0.0.${value}:5552`) => ({
  id: idOf(value),
  endpoint,
  draining: false,
})

function open(url: string, options: Partial<PostgresOptions> = {}): Cores & AsyncDisposable {
  const cores = new Cores({ url, ...options })
  return Object.assign(cores, { [Symbol.asyncDispose]: () => cores.close() })
}

/** A database with the tables in it. */
async function createDatabase(isolation?: string): Promise<SqlDatabase> {
  const database = await SqlDatabase.create(isolation)
  await database.open()
  return database
}

describe.skipIf(!hasServer)('cores in PostgreSQL', () => {
  test('each beat raises the counter, keeps what the core says now, and tells of all', async () => {
    await using database = await createDatabase()
    await using one = open(database.url)
    await using two = open(database.url)
    expect(await one.beat(core(1))).toEqual([{ ...core(1), beat: 1n }])
    expect(await two.beat(core(2))).toEqual([
      { ...core(2), beat: 1n },
      { ...core(1), beat: 1n },
    ])
    const moved = { ...core(1, `tcp://[::1]:1 ' "`), draining: true }
    expect(await one.beat(moved)).toEqual([
      { ...moved, beat: 2n },
      { ...core(2), beat: 1n },
    ])
    expect((await two.beat(core(2)))[1]).toEqual({ ...moved, beat: 2n })
  })

  test('who leaves is not there any more, and who beats again is', async () => {
    await using database = await createDatabase()
    await using cores = open(database.url)
    await cores.beat(core(1))
    await cores.beat(core(2))
    await cores.leave(idOf(1))
    await cores.leave(idOf(3))
    expect(await cores.beat(core(2))).toEqual([{ ...core(2), beat: 2n }])
    expect(await cores.beat(core(1))).toContainEqual({ ...core(1), beat: 1n })
  })

  test('only a row whose counter stands still is removed', async () => {
    await using database = await createDatabase()
    await using cores = open(database.url)
    await cores.beat(core(1))
    await cores.beat(core(1))
    await cores.remove({ id: idOf(1), beat: 1n })
    expect(await cores.beat(core(2))).toHaveLength(2)
    await cores.remove({ id: idOf(1), beat: 2n })
    expect(await cores.beat(core(2))).toHaveLength(1)
  })

  test('a beat is one statement', async () => {
    await using database = await createDatabase()
    await using proxy = await startProxy(server.port)
    await using cores = open(proxy.urlOf(database.url))
    await cores.beat(core(1))
    expect(proxy.statements).toHaveLength(1)
  })

  test('neither beats nor removals wait for a standby, while other writes do', async () => {
    await using database = await createDatabase()
    const store = await database.open({ deadlineMs: 200 })
    await using cores = open(database.url)
    await using client = await database.connect()
    const name = async (standby: string): Promise<void> => {
      await client.query(`alter system set synchronous_standby_names = '${standby}'`)
      await client.query('select pg_reload_conf()')
      // Of a process that has it, the other ones soon have it too.
      await expect.poll(() => database.query('show synchronous_standby_names')).toEqual([standby])
    }
    await name('nobody')
    try {
      await expect.poll(() => store.probe().catch(({ name }: Error) => name)).toBe('OutcomeUnknown')
      await cores.beat(core(1))
      await cores.beat(core(2))
      await cores.remove({ id: idOf(2), beat: 1n })
      await cores.leave(idOf(1))
      // What waits for a standby is not seen by others.
      expect(await database.query('select 1 from cores')).toEqual([])
      expect(await cores.beat(core(3))).toHaveLength(1)
      expect(await database.query('select beat::int from cores')).toEqual([1])
    } finally {
      await name('')
    }
  })

  test('without the tables, or the database, a beat fails and says so', async () => {
    await using database = await SqlDatabase.create()
    await using cores = open(database.url)
    await expect(cores.beat(core(1))).rejects.toThrow(StorageError)
    await database.open()
    expect(await cores.beat(core(1))).toHaveLength(1)
    await using proxy = await startProxy(server.port)
    await using away = open(proxy.urlOf(database.url), { deadlineMs: 100 })
    await away.beat(core(2))
    proxy.partitioned = true
    await expect(away.beat(core(2))).rejects.toThrow(StorageError)
    proxy.partitioned = false
    await expect.poll(() => away.beat(core(2)).catch(() => [])).toHaveLength(2)
    expect(() => new Cores({ url: 'postgres://user:secret@:x/' })).toThrow(RangeError)
  })

  describe('many that beat and leave at once', () => {
    async function beatAtOnce(url: string): Promise<void> {
      const opened = Array.from({ length: 8 }, () => open(url))
      const beats = 15
      await Promise.all(
        opened.map(async (cores, index) => {
          for (let beat = 1n; beat <= beats; beat++) {
            const rows = await cores.beat(core(index))
            expect(rows[0]).toEqual({ ...core(index), beat })
            expect(new Set(rows.map(({ endpoint }) => endpoint)).size).toBe(rows.length)
          }
          if (index >= 6) await cores.leave(idOf(index))
        }),
      )
      const rows = await opened[0]!.beat(core(0))
      const counters = rows.map(({ beat }) => Number(beat)).toSorted((a, b) => a - b)
      expect(counters).toEqual([...Array(5).fill(beats), beats + 1])
      await Promise.all(opened.map((cores) => cores.close()))
    }

    test.each(['read committed', 'serializable'])('lose no beat: %s', async (level) => {
      await using database = await createDatabase(level)
      await beatAtOnce(database.url)
    })

    test('lose none behind pgbouncer, and leave no setting to those who share its connections', async () => {
      await using database = await createDatabase()
      await using pgbouncer = await startPgbouncer(server)
      const url = pgbouncer.urlOf(database.url)
      await beatAtOnce(`${url}?preparedStatements=false`)
      expect(await server.psql('show synchronous_commit', url)).toBe('on')
    })
  })
})
