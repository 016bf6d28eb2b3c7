import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runLimits } from '@bletchley/sandbox'
import { temporaryFolder } from '@bletchley/testkit'
import { beforeEach, describe, expect, it } from 'vitest'
import createWabt from 'wabt'
import { type TestContract, TestNetwork } from './index.ts'

/**
 * `fill` writes strings of `a`, each as long as the next argument (u32, little-endian) says, under the keys a, b, c …;
 * `zero` and `one` write an array of that many 0 or 1 under the key z, `extinguish` one of 1, and ends at `unreachable`;
 * `bridge` asks for a call of Ethereum with as many bytes of the payload as its first argument says, at the address behind
 * it; `loop` has no end.
 */
const wabt = await createWabt()
const code = wabt
  .parseWat(
    'contract.wat',
    `(module
      (import "env" "fetch_args" (func $args (param i32))) (import "env" "fetch_args_length" (func $argsLength (result i32)))
      (import "env" "fetch_function_name" (func $name (param i32)))
      (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
      (import "env" "write_eth_bridge" (func $bridge (param i32 i32 i32)))
      (import "env" "memory" (memory 120 128))
      (func $text (param $length i32) (local $at i32)
        (local.set $at (i32.const 65536))
        (loop (i64.store (local.get $at) (i64.const 0x6161616161616161))
          (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8)))
            (i32.add (local.get $length) (i32.const 65536)))))
        (i32.store8 (i32.const 65535) (i32.const 34))
        (i32.store8 (i32.add (local.get $length) (i32.const 65536)) (i32.const 34)))
      (func $fill (local $argument i32) (local $length i32)
        (loop
          (local.set $length (i32.load (i32.add (local.get $argument) (i32.const 16))))
          (call $text (local.get $length))
          (i32.store8 (i32.const 8) (i32.add (i32.const 97) (i32.shr_u (local.get $argument) (i32.const 2))))
          (call $write (i32.const 8) (i32.const 1) (i32.const 65535) (i32.add (local.get $length) (i32.const 2)))
          (br_if 0 (i32.lt_u (local.tee $argument (i32.add (local.get $argument) (i32.const 4))) (call $argsLength)))))
      (func $array (param $count i32) (param $digit i32) (local $at i32)
        (i32.store8 (i32.const 65535) (i32.const 91))
        (local.set $at (i32.const 65536))
        (loop (i32.store16 (local.get $at) (i32.add (i32.const 0x2c00) (local.get $digit)))
          (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 2)))
            (i32.add (i32.mul (local.get $count) (i32.const 2)) (i32.const 65536)))))
        (i32.store8 (i32.sub (local.get $at) (i32.const 1)) (i32.const 93))
        (i32.store8 (i32.const 8) (i32.const 122))
        (call $write (i32.const 8) (i32.const 1) (i32.const 65535)
          (i32.add (i32.mul (local.get $count) (i32.const 2)) (i32.const 1))))
      (func (export "call") (local $first i32)
        (call $name (i32.const 0)) (call $args (i32.const 16))
        (local.set $first (i32.load8_u (i32.const 0)))
        (if (i32.eq (local.get $first) (i32.const 102)) (then (call $fill)))
        (if (i32.eq (local.get $first) (i32.const 122)) (then (call $array (i32.load (i32.const 16)) (i32.const 48))))
        (if (i32.eq (local.get $first) (i32.const 111)) (then (call $array (i32.load (i32.const 16)) (i32.const 49))))
        (if (i32.eq (local.get $first) (i32.const 101))
          (then (call $array (i32.load (i32.const 16)) (i32.const 49)) unreachable))
        (if (i32.eq (local.get $first) (i32.const 98))
          (then (call $bridge (i32.const 1024) (i32.load (i32.const 16)) (i32.const 20))))
        (if (i32.eq (local.get $first) (i32.const 108)) (then (loop (br 0))))))`,
  )
  .toBinary({}).buffer

/** Numbers as arguments. */
const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer)

async function deployed(network: TestNetwork): Promise<TestContract> {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'sizes.wasm')
  await writeFile(path, code)
  await writeFile(join(folder.path, 'sizes.abi.json'), '[]')
  return await network.deploy(path)
}

let network: TestNetwork
let contract: TestContract

beforeEach(async () => {
  network = new TestNetwork()
  contract = await deployed(network)
})

