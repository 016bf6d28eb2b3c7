import type { Logger } from 'pino'
import { expect, it, vi } from 'vitest'
import { Refusals } from './refusals.ts'

it('shows a client that is refused once a minute, also after the clock was set back', () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout'] })
  try {
    let lines = 0
    const refusals = new Refusals({ warn: () => lines++ } as unknown as Logger)
    const refuse = (): number => {
      refusals.add('not_listed', 'key', '192.0.2.1')
      return lines
    }
    expect([refuse(), refuse()]).toEqual([1, 1])
    vi.setSystemTime(Date.now() - 365 * 24 * 60 * 60 * 1000)
    vi.advanceTimersByTime(60_000)
    expect([refuse(), refuse()]).toEqual([2, 2])
  } finally {
    vi.useRealTimers()
  }
})
