import { isDeepStrictEqual } from 'node:util'
import type { JsonValue } from '@bletchley/state'
import { describe, expect, it } from 'vitest'
import { decode } from '../../test/support/generated/decode.ts'
import { encode } from '../../test/support/generated/encode.ts'
import { deterministicHosts, generateModule } from '../../test/support/generated/generate.ts'
import { interpret } from '../../test/support/generated/interpret.ts'
import { frameUse } from '../../test/support/generated/stackModel.ts'
import { binary, section } from '../../test/support/modules.ts'
import { compute } from '../../test/support/runs.ts'
import { decodeModule } from '../wasm/decode.ts'
import { analyseFunctions, type FunctionAnalysis } from './analysis.ts'

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
  expect(failures).toBeGreaterThan(10)
  expect(failures).toBeLessThan(100)
})

describe('what a block may be paid for behind', () => {
  /** Opcodes behind which a run may not go on: what traps, and what calls. The engine need not find the code valid. */
  const ends = new Set([
    0x00, // unreachable
    0x10, // call
    0x11, // call_indirect
    ...range(0x28, 0x3e), // loads and stores
    0x40, // memory.grow
    ...range(0x6d, 0x70), // i32 divisions and remainders
    ...range(0x7f, 0x82), // i64
    ...range(0xa8, 0xab), // truncations to i32
    ...range(0xae, 0xb1), // to i64
  ])
  const immediates = new Map([
    [0x10, [0]],
    [0x11, [0, 0]],
    ...range(0x20, 0x24).map((opcode): [number, number[]] => [opcode, [0]]),
    ...range(0x28, 0x3e).map((opcode): [number, number[]] => [opcode, [0, 0]]),
    [0x3f, [0]],
    [0x40, [0]],
    [0x41, [0]],
    [0x42, [0]],
    [0x43, new Array<number>(4).fill(0)],
    [0x44, new Array<number>(8).fill(0)],
  ])

  it('is everything that always goes on', () => {
    for (const opcode of [0x00, 0x01, 0x10, 0x11, 0x1a, 0x1b, ...range(0x20, 0x24), ...range(0x28, 0xbf)]) {
      const body = [opcode, ...(immediates.get(opcode) ?? []), 0x02, 0x40, 0x01, 0x0b, 0x0b]
      const module = binary(section(1, 1, 0x60, 0, 0), section(3, 1, 0), section(10, 1, body.length + 1, 0, ...body))
      const [{ charges }] = analyseFunctions(decodeModule(module)) as [FunctionAnalysis]
      expect(charges, `0x${opcode.toString(16)}`).toHaveLength(ends.has(opcode) ? 2 : 1)
    }
  })
})

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
