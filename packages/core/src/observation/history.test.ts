import { expect, it } from 'vitest'
import { History, type Sample, stepMs } from './history.ts'

it('keeps the samples of half an hour, column by column, the oldest first', () => {
  const sample = (number: number): Sample => ({
    ...{ at: number, messages: number + 1, errors: number + 2, medianMs: number + 3, p99Ms: number + 4 },
    ...{ gas: String(number), queue: number + 5, eventLoopMs: number + 6, storeBytes: number + 7 },
    contracts: number + 8,
  })
  const history = new History()
  history.add(sample(0))
  history.add(sample(1))
  expect(history.columns).toEqual({
    ...{ at: [0, 1], messages: [1, 2], errors: [2, 3], medianMs: [3, 4], p99Ms: [4, 5], gas: ['0', '1'] },
    ...{ queue: [5, 6], eventLoopMs: [6, 7], storeBytes: [7, 8], contracts: [8, 9] },
  })
  for (let number = 2; number < 360; number++) history.add(sample(number))
  expect([history.columns.at.length, history.columns.at[0], stepMs]).toEqual([360, 0, 5000])
  history.add(sample(360))
  expect([history.columns.at.length, history.columns.at[0], history.columns.at.at(-1)]).toEqual([360, 1, 360])
})
