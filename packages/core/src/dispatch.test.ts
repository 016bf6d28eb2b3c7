import { WorkerError } from '@bletchley/protocol'
import { OutcomeUnknown, StorageError } from '@bletchley/store'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { readerNamed } from '../test/readers.ts'
import { type AnsweredMessage, Dispatcher } from './dispatch.ts'
import type { WorkerContext } from './handlers/handler.ts'
import { defaultRoomLimits, ReplyRooms } from './server/replyRoom.ts'

const frame = new TextEncoder().encode(JSON.stringify({ id: 'a', type: 'GetTip', input: 'ab'.repeat(32) }))

/** A dispatcher whose store fails with `error`, what it answered, and what it logged. */
async function answerOf(error: unknown) {
  const lines: string[] = []
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(line) })
  const store = { getTip: () => Promise.reject(error) }
  // No input makes a real store fail like this; that is what the case is about.
  const dispatcher = new Dispatcher({ store, logger } as unknown as WorkerContext, 'document')
  const room = new ReplyRooms(defaultRoomLimits).of(readerNamed('peer'))
  const reply = JSON.parse(new TextDecoder().decode(await dispatcher.answer(frame, room))) as Record<string, string>
  return { reply, log: lines.join('') }
}

describe('an exception that nobody foresaw', () => {
  it.each([
    ['an Error', new Error('plaintext 4711')],
    ['a TypeError', new TypeError('plaintext 4711')],
    ['a RangeError', new RangeError('plaintext 4711')],
    ['a text', 'plaintext 4711'],
    ['an object', { message: 'plaintext 4711', code: 'internal' }],
    ['with a cause', new Error('outside', { cause: new Error('plaintext 4711') })],
  ])('%s goes to the log, and a number by which it is found there on the wire', async (_name, error) => {
    const { reply, log } = await answerOf(error)
    expect(reply).toEqual({
      id: 'a',
      type: 'GetTip',
      msg: expect.stringMatching(/^Internal error, incident [0-9a-f]{12}$/),
    })
    expect(log).toContain(`"incident":"${reply.msg!.slice(-12)}"`)
    expect(log).toContain('plaintext 4711')
  })

  it('of the database has a text of ours, too', async () => {
    const { reply, log } = await answerOf(new StorageError('/data/secret/data.mdb: no space'))
    expect(reply.msg).toBe('Error while trying to update, Because: Failed to update the key')
    expect(log).toContain('no space')
    expect(log).toContain('"msg":"the database failed"')
  })

  it('of a database that was lost while it wrote says that nothing is known', async () => {
    const { reply } = await answerOf(new OutcomeUnknown('it is not known', { cause: new Error('secret') }))
    expect(reply.msg).toBe(
      'The database was lost: it is not known whether the request was carried out, send the same one again',
    )
  })
})

