import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonKey, jsonObject, jsonValue } from '../test/arbitraries.ts'
import { grow, stateExtent } from './extent.ts'
import { diff, encodeJson, type JsonObject, type JsonValue, StateOverlay } from './index.ts'

const text = (value: JsonValue) => new TextDecoder().decode(encodeJson(value))
const step = fc.oneof(
  fc.record({ key: jsonKey, value: jsonValue }),
  fc.record({ key: jsonKey, value: fc.constant(undefined) }),
)

test('reads, patches and commits like a plain copy, and leaves the base alone until then', () => {
  fc.assert(
    fc.property(jsonObject, fc.array(step, { maxLength: 12 }), (base, steps) => {
      const before = text(base)
      const model: JsonObject = new Map(base)
      const overlay = new StateOverlay(base)
      for (const { key, value } of steps) {
        if (value === undefined) {
          overlay.delete(key)
          model.delete(key)
        } else {
          overlay.set(key, value)
          model.set(key, value)
        }
        expect(overlay.get(key)).toBe(model.get(key))
      }
      for (const key of base.keys()) expect(overlay.get(key)).toBe(model.get(key))
      expect(overlay.patch()).toStrictEqual(diff(base, model))
      expect([...overlay.touched].sort()).toStrictEqual([...new Set(steps.map(({ key }) => key))].sort())
      expect(text(base)).toBe(before)
      const extent = stateExtent(base)
      grow(extent, overlay.commit())
      expect(extent).toEqual(stateExtent(model))
      expect(text(base)).toBe(text(model))
      expect(overlay.patch()).toStrictEqual([])
    }),
    { numRuns: 500 },
  )
})

test('the patch looks at touched members only', () => {
  const base = new CountingMap(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, index] as const))
  const overlay = new StateOverlay(base)
  overlay.set('k17', 18)
  overlay.set('k18', 18)
  overlay.delete('k19')
  base.reads = 0
  expect(overlay.patch()).toStrictEqual([
    { op: 'replace', path: '/k17', value: 18 },
    { op: 'remove', path: '/k19' },
  ])
  expect(base.reads).toBeLessThan(10)
})

test('no patch is made beyond a size, which counts names and framing', () => {
  const long = 'k'.repeat(100)
  const base: JsonObject = new Map([[long, [0, 0, 0]]])
  const overlay = new StateOverlay(base)
  overlay.set(long, [1, 1, 1])
  // Three operations: 8 bytes and /k…k/0 each.
  expect(overlay.patchWithin(3 * (8 + 103))).toStrictEqual(overlay.patch())
  expect(overlay.patchWithin(3 * (8 + 103) - 1)).toBeUndefined()
})

class CountingMap extends Map<string, JsonValue> {
  reads = 0

  override get(key: string): JsonValue | undefined {
    this.reads++
    return super.get(key)
  }

  override keys(): MapIterator<string> {
    throw new Error('the whole state was listed')
  }
}
