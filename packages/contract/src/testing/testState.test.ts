import { JsonFloat, type JsonValue } from '@bletchley/state'
import { expect, it } from 'vitest'
import { TestState } from './testState.ts'

const stateOf = (members: Record<string, JsonValue>) => new TestState(() => new Map(Object.entries(members)))

it('gives values as plain JavaScript, whatever their members are called', () => {
  const members = new Map<string, JsonValue>([
    ['__proto__', 1],
    ['list', [null, true, 'a', new JsonFloat(1.5), new Map([['a', 2n ** 60n]])]],
  ])
  const state = stateOf({ members, float: new JsonFloat(2) })
  const plain = state.get('members') as Record<string, unknown>
  expect(Object.entries(plain)).toEqual([
    ['__proto__', 1],
    ['list', [null, true, 'a', 1.5, { a: 2n ** 60n }]],
  ])
  expect(Object.getPrototypeOf(plain)).toBe(Object.prototype)
  expect(state.get('float')).toBe(2)
  expect(state.get('none')).toBeUndefined()
})

it('reads whole numbers and those of four limbs', () => {
  const limbs = [1, 2n ** 63n, 3, 4]
  const state = stateOf({ small: 7, negative: -7, large: 2n ** 64n - 1n, limbs, zero: [0, 0, 0, 0] })
  expect(state.number('small')).toBe(7n)
  expect(state.number('negative')).toBe(-7n)
  expect(state.number('large')).toBe(2n ** 64n - 1n)
  expect(state.number('limbs')).toBe(1n + ((2n ** 63n) << 64n) + (3n << 128n) + (4n << 192n))
  expect(state.number('zero')).toBe(0n)
})

it('says where there is no number', () => {
  const members = {
    three: [1, 2, 3],
    five: [1, 2, 3, 4, 5],
    texts: ['1', '2', '3', '4'],
    last: [1, 2, 3, '4'],
    text: '7',
  }
  const state = stateOf({ ...members, yes: true, nothing: null })
  for (const key of [...Object.keys(members), 'yes', 'nothing', 'absent'])
    expect(() => state.number(key), key).toThrow(new TypeError(`${key} holds no number`))
})

it('reads bytes, and says where there are none', () => {
  const members = { large: [0, 256], negative: [-1], long: [1n], texts: ['1'], text: '0x01', number: 1 }
  const state = stateOf({ ...members, bytes: [0, 1, 127, 255], empty: [] })
  expect(state.bytes('bytes')).toBe('0x00017fff')
  expect(state.bytes('empty')).toBe('0x')
  for (const key of [...Object.keys(members), 'absent'])
    expect(() => state.bytes(key), key).toThrow(new TypeError(`${key} holds no bytes`))
})

it('has its keys in the order of workers', () => {
  // By bytes of UTF-8; the order of JavaScript would be by its halves of characters.
  const state = stateOf({ '\u{1f600}': 3, '\uffff': 2, b: 1, a: 0 })
  expect(state.keys()).toEqual(['a', 'b', '\uffff', '\u{1f600}'])
  expect(state.entries()).toEqual([
    ['a', 0],
    ['b', 1],
    ['\uffff', 2],
    ['\u{1f600}', 3],
  ])
  expect(state.json).toBe('{"a":0,"b":1,"\uffff":2,"\u{1f600}":3}')
})
