import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { RunTimer } from './runTimer.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const limitMs = 16_000

it('ends a run at its limit, which begins anew at each start', () => {
  const ended = vi.fn()
  const timer = new RunTimer(limitMs, ended)
  timer.start()
  vi.advanceTimersByTime(limitMs - 1000)
  timer.start()
  vi.advanceTimersByTime(limitMs - 1)
  expect(ended).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(ended).toHaveBeenCalledOnce()
  timer.start()
  timer.stop()
  vi.advanceTimersByTime(10 * limitMs)
  expect(ended).toHaveBeenCalledOnce()
})

it('does not count the time in which the process was stopped', () => {
  const ended = vi.fn()
  const timer = new RunTimer(limitMs, ended)
  timer.start()
  vi.advanceTimersByTime(limitMs / 2)
  // Whatever time has passed outside, the timer that was due fires once.
  vi.setSystemTime(Date.now() + 10 * limitMs)
  vi.advanceTimersToNextTimer()
  expect(ended).not.toHaveBeenCalled()
  vi.advanceTimersByTime(limitMs / 2)
  expect(ended).toHaveBeenCalledOnce()
})
