import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { lastingPort } from './lastingPort.ts'
import { type PostgresTools, postgresTools } from './postgresTools.ts'
import { TetheredServer } from './tetheredServer.ts'

export { canRunPostgres, type PostgresTools, postgresTools } from './postgresTools.ts'

const run = promisify(execFile)

export interface PostgresOptions {
  /** Whether commits wait for the disk. No test pulls the plug, so they do not unless they are to be measured. */
  fsync?: boolean
}

export interface DatabaseOptions {
  /** The isolation of whoever asks for none; the server's default, READ COMMITTED, if absent. */
  isolation?: string | undefined
}

/** A database of its own, dropped at the end of the scope, whoever uses it. */
export interface TestDatabase extends AsyncDisposable {
  readonly name: string
  readonly url: string
}

/** A PostgreSQL server of its own on 127.0.0.1, gone at the end of the scope or with this process. */
export interface PostgresServer extends AsyncDisposable {
  readonly port: number
  /** The database `postgres`. */
  readonly url: string
  createDatabase(options?: DatabaseOptions): Promise<TestDatabase>
  /**
   * Runs statements, each in a transaction of its own unless they say otherwise.
   *
   * @param database a name, or a URL that may lead there by another way; `postgres` if absent
   * @returns the rows, a line each, columns parted by `|`
   * @throws Error with the server's message and its SQLSTATE at the first statement that fails
   */
  psql(sql: string, database?: string): Promise<string>
  stop(): Promise<void>
}

/** Starts PostgreSQL; anybody on this machine may do everything in it. Takes a second. */
export async function startPostgres({ fsync = false }: PostgresOptions = {}): Promise<PostgresServer> {
  const { bin } = await requireTools()
  const port = await lastingPort()
  const durability = fsync ? [] : ['-c', 'fsync=off', '-c', 'full_page_writes=off']
  const settings = ['-c', 'shared_buffers=32MB', '-c', 'max_connections=200', '-c', 'deadlock_timeout=50ms']
  const line = (folder: string): string[] => {
    const initdb = '"$0/initdb" -D "$1" -U postgres --auth=trust --no-locale --encoding=UTF8 --no-sync'
    const options = ['-h', '127.0.0.1', '-p', String(port), '-k', folder, ...settings, ...durability]
    return ['sh', '-c', `${initdb} && exec "$0/postgres" -D "$@"`, bin, join(folder, 'data'), ...options]
  }
  const server = await TetheredServer.start(line, { signal: 'QUIT', ready: /ready to accept connections/ })
  const urlOf = (database: string): string => `postgresql://postgres@127.0.0.1:${port}/${database}`
  const psql = async (sql: string, database = 'postgres'): Promise<string> => {
    const url = database.includes('://') ? database : urlOf(database)
    const options = [
      '--no-psqlrc',
      '--quiet',
      '--tuples-only',
      '--no-align',
      '-v',
      'ON_ERROR_STOP=1',
      '-v',
      'VERBOSITY=verbose',
    ]
    const running = run(join(bin, 'psql'), [...options, '-f', '-', url], { maxBuffer: Infinity })
    running.child.stdin!.end(sql)
    return (await running).stdout.trimEnd()
  }
  return {
    port,
    url: urlOf('postgres'),
    psql,
    async createDatabase({ isolation } = {}) {
      const name = `test_${randomBytes(8).toString('hex')}`
      await psql(`create database ${name}`)
      if (isolation) await psql(`alter database ${name} set default_transaction_isolation = '${isolation}'`)
      return {
        name,
        url: urlOf(name),
        async [Symbol.asyncDispose]() {
          if (!server.ended) await psql(`drop database ${name} with (force)`)
        },
      }
    },
    stop: () => server.stop(),
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

/** pgbouncer before a server: clients share its connections, a transaction at a time. Gone as the server is. */
export interface PgbouncerServer extends AsyncDisposable {
  readonly port: number
  /** The same database by way of it. */
  urlOf(databaseUrl: string): string
  stop(): Promise<void>
}

/** Starts pgbouncer in transaction mode. Debian 12 has 1.18, which knows no prepared statements there. */
export async function startPgbouncer(postgres: { readonly port: number }): Promise<PgbouncerServer> {
  const { pgbouncer } = await requireTools()
  const port = await lastingPort()
  const configuration = `
[databases]
* = host=127.0.0.1 port=${postgres.port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 200
`
  const server = await TetheredServer.start((folder) => [pgbouncer, join(folder, 'pgbouncer.ini')], {
    signal: 'TERM',
    ready: /process up/,
    prepare: (folder) => writeFile(join(folder, 'pgbouncer.ini'), configuration),
  })
  return {
    port,
    urlOf: (databaseUrl) => Object.assign(new URL(databaseUrl), { port: String(port) }).href,
    stop: () => server.stop(),
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

async function requireTools(): Promise<Extract<PostgresTools, { available: true }>> {
  const tools = await postgresTools()
  if (!tools.available) throw new Error(`PostgreSQL cannot be started: ${tools.reason}.`)
  return tools
}
