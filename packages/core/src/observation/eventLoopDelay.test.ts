import { expect, it, vi } from 'vitest'
import { EventLoopDelay } from './eventLoopDelay.ts'

const histogram = vi.hoisted(() => ({
  count: 0,
  percentile: vi.fn((percentile: number) => percentile * 1e6),
  ...{ enable: vi.fn(), disable: vi.fn(), reset: vi.fn() },
}))
const monitor = vi.hoisted(() => vi.fn(() => histogram))
vi.mock('node:perf_hooks', async (actual) => ({ ...(await actual<object>()), monitorEventLoopDelay: monitor }))

it('is the 99th percentile of what Node measures since the last look, without its own interval', () => {
  const delay = new EventLoopDelay()
  expect([monitor.mock.calls, histogram.enable.mock.calls.length]).toEqual([[[{ resolution: 20 }]], 1])
  expect(delay.take()).toBe(0)
  histogram.count = 1
  expect(delay.take()).toBe(79)
  histogram.percentile.mockReturnValueOnce(19e6)
  expect(delay.take()).toBe(0)
  expect(histogram.reset).toHaveBeenCalledTimes(3)
  expect(histogram.disable).not.toHaveBeenCalled()
  delay.close()
  expect(histogram.disable).toHaveBeenCalledOnce()
})
