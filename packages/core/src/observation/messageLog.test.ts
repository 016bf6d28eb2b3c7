import { ExactNumber } from '@bletchley/protocol'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AnsweredMessage } from '../dispatch.ts'
import { type LoggedMessage, logged, loggedMessages, MessageLog, shorten } from './messageLog.ts'

const message: AnsweredMessage = {
  type: 'GetTip',
  id: 'an id',
  address: undefined,
  requestBytes: 10,
  replyBytes: 20,
  at: 0,
  milliseconds: 0,
  outcome: 'ok',
  code: undefined,
  gas: undefined,
}

describe('a message as it is shown', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance'], now: 1_000_000 }))
  afterEach(() => void vi.useRealTimers())

  it('has the time of day, microseconds, hex and decimals', () => {
    vi.advanceTimersByTime(500)
    const shown = logged({
      ...message,
      ...{ at: 200, milliseconds: 1.234_56, outcome: 'failed_task', code: 'busy', gas: 2n ** 64n - 1n },
      address: new Uint8Array(32).fill(0xab),
    })
    expect(shown).toEqual({
      ...{ at: 1_000_200, type: 'GetTip', id: 'an id', address: 'ab'.repeat(32), requestBytes: 10, replyBytes: 20 },
      ...{ ms: 1.235, outcome: 'failed_task', code: 'busy', gas: '18446744073709551615' },
    })
    expect(logged({ ...message, type: undefined })).toMatchObject({ type: '', address: undefined, gas: undefined })
  })

  it.each([
    ['short', 'short', 'short'],
    ['a number', 17, '17'],
    ['an exact number', new ExactNumber('12345678901234567890'), '12345678901234567890'],
    ['of 64 characters', 'x'.repeat(64), 'x'.repeat(64)],
    ['of 65', 'x'.repeat(65), 'x'.repeat(64)],
    ['not printable', 'a\u0000\u007f\u202e ~', 'a??? ~'],
    ['long and not printable', `\n${'y'.repeat(100)}`, `?${'y'.repeat(63)}`],
  ] as const)('an id that is %s is cut and printable', (_, id, shown) => {
    expect(logged({ ...message, id }).id).toBe(shown)
    if (typeof id === 'string') expect(logged({ ...message, type: id }).type).toBe(shown)
  })
})

describe('a message that is kept', () => {
  it('stays as it is if it is short', () => {
    for (const short of [
      message,
      { ...message, type: undefined },
      { ...message, id: 'i'.repeat(64), type: 't'.repeat(64) },
    ]) {
      expect(shorten(short)).toBe(short)
    }
  })

  it('lets go of a long id or type, and of nothing else', () => {
    const [id, type] = ['i'.repeat(65), 't'.repeat(65)]
    expect(shorten({ ...message, id })).toEqual({ ...message, id: 'i'.repeat(64) })
    expect(shorten({ ...message, type })).toEqual({ ...message, type: 't'.repeat(64) })
    expect(shorten({ ...message, id, type: undefined })).toEqual({ ...message, id: 'i'.repeat(64), type: undefined })
  })
})

describe('the log', () => {
  const entry = (id: number) => ({ id: String(id) }) as LoggedMessage
  const shown = (log: MessageLog, position: number) => {
    const { messages, missed } = log.since(position)
    return [messages.map(({ id }) => Number(id)), missed]
  }

  it('holds the last messages, and says how many of those that were asked for are gone', () => {
    const log = new MessageLog(3)
    expect([log.count, shown(log, 0)]).toEqual([0, [[], 0]])
    for (let id = 0; id < 3; id++) log.add(entry(id))
    expect([shown(log, 0), shown(log, 2), shown(log, 3)]).toEqual([
      [[0, 1, 2], 0],
      [[2], 0],
      [[], 0],
    ])
    log.add(entry(3))
    expect([log.count, shown(log, 0), shown(log, 1)]).toEqual([...[4, [[1, 2, 3], 1]], [[1, 2, 3], 0]])
    log.pass(5)
    for (let id = 9; id < 12; id++) log.add(entry(id))
    expect([log.count, shown(log, 2)]).toEqual([12, [[9, 10, 11], 7]])
  })

  it('holds 200 messages', () => {
    const log = new MessageLog()
    for (let id = 0; id < 201; id++) log.add(entry(id))
    expect([loggedMessages, log.since(0).missed]).toEqual([200, 1])
  })
})
