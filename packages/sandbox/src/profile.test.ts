import { readFileSync } from 'node:fs'
import { hexToBytes } from '@bletchley/bytes'
import { type JsonValue, parseJson } from '@bletchley/state'
import { describe, expect, it } from 'vitest'
import { accounts } from '../test/support/accounts.ts'
import { runOnDeepStack } from '../test/support/deepStack.ts'
import { encode } from '../test/support/generated/encode.ts'
import { deterministicHosts, generateModule } from '../test/support/generated/generate.ts'
import { Random } from '../test/support/generated/random.ts'
import { wat } from '../test/support/modules.ts'
import { billOf, compute, computeProfiled, deployModule } from '../test/support/runs.ts'

const utf8 = new TextEncoder()

/** The profile is that of the same run: outcome and gas are as without it, and what it names adds up to the bill. */
function expectSameRun(module: string | Uint8Array, changes: Parameters<typeof compute>[1], label: string) {
  const { outcome, profile } = computeProfiled(module, changes)
  const state = new Map(changes?.state as Map<string, JsonValue>)
  expect(outcome, label).toEqual(compute(module, { ...changes, state }))
  if (profile !== undefined) expect(billOf(profile), label).toBe(outcome.usedGas)
  return { outcome, profile }
}

/** Function 4 calls 3 twice, grows the memory, charges itself, and writes two keys. */
const busy = `(module
  (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
  (import "env" "gas" (func $gas (param i32)))
  (import "env" "eprint" (func $print (param i32 i32)))
  (import "env" "memory" (memory 1 4))
  (data (i32.const 0) "ab[1,2,3]7\\ff")
  (func $twice (nop) (nop))
  (func (export "call")
    (call $twice) (call $twice)
    (drop (memory.grow (i32.const 2)))
    (drop (memory.grow (i32.const 9)))
    (call $gas (i32.const 500))
    (call $print (i32.const 0) (i32.const 2))
    (call $write (i32.const 0) (i32.const 1) (i32.const 2) (i32.const 7))
    (call $write (i32.const 0) (i32.const 1) (i32.const 9) (i32.const 1))
    (call $write (i32.const 1) (i32.const 1) (i32.const 9) (i32.const 1)))
  (func $unused (nop)))`

