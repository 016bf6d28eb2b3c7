import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type ClientBase, type ClientConfig, Pool, type PoolClient } from 'pg'
import { OutcomeUnknown, StorageError } from '../errors.ts'
import { sqlState, type Verdict, verdictOf } from './sqlErrors.ts'
import { resultTypes } from './values.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?…`; `preparedStatements=false` in it is the option of this name. */
  url: string
  /** Whether statements are prepared under a name. A pgbouncer older than 1.21 that pools transactions cannot. */
  preparedStatements?: boolean
  /** The most connections at a time. */
  connections?: number
  /** For a statement, however often it is sent. A third of that passes until one that is not answered is given up. */
  deadlineMs?: number
}

/** Sends a statement and gives its rows: `bytea` as Uint8Array, `bigint` as text. */
export type Send<Name extends string> = <Row>(name: Name, values: unknown[]) => Promise<Row[]>

/** What a write came to. */
export interface Outcome<Result> {
  result: Result
  /** Whether it was sent before, and may have been carried out then. */
  isRepeated: boolean
}

/** How often a statement is sent that met others: each time, somebody else's was carried out. */
const mostConflicts = 10
const conflictPauseMs = 100
/** Between two attempts to reach a database that is away. */
const absencePauseMs = 1000
/** What is under way gets this long to end when the connections are closed. */
const closeGraceMs = 2000

/**
 * The connections to a database: here alone statements are sent, and errors are judged.
 *
 * What was not answered is sent again, on another connection, until the deadline: so a statement that writes has to be one that
 * holds only once, or does no harm when it is carried out twice. It is never cancelled: a request for that may hit another
 * statement, and has a commit that waits for its standby reported as a success.
 */
export class Connections<Name extends string> {
  readonly #pool: Pool
  readonly #statements: Readonly<Record<Name, string>>
  readonly #areNamed: boolean
  /** How long a statement may take, however often it is sent. */
  readonly deadlineMs: number
  readonly #underWay = new Set<Promise<unknown>>()
  /** End what waits: for a connection, or on one. */
  readonly #giveUps = new Set<() => void>()
  readonly #closing = new AbortController()
  /** Settles when all of it has ended. */
  #closed: Promise<void> | undefined

