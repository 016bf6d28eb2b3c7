import { encodeJson, type JsonObject, StateOverlay } from '@bletchley/state'
import { expect, it } from 'vitest'
import { wat } from '../test/support/modules.ts'
import { invocation } from '../test/support/runs.ts'
import { prepareRuntime, runCompute } from './index.ts'

/** Writes, grows, shrinks and removes keys, calls a function for each, and grows the memory. */
const contract = wat(`(module
  (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
  (import "env" "remove_from_state" (func $remove (param i32 i32)))
  (import "env" "ret" (func $ret (param i32 i32)))
  (import "env" "memory" (memory 1 2))
  (data (i32.const 0) "abcd") (data (i32.const 16) "[1,2,3,4,5,6,7,8,9]")
  (func $put (param $key i32) (param $length i32)
    (if (local.get $length) (then (call $write (local.get $key) (i32.const 1) (i32.const 16) (local.get $length)))
      (else (call $remove (local.get $key) (i32.const 1)))))
  (func (export "call") (local $key i32)
    (loop (call $put (local.get $key) (i32.const 19))
      (br_if 0 (i32.lt_u (local.tee $key (i32.add (local.get $key) (i32.const 1))) (i32.const 3))))
    (i32.store8 (i32.const 18) (i32.const 93)) (call $put (i32.const 0) (i32.const 3)) (call $put (i32.const 3) (i32.const 0))
    (drop (memory.grow (i32.const 1))) (call $ret (i32.const 0) (i32.const 4))))`)

it('leaves the state as it was, wherever the gas runs out', () => {
  const prepared = prepareRuntime(contract)
  if (prepared.kind === 'refused') throw new Error(prepared.message)
  const base: JsonObject = new Map<string, JsonObject | number>([
    ['a', new Map([['x', 1]])],
    ['d', 4],
  ])
  const before = new TextDecoder().decode(encodeJson(base))
  const run = (gasLimit: bigint) => {
    const state = new StateOverlay(base)
    return { outcome: runCompute(prepared.module, invocation({ gasLimit, state })), state }
  }
  // Out of gas and not stopped otherwise, so that what is used is the counter and not the bill.
  const whole = run(1_000_000n)
  expect(whole.outcome.kind).toBe('success')
  let needed = 0n
  for (let step = 1n << 16n; step > 0n; step >>= 1n) if (run(needed + step).outcome.kind === 'failure') needed += step
  for (let gasLimit = 0n; gasLimit <= needed; gasLimit++) {
    const { outcome } = run(gasLimit)
    if (outcome.kind === 'success' || outcome.usedGas !== gasLimit) expect.fail(`gas limit ${gasLimit}`)
    expect(outcome.message).toBe('Invocation resulted in gas limit violated')
  }
  expect(new TextDecoder().decode(encodeJson(base))).toBe(before)
  const enough = run(needed + 1n)
  expect(enough.outcome).toEqual(whole.outcome)
  expect(enough.state.patch()).toEqual(whole.state.patch())
  expect(whole.state.patch()).toHaveLength(4)
})
