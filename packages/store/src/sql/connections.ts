import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type ClientBase, type ClientConfig, Pool, type PoolClient } from 'pg'
import { OutcomeUnknown, StorageError } from '../errors.ts'
import { verdictOf } from './sqlErrors.ts'
import { type StatementName, statements } from './statements.ts'
import { resultTypes } from './values.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?…`; `preparedStatements=false` in it is the option of this name. */
  url: string
  /** Whether statements are prepared under a name. A pgbouncer older than 1.21 that pools transactions cannot. */
  preparedStatements?: boolean
  /** The most connections at a time. */
  connections?: number
  /** For a statement, with the wait for a connection; then its connection is given up. */
  deadlineMs?: number
}

/** Sends a statement and gives its rows: `bytea` as Uint8Array, `bigint` as text. */
export type Send = <Row>(name: StatementName, values: unknown[]) => Promise<Row[]>

/** How often a statement is sent that met others: each time, somebody else's was carried out. */
const attempts = 10
const longestPauseMs = 100

/** The connections to a database: here alone statements are sent, and errors are judged. */
export class Connections {
  readonly #pool: Pool
  readonly #areNamed: boolean
  readonly #deadlineMs: number
  readonly #underWay = new Set<Promise<unknown>>()
  /** Settles when all of it has ended. */
  #closed: Promise<void> | undefined

  constructor({ url, preparedStatements, connections = 10, deadlineMs = 30_000 }: PostgresOptions) {
    this.#areNamed = preparedStatements ?? parseUrl(url).searchParams.get('preparedStatements') !== 'false'
    this.#deadlineMs = deadlineMs
    this.#pool = new Pool({
      // The pool's own option of this name also has it forget connections that come late.
      Client: class extends Client {
        constructor(config?: ClientConfig) {
          super({ ...config, connectionTimeoutMillis: deadlineMs })
        }
      },
      connectionString: url,
      max: connections,
      keepAlive: true,
      // What is prepared stays.
      idleTimeoutMillis: 0,
      types: resultTypes,
    })
    // Without a listener, the death of a connection would end the process. Whoever uses it is told by the statement.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => void client.on('error', () => {}))
  }

  /** @throws StorageError */
  read<Row>(name: StatementName, values: unknown[]): Promise<Row[]> {
    return this.#run(false, (send) => send<Row>(name, values))
  }

  /** @throws StorageError if nothing was written; OutcomeUnknown */
  write<Row>(name: StatementName, values: unknown[]): Promise<Row[]> {
    return this.#run(true, (send) => send<Row>(name, values))
  }

  /**
   * Carries out several statements together, or none of them. `work` may run several times.
   *
   * @throws as `write`
   */
  transaction<T>(work: (send: Send) => Promise<T>): Promise<T> {
    return this.#run(true, async (send, client) => {
      await client.query('begin')
      try {
        const result = await work(send)
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback').catch(() => {})
        throw error
      }
    })
  }

  /** Several statements in one text, without parameters: all of them are carried out, or none. */
  script(text: string): Promise<void> {
    return this.#run(true, async (_, client) => void (await client.query(text)))
  }

  /** Does what `close` waits for. */
  async whileOpen<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw new Error('the store is closed')
    const done = work()
    this.#underWay.add(done)
    try {
      return await done
    } finally {
      this.#underWay.delete(done)
    }
  }

  close(): Promise<void> {
    this.#closed ??= Promise.allSettled(this.#underWay).then(() => this.#pool.end())
    return this.#closed
  }

  async #run<T>(writes: boolean, work: (send: Send, client: ClientBase) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const client = await this.#connect()
      let warning: Error | undefined
      // They come before the result: a commit that has not reached the standby is a success with a warning. A mere notice has
      // class 00; its severity is in the server's language.
      const onNotice = (notice: { code?: string | undefined; message?: string | undefined }) => {
        if (!notice.code?.startsWith('00')) warning = new Error(notice.message)
      }
      client.on('notice', onNotice)
      // Takes the socket away: a statement that was given up must not go back into the pool.
      const deadline = setTimeout(() => void client.end(), this.#deadlineMs)
      let result: T
      try {
        result = await work((name, values) => this.#send(client, name, values), client)
      } catch (error) {
        const verdict = verdictOf(error)
        client.release(verdict === 'unknown')
        if (verdict !== 'again' || attempt === attempts) throw failure(writes, verdict === 'unknown', error)
        await sleep(Math.random() * Math.min(longestPauseMs, 2 ** attempt))
        continue
      } finally {
        clearTimeout(deadline)
        client.off('notice', onNotice)
      }
      client.release()
      if (writes && warning !== undefined) throw failure(true, true, warning)
      return result
    }
  }

  async #send<Row>(client: ClientBase, name: StatementName, values: unknown[]): Promise<Row[]> {
    const text = statements[name]
    const { rows } = await client.query(this.#areNamed ? { name, text, values } : { text, values })
    return rows
  }

  #connect(): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      let isLate = false
      const deadline = setTimeout(() => {
        isLate = true
        reject(new StorageError(`no connection to the database within ${this.#deadlineMs} ms`))
      }, this.#deadlineMs)
      this.#pool.connect().then(
        (client) => {
          clearTimeout(deadline)
          if (isLate) client.release()
          else resolve(client)
        },
        (error: unknown) => {
          clearTimeout(deadline)
          reject(new StorageError('the database cannot be reached', { cause: error }))
        },
      )
    })
  }
}

function failure(writes: boolean, isUnknown: boolean, cause: unknown): StorageError {
  if (!writes) return new StorageError('the database could not be read', { cause })
  if (!isUnknown) return new StorageError('the database did not take a write', { cause })
  return new OutcomeUnknown('it is not known whether the database took a write', { cause })
}

function parseUrl(url: string): URL {
  // The error of `new URL` tells the whole of it, with the password.
  if (!URL.canParse(url)) throw new RangeError("the database's address is no URL")
  return new URL(url)
}