  constructor(
    { url, preparedStatements, connections = 10, deadlineMs = 30_000 }: PostgresOptions,
    statements: Readonly<Record<Name, string>>,
  ) {
    this.#statements = statements
    this.#areNamed = preparedStatements ?? parseUrl(url).searchParams.get('preparedStatements') !== 'false'
    this.deadlineMs = deadlineMs
    this.#pool = new Pool({
      // The pool's own option of this name also has it forget connections that come late.
      Client: class extends Client {
        constructor(config?: ClientConfig) {
          super({ ...config, connectionTimeoutMillis: deadlineMs / 3 })
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

  /**
   * Tries once whether there is a connection to be had.
   *
   * @throws StorageError
   */
  async reach(): Promise<void> {
    const client = await this.#connect(performance.now() + this.deadlineMs).catch((error: unknown) => {
      throw new StorageError('the database cannot be reached', { cause: error })
    })
    client.release()
  }

  /** @throws StorageError */
  async read<Row>(name: Name, values: unknown[]): Promise<Row[]> {
    return (await this.#run(false, (send) => send<Row>(name, values))).result
  }

  /** @throws StorageError if nothing was written; OutcomeUnknown */
  write<Row>(name: Name, values: unknown[]): Promise<Outcome<Row[]>> {
    return this.#run(true, (send) => send<Row>(name, values))
  }

  /**
   * Carries out several statements together, or none of them. `work` may run several times.
   *
   * @throws as `write`
   */
  transaction<T>(work: (send: Send<Name>) => Promise<T>): Promise<Outcome<T>> {
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
  async script(text: string): Promise<void> {
    await this.#run(true, async (_, client) => void (await client.query(text)))
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

  /** Waits for what is under way, for some seconds at most. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const giveUp = setTimeout(() => {
      this.#closing.abort()
      for (const giveUp of this.#giveUps) giveUp()
    }, closeGraceMs)
    await Promise.allSettled(this.#underWay)
    clearTimeout(giveUp)
    const ended = this.#pool.end()
    // One that is being made ends by itself, some seconds later.
    if (!this.#closing.signal.aborted) await ended
  }

  async #run<T>(writes: boolean, work: Work<Name, T>): Promise<Outcome<T>> {
    const until = performance.now() + this.deadlineMs
    /** What the first attempt met; the last one may have met no more than the deadline. */
    let first: unknown
    let isRepeated = false
    let conflicts = 0
    for (let pauseMs = 1; ; pauseMs *= 2) {
      if (this.#closing.signal.aborted) throw failure(writes, isRepeated, first)
      const attempt = await this.#attempt(writes, work, until)
      if ('result' in attempt) return { result: attempt.result, isRepeated }
      const { verdict, error } = attempt
      first ??= error
      if (verdict === 'unknown' && writes) isRepeated = true
      if (verdict === 'again') conflicts++
      const pause = Math.random() * Math.min(verdict === 'again' ? conflictPauseMs : absencePauseMs, pauseMs)
      const isLast = verdict === 'refused' || conflicts === mostConflicts || performance.now() + pause > until
      if (isLast) throw failure(writes, isRepeated, verdict === 'refused' ? error : first)
      await sleep(pause, undefined, { signal: this.#closing.signal }).catch(() => {})
    }
  }

  async #attempt<T>(writes: boolean, work: Work<Name, T>, until: number): Promise<Attempt<T>> {
    let client: PoolClient
    try {
      client = await this.#connect(until)
    } catch (error) {
      const verdict = sqlState(error) === undefined ? 'not now' : verdictOf(error)
      // Nothing was sent.
      return { verdict: verdict === 'unknown' ? 'not now' : verdict, error }
    }
    let warning: Error | undefined
    // They come before the result: a commit that has not reached the standby is a success with a warning. A mere notice has
    // class 00; its severity is in the server's language.
    const onNotice = (notice: { code?: string | undefined; message?: string | undefined }) => {
      if (!notice.code?.startsWith('00')) warning = new Error(notice.message)
    }
    client.on('notice', onNotice)
    // Takes the socket away: a statement that was given up must not go back into the pool.
    const stopWaiting = this.#giveUpAfter(this.#attemptMs(until), () => void client.end())
    try {
      const result = await work((name, values) => this.#send(client, name, values), client)
      client.release()
      return writes && warning !== undefined ? { verdict: 'unknown', error: warning } : { result }
    } catch (error) {
      const verdict = verdictOf(error)
      // Behind it there may be a server that has become a standby, or is going down.
      client.release(verdict === 'unknown' || verdict === 'not now')
      return { verdict, error }
    } finally {
      stopWaiting()
      client.off('notice', onNotice)
    }
  }

  async #send<Row>(client: ClientBase, name: Name, values: unknown[]): Promise<Row[]> {
    const text = this.#statements[name]
    const { rows } = await client.query(this.#areNamed ? { name, text, values } : { text, values })
    return rows
  }

  #connect(until: number): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      let isLate = false
      const waitMs = this.#attemptMs(until)
      const stopWaiting = this.#giveUpAfter(waitMs, () => {
        isLate = true
        reject(new Error(`no connection within ${Math.round(waitMs)} ms`))
      })
      this.#pool.connect().then(
        (client) => {
          stopWaiting()
          if (isLate) client.release()
          else resolve(client)
        },
        (error: unknown) => {
          stopWaiting()
          reject(error)
        },
      )
    })
  }

  /** Calls `giveUp` after a time, or when the connections are closed. @returns how to keep it from that */
  #giveUpAfter(ms: number, giveUp: () => void): () => void {
    const timer = setTimeout(giveUp, ms)
    this.#giveUps.add(giveUp)
    return () => {
      clearTimeout(timer)
      this.#giveUps.delete(giveUp)
    }
  }

  #attemptMs(until: number): number {
    return Math.max(1, Math.min(this.deadlineMs / 3, until - performance.now()))
  }
}

type Work<Name extends string, T> = (send: Send<Name>, client: ClientBase) => Promise<T>

type Attempt<T> = { result: T } | { verdict: Verdict; error: unknown }

function failure(writes: boolean, isUnknown: boolean, cause: unknown): StorageError {
  if (isUnknown) return new OutcomeUnknown('it is not known whether the database took a write', { cause })
  return new StorageError(`the database ${writes ? 'did not take a write' : 'could not be read'}`, { cause })
}

function parseUrl(url: string): URL {
  // The error of `new URL` tells the whole of it, with the password.
  if (!URL.canParse(url)) throw new RangeError("the database's address is no URL")
  return new URL(url)
}
