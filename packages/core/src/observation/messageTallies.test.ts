import { expect, it } from 'vitest'
import type { AnsweredMessage } from '../dispatch.ts'
import { knownType, MessageTallies } from './messageTallies.ts'

const message = (parts: Partial<AnsweredMessage>): AnsweredMessage => ({
  ...{ type: 'GetTip', id: '', address: undefined, requestBytes: 10, replyBytes: 20, at: 0, milliseconds: 3 },
  ...{ outcome: 'ok', code: undefined, gas: undefined },
  ...parts,
})

it('sums by type and outcome, and over all errors, gas and times', () => {
  const tallies = new MessageTallies()
  expect([tallies.messages, tallies.errorCount, tallies.gas]).toEqual([0, 0, 0n])
  for (const parts of [
    {},
    { requestBytes: 1, replyBytes: 2 },
    { outcome: 'error', code: 'not_found' },
    { type: 'ComputeTask', outcome: 'failed_task', gas: 5n },
    { type: 'ComputeTask', gas: 7n },
    { type: 'made up', outcome: 'error', code: 'unknown_type' },
    { type: undefined, outcome: 'error', code: 'unknown_type' },
  ] as Partial<AnsweredMessage>[]) {
    tallies.add(message(parts))
  }
  expect(Object.fromEntries(tallies.byType)).toEqual({
    GetTip: { ok: 2, failed_task: 0, error: 1, requestBytes: 21, replyBytes: 42 },
    ComputeTask: { ok: 1, failed_task: 1, error: 0, requestBytes: 20, replyBytes: 40 },
    unknown: { ok: 0, failed_task: 0, error: 2, requestBytes: 20, replyBytes: 40 },
  })
  expect([...tallies.errors]).toEqual([
    ['not_found', 1],
    ['unknown_type', 2],
  ])
  expect([tallies.messages, tallies.errorCount, tallies.gas]).toEqual([7, 3, 12n])
})

it('takes times in microseconds, at least one', () => {
  const { latency } = Object.assign(new MessageTallies())
  const tallies = new MessageTallies()
  for (const milliseconds of [0, 0.0024, 1]) tallies.add(message({ milliseconds }))
  expect([tallies.latency.count, tallies.latency.min, tallies.latency.max]).toEqual([3, 1, 1000])
  expect(latency.count).toBe(0)
})

it('knows the types of the protocol', () => {
  expect([knownType('GetAllTips'), knownType('toString'), knownType(undefined)]).toEqual([
    ...['GetAllTips', 'unknown', 'unknown'],
  ])
})
