import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonKey, jsonObject, jsonValue } from '../test/arbitraries.ts'
import { grow, stateExtent } from './extent.ts'
import {
  encodeJson,
  type JsonObject,
  type JsonValue,
  jsonLength,
  type Operation,
  parseJson,
  StateError,
  structureSize,
} from './index.ts'
import { memberSize, stateSize } from './jsonLength.ts'
import { applyOwnedPatch } from './patch.ts'
import { joinPointer } from './pointer.ts'

test('is the length of the text that is never written', () => {
  fc.assert(
    fc.property(jsonValue, (value) => {
      expect(jsonLength(value)).toBe(encodeJson(value).length)
    }),
  )
})

test('counts every character as it is escaped', () => {
  for (let code = 0; code < 0x11000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue
    const text = String.fromCodePoint(code)
    if (jsonLength(text) !== encodeJson(text).length) expect.fail(`U+${code.toString(16)}`)
  }
})

test.each<[string, number, number]>([
  ['null', 0, 4],
  ['true', 0, 4],
  ['false', 0, 5],
  ['"text"', 0, 6],
  ['-7', 0, 2],
  ['9', 0, 1],
  ['10', 0, 2],
  ['-99', 0, 3],
  ['-100', 0, 4],
  ['9007199254740991', 0, 16],
  ['18446744073709551615', 8, 20],
  ['1.5', 8, 3],
  ['[]', 16, 2],
  ['{}', 16, 2],
  ['[1]', 16, 3],
  ['[1,2]', 16, 5],
  ['{"a":1}', 16 + 8, 7],
  ['{"a":1,"b":2}', 16 + 2 * 8, 13],
  ['[[1.5],{"a":{}}]', 3 * 16 + 8 + 16 + 8, 16],
])('%s takes %i bytes of structure, and is a text of %i', (text, structure, length) => {
  const value = parseJson(new TextEncoder().encode(text))
  expect(structureSize(value)).toBe(structure)
  expect(jsonLength(value)).toBe(length)
})

describe('the extent of a state', () => {
  function containers(value: JsonValue): number {
    if (!(Array.isArray(value) || value instanceof Map)) return 0
    return [...value.values()].reduce<number>((sum, member) => sum + containers(member), 1)
  }

  test('has a size of one byte less than its text, and 16 for each array and object in it', () => {
    fc.assert(
      fc.property(jsonObject, (root) => {
        fc.pre(root.size > 0)
        expect(stateSize(root)).toBe(encodeJson(root).length - 1 + 16 * (containers(root) - 1))
      }),
    )
    expect(stateSize(new Map())).toBe(0)
    expect(memberSize('absent', undefined)).toBe(0)
  })

  test('is known after any patch', () => {
    const path = fc
      .tuple(fc.constantFrom('a', 'b'), fc.array(fc.oneof(fc.constantFrom('0', '1', '-'), jsonKey), { maxLength: 2 }))
      .map(([first, more]) => [first, ...more].reduce(joinPointer, ''))
    const operation: fc.Arbitrary<Operation> = fc.oneof(
      fc.record({ op: fc.constantFrom('add' as const, 'replace' as const), path, value: jsonValue }),
      fc.record({ op: fc.constant('remove' as const), path }),
      fc.record({ op: fc.constantFrom('move' as const, 'copy' as const), from: path, path }),
    )
    const start: fc.Arbitrary<JsonObject> = fc
      .tuple(jsonObject, fc.array(jsonValue, { maxLength: 4 }), jsonObject)
      .map(([root, array, object]) => new Map([...root, ['a', array], ['b', object]]))
    let applied = 0
    fc.assert(
      fc.property(start, fc.array(operation, { minLength: 1, maxLength: 3 }), (root, patch) => {
        const expected = stateExtent(root)
        try {
          grow(expected, applyOwnedPatch(root, patch))
          applied++
        } catch (error) {
          if (!(error instanceof StateError)) throw error
        }
        expect(stateExtent(root)).toEqual(expected)
      }),
      { numRuns: 5000 },
    )
    expect(applied).toBeGreaterThan(500)
  })
})
