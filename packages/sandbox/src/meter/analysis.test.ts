import { isDeepStrictEqual } from 'node:util'
import type { JsonValue } from '@bletchley/state'
import { expect, it } from 'vitest'
import { decode } from '../../test/support/generated/decode.ts'
import { encode } from '../../test/support/generated/encode.ts'
import { deterministicHosts, generateModule } from '../../test/support/generated/generate.ts'
import { interpret } from '../../test/support/generated/interpret.ts'
import { frameUse } from '../../test/support/generated/stackModel.ts'
import { compute } from '../../test/support/runs.ts'
import { decodeModule } from '../wasm/decode.ts'
import { analyseFunctions } from './analysis.ts'

// A few of the modules of test/exactness.test.ts.
const seeds = Array.from({ length: 120 }, (_, index) => 900_000 + index)

it('finds the stack that each function of a generated module takes, as a model of its own does', () => {
  let functions = 0
  for (const seed of seeds) {
    const bytes = encode(generateModule(seed, { hosts: deterministicHosts }))
    const module = decode(bytes)
    const decoded = decodeModule(bytes)
    const found = analyseFunctions(decoded).map(({ stackCost, locals, operandPeak }, index) => {
      const { params, result } = decoded.types[decoded.functions[index]!]!
      const code = decoded.bodies[index]!.code.length
      // Room for what the reference adds around calls; and one slot for each 512 bytes of code.
      const slots = Math.max(locals + operandPeak, params.length + 2, (result === undefined ? 0 : 1) + 2)
      return { height: stackCost, slots: slots + Math.floor(code / 512) }
    })
    const expected = module.functions.map((func) => frameUse(module, func))
    expect(found, `seed ${seed}`).toEqual(expected.map(({ height, slots }) => ({ height, slots })))
    functions += expected.length
  }
  expect(functions).toBeGreaterThan(300)
})

it('generated modules end as in the reference interpreter: kind, text, gas, output and state', () => {
  let failures = 0
  for (const seed of seeds) {
    const bytes = encode(generateModule(seed, { hosts: deterministicHosts }))
    const task = () => ({
      functionName: 'fn',
      args: Uint8Array.of(7, 8, 9),
      gasLimit: 13_000n,
      state: new Map<string, JsonValue>(),
    })
    const [ours, theirs] = [task(), task()]
    const outcome = compute(bytes, ours)
    const expected = interpret(bytes, { ...theirs, entry: { name: 'call' } }, new Uint32Array(256)).outcome
    if (!isDeepStrictEqual(outcome, expected)) expect(outcome, `seed ${seed}`).toEqual(expected)
    expect(ours.state, `seed ${seed}`).toEqual(theirs.state)
    if (outcome.kind === 'failure') failures++
  }
  expect(failures).toBeGreaterThan(20)
  expect(failures).toBeLessThan(100)
})
