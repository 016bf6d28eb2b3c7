import { WorkerError } from '@bletchley/protocol'
import { StorageError } from '@bletchley/store'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { Dispatcher } from './dispatch.ts'
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
  const room = new ReplyRooms(defaultRoomLimits).of('peer')
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
    expect(reply.msg).not.toContain('data.mdb')
    expect(log).toContain('no space')
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
      dispatcher.answer(new TextEncoder().encode(JSON.stringify({ id: peer, ...request })), rooms.of(peer))
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