describe('the delta of a call', () => {
  const { value: most } = runLimits.deltaBytes
  const tooLarge = `Error in execution of WASM code: state changes take more than ${most} bytes`
  const million = 1_000_000

  it('has its largest size, and not a byte more', () => {
    const lengths = [4 * million, 4 * million, 4 * million]
    const start = network.snapshot()
    const last = 3 * million + most - contract.call('fill', words(...lengths, 3 * million)).delta!.size
    network.revertTo(start)
    const failure = contract.fails('fill', words(...lengths, last + 1))
    expect([failure.message, failure.reason, failure.printed]).toEqual([tooLarge, undefined, []])
    expect(failure.gas).toBeGreaterThan(million)
    expect(contract.state.keys()).toEqual([])
    network.revertTo(start)
    expect(contract.call('fill', words(...lengths, last)).delta).toMatchObject({ size: most, key: 1 })
    expect(contract.state.get('d')).toHaveLength(last)
  })

  it('ends before many small changes fill the memory, and is not looked at where the call fails anyway', () => {
    expect(contract.call('zero', words(1_100_000)).delta!.size).toBeLessThan(2 * million)
    const failed = contract.fails('extinguish', words(1_100_000))
    expect([failed.message, failed.reason]).toEqual(['Error in execution of WASM code: unreachable', undefined])
    const tooMany = contract.fails('one', words(1_100_000))
    expect(tooMany.message).toBe(tooLarge)
    expect(tooMany.gas).toBeGreaterThan(20 * million)
    expect((contract.state.get('z') as number[]).slice(0, 2)).toEqual([0, 0])
  })

  it('is told by what it changes, and by its bytes', () => {
    const { size, changesSize, changes } = contract.call('fill', words(10, 20)).delta!
    expect(changes).toEqual([
      { op: 'add', path: '/a' },
      { op: 'add', path: '/b' },
    ])
    const second = contract.call('fill', words(11, 20)).delta!
    expect(second).toMatchObject({ key: 2, changes: [{ op: 'replace', path: '/a' }] })
    // Each change is a list of three texts, and each of these and the list has a byte in front.
    const sizeOf = (...texts: string[]) => texts.reduce((sum, text) => sum + 1 + text.length, 1)
    expect(changesSize).toBe(sizeOf('add', '/a', 'a'.repeat(10)) + sizeOf('add', '/b', 'a'.repeat(20)))
    expect(second.changesSize).toBe(sizeOf('replace', '/a', 'a'.repeat(11)))
    // What is left: nonce and tag, and the hash of the delta before, whose bytes take one or two each.
    const left = size - changesSize
    expect(left >= 28 + 32 && left <= 28 + 80, String(left)).toBe(true)
    expect(contract.call('fill', words(11, 20)).delta).toBeUndefined()
  })
})

it('gives nothing for a deployment', () => {
  expect(contract.deployment).toMatchObject({ value: undefined, output: '0x', printed: [], ethereumCall: undefined })
  expect(contract.deployment.delta).toMatchObject({ key: 0, changes: [], changesSize: 0 })
  expect(contract.exeCode.length).toBeGreaterThan(0)
})

it('gives a call of Ethereum without payload, or to address zero, and none where there is neither', () => {
  const bridge = (length: number, address: number) => contract.call('bridge', words(length, address)).ethereumCall
  const none = `0x${'00'.repeat(20)}`
  expect(bridge(0, 1)).toEqual({ address: `0x01${'00'.repeat(19)}`, payload: '0x' })
  expect(bridge(3, 0)).toEqual({ address: none, payload: '0x000000' })
  expect(bridge(0, 0)).toBeUndefined()
})

it('ends a call at 100 million gas, or at the limit of the network or the call', async () => {
  const limited = await deployed(new TestNetwork({ gasLimit: 1_000_000 }))
  const failures = [
    contract.fails('loop', words()),
    contract.fails('loop', words(), { gasLimit: 50_000 }),
    limited.fails('loop', words()),
    limited.fails('loop', words(), { gasLimit: 2_000_000 }),
  ]
  expect(failures.map(({ gas }) => gas)).toEqual([100_000_000, 50_000, 1_000_000, 2_000_000])
  expect(new Set(failures.map(({ message }) => message))).toEqual(
    new Set(['Invocation resulted in gas limit violated']),
  )
})
