import { setImmediate } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { JsonValue } from '@bletchley/state'
import { describe, expect, it } from 'vitest'
import { type Outcome, prepareRuntime, runCompute } from '../src/index.ts'
import { memoryAccess, numeric } from './support/generated/ast.ts'
import { encode } from './support/generated/encode.ts'
import { deterministicHosts, generateModule } from './support/generated/generate.ts'
import { type Interpretation, interpret, type Task } from './support/generated/interpret.ts'
import { Random } from './support/generated/random.ts'
import { billOf, computeProfiled, invocation } from './support/runs.ts'

// Generated modules run in the sandbox and in the reference interpreter, which must agree in everything: kind, text,
// gas, output and state. `BLETCHLEY_MODULES` asks for more of them, `BLETCHLEY_SEED` for others; one failing seed is
// BLETCHLEY_SEED=<seed> BLETCHLEY_MODULES=1.
const usual = 5000
const count = Number(process.env.BLETCHLEY_MODULES ?? usual)
const firstSeed = Number(process.env.BLETCHLEY_SEED ?? 1)
const perTest = 2500

/** Enough for most modules, and little enough for one that never ends by itself. */
const gasLimit = 13_000n

const executed = new Uint32Array(256)
const endings = new Map<string, number>()

interface Seen {
  outcome: Outcome
  state: Map<string, JsonValue>
}

function taskOf(gasLimit: bigint): Task {
  return { entry: { name: 'call' }, functionName: 'fn', args: Uint8Array.of(7, 8, 9), gasLimit, state: new Map() }
}

/** The sandbox, from the bytes on or with a prepared module. */
function sandboxed(module: Parameters<typeof runCompute>[0], gasLimit: bigint): Seen {
  const task = taskOf(gasLimit)
  return { outcome: runCompute(module, invocation(task)), state: task.state }
}

function prepare(bytes: Uint8Array, seed: number) {
  const prepared = prepareRuntime(bytes)
  if (prepared.kind === 'refused') throw new Error(`seed ${seed}: refused, ${prepared.message}`)
  return prepared.module
}

function interpreted(bytes: Uint8Array, gasLimit: bigint): Seen & Interpretation {
  const task = taskOf(gasLimit)
  return { ...interpret(bytes, task, executed), state: task.state }
}

function requireSame(actual: Seen, expected: Seen, what: string): void {
  if (isDeepStrictEqual(actual.outcome, expected.outcome) && isDeepStrictEqual(actual.state, expected.state)) return
  expect({ what, outcome: actual.outcome, state: actual.state }).toEqual({
    what,
    outcome: expected.outcome,
    state: expected.state,
  })
  throw new Error(`${what}: differs`)
}

/** The profile of the same run names every unit of its gas. */
function checkProfile(bytes: Uint8Array, gasLimit: bigint, expected: Seen, seed: number): void {
  const task = taskOf(gasLimit)
  const { outcome, profile } = computeProfiled(bytes, task)
  expect({ seed, outcome }).toEqual({ seed, outcome: expected.outcome })
  expect(billOf(profile!), `seed ${seed}: the bill of the profile`).toBe(outcome.usedGas)
  if (outcome.kind === 'success') expect(profile!.lost, `seed ${seed}: lost gas of a success`).toBe(0n)
}

function check(seed: number): void {
  const random = new Random(~seed)
  const padded = random.chance(0.2)
  const bytes = encode(generateModule(seed, { hosts: deterministicHosts }), () => padded && random.chance(0.1))
  const expected = interpreted(bytes, gasLimit)
  const module = prepare(bytes, seed)
  const first = sandboxed(module, gasLimit)
  requireSame(first, expected, `seed ${seed}`)
  const { outcome, takenGas } = expected
  const ending = outcome.kind === 'success' ? 'success' : outcome.message.replace(/\d+/g, '#')
  endings.set(ending, (endings.get(ending) ?? 0) + 1)

  if (random.chance(0.05)) requireSame(sandboxed(prepare(bytes, seed), gasLimit), first, `seed ${seed}, once more`)
  if (outcome.kind === 'success' && random.chance(0.15)) {
    requireSame(sandboxed(module, takenGas), first, `seed ${seed}, with exactly the gas it takes`)
    const { outcome } = sandboxed(module, takenGas - 1n)
    expect(outcome, `seed ${seed}, with one gas too few`).toEqual({
      kind: 'failure',
      message: 'Invocation resulted in gas limit violated',
      usedGas: takenGas - 1n,
    })
  }
  if (random.chance(0.02)) checkProfile(bytes, gasLimit, expected, seed)
  // Out of gas anywhere on the way, or another end before that.
  if (random.chance(0.2)) {
    const limit = BigInt(random.below(Number(takenGas < 10_000n ? takenGas + 2n : takenGas - 10_000n + 2n)))
    const expected = interpreted(bytes, limit)
    requireSame(sandboxed(module, limit), expected, `seed ${seed}, gas limit ${limit}`)
    if (random.chance(0.2)) checkProfile(bytes, limit, expected, seed)
  }
}

describe('generated modules run as the reference interpreter says', () => {
  const starts = Array.from({ length: Math.ceil(count / perTest) }, (_, at) => firstSeed + at * perTest)

  it.each(starts)('from seed %i on', async (start) => {
    for (let seed = start; seed < Math.min(start + perTest, firstSeed + count); seed++) {
      check(seed)
      // The runner wants to hear from its worker now and then.
      if (seed % 100 === 0) await setImmediate()
    }
  })

  it.runIf(count >= usual)('with every instruction, and every way to end', () => {
    const control = [0x00, 0x01, 0x02, 0x03, 0x04, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11]
    const others = [0x1a, 0x1b, 0x20, 0x21, 0x22, 0x23, 0x24, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44]
    const all = [...control, ...others, ...memoryAccess.keys(), ...numeric.keys()]
    expect(all.length).toBe(170)
    for (const op of all) expect(executed[op], `opcode 0x${op.toString(16)}`).toBeGreaterThan(10)

    const code = 'Error in execution of WASM code: '
    for (const ending of [
      'success',
      'Invocation resulted in gas limit violated',
      `${code}unreachable`,
      `${code}stack overflow`,
      `${code}memory access out of bounds`,
      `${code}table access out of bounds`,
      `${code}unexpected signature`,
      `${code}division by zero`,
      `${code}invalid conversion to int`,
      `${code}invalid state key`,
      `${code}invalid state value`,
      `${code}Memory: trying to access region [#..#] in memory [#..#]`,
    ]) {
      expect(endings.get(ending) ?? 0, ending).toBeGreaterThan(3)
    }
  })
})
