import { type CoreRow, Cores } from '@bletchley/store/postgres'
import { type PostgresProxy, startProxy } from '@bletchley/testkit/postgres-proxy'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { hasServer, SqlDatabase, server } from '../../store/test/sqlDatabase.ts'
import { Members, type MembersOptions } from '../src/cluster/members.ts'

/** So quick that tests are, and so slow that a busy machine takes nobody for dead. */
const beatMs = 50
const deadMs = 3000

const addresses = Array.from({ length: 50 }, (_, value) => new Uint8Array(32).fill(value))
const endpointOf = (value: number) => `tcp://10.0.0.${value}:5552`

interface Joined extends AsyncDisposable {
  readonly members: Members
  /** All that it has known of others, look by look: endpoint and what it was. */
  readonly looks: Record<string, 'alive' | 'draining' | 'dead'>[]
  readonly lines: Record<string, unknown>[]
}

async function createDatabase(): Promise<SqlDatabase> {
  const database = await SqlDatabase.create()
  await database.open()
  return database
}

async function join(url: string, value: number, { cores, ...options }: Partial<MembersOptions> = {}): Promise<Joined> {
  const looks: Joined['looks'] = []
  const lines: Record<string, unknown>[] = []
  const members = await Members.join({
    cores: cores ?? new Cores({ url, deadlineMs: 200 }),
    endpoint: endpointOf(value),
    logger: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    onLook: (seen) => looks.push(stateOf(seen)),
    beatMs,
    deadMs,
    ...options,
  })
  return { members, looks, lines, [Symbol.asyncDispose]: () => members.close() }
}

function stateOf([, ...others]: Members['members']) {
  const entries = others.map(({ endpoint, isAlive, isDraining }) => {
    return [endpoint, isAlive ? (isDraining ? 'draining' : 'alive') : 'dead'] as const
  })
  return Object.fromEntries(entries)
}

/** What a core knows of another one, now. */
function seen({ members }: Joined, value: number) {
  return stateOf(members.members)[endpointOf(value)]
}

/** Where a core hands on the tasks of some contracts. */
function homes({ members }: Joined): (string | undefined)[] {
  return addresses.map((address) => members.homeOf(address))
}

async function throughProxy(database: SqlDatabase): Promise<{ proxy: PostgresProxy; url: string }> {
  const proxy = await startProxy(server.port)
  return { proxy, url: proxy.urlOf(database.url) }
}

/** The table, behind a line where beats can be held up. */
class SlowCores extends Cores implements AsyncDisposable {
  /** Beats that are held up now, or under way. */
  held = 0
  #line = Promise.resolve()
  letGo = (): void => {}

  constructor(url: string) {
    super({ url })
  }

  hold(): void {
    this.#line = new Promise((resolve) => {
      this.letGo = resolve
    })
  }

  override async beat(core: Parameters<Cores['beat']>[0]): Promise<CoreRow[]> {
    this.held++
    await this.#line
    return await super.beat(core).finally(() => this.held--)
  }

  /** Waits for beats that are held up, as it does for those that the database has sent back to be tried again. */
  override async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.letGo()
    await super.close()
  }
}