describe('what is told of a message', () => {
  const address = new Uint8Array(32).fill(0xab)

  /** A dispatcher whose tips are looked up when they are let go, and what its observer was told. */
  function observed() {
    const told: AnsweredMessage[] = []
    const waiting: (() => void)[] = []
    const store = {
      getTip: () => new Promise((resolve) => waiting.push(() => resolve({ key: 3, data: new Uint8Array(2) }))),
      getDelta: () => Promise.resolve(undefined),
    }
    const worker = { store, logger: pino({ enabled: false }) } as unknown as WorkerContext
    const dispatcher = new Dispatcher(worker, 'document', (message) => told.push(message))
    const rooms = new ReplyRooms(defaultRoomLimits)
    const ask = async (text: string): Promise<Uint8Array> =>
      dispatcher.answer(new TextEncoder().encode(text), rooms.of(readerNamed('peer')), true)
    return { dispatcher, told, waiting, ask }
  }

  it('is its type and id, its sizes, when it was answered and how long that took', async () => {
    const { dispatcher, told, waiting, ask } = observed()
    const start = performance.now()
    const reply = ask(JSON.stringify({ id: 'a', type: 'GetTip', input: 'ab'.repeat(32) }))
    expect([dispatcher.inFlight, told]).toEqual([1, []])
    waiting.pop()!()
    const replyBytes = (await reply).length
    const common = { requestBytes: frame.length, replyBytes, code: undefined, gas: undefined }
    expect(told).toEqual([
      {
        ...common,
        type: 'GetTip',
        id: 'a',
        address,
        outcome: 'ok',
        at: expect.any(Number),
        milliseconds: expect.any(Number),
      },
    ])
    expect(dispatcher.inFlight).toBe(0)
    const { at, milliseconds } = told[0]!
    expect(at).toBeGreaterThanOrEqual(start)
    expect(at).toBeLessThanOrEqual(performance.now())
    expect(milliseconds).toBeGreaterThan(0)
    expect(milliseconds).toBeLessThanOrEqual(at - start)
  })

  it.each([
    ['{"id":"a","type":"GetDelta","input":{"address":"%a","key":1}}', 'GetDelta', address, 'not_found'],
    ['{"id":"a","type":"Nothing"}', 'Nothing', undefined, 'unknown_type'],
    ['{"id":"a","type":"GetTip","input":"x"}', 'GetTip', undefined, 'malformed_field'],
  ])('is why it was refused: %s', async (text, type, about, code) => {
    const { dispatcher, told, ask } = observed()
    const request = text.replace('%a', 'ab'.repeat(32))
    const { length } = await ask(request)
    expect(told).toMatchObject([
      { type, id: 'a', address: about, outcome: 'error', code, requestBytes: request.length, replyBytes: length },
    ])
    expect(dispatcher.inFlight).toBe(0)
  })

  it('is that the core stops, to those that come then; what is under way goes on', async () => {
    const { dispatcher, told, waiting, ask } = observed()
    const before = ask(JSON.stringify({ id: 'before', type: 'GetTip', input: 'ab'.repeat(32) }))
    expect(dispatcher.stopping).toBe(false)
    dispatcher.stop()
    expect(dispatcher.stopping).toBe(true)
    const behind = await ask(JSON.stringify({ id: 'behind', type: 'GetTip', input: 'ab'.repeat(32) }))
    expect(JSON.parse(new TextDecoder().decode(behind))).toEqual({
      ...{ id: 'behind', type: 'GetTip', msg: 'The worker is shutting down' },
    })
    waiting.pop()!()
    await before
    expect(told).toMatchObject([
      { id: 'behind', address, outcome: 'error', code: 'shutting_down' },
      { id: 'before', address, outcome: 'ok' },
    ])
  })

  it('is also that it was not even looked at', () => {
    const { dispatcher, told } = observed()
    const error = new WorkerError('busy', { limit: 'requests', maximum: 1 })
    const { length } = dispatcher.refuse(error, frame)
    dispatcher.refuse(error)
    const refused = { address: undefined, outcome: 'error', code: 'busy', gas: undefined }
    expect(told).toMatchObject([
      { ...refused, type: 'GetTip', id: 'a', requestBytes: frame.length, replyBytes: length },
      { ...refused, type: undefined, requestBytes: 0 },
    ])
    for (const { milliseconds } of told) {
      expect(milliseconds).toBeGreaterThanOrEqual(0)
      expect(milliseconds).toBeLessThan(60_000)
    }
  })
})

describe('a large request', () => {
  /** What a dispatcher has looked up, in order, and what it is asked with. */
  function observed() {
    const seen: string[] = []
    const store = {
      getTip: (address: Uint8Array) => {
        seen.push(`tip ${address[0]}`)
        return Promise.resolve(undefined)
      },
    }
    const engine = {
      putDeltas: (rows: unknown[]) => {
        seen.push(`rows ${rows.length}`)
        return Promise.resolve()
      },
    }
    const worker = { store, engine, logger: pino({ enabled: false }) } as unknown as WorkerContext
    const dispatcher = new Dispatcher(worker, 'document')
    const rooms = new ReplyRooms(defaultRoomLimits)
    const ask = (peer: string, request: object) =>
      dispatcher.answer(new TextEncoder().encode(JSON.stringify({ id: peer, ...request })), rooms.of(readerNamed(peer)))
    return { seen, dispatcher, ask }
  }
  const tip = (first: string) => ({ type: 'GetTip', input: first.repeat(32) })
  const rows = (count: number, length: number) => ({
    type: 'UpdateDeltas',
    deltas: Array.from({ length: count }, () => ({
      address: 'ab'.repeat(32),
      key: 1,
      data: new Array(length).fill(200),
    })),
  })

  it('is read while others have their turn, and before what its own peer sends behind it', async () => {
    const { seen, ask } = observed()
    const replies = [
      ask('busy', rows(2, 2_500_000)),
      ask('busy', tip('01')),
      ask('busy', rows(1, 1)),
      ask('busy', tip('02')),
    ]
    let turns = 0
    for (; turns < 3; turns++) {
      await ask('idle', tip('03'))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(seen).toEqual(Array(3).fill('tip 3'))
    await Promise.all(replies)
    expect(seen.slice(3)).toEqual(['rows 2', 'tip 1', 'rows 1', 'tip 2'])
  })

  it('that is refused is not read: its id and type are those at its beginning', () => {
    const { dispatcher } = observed()
    const refused = (frame: string) =>
      JSON.parse(
        new TextDecoder().decode(
          dispatcher.refuse(new WorkerError('shutting_down', {}), new TextEncoder().encode(frame)),
        ),
      ) as object
    const { msg } = refused('') as { msg: string }
    expect(refused(`{"id":"first","type":"GetTip","input":[${'1,'.repeat(100_000)}`)).toEqual({
      id: 'first',
      type: 'GetTip',
      msg,
    })
    expect(refused(`{"x":[${'1,'.repeat(600)}1],"id":"last","type":"GetTip"}`)).toEqual({
      id: '',
      type: 'Error',
      msg,
    })
  })
})
