import { setImmediate } from 'node:timers/promises'
import { bytesToHex } from '@bletchley/bytes'
import type { JsonValue } from '@bletchley/state'
import { describe, expect, it } from 'vitest'
import { deploy, type Outcome } from '../src/index.ts'
import { decode } from './support/generated/decode.ts'
import { encode, joinSections, type Sections, sectionsOf } from './support/generated/encode.ts'
import { deterministicHosts, generateModule } from './support/generated/generate.ts'
import { interpret, type Task } from './support/generated/interpret.ts'
import { exeCodeOf, withImportedMemory } from './support/generated/prune.ts'
import { Random } from './support/generated/random.ts'
import { compute, invocation } from './support/runs.ts'

// Generated pre-code is deployed; its exeCode is held against a second statement of the rule, and both constructor and
// exeCode must do what the interpreter does with the code as it was. `BLETCHLEY_MODULES` and `BLETCHLEY_SEED` as in
// exactness.test.ts.
const usual = 400
const count = Number(process.env.BLETCHLEY_MODULES ?? usual)
const firstSeed = Number(process.env.BLETCHLEY_SEED ?? 1)
const perTest = 200

const gasLimit = 20_000n

/** The sections with custom ones in between, and integers that are longer than they need to be. */
function encodeLoosely(module: Parameters<typeof encode>[0], random: Random): Uint8Array {
  const padded = random.chance(0.3)
  const sections = sectionsOf(module, () => padded && random.chance(0.1))
  for (let left = random.below(3); left > 0; left--) {
    const custom: Sections[number] = [
      0,
      [3, 0x61, 0x62, 0x63, ...Array.from({ length: random.below(9) }, () => random.below(256))],
    ]
    sections.splice(random.below(sections.length + 1), 0, custom)
  }
  return joinSections(sections)
}

function taskOf(entry: Task['entry']): Task {
  return { entry, functionName: 'fn', args: Uint8Array.of(7, 8, 9), gasLimit, state: new Map() }
}

/** Bytes that pruning saves. */
function check(seed: number): number {
  const random = new Random(~seed)
  const module = generateModule(seed, { hosts: deterministicHosts, preCode: true })
  const preCode = encodeLoosely(module, random)
  const whole = encode(withImportedMemory(module))
  const exeCode = exeCodeOf(module)

  const constructing = taskOf({ name: 'deploy', codeBytes: exeCode.length })
  const deployed = deploy(preCode, invocation(constructing))
  const state = new Map<string, JsonValue>()
  const expected = hasConstructor(module)
    ? interpret(whole, { ...constructing, state }).outcome
    : emptyConstructor(exeCode)
  expect({ seed, outcome: deployed, state: constructing.state }).toEqual({
    seed,
    outcome: expected.kind === 'success' ? { ...expected, output: exeCode } : expected,
    state,
  })

  const computing = taskOf({ name: 'call' })
  const outcome = compute(exeCode, computing)
  const again = taskOf({ name: 'call' })
  expect({ seed, outcome, state: computing.state }).toEqual({
    seed,
    outcome: interpret(whole, again).outcome,
    state: again.state,
  })

  const twice = deploy(exeCode, invocation({ gasLimit: 1_000_000n }))
  if (twice.kind === 'failure') throw new Error(`seed ${seed}: exeCode as pre-code, ${twice.message}`)
  // The same, but for sections that pruning emptied: they were empty from the start now, and such are not written.
  expect(bytesToHex(twice.output), `seed ${seed}: exeCode of exeCode`).toBe(bytesToHex(encode(decode(exeCode))))
  return preCode.length - exeCode.length
}

function hasConstructor({ exports }: ReturnType<typeof generateModule>): boolean {
  return exports.some(({ name }) => name === 'deploy')
}

/** The generated caller, a function without instructions, the bytes. */
function emptyConstructor(exeCode: Uint8Array): Outcome {
  const ethereum = { payload: new Uint8Array(), address: new Uint8Array(20) }
  return { kind: 'success', output: exeCode, usedGas: 5n + 1n + BigInt(exeCode.length), ethereum }
}

describe('exeCode of generated pre-code', () => {
  const starts = Array.from({ length: Math.ceil(count / perTest) }, (_, at) => firstSeed + at * perTest)

  it.each(starts)('from seed %i on', async (start) => {
    let smaller = 0
    const seeds = Math.min(perTest, firstSeed + count - start)
    for (let seed = start; seed < start + seeds; seed++) {
      if (check(seed) > 100) smaller++
      if (seed % 50 === 0) await setImmediate()
    }
    if (seeds === perTest) expect(smaller).toBeGreaterThan(perTest / 2)
  })
})
