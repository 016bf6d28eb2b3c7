import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { utf8ToBytes } from '@bletchley/bytes'
import { expect, it } from 'vitest'
import { applyDelta, initialState, parseJson, sealDelta } from './index.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes that what was made takes, each. */
function held(count: number, make: (index: number) => unknown): number {
  const taken = () => {
    // What lies outside of the heap goes with the second collection.
    collectGarbage()
    collectGarbage()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = taken()
  const made = Array.from({ length: count }, (_, index) => make(index))
  const bytes = (taken() - before) / made.length
  expect(made).toHaveLength(count)
  return bytes
}

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
    expect(held(20, () => parseJson(bytes))).toBeLessThan(length / 4)
  }
})

it.each(['', '~0', '~1'])(
  'a name in a state does not keep the pointer that brought it, with the escape "%s"',
  (escaped) => {
    const stateKey = new Uint8Array(32)
    const outer = 'x'.repeat(length)
    const path = `/${outer}/${letters}${escaped}`
    const bytes = held(20, (index) => {
      const state = initialState()
      const patch = [
        { op: 'add', path: `/${outer}`, value: new Map() },
        { op: 'add', path, value: index },
        // The outer one goes, so that what is left is the inner name only.
        { op: 'move', from: `/${outer}`, path: '/a' },
      ] as const
      applyDelta(state, 0, stateKey, sealDelta(stateKey, { patch: [...patch], previousHash: new Uint8Array(32) }))
      return state
    })
    expect(bytes).toBeLessThan(length / 4)
  },
)