describe.skipIf(!hasServer)('members of a cluster', () => {
  test('find each other, and agree on who is at home where', async () => {
    await using database = await createDatabase()
    await using one = await join(database.url, 1)
    expect(new Set(homes(one))).toEqual(new Set([undefined]))
    await using two = await join(database.url, 2)
    await expect.poll(() => seen(one, 2)).toBe('alive')
    // Who comes knows the others when it has joined.
    expect(seen(two, 1)).toBe('alive')
    const [ofOne, ofTwo] = [homes(one), homes(two)]
    for (const index of addresses.keys()) {
      expect([ofOne[index], ofTwo[index]]).toBeOneOf([
        [undefined, endpointOf(1)],
        [endpointOf(2), undefined],
      ])
    }
    expect(new Set(ofOne).size).toBe(2)
    const [me, other] = one.members.members
    expect(me).toMatchObject({ endpoint: endpointOf(1), isAlive: true, isDraining: false })
    expect(other!.id).toEqual(two.members.members[0]!.id)
    expect(me!.id).toHaveLength(16)
    expect(one.members.lastBeatMs).toBeGreaterThan(0)
    expect(one.members.failures).toBe(0)
  })

  test('a core whose beats are not seen any more is dead, and alive again when they are', async () => {
    await using database = await createDatabase()
    const { proxy, url } = await throughProxy(database)
    await using _ = proxy
    await using one = await join(database.url, 1)
    await using two = await join(url, 2)
    await expect.poll(() => seen(one, 2)).toBe('alive')
    proxy.partitioned = true
    await expect.poll(() => seen(one, 2)).toBe('dead')
    expect(new Set(homes(one))).toEqual(new Set([undefined]))
    // Who cannot ask does not judge: it hands on as before, and knows that it is in vain if it is.
    expect(two.members.failures).toBeGreaterThan(0)
    expect(seen(two, 1)).toBe('alive')
    proxy.partitioned = false
    await expect.poll(() => seen(one, 2)).toBe('alive')
    expect(new Set(homes(one)).size).toBe(2)
    const said = two.lines.map(({ msg }) => msg)
    await expect.poll(() => two.lines.map(({ msg }) => msg)).toContain('the other cores are seen again')
    expect(said.filter((line) => line === 'the database cannot be asked for the other cores')).toHaveLength(1)
  })

  test('a database that was away for all makes nobody dead', async () => {
    await using database = await createDatabase()
    const [first, second] = [await throughProxy(database), await throughProxy(database)]
    await using _ = first.proxy
    await using __ = second.proxy
    const options = { deadMs: 1000 }
    await using one = await join(first.url, 1, options)
    await using two = await join(second.url, 2, options)
    await expect.poll(() => seen(one, 2)).toBe('alive')
    for (const { proxy } of [first, second]) proxy.partitioned = true
    const start = performance.now()
    await expect.poll(() => performance.now() - start).toBeGreaterThan(2 * options.deadMs)
    one.looks.length = 0
    // The first one is back, and sees a counter that has stood still all the time.
    first.proxy.partitioned = false
    await expect.poll(() => one.looks.length).toBeGreaterThan(0)
    expect(one.looks[0]).toEqual({ [endpointOf(2)]: 'alive' })
    // Not for longer than anybody else, though.
    await expect.poll(() => seen(one, 2)).toBe('dead')
    second.proxy.partitioned = false
    await expect.poll(() => seen(one, 2)).toBe('alive')
    expect(seen(two, 1)).toBe('alive')
  })

  test('what a core has left that died long ago is believed once, and not for longer than a living one', async () => {
    await using database = await createDatabase()
    await database.query(`insert into cores values ('\\x01', 77, '${endpointOf(9)}', false)`)
    await using one = await join(database.url, 1, { deadMs: 500 })
    expect(one.looks[0]).toEqual({ [endpointOf(9)]: 'alive' })
    await expect.poll(() => seen(one, 9)).toBe('dead')
    await using two = await join(database.url, 2, { deadMs: 500 })
    expect(two.looks[0]).toMatchObject({ [endpointOf(9)]: 'alive' })
    expect(seen(one, 9)).toBe('dead')
    await expect.poll(() => seen(two, 9)).toBe('dead')
  })

  test('what a core has left that was at the same place before is no other core', async () => {
    await using database = await createDatabase()
    await database.query(`insert into cores values ('\\x01', 77, '${endpointOf(1)}', false)`)
    await using one = await join(database.url, 1)
    expect(seen(one, 1)).toBe('dead')
    expect(new Set(homes(one))).toEqual(new Set([undefined]))
  })

  test('who drains is nobody at home, and alive', async () => {
    await using database = await createDatabase()
    await using one = await join(database.url, 1)
    await using two = await join(database.url, 2)
    await expect.poll(() => seen(one, 2)).toBe('alive')
    const drained = one.members.drain()
    expect(new Set(homes(one))).toEqual(new Set([endpointOf(2)]))
    await drained
    await expect.poll(() => seen(two, 1)).toBe('draining')
    expect(new Set(homes(two))).toEqual(new Set([undefined]))
    // If all of them do, each computes what it is asked.
    await two.members.drain()
    expect(new Set(homes(two))).toEqual(new Set([undefined]))
    expect(one.members.members[0]).toMatchObject({ isAlive: true, isDraining: true })
  })

  test('who leaves is gone at the next look, and leaves no row', async () => {
    await using database = await createDatabase()
    await using one = await join(database.url, 1)
    const two = await join(database.url, 2)
    await expect.poll(() => seen(one, 2)).toBe('alive')
    // Also from the middle of a beat.
    void two.members.drain()
    await two.members.close()
    expect(await database.query('select endpoint from cores')).toEqual([endpointOf(1)])
    await expect.poll(() => seen(one, 2)).toBeUndefined()
    await two.members.close()
  })

  test('without the database nothing fails', async () => {
    await using database = await createDatabase()
    const { proxy, url } = await throughProxy(database)
    await using _ = proxy
    proxy.partitioned = true
    await using one = await join(url, 1)
    expect(one.members.failures).toBe(1)
    expect(one.members.lastBeatMs).toBeUndefined()
    await one.members.drain()
    await expect.poll(() => one.members.failures).toBeGreaterThan(5)
    await one.members.close()
    const { failures } = one.members
    proxy.partitioned = false
    await expect.poll(() => proxy.statements).toEqual([])
    expect(one.members.failures).toBe(failures)
  })

  test('beats that take long do not pile up, and none comes behind the end', async () => {
    await using database = await createDatabase()
    await using slow = new SlowCores(database.url)
    const one = await join(database.url, 1, { cores: slow })
    await using two = await join(database.url, 2)
    slow.hold()
    await expect.poll(() => slow.held).toBe(1)
    void one.members.drain()
    const closed = one.members.close()
    // What was begun meanwhile would be there with the next look of somebody else.
    const looks = two.looks.length
    await expect.poll(() => two.looks.length).toBeGreaterThan(looks + 2)
    expect(slow.held).toBe(1)
    slow.letGo()
    await closed
    await expect.poll(() => slow.held).toBe(0)
    expect(await database.query('select endpoint from cores')).toEqual([endpointOf(2)])
  })

  test('neither draining nor the end waits for ever for a beat', async () => {
    await using database = await createDatabase()
    await using slow = new SlowCores(database.url)
    const one = await join(database.url, 1, { cores: slow })
    slow.hold()
    await expect.poll(() => slow.held).toBe(1)
    await one.members.drain()
    await one.members.close()
    expect(slow.held).toBe(1)
  })

  test('rows of cores that have not been heard of for long are removed, and others are not', async () => {
    await using database = await createDatabase()
    await database.query(`insert into cores values ('\\x01', 77, '${endpointOf(9)}', false)`)
    await using one = await join(database.url, 1, { forgottenMs: 500 })
    await using two = await join(database.url, 2)
    await expect.poll(() => seen(one, 9)).toBeUndefined()
    expect(await database.query('select endpoint from cores order by endpoint')).toEqual([endpointOf(1), endpointOf(2)])
    expect(seen(one, 2)).toBe('alive')
    await expect.poll(() => seen(two, 9)).toBeUndefined()
  })
})
