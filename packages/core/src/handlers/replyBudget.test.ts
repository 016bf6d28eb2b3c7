import { maxReplyBytes } from '@bletchley/protocol'
import { expect, it } from 'vitest'
import { ReplyBudget } from './replyBudget.ts'

// Never written to, so it takes no memory.
const greatest = new Uint8Array(maxReplyBytes / 2)
const one = new Uint8Array(1)

it('bounds one reply, and all that are collected side by side', () => {
  const collecting = { bytes: 0 }
  const replies = Array.from({ length: 4 }, () => new ReplyBudget(collecting))
  for (const reply of replies) reply.add(greatest)
  const fifth = new ReplyBudget(collecting)
  expect(() => fifth.add(one)).toThrow(expect.objectContaining({ code: 'busy' }))
  fifth[Symbol.dispose]()
  expect(() => replies[0]!.add(one)).toThrow(expect.objectContaining({ code: 'limit_exceeded' }))
  for (const reply of replies) reply[Symbol.dispose]()
  expect(collecting.bytes).toBe(0)
  new ReplyBudget(collecting).add(greatest)
})
