import { expect, it } from 'vitest'
import { type KeyFiles, untilEqual } from './keyFiles.ts'

const files = (content: Record<string, number[]>): KeyFiles =>
  new Map(Object.entries(content).map(([path, bytes]) => [path, Uint8Array.from(bytes)]))
const [a, b] = [files({ x: [1], y: [2, 3] }), files({ x: [1], y: [2, 4] })]

it.each<[string, KeyFiles[], number | undefined]>([
  ['at rest', [a, a], 1],
  ['of other content', [a, b, b], 2],
  ['of one more', [a, files({ x: [1], y: [2, 3], z: [] }), a, a], 3],
  ['of one less', [a, files({ x: [1] }), a, a], 3],
  ['of another name', [a, files({ x: [1], z: [2, 3] }), a, a], 3],
  ['of another length', [a, files({ x: [1], y: [2] }), a, a], 3],
  ['of none', [files({}), a, files({}), files({})], 3],
  ['at rest at last', [a, b, a, b, a, a], 5],
  ['never at rest', [a, b, a, b, a, b], undefined],
])('files are read until they rest: %s', async (_, readings, last) => {
  let reads = 0
  const found = await untilEqual(async () => readings[reads++]!)
  expect(found).toBe(last === undefined ? undefined : readings[last])
  expect(reads).toBe(last === undefined ? readings.length : last + 1)
})
