import { expect, it } from 'vitest'
import { heldBytes } from './heldBytes.ts'

it.each<[string, unknown, number]>([
  ['a text', 'abc', 6],
  ['an empty text', '', 0],
  ['a number', 4711, 0],
  ['null', null, 0],
  ['undefined', undefined, 0],
  ['an array of bytes', new Uint8Array(10), 10],
  ['a view, of which the whole buffer is held', new Uint8Array(100).subarray(0, 1), 100],
  ['an object', { a: 'ab', b: { c: new Uint8Array(3) }, d: 1n, e: null }, 7],
  ['a list', ['a', 'b', new Uint8Array(1)], 5],
])('of %s', (_, value, bytes) => {
  expect(heldBytes(value)).toBe(bytes)
})

it('counts a buffer once, however many views there are of it', () => {
  const bytes = new Uint8Array(100)
  expect(heldBytes([bytes, bytes.subarray(1), { inner: bytes }, new Uint8Array(1)])).toBe(101)
})
