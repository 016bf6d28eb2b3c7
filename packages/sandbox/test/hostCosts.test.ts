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
    const none = hostModule(name, 0)
    const many = hostModule(name, calls)
    const best = (module: typeof none, inputs: TaskInputs): number =>
      Math.min(...Array.from({ length: 3 }, () => cpuMs(() => runWithInputs(module, inputs))))
    // What the clock cannot tell counts as a millisecond.
    const ofCalls = (inputs: TaskInputs): number => Math.max(1, best(many, inputs) - best(none, inputs))
    expect(ofCalls(large) / ofCalls(small)).toBeLessThan(margin)
  })
})
