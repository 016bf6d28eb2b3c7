import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { canRunPostgres, type PostgresServer, startPostgres, type TestDatabase } from './postgres.ts'
import { type Frame, FrameReader, makeFrame, type PostgresProxy, startProxy } from './postgresProxy.ts'

/** A client that shows each frame. */
class RawClient implements Disposable {
  /** Resolves to `end`, or to the code of what went wrong. */
  readonly closed: Promise<string>
  readonly #socket: Socket
  readonly #reader = new FrameReader('message')
  readonly #frames: Frame[] = []
  /** All that came. */
  received = Buffer.alloc(0)
  #wake = (): void => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    this.closed = new Promise((resolve) => {
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code!))
      socket.once('close', () => resolve('end'))
    })
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
      this.#frames.push(...this.#reader.read(chunk))
      this.#wake()
    })
  }

  static async connect(port: number, database: string): Promise<RawClient> {
    const client = new RawClient(connect(port, '127.0.0.1'))
    const text = Buffer.from(`user\0postgres\0database\0${database}\0\0`)
    const start = Buffer.alloc(8)
    start.writeInt32BE(8 + text.length)
    start.writeInt32BE(196608, 4)
    client.#socket.write(Buffer.concat([start, text]))
    await client.reply()
    client.received = Buffer.alloc(0)
    return client
  }

  send(...frames: Frame[]): void {
    this.#socket.write(Buffer.concat(frames.map(({ bytes }) => bytes)))
  }

  /** The frames up to the next ReadyForQuery; rejects if the connection ends before. */
  async reply(): Promise<Frame[]> {
    for (;;) {
      const end = this.#frames.findIndex(({ type }) => type === 'Z')
      if (end >= 0) return this.#frames.splice(0, end + 1)
      const news = new Promise<undefined>((resolve) => {
        this.#wake = () => resolve(undefined)
      })
      const ended = await Promise.race([news, this.closed])
      if (ended !== undefined) throw new Error(ended)
    }
  }

  /** Sends frames, and tells the types of those that come back, with the SQLSTATE of what is told. */
  async exchange(...frames: Frame[]): Promise<string[]> {
    this.send(...frames)
    return (await this.reply()).map(shown)
  }

  close(): void {
    this.#socket.end()
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

/** Of a row with one column. */
function value({ body }: Frame): string {
  return body.toString('utf8', 6)
}

function shown({ type, body }: Frame): string {
  return type === 'E' || type === 'N' ? `${type} ${/\0C(\w{5})\0/.exec(body.toString())?.[1]}` : type
}

const query = (sql: string): Frame => makeFrame('Q', `${sql}\0`)
const parse = (name: string, sql: string): Frame => makeFrame('P', `${name}\0${sql}\0\0\0`)
const bind = (name: string): Frame => makeFrame('B', `\0${name}\0\0\0\0\0\0\0`)
const execute = makeFrame('E', '\0\0\0\0\0')
const sync = makeFrame('S', '')
const insert = query('insert into t values (1)')

describe.skipIf(!(await canRunPostgres()))('a proxy of PostgreSQL', () => {
  let postgres: PostgresServer
  let database: TestDatabase
  let direct: RawClient
  let proxy: PostgresProxy
  beforeAll(async () => {
    postgres = await startPostgres()
    database = await postgres.createDatabase()
    direct = await RawClient.connect(postgres.port, database.name)
  })
  afterAll(() => postgres.stop())
  beforeEach(async () => {
    proxy = await startProxy(postgres.port)
    await direct.exchange(query('drop table if exists t; create table t (a int)'))
  })
  afterEach(() => proxy.close())

  const client = (): Promise<RawClient> => RawClient.connect(proxy.port, database.name)
  /** One value, asked for without the proxy. */
  const ask = async (sql: string): Promise<string | undefined> => {
    direct.send(query(sql))
    return (await direct.reply()).filter(({ type }) => type === 'D').map(value)[0]
  }
  const count = (): Promise<string | undefined> => ask('select count(*) from t')
  /** Clients of the database that the server still knows, besides the one that asks. */
  const others = (): Promise<string | undefined> =>
    ask('select count(*) from pg_stat_activity where datname = current_database() and pid != pg_backend_pid()')

  it('passes everything on, and refusals of encryption', async () => {
    const sql = `select repeat('é', 1000000); select generate_series(1, 3)`
    const expected = await postgres.psql(sql, database.url)
    expect(expected).toHaveLength(1_000_006)
    for (const mode of ['disable', 'prefer']) {
      expect(await postgres.psql(sql, `${proxy.urlOf(database.url)}?sslmode=${mode}`)).toBe(expected)
    }
    await expect(postgres.psql('select 1/0', proxy.urlOf(database.url))).rejects.toThrow('22012')
    await expect(postgres.psql('select 1', `${proxy.urlOf(database.url)}?sslmode=require`)).rejects.toThrow('SSL')
  })

  it('passes the end on', async () => {
    using leaving = await client()
    expect(await others()).toBe('1')
    leaving.close()
    await expect.poll(others).toBe('0')
    using dismissed = await client()
    await ask(
      'select pg_terminate_backend(pid) from pg_stat_activity where pid != pg_backend_pid() and datname is not null',
    )
    expect(await dismissed.closed).toBe('end')
    expect([...new FrameReader('message').read(dismissed.received)].map(shown)).toEqual(['E 57P01'])
  })

  it('tells which statements there were', async () => {
    await postgres.psql('begin; insert into t values (7); commit', proxy.urlOf(database.url))
    expect(proxy.statements).toEqual(
      ['begin;', 'insert into t values (7);', 'commit'].map((text) => ({ text, name: '' })),
    )
    using raw = await client()
    const text = 'insert into t values (8)'
    expect(await raw.exchange(parse('mine', text), sync)).toEqual(['1', 'Z'])
    expect(proxy.statements).toHaveLength(3)
    const replies = await raw.exchange(bind('mine'), execute, bind('mine'), execute, sync)
    expect(replies).toEqual(['2', 'C', '2', 'C', 'Z'])
    await raw.exchange(parse('', 'select 1'), bind(''), execute, sync)
    expect(proxy.statements.slice(3)).toEqual([
      { text, name: 'mine' },
      { text, name: 'mine' },
      { text: 'select 1', name: '' },
    ])
    expect(await count()).toBe('3')
  })

  it('delays replies, not requests', async () => {
    using raw = await client()
    proxy.delayMs = 3_600_000
    raw.send(insert)
    await expect.poll(count).toBe('1')
    expect(raw.received).toHaveLength(0)
  })

  it('keeps the order of what it delays', async () => {
    using raw = await client()
    proxy.delayMs = 50
    raw.send(query(`select 'first'`))
    // Its reply is under way when the second one, which is not delayed, is asked for.
    const first = `select query from pg_stat_activity where query = 'select ''first''' and state = 'idle'`
    await expect.poll(() => ask(first)).toBeDefined()
    proxy.delayMs = 0
    raw.send(query(`select 'second'`))
    const replies = [...(await raw.reply()), ...(await raw.reply())].filter(({ type }) => type === 'D')
    expect(replies.map(value)).toEqual(['first', 'second'])
  })

  describe('cuts a connection', () => {
    it.each([
      { when: 'before' as const, rows: '0' },
      { when: 'after' as const, rows: '1' },
    ])('with a reset $when a request', async ({ when, rows }) => {
      using raw = await client()
      const cut = proxy.cut({ direction: 'request', frame: 2, when, how: 'reset' })
      await raw.exchange(query('select 1'))
      expect(cut.done).toBe(false)
      raw.send(insert)
      expect(await raw.closed).toBe('ECONNRESET')
      expect(cut.done).toBe(true)
      await expect.poll(count).toBe(rows)
      // Others are not concerned.
      using other = await client()
      expect(await other.exchange(query('select 1'))).toEqual(['T', 'D', 'C', 'Z'])
    })

    it('with a reset before a reply', async () => {
      using raw = await client()
      proxy.cut({ direction: 'reply', frame: 1, when: 'before', how: 'reset' })
      raw.send(insert)
      expect(await raw.closed).toBe('ECONNRESET')
      expect(raw.received).toHaveLength(0)
      expect(await count()).toBe('1')
    })

    it('with a reset after a reply', async () => {
      using raw = await client()
      proxy.cut({ direction: 'reply', frame: 2, when: 'after', how: 'reset' })
      raw.send(query('select 1'))
      // Node calls a reset the end if it comes together with bytes.
      await raw.closed
      expect([...new FrameReader('message').read(raw.received)].map(shown)).toEqual(['T', 'D'])
    })

    it('before the transaction ends, which then has not been', async () => {
      using raw = await client()
      const cut = proxy.cut({ direction: 'request', frame: 3, when: 'after', how: 'reset' })
      raw.send(parse('', 'insert into t values (1)'), bind(''), execute, sync)
      expect(await raw.closed).toBe('ECONNRESET')
      expect(cut.done).toBe(true)
      await expect.poll(others).toBe('0')
      expect(await count()).toBe('0')
    })

    it('in the middle of a frame', async () => {
      using raw = await client()
      proxy.cut({ direction: 'reply', frame: 1, how: 'halfReply' })
      raw.send(insert)
      await raw.closed
      // Of CommandComplete: its type, its length, and `INSERT 0 1` with its zero byte.
      expect(raw.received.toString('latin1')).toBe('C\0\0\0\x0fINS')
      expect(await count()).toBe('1')
    })

    it.each([
      { when: 'before' as const, rows: '0' },
      { when: 'after' as const, rows: '1' },
    ])('silently $when a request', async ({ when, rows }) => {
      using raw = await client()
      const cut = proxy.cut({ direction: 'request', frame: 1, when, how: 'blackHole' })
      raw.send(insert)
      await expect.poll(() => cut.done).toBe(true)
      await expect.poll(count).toBe(rows)
      raw.send(insert)
      // The server's side stays open as well.
      expect(await others()).toBe('1')
      expect(await Promise.race([raw.closed, 'open'])).toBe('open')
      expect(raw.received).toHaveLength(0)
      expect(await count()).toBe(rows)
    })
  })

  describe('tells another reply', () => {
    const insertExtended = [parse('', 'insert into t values (1)'), bind(''), execute, sync]

    it.each([
      { protocol: 'simple', frames: [insert], before: [] as string[] },
      { protocol: 'extended', frames: insertExtended, before: ['1', '2'] },
    ])('in the $protocol protocol', async ({ frames, before }) => {
      using raw = await client()
      const passed = proxy.inject({ sqlState: '40003', passOn: true })
      expect(await raw.exchange(...frames)).toEqual([...before, 'E 40003', 'Z'])
      expect([passed.done, await count()]).toEqual([true, '1'])
      proxy.inject({ sqlState: '40001' })
      expect(await raw.exchange(...frames)).toEqual([...before, 'E 40001', 'Z'])
      expect(await count()).toBe('1')
      proxy.inject({ sqlState: '01000', severity: 'WARNING' })
      expect(await raw.exchange(...frames)).toEqual([...before, 'N 01000', 'C', 'Z'])
      expect(await raw.exchange(...frames)).toEqual([...before, 'C', 'Z'])
      expect(await count()).toBe('3')
      expect(proxy.statements).toHaveLength(4)
    })

    it('and ends the connection', async () => {
      using raw = await client()
      proxy.inject({ sqlState: '57P01', severity: 'FATAL', passOn: true })
      raw.send(insert)
      expect(await raw.closed).toBe('end')
      expect([...new FrameReader('message').read(raw.received)].map(shown)).toEqual(['E 57P01'])
      expect(await count()).toBe('1')
    })

    it('to the statement that is meant, also behind others that wait', async () => {
      using raw = await client()
      const injected = proxy.inject({ matching: ({ text }) => text.startsWith('insert'), nth: 2, sqlState: '40P01' })
      raw.send(query('select 1'), insert, query('select 1'), insert, query('select 1'), insert)
      const replies: string[][] = []
      while (replies.length < 6) replies.push((await raw.reply()).map(shown))
      const rows = ['T', 'D', 'C', 'Z']
      expect(replies).toEqual([rows, ['C', 'Z'], rows, ['E 40P01', 'Z'], rows, ['C', 'Z']])
      expect([injected.done, await count()]).toEqual([true, '2'])
    })

    it('as psql understands it', async () => {
      proxy.inject({ sqlState: '25006' })
      await expect(postgres.psql('select 1', proxy.urlOf(database.url))).rejects.toThrow('ERROR:  25006')
    })
  })

  it('parts the two sides, and lets what was sent arrive afterwards', async () => {
    using staying = await client()
    using leaving = await client()
    proxy.partitioned = true
    staying.send(insert)
    leaving.send(insert)
    leaving.close()
    await expect(client()).rejects.toThrow('ECONNRESET')
    expect(await count()).toBe('0')
    expect(staying.received).toHaveLength(0)
    proxy.partitioned = false
    expect((await staying.reply()).map(shown)).toEqual(['C', 'Z'])
    await expect.poll(count).toBe('2')
    using late = await client()
    expect(await late.exchange(insert)).toEqual(['C', 'Z'])
  })
})