describe('the profile of a run', () => {
  it('names functions, memory, keys, own charges, flat costs, refunds and host calls', () => {
    const state = new Map<string, JsonValue>([['b', 'longer']])
    const { profile, outcome } = expectSameRun(busy, { state }, 'busy')
    expect(outcome.kind).toBe('success')
    expect(profile).toEqual({
      // Two times 1 + 2 nops; 1, 2 calls, twice grow, const and drop, and 4, 3 and 2 instructions a host call.
      functions: [
        { index: 3, gas: 6n },
        { index: 4, gas: 1n + 2n + 6n + 2n + 3n + 3n * 5n },
      ],
      memoryGrow: 11n * 8192n,
      stateWrites: [
        { key: 'a', writes: 2, charged: 17n, refunded: 6n },
        { key: 'b', writes: 1, charged: 0n, refunded: 7n },
      ],
      gasCalls: 500n,
      flat: 10_000n,
      lost: 0n,
      refund: 13n,
      hostCalls: [
        { name: 'gas', calls: 1, bytes: 0 },
        { name: 'eprint', calls: 1, bytes: 2 },
        { name: 'write_state', calls: 3, bytes: 8 + 2 + 2 },
      ],
    })
  })

  it('adds up at every gas limit, and names what is lost', () => {
    const all = computeProfiled(busy).outcome.usedGas
    // Without refunds; the gas of each charge is met on its own.
    for (const gasLimit of [0n, 1n, 2n, 5n, 11n, 12n, 8203n, 8204n, 16_395n, all - 10_001n, all - 1n, all]) {
      const { profile, outcome } = expectSameRun(busy, { gasLimit, state: new Map() }, `limit ${gasLimit}`)
      expect(profile!.refund, `limit ${gasLimit}`).toBe(outcome.kind === 'success' ? 6n : 0n)
    }
  })

  it('refunds no more than there was', () => {
    const shrink = `(module
      (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
      (import "env" "memory" (memory 1 1))
      (data (i32.const 0) "a1")
      (func (export "call") (call $write (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 1))))`
    const state = new Map<string, JsonValue>([['a', 'x'.repeat(20_000)]])
    const { outcome, profile } = expectSameRun(shrink, { state }, 'shrink')
    expect(outcome.usedGas).toBe(0n)
    expect(profile).toMatchObject({ refund: 10_006n, stateWrites: [{ refunded: 20_001n }] })
  })

  it('counts the bytes that host functions read and write, also of the call that ends the run', () => {
    const module = `(module
      (import "env" "read_state" (func $read (param i32 i32 i32)))
      (import "env" "ret" (func $ret (param i32 i32)))
      (import "env" "memory" (memory 1 1))
      (data (i32.const 0) "a")
      (func (export "call")
        (call $read (i32.const 0) (i32.const 1) (i32.const 8))
        (call $ret (i32.const 8) (i32.const 7))
        (call $read (i32.const 0) (i32.const 1) (i32.const 65536))))`
    const state = new Map<string, JsonValue>([['a', [1, 2, 3]]])
    const { outcome, profile } = expectSameRun(module, { state }, 'read')
    expect(outcome.kind).toBe('failure')
    expect(profile!.hostCalls).toEqual([
      { name: 'read_state', calls: 2, bytes: 1 + 7 + 1 },
      { name: 'ret', calls: 1, bytes: 7 },
    ])
  })

  it('is that of the same run for traps, faults, compiled code and refusals', () => {
    const run = (body: string) => `(module (import "env" "ret" (func $ret (param i32 i32)))
      (import "env" "memory" (memory 1 1)) (func $f (nop)) (func (export "call") (call $f) ${body}))`
    const faults = [
      'unreachable',
      '(call $ret (i32.const 65536) (i32.const 1))',
      '(drop (i32.div_s (i32.const 1) (i32.const 0)))',
    ]
    for (const body of faults) {
      const { outcome, profile } = expectSameRun(run(body), {}, body)
      expect(outcome.kind, body).toBe('failure')
      expect(profile, body).toMatchObject({ lost: 0n, flat: 0n, functions: [{ index: 1, gas: 2n }, { index: 2 }] })
    }
    const deployed = deployModule(accounts)
    if (deployed.kind !== 'success') throw new Error(deployed.message)
    for (const length of [0, 1, 40]) {
      const { profile } = expectSameRun(deployed.output, { args: new Uint8Array(length) }, `${length} accounts`)
      expect(profile!.functions.length, `${length} accounts`).toBeGreaterThan(2)
    }
    expect(expectSameRun(utf8.encode('no module'), {}, 'no module').profile).toBeUndefined()
  })

  it('is that of the same run for a state key that is too long', () => {
    const module = `(module
      (import "env" "read_state_len" (func $read (param i32 i32) (result i32)))
      (import "env" "memory" (memory 1 4))
      (func (export "call") (drop (call $read (i32.const 0) (i32.const 4097)))))`
    const { outcome } = expectSameRun(module, {}, 'a key of 4097 bytes')
    expect(outcome).toMatchObject({ message: expect.stringContaining('state key is longer than 4096 bytes') })
  })

  it('is that of the same run for contracts compiled from Rust', () => {
    const folder = new URL('../vectors/rust/', import.meta.url)
    const contracts = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')) as Record<string, RustContract>
    let runs = 0
    for (const [name, { deploy, calls }] of Object.entries(contracts)) {
      const preCode = new Uint8Array(readFileSync(new URL(`${name}.wasm`, folder)))
      const deployed = deployModule(preCode, { functionName: 'construct', args: hexToBytes(deploy.args) })
      if (deployed.kind !== 'success') throw new Error(deployed.message)
      const entries = Object.entries(deploy.state).map(([key, text]) => [key, parseJson(utf8.encode(text))] as const)
      for (const call of calls) {
        const [args, gasLimit] = [hexToBytes(call.args), BigInt(call.gasLimit)]
        const changes = { functionName: call.function, args, gasLimit, state: new Map(entries) }
        expectSameRun(deployed.output, changes, `${name} ${call.function}`)
        runs++
      }
    }
    expect(runs).toBeGreaterThan(20)
  })

  it('leaves the stack limits where they are', async () => {
    const shapes = [
      '(module (func $f (call $f)) (func (export "call") (call $f)))',
      `(module (func $f (param i32) (result i32) (i32.add (call $f (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
        (func (export "call") (drop (call $f (i32.const 0)))))`,
      `(module (func $f (local ${'i64 '.repeat(1000)}) (call $f)) (func (export "call") (call $f)))`,
      `(module (table 1 funcref) (elem (i32.const 0) $f) (type $t (func))
        (func $f (call_indirect (type $t) (i32.const 0))) (func (export "call") (call $f)))`,
    ]
    const tasks = shapes.map((source) => ({ bytes: wat(source), gasLimit: 100_000_000n }))
    const plain = await runOnDeepStack(tasks)
    const profiled = await runOnDeepStack(tasks.map((task) => ({ ...task, profiled: true })))
    for (const [index, { outcomes }] of profiled.entries()) {
      const { profile, ...outcome } = outcomes[0]!
      expect(outcome, shapes[index]).toEqual(plain[index]!.outcomes[0])
      expect(billOf(profile!), shapes[index]).toBe(outcome.usedGas)
    }
  })

  it('is that of the same run for generated modules, at any limit', () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = new Random(seed)
      const bytes = encode(generateModule(seed, { hosts: deterministicHosts }))
      const { usedGas } = expectSameRun(bytes, { gasLimit: 13_000n, state: new Map() }, `seed ${seed}`).outcome
      const gasLimit = BigInt(random.below(Number(usedGas) + 2))
      expectSameRun(bytes, { gasLimit, state: new Map() }, `seed ${seed}, gas limit ${gasLimit}`)
    }
  })
})

interface RustContract {
  deploy: { args: string; state: Record<string, string> }
  calls: { function: string; args: string; gasLimit: string }[]
}
