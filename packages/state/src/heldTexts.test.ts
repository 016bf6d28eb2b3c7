import { utf8ToBytes } from '@bletchley/bytes'
import { expect, it } from 'vitest'
import { held } from '../test/held.ts'
import { valueExtent } from './extent.ts'
import { applyDelta, initialState, type JsonValue, type Patch, parseJson, sealDelta } from './index.ts'

const length = 400_000
const spaces = ' '.repeat(length)
const letters = 'abcdefghijklmnopqrstuvwxyz'

it.each([
  ['a string', '"abcdefghijklmnopqrstuvwxyz"'],
  ['a string just as long as V8 makes views of', '"abcdefghijklm"'],
  ['a string that is not ASCII', '"€abcdefghijklmnopqrstuvwxyz"'],
  ['a string with an escape', '"\\"abcdefghijklmnopqrstuvwxyz"'],
  ['a name', '{"abcdefghijklmnopqrstuvwxyz":1}'],
  ['a name that is not ASCII', '{"äbcdefghijklmnopqrstuvwxyz":1}'],
  ['an integer', '12345678901234567890'],
  ['a double', '-1.234567890123456789e-100'],
  ['a word', 'true'],
])('%s does not keep the text that it was read from', (_, json) => {
  // A character beyond Latin-1 anywhere makes the text take two bytes for each character.
  for (const text of [json + spaces, `["€",${spaces}${json}]`]) {
    const bytes = utf8ToBytes(text)
    expect(held(() => Array.from({ length: 20 }, () => parseJson(bytes))) / 20).toBeLessThan(length / 4)
  }
})

it.each([
  ['most of its text', 'x', 0.9 * length],
  ['less than half of its text', 'x', 1.2 * length],
  ['most of a text beyond ASCII', 'é', 0.9 * length],
  ['most of a text beyond Latin-1', '€', 0.9 * length],
])('a string that is %s takes no more than its extent', (_, character, others) => {
  const bytes = utf8ToBytes(`${JSON.stringify(character + 'x'.repeat(length - 1))}${' '.repeat(others)}`)
  const values: JsonValue[] = []
  const taken = held(() => {
    for (let count = 0; count < 20; count++) values.push(parseJson(bytes))
    return values
  })
  // Some of it is the test's.
  expect(taken / 20).toBeLessThan(1.01 * valueExtent(values[0]!).memory)
})

it.each(['', '~0', '~1'])(
  'a name in a state does not keep the pointer that brought it, with the escape "%s"',
  (escaped) => {
    const stateKey = new Uint8Array(32)
    const outer = 'x'.repeat(length)
    const path = `/${outer}/${letters}${escaped}`
    const patch: Patch = [
      { op: 'add', path: `/${outer}`, value: new Map() },
      { op: 'add', path, value: 1 },
      // The outer one goes, so that what is left is the inner name only.
      { op: 'move', from: `/${outer}`, path: '/a' },
    ]
    const grown = () => {
      const state = initialState()
      applyDelta(state, 0, stateKey, sealDelta(stateKey, { patch, previousHash: state.deltaHash }))
      return state
    }
    expect(held(() => Array.from({ length: 20 }, grown)) / 20).toBeLessThan(length / 4)
  },
)
