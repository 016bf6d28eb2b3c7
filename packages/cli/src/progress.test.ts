import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { outputOf, withProperty } from '../test/standardStreams.ts'
import { CommandError, exitCodes } from './exitCodes.ts'
import { type Progress, runLong } from './progress.ts'

let now: number

beforeEach(() => {
  now = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
})

afterEach(() => {
  vi.restoreAllMocks()
})

/** What is shown of work that tells how far it is at these times, in milliseconds. */
async function shown(isTerminal: boolean, steps: readonly (readonly [at: number, done: number, total: number])[]) {
  const { stderr, stdout } = await withProperty(process.stderr, 'isTTY', isTerminal, () =>
    outputOf(() =>
      runLong('copy', '', async ({ onProgress }) => {
        for (const [at, done, total] of steps) {
          now = 1000 + at
          onProgress(done, total)
        }
      }),
    ),
  )
  expect(stdout).toBe('')
  return stderr
}

describe('on a terminal', () => {
  it('is a bar that moves with each hundredth', async () => {
    const steps = [
      [0, 0, 1000],
      [0, 9, 1000],
      [0, 10, 1000],
      [0, 500, 1000],
      [0, 999, 1000],
      [0, 2000, 1000],
    ] as const
    const bar = (full: number, percent: number) => `\rcopy [${'#'.repeat(full)}${'.'.repeat(30 - full)}] ${percent} %`
    expect(await shown(true, steps)).toBe(
      `${[bar(0, 0), bar(0, 1), bar(15, 50), bar(30, 99), bar(30, 100)].join('')}\n`,
    )
  })

  it('ends with its line, if it was shown', async () => {
    expect(await shown(true, [])).toBe('')
    expect(await shown(true, [[0, 0, 10]])).toBe(`\rcopy [${'.'.repeat(30)}] 0 %\n`)
    expect(await shown(true, [[0, 0, 0]])).toBe(`\rcopy [${'#'.repeat(30)}] 100 %\n`)
  })
})

describe('elsewhere', () => {
  it('is a line for each tenth, at most one in five seconds', async () => {
    const steps = [
      [4999, 9, 100],
      [5000, 9, 100],
      [9999, 10, 100],
      [10_000, 10, 100],
      [20_000, 19, 100],
      [20_000, 20, 100],
      [24_999, 99, 100],
      [25_000, 100, 100],
    ] as const
    expect(await shown(false, steps)).toBe('copy: 9 %\ncopy: 10 %\ncopy: 20 %\ncopy: 100 %\n')
  })

  it('is whole where there is nothing to do', async () => {
    expect(await shown(false, [[5000, 0, 0]])).toBe('copy: 100 %\n')
    expect(await shown(false, [])).toBe('')
  })
})

describe('the work', () => {
  const listeners = () => (['SIGINT', 'SIGTERM'] as const).map((signal) => process.listeners(signal))
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

  it.each(['SIGINT', 'SIGTERM'] as const)('is told to stop by %s', async (signal) => {
    const before = process.listeners(signal)
    const stopped = runLong('copy', 'run it again', async (progress: Progress) => {
      const added = process.listeners(signal).filter((each) => !before.includes(each))
      expect(added).toHaveLength(1)
      expect(progress.signal.aborted).toBe(false)
      for (const listener of added) listener(signal)
      progress.signal.throwIfAborted()
    })
    await expect(stopped).rejects.toEqual(new CommandError('stopped; run it again', exitCodes.failed))
  })

  it('keeps the process alive as long as it takes, and leaves nothing behind', async () => {
    const [timersBefore, listenersBefore] = [timers(), listeners()]
    const done = runLong('copy', '', async () => {
      expect(timers()).toBe(timersBefore + 1)
      return 7
    })
    expect(await done).toBe(7)
    const failed = runLong('copy', '', () => Promise.reject(new Error('no room')))
    await expect(failed).rejects.toThrow('no room')
    expect([timers(), listeners()]).toEqual([timersBefore, listenersBefore])
  })
})
