import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canRunPostgres, type PostgresServer, startPgbouncer, startPostgres } from './postgres.ts'

/** `open`, or why nobody answers there. */
async function portState(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return 'open'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!
  } finally {
    socket.destroy()
  }
}

describe.skipIf(!(await canRunPostgres()))('a PostgreSQL server for tests', () => {
  let postgres: PostgresServer
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  afterAll(() => postgres.stop())

  it('runs statements', async () => {
    expect(await postgres.psql(`create table t (a int, b text); insert into t values (1, 'é'), (2, null)`)).toBe('')
    expect(await postgres.psql('select * from t order by a; show fsync')).toBe('1|é\n2|\noff')
    await expect(postgres.psql('select 1/0')).rejects.toThrow('ERROR:  22012: division by zero')
  })

  it('has databases that know nothing of each other, one as strict as one wishes', async () => {
    await using usual = await postgres.createDatabase()
    await using strict = await postgres.createDatabase({ isolation: 'serializable' })
    const isolation = 'show transaction_isolation'
    expect(await postgres.psql(`create table only_here (); ${isolation}`, usual.url)).toBe('read committed')
    expect(await postgres.psql(isolation, strict.name)).toBe('serializable')
    await expect(postgres.psql('table only_here', strict.name)).rejects.toThrow('42P01')
  })

  it('drops a database that is in use', async () => {
    const database = await postgres.createDatabase()
    const sleeping = postgres.psql('select pg_sleep(1000)', database.name)
    const end = expect(sleeping).rejects.toThrow('57P01')
    const users = `select count(*) from pg_stat_activity where datname = '${database.name}' and state = 'active'`
    await expect.poll(() => postgres.psql(users)).toBe('1')
    await database[Symbol.asyncDispose]()
    await end
    expect(await postgres.psql(`select count(*) from pg_database where datname = '${database.name}'`)).toBe('0')
  })

  it('has pgbouncer before it, with a connection for each transaction', async () => {
    await using database = await postgres.createDatabase()
    const pgbouncer = await startPgbouncer(postgres)
    expect(await postgres.psql('select current_database()', pgbouncer.urlOf(database.url))).toBe(database.name)
    const console = new URL('/pgbouncer', pgbouncer.urlOf(database.url)).href
    expect(await postgres.psql('show config', console)).toContain('\npool_mode|transaction|')
    await pgbouncer.stop()
    expect(await portState(pgbouncer.port)).toBe('ECONNREFUSED')
  })

  it('ends with its process, even if that is killed', async () => {
    const script = `
      import { startPgbouncer, startPostgres } from '@bletchley/testkit/postgres'
      const postgres = await startPostgres({ fsync: true })
      const pgbouncer = await startPgbouncer(postgres)
      const settings = await postgres.psql('show fsync; show data_directory')
      console.log(postgres.port, pgbouncer.port, ...settings.split('\\n'))
      await postgres.psql('select pg_sleep(1000)')`
    const cwd = fileURLToPath(new URL('..', import.meta.url))
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(createInterface({ input: child.stdout }), 'line')
    const [port, pgbouncerPort, fsync, data] = line.split(' ')
    expect(fsync).toBe('on')
    expect([existsSync(data), await portState(port), await portState(pgbouncerPort)]).toEqual([true, 'open', 'open'])
    child.kill('SIGKILL')
    await expect.poll(() => portState(port)).toBe('ECONNREFUSED')
    await expect.poll(() => portState(pgbouncerPort)).toBe('ECONNREFUSED')
    await expect.poll(() => existsSync(dirname(data))).toBe(false)
  })
  it('leaves nothing behind', async () => {
    const database = await postgres.createDatabase()
    const folder = dirname(await postgres.psql('show data_directory'))
    expect(existsSync(folder)).toBe(true)
    await postgres.stop()
    expect(existsSync(folder)).toBe(false)
    expect(await portState(postgres.port)).toBe('ECONNREFUSED')
    // It has gone with its server.
    await database[Symbol.asyncDispose]()
  })
})
