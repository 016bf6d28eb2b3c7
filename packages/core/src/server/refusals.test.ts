import type { EndReason } from '@bletchley/zmtp'
import type { Logger } from 'pino'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { isRefusal, Refusals } from './refusals.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout'] })
})

afterEach(() => {
  vi.useRealTimers()
})

/** Refusals, and what they have put into the log. */
function logged() {
  const lines: Record<string, unknown>[] = []
  const refusals = new Refusals({ warn: (facts: Record<string, unknown>) => lines.push(facts) } as unknown as Logger)
  return { refusals, lines }
}

it('shows a client that is refused once a minute, also after the clock was set back', () => {
  const { refusals, lines } = logged()
  const refuse = (): number => {
    refusals.add('not_listed', '192.0.2.1', 'key')
    return lines.length
  }
  expect([refuse(), refuse()]).toEqual([1, 1])
  vi.setSystemTime(Date.now() - 365 * 24 * 60 * 60 * 1000)
  vi.advanceTimersByTime(59_999)
  expect(refuse()).toBe(1)
  vi.advanceTimersByTime(1)
  expect([refuse(), refuse()]).toEqual([2, 2])
  vi.advanceTimersByTime(59_999)
  expect(refuse()).toBe(2)
})

it('counts by reason, and shows each way to be refused, with how many were not shown before', () => {
  const { refusals, lines } = logged()
  for (let time = 0; time < 3; time++) refusals.add('no_key', '192.0.2.1')
  for (const reason of ['wrong_server_key', 'malformed', 'handshake_timeout', 'frame_too_large'] as const) {
    refusals.add(reason, '192.0.2.1')
  }
  // By a socket in a file.
  refusals.add('no_key', '')
  refusals.add('not_listed', '192.0.2.1', 'one')
  refusals.add('not_listed', '192.0.2.2', 'one')
  refusals.add('not_listed', '192.0.2.2', 'two')
  expect(refusals.counts).toEqual({
    ...{ not_listed: 3, wrong_server_key: 1, no_key: 4, handshake_timeout: 1, malformed: 1, frame_too_large: 1 },
  })
  const keyless = { key: 'no key', address: '192.0.2.1' }
  expect(lines).toEqual([
    { reason: 'no_key', ...keyless },
    { reason: 'wrong_server_key', ...keyless, notShown: 2 },
    { reason: 'malformed', ...keyless },
    { reason: 'handshake_timeout', ...keyless },
    { reason: 'frame_too_large', ...keyless },
    { reason: 'no_key', key: 'no key', address: '' },
    { reason: 'not_listed', key: 'one', address: '192.0.2.1' },
    { reason: 'not_listed', key: 'one', address: '192.0.2.2' },
    { reason: 'not_listed', key: 'two', address: '192.0.2.2' },
  ])
})

it('counts as refused who broke a rule, and not who left or had to make room', () => {
  const reasons = ['not_listed', 'no_key', 'frame_too_large', 'peer', 'silent', 'deaf', 'slow', 'displaced', 'closed']
  expect(reasons.filter((reason) => isRefusal(reason as EndReason))).toEqual(reasons.slice(0, 3))
})

it('whoever keeps trying, by whatever keys, gets 60 lines a minute, and is counted', () => {
  const { refusals, lines } = logged()
  for (let key = 0; key < 100; key++) refusals.add('not_listed', '192.0.2.1', `${key}`)
  expect([lines.length, refusals.counts.not_listed]).toEqual([60, 100])
  vi.advanceTimersByTime(60_000)
  for (let key = 0; key < 100; key++) refusals.add('not_listed', '192.0.2.1', `${key}`)
  expect([lines.length, refusals.counts.not_listed]).toEqual([120, 200])
  expect([lines[60], lines[61]]).toMatchObject([{ key: '0', notShown: 40 }, { key: '1' }])
  expect(lines[61]).not.toHaveProperty('notShown')
})
