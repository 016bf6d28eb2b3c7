import { setImmediate } from 'node:timers/promises'
import { bytesToUtf8, utf8ToBytes } from '@bletchley/bytes'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { jsonValue } from '../test/arbitraries.ts'
import { held } from '../test/held.ts'
import { stateExtent } from './extent.ts'
import {
  applyDelta,
  type ContractState,
  decodeState,
  encodeJson,
  encodeState,
  grow,
  initialState,
  type JsonObject,
  type Patch,
  parseJson,
  StateOverlay,
  sealDelta,
} from './index.ts'

/** What a state is to take, about: enough for what else the thread does to be little beside it. */
const stateMemory = 2_000_000
const noise = 300_000
const stateKey = new Uint8Array(32)

/** The ways in which a state comes into the memory. */
const origins: Record<string, (members: [name: string, json: string][]) => ContractState> = {
  'a run': (members) => {
    const state = initialState()
    const overlay = new StateOverlay(state.json)
    for (const [name, json] of members) overlay.set(name, parseJson(utf8ToBytes(json)))
    grow(state, overlay.commit())
    return state
  },
  'a delta': (members) => {
    const state = initialState()
    change(
      state,
      members.map(([name, json]) => ({ op: 'add', path: `/${name}`, value: parseJson(utf8ToBytes(json)) })),
    )
    return state
  },
  'a snapshot': (members) => {
    const json: JsonObject = new Map(members.map(([name, text]) => [name, parseJson(utf8ToBytes(text))]))
    return decodeState(encodeState({ ...initialState(), json }))
  },
}

function change(state: ContractState, patch: Patch): void {
  const index = state.deltaHash.some((byte) => byte !== 0) ? state.deltaIndex + 1 : 0
  applyDelta(state, index, stateKey, sealDelta(stateKey, { patch, previousHash: state.deltaHash }))
}

/** Many of a value: in an array, in an object, or each under a name of its own. */
const layouts: Record<string, (json: string, count: number) => [name: string, json: string][]> = {
  array: (json, count) => [['a', `[${Array(count).fill(json).join()}]`]],
  object: (json, count) => [['a', `{${Array.from({ length: count }, (_, at) => `"${nameOf(at)}":${json}`).join()}}`]],
  members: (json, count) => Array.from({ length: count }, (_, at) => [nameOf(at), json]),
}

const nameOf = (at: number) => at.toString(36)

/** Leaves so many of an array's items, an object's members, or a state's. */
const removals: Record<string, (state: ContractState, count: number, left: number) => void> = {
  array: (state, count, left) => change(state, Array(count - left).fill({ op: 'remove', path: `/a/${left}` })),
  object: (state, count, left) => change(state, allBut(left, count, '/a/')),
  members: (state, count, left) => change(state, allBut(left, count, '/')),
}

const allBut = (left: number, count: number, path: string): Patch =>
  Array.from({ length: count - left }, (_, at) => ({ op: 'remove', path: `${path}${nameOf(left + at)}` }))

const drawn = fc.record({
  json: jsonValue.map((value) => bytesToUtf8(encodeJson(value))),
  origin: fc.constantFrom(...Object.keys(origins)),
  layout: fc.constantFrom(...Object.keys(layouts)),
  /** How much is left of it when the rest has been removed. */
  left: fc.constantFrom(1, 0.6, 0.26),
})

/** What takes most for each byte of its text, of all kinds of values; each of them from somewhere else. */
const worst: { json: string; origin: string; layout: string; left: number }[] = [
  { json: '{}', origin: 'a run', layout: 'array', left: 1 },
  { json: '{}', origin: 'a delta', layout: 'members', left: 0.26 },
  { json: '[0,0]', origin: 'a snapshot', layout: 'array', left: 1 },
  { json: '1.5', origin: 'a run', layout: 'array', left: 1 },
  { json: '1.5', origin: 'a delta', layout: 'object', left: 0.26 },
  { json: '0', origin: 'a snapshot', layout: 'array', left: 0.26 },
  { json: '0', origin: 'a run', layout: 'members', left: 0.26 },
  { json: '{"a":0,"b":0,"c":0,"d":0,"e":0}', origin: 'a snapshot', layout: 'array', left: 1 },
  { json: '9007199254740991', origin: 'a delta', layout: 'members', left: 1 },
  { json: '18446744073709551615', origin: 'a delta', layout: 'array', left: 1 },
  { json: '"ab"', origin: 'a delta', layout: 'array', left: 1 },
  { json: '"€bcdefghijklm"', origin: 'a run', layout: 'array', left: 1 },
  { json: `${'['.repeat(100)}1.5${']'.repeat(100)}`, origin: 'a run', layout: 'array', left: 1 },
  { json: `${'{"a":'.repeat(100)}1.5${'}'.repeat(100)}`, origin: 'a snapshot', layout: 'array', left: 1 },
  { json: `"€${'x'.repeat(100_000)}"`, origin: 'a delta', layout: 'members', left: 1 },
]

it('a state weighs no less than what it holds', async () => {
  const check = async ({ json, origin, layout, left }: (typeof worst)[number]) => {
    // Vitest wants to hear of the test at times.
    await setImmediate()
    const hundred = layouts[layout]!(json, 100).map(([name, text]) => [name, parseJson(utf8ToBytes(text))] as const)
    const each = stateExtent(new Map(hundred)).memory / 100
    const count = Math.ceil(stateMemory / left / each)
    const rest = Math.ceil(left * count)
    const members = layouts[layout]!(json, count)
    const state = initialState()
    const bytes = held(() => {
      Object.assign(state, origins[origin]!(members))
      if (rest < count) removals[layout]!(state, count, rest)
      return state
    })
    expect(state).toMatchObject(stateExtent(state.json))
    expect(bytes - noise).toBeLessThan(state.memory)
  }
  await fc.assert(fc.asyncProperty(drawn, check), {
    examples: worst.map((example) => [example]),
    numRuns: worst.length + 10,
  })
})

it('a state weighs at most about twenty times its size, and text not more than twice', () => {
  const extentOf = (json: string) => stateExtent(parseJson(utf8ToBytes(json)) as JsonObject)
  const ofText = extentOf(`{"a":"${'x'.repeat(1000)}"}`)
  expect(ofText.memory / ofText.size).toBeLessThan(2.2)
  for (const json of ['{}', '[]', '0', '1.5', '""', '"ab"', '{"abc":1.5}', '[1.5]']) {
    for (const layout of Object.values(layouts)) {
      const text = layout(json, 10_000).map(([name, value]) => `"${name}":${value}`)
      const { size, memory } = extentOf(`{${text.join()}}`)
      expect(memory / size, json).toBeLessThan(20.5)
    }
  }
})
