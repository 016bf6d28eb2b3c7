import { describe, expect, it } from 'vitest'
import { hostFunctions } from '../src/host/registry.ts'
import { cpuMs, hostModule, inputsOf, loopedCalls, runWithInputs, type TaskInputs } from './support/hostCosts.ts'

// A call of a host function is 1 gas and counts the bytes that it handles (limits.ts). What it costs must not hang on
// anything else: with every other input of the task large, a call costs as much as with small ones. Processor times of one
// process are compared, and a call that works on such an input takes some thousand times as long.

const [small, large] = [inputsOf(24), inputsOf(3 * 2 ** 18)]
const calls = 10_000
/** How many times as long a call may take beside large inputs: for caches, garbage collection and the clock. */
const margin = 30

it('every host function is measured', () => {
  expect(Object.keys(loopedCalls).sort()).toEqual([...hostFunctions.keys()].sort())
})

describe('processor time of a call does not grow with what it does not handle', () => {
  it.each(Object.keys(loopedCalls))('%s', (name) => {
    const runs = [small, large].flatMap((inputs) => [0, calls].map((count) => bestOf(hostModule(name, count), inputs)))
    const grew = (): number => {
      const [noneSmall, manySmall, noneLarge, manyLarge] = runs.map((run) => run())
      // What the clock cannot tell counts as a millisecond.
      return Math.max(1, manyLarge! - noneLarge!) / Math.max(1, manySmall! - noneSmall!)
    }
    // A disturbance goes when it is measured again; work that hangs on the inputs does not.
    let ratio = grew()
    for (let round = 1; round < 10 && (round < 3 || ratio >= margin); round++) ratio = grew()
    expect(ratio).toBeLessThan(margin)
  })
})

/** Measures a run at each call, and tells the least time that one took, in milliseconds. */
function bestOf(module: ReturnType<typeof hostModule>, inputs: TaskInputs): () => number {
  let best = Number.POSITIVE_INFINITY
  return () => {
    best = Math.min(
      best,
      cpuMs(() => runWithInputs(module, inputs)),
    )
    return best
  }
}
