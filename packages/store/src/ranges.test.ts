import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mergeRanges, rangesBetween } from './ranges.ts'

const end = 2 ** 32
const bound = fc.oneof(fc.nat(12), fc.constantFrom(end, end - 1))
const range = fc.record({ from: bound, to: bound })
const covers = (ranges: { from: number; to: number }[], index: number) =>
  ranges.some(({ from, to }) => index >= from && index < to)

test('merged ranges hold the same numbers, the ranges between them all others', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 6 }), (ranges) => {
      const merged = mergeRanges(ranges)
      const between = rangesBetween(merged)
      for (const index of [...Array(14).keys(), end - 2, end - 1]) {
        expect(covers(merged, index), `number ${index}`).toBe(covers(ranges, index))
        expect(covers(between, index), `number ${index}`).toBe(!covers(ranges, index))
      }
      merged.slice(1).forEach(({ from }, index) => {
        expect(from).toBeGreaterThan(merged[index]!.to)
      })
    }),
  )
})
