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
