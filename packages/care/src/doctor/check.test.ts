import { expect, it } from 'vitest'
import { reasonOf } from './check.ts'

it.each([
  [new Error('first\nsecond'), 'first'],
  ['first\nsecond', 'first'],
  [7, '7'],
  [undefined, 'undefined'],
])('the reason of %j is a line', (error, reason) => {
  expect(reasonOf(error)).toBe(reason)
})
