import { utf8ToBytes } from '@bletchley/bytes'
import { keccak256, randomBytes } from '@bletchley/crypto'
import { type Patch, sealDelta } from '@bletchley/state'
import { describe, expect, it } from 'vitest'
import createWabt from 'wabt'
import type { StoredDelta } from './contractStates.ts'
import { type Simulated, Simulator } from './simulator.ts'

const wabt = await createWabt()
const address = randomBytes(32)
const stateKey = randomBytes(32)

/**
 * Arguments are a letter and a JSON text: `a` to `z` is the key that the text is written under, `A` to `Z` one that is removed,
 * `!` fails behind a write of the key b, `*` prints 1023 characters 1030 times, and then one more.
 */
const bytecode = wabt
  .parseWat(
    'contract.wat',
    `(module
      (import "env" "fetch_args" (func $args (param i32))) (import "env" "fetch_args_length" (func $length (result i32)))
      (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
      (import "env" "remove_from_state" (func $remove (param i32 i32)))
      (import "env" "ret" (func $ret (param i32 i32))) (import "env" "eprint" (func $print (param i32 i32)))
      (import "env" "memory" (memory 1 1))
      (func (export "call") (local $letter i32) (local $count i32)
        (call $args (i32.const 0))
        (call $ret (i32.const 0) (i32.const 1))
        (local.set $letter (i32.load8_u (i32.const 0)))
        (if (i32.ge_u (local.get $letter) (i32.const 97)) (then
          (call $write (i32.const 0) (i32.const 1) (i32.const 1) (i32.sub (call $length) (i32.const 1))) (return)))
        (if (i32.ge_u (local.get $letter) (i32.const 65)) (then
          (i32.store8 (i32.const 0) (i32.add (local.get $letter) (i32.const 32)))
          (call $remove (i32.const 0) (i32.const 1)) (return)))
        (if (i32.eq (local.get $letter) (i32.const 42)) (then
          (loop
            (call $print (i32.const 1024) (i32.const 1023))
            (br_if 0 (i32.lt_u (local.tee $count (i32.add (local.get $count) (i32.const 1))) (i32.const 1030))))
          (call $print (i32.const 1024) (i32.const 0)) (return)))
        (i32.store8 (i32.const 0) (i32.const 98))
        (call $write (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 1))
        (unreachable)))`,
  )
  .toBinary({}).buffer

function chain(...patches: Patch[]): StoredDelta[] {
  let previousHash: Uint8Array = new Uint8Array(32)
  return patches.map((patch, key) => {
    const data = sealDelta(stateKey, { patch, previousHash })
    previousHash = keccak256(data)
    return { key, data }
  })
}

const deltas = chain([
  { op: 'add', path: '/a', value: 1 },
  { op: 'add', path: '/l', value: [1, new Map([['x', 2]])] },
])

function simulate(
  args: string,
  { callable = 'f()', code = bytecode, stored = deltas, key = stateKey }: Partial<Options> = {},
) {
  const simulator = new Simulator({
    bytecode: async () => code,
    snapshot: async () => undefined,
    deltas: async (_, from) => stored.slice(from),
  })
  const last = stored.at(-1)
  const tip = last && { key: last.key, hash: keccak256(last.data) }
  return simulator.simulate({
    ...{ address, stateKey: key, tip, callable, args: utf8ToBytes(args), gasLimit: 100_000_000n },
  })
}
interface Options {
  callable: string
  code: Uint8Array
  stored: StoredDelta[]
  key: Uint8Array
}

describe('a simulation', () => {
  it.each([
    ['b"new"', [{ key: 'b', before: undefined, after: '"new"' }]],
    ['a2', [{ key: 'a', before: '1', after: '2' }]],
    ['A', [{ key: 'a', before: '1', after: undefined }]],
    ['L', [{ key: 'l', before: '[1,{"x":2}]', after: undefined }]],
    ['a1', []],
    ['l[1,{"x":2}]', []],
    ['l[1,{"x":3}]', [{ key: 'l', before: '[1,{"x":2}]', after: '[1,{"x":3}]' }]],
    ['Z', []],
  ])('with %s shows the changes that a task would make', async (args, changes) => {
    const simulated = (await simulate(args)) as Simulated
    expect(simulated).toMatchObject({
      ...{ kind: 'simulated', tip: { key: 0, hash: keccak256(deltas[0]!.data) }, printed: [], changes },
      outcome: { kind: 'success', output: utf8ToBytes(args[0]!), profile: { stateWrites: expect.any(Array) } },
    })
    expect(simulated.changes).toHaveLength(changes.length)
  })

  it('of a contract without deltas has no tip', async () => {
    const simulated = await simulate('b1', { stored: [] })
    expect(simulated).toMatchObject({ kind: 'simulated', tip: undefined, changes: [{ key: 'b', after: '1' }] })
    expect((simulated as Simulated).tip).toBeUndefined()
  })

  it('that fails would change nothing', async () => {
    const simulated = await simulate('!1')
    expect(simulated).toMatchObject({ outcome: { kind: 'failure', message: expect.any(String) }, changes: [] })
    expect((simulated as Simulated).outcome.usedGas).toBeGreaterThan(0n)
  })

  it('tells in the words of a task what would not even run', async () => {
    for (const [options, message] of [
      [{ callable: 'f' }, "Input Error: Input Error: 'callable' signature is illegal"],
      [{ code: new Uint8Array(8) }, /^Error in execution of deserialization into WASM module: /],
    ] as const) {
      const simulated = (await simulate('a1', options)) as Simulated
      const text = typeof message === 'string' ? message : expect.stringMatching(message)
      expect(simulated).toMatchObject({
        ...{ outcome: { kind: 'failure', message: text, usedGas: 0n }, printed: [], changes: [] },
      })
    }
  })

  it('is refused where a task would be', async () => {
    expect(await simulate('a1', { key: randomBytes(32) })).toEqual({ kind: 'refused', name: 'EncryptionError' })
    expect(await simulate('a1', { stored: [{ key: 1, data: randomBytes(90) }] })).toEqual({
      ...{ kind: 'refused', name: 'StateError' },
    })
  })

  it('keeps a megabyte of what the contract prints, each text counting one more than it has', async () => {
    const { printed, outcome } = (await simulate('*')) as Simulated
    expect(outcome.kind).toBe('success')
    expect([printed.length, new Set(printed.map(({ length }) => length))]).toEqual([1024, new Set([1023])])
  })
})
