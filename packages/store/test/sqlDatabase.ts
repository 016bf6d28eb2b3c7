import { canRunPostgres, type PostgresServer, startPostgres, type TestDatabase } from '@bletchley/testkit/postgres'
import { Client } from 'pg'
import { afterAll, beforeAll } from 'vitest'
import type { ContractStoreOptions } from '../src/contractStore.ts'
import { openPostgres, type PostgresOptions, type SqlContractStore } from '../src/postgres.ts'
import { hash } from './model.ts'

/** Whether there can be a server. */
export const hasServer = await canRunPostgres()

/** The server of this test file. */
export let server: PostgresServer

beforeAll(async () => {
  if (hasServer) server = await startPostgres()
})
afterAll(() => server?.stop())

/** An empty database, with the stores that are opened over it. */
export class SqlDatabase implements AsyncDisposable {
  readonly #database: TestDatabase
  readonly #stores: SqlContractStore[] = []

  private constructor(database: TestDatabase) {
    this.#database = database
  }

  /** @param isolation of its transactions, if they do not choose one */
  static async create(isolation?: string): Promise<SqlDatabase> {
    return new SqlDatabase(await server.createDatabase({ isolation }))
  }

  get url(): string {
    return this.#database.url
  }

  /** A default for connections that are made from now on. */
  async set(setting: string, value: string): Promise<void> {
    await this.query(`alter database ${this.#database.name} set ${setting} = '${value}'`)
  }

  async open(
    database: Partial<PostgresOptions> = {},
    options: Partial<ContractStoreOptions> = {},
  ): Promise<SqlContractStore> {
    const store = await openPostgres({ url: this.url, ...database }, { hash, ...options })
    this.#stores.push(store)
    return store
  }

  /** The values of the first column. */
  async query(text: string): Promise<unknown[]> {
    return query(this.url, text)
  }

  /** A connection of its own, for what should last while others do something. */
  async connect(): Promise<Client & AsyncDisposable> {
    return connect(this.url)
  }

  /** Removes all contracts. */
  async empty(): Promise<void> {
    await this.query('truncate contracts, deltas, receipts, bytecodes, snapshots, user_keys')
  }

  async close(): Promise<void> {
    await Promise.all(this.#stores.splice(0).map((store) => store.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
    await this.#database[Symbol.asyncDispose]()
  }
}

async function query(url: string, text: string): Promise<unknown[]> {
  await using client = await connect(url)
  const { rows } = await client.query({ text, rowMode: 'array' })
  return rows?.map(([value]) => value) ?? []
}

async function connect(url: string): Promise<Client & AsyncDisposable> {
  const client = new Client(url)
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}
