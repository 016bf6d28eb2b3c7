import { bytesToHex } from '@bletchley/bytes'
import { describe, expect, it } from 'vitest'
import { accounts } from '../../test/support/accounts.ts'
import { binary, section, wat } from '../../test/support/modules.ts'
import { compute, deployModule } from '../../test/support/runs.ts'
import { decodeModule } from '../wasm/decode.ts'
import { encodeModule } from '../wasm/encode.ts'

function exeCodeOf(module: string | Uint8Array): Uint8Array {
  const outcome = deployModule(module)
  if (outcome.kind === 'failure') throw new Error(outcome.message)
  return outcome.output
}

describe('exeCode', () => {
  it.each<[string, string, string]>([
    [
      'drops imports, types, globals, functions and exports that call does not need, and renumbers the rest',
      `(module
        (type $unused (func (param f64))) (type $none (func)) (type $write (func (param i32 i32 i32 i32)))
        (type $indirect (func (param i64) (result i64)))
        (import "env" "write_state" (func $write (type $write))) (import "env" "ret" (func $ret (param i32 i32)))
        (import "env" "rand" (func $rand (param i32 i32)))
        (memory 3) (table 2 4 funcref) (elem (i32.const 1) $listed)
        (global $a (mut i32) (i32.const 1)) (global $b i64 (i64.const 2)) (global $c (mut f32) (f32.const 3))
        (func $dead (call $write (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
        (func $listed (param i64) (result i64) (global.get $b))
        (func $helper (call $rand (i32.const 0) (i32.const 1)) (global.set $c (f32.const 0.5)))
        (func (export "deploy") (type $none) (global.set $a (i32.const 9)))
        (func (export "other") (type $unused))
        (func (export "call") (type $none)
          (call $helper) (drop (call_indirect (type $indirect) (i64.const 1) (i32.const 1))))
        (export "memory" (memory 0)) (data (i32.const 8) "hello"))`,
      `(module
        (type $none (func)) (type $indirect (func (param i64) (result i64))) (type $rand (func (param i32 i32)))
        (import "env" "rand" (func $rand (type $rand))) (import "env" "memory" (memory 120 128))
        (table 2 4 funcref) (elem (i32.const 1) $listed)
        (global $b i64 (i64.const 2)) (global $c (mut f32) (f32.const 3))
        (func $listed (type $indirect) (global.get $b))
        (func $helper (type $none) (call $rand (i32.const 0) (i32.const 1)) (global.set $c (f32.const 0.5)))
        (func (export "call") (type $none)
          (call $helper) (drop (call_indirect (type $indirect) (i64.const 1) (i32.const 1))))
        (data (i32.const 8) "hello"))`,
    ],
    [
      'imports memory last and with the pages of every contract, also where pre-code imports it',
      `(module (import "env" "memory" (memory 2)) (import "env" "ret" (func $ret (param i32 i32)))
        (func (export "call") (call $ret (i32.const 0) (i32.const 0))))`,
      `(module (type (func (param i32 i32))) (type (func)) (import "env" "ret" (func $ret (param i32 i32)))
        (import "env" "memory" (memory 120 128))
        (func (export "call") (call $ret (i32.const 0) (i32.const 0))))`,
    ],
    [
      'keeps types that are equal apart',
      `(module (type $a (func)) (type $b (func)) (type $c (func)) (memory 1)
        (func $f (type $c)) (func (export "call") (type $b) (call $f)))`,
      `(module (type $b (func)) (type $c (func)) (import "env" "memory" (memory 120 128))
        (func $f (type $c)) (func (export "call") (type $b) (call $f)))`,
    ],
    [
      'follows recursion and calls forth and back',
      `(module (memory 1) (func $a (call $b)) (func $x (call $x)) (func $b (call $a) (call $call))
        (func $call (export "call") (call $a)))`,
      `(module (type (func)) (import "env" "memory" (memory 120 128)) (func $a (call $b)) (func $b (call $a) (call $call))
        (func $call (export "call") (call $a)))`,
    ],
    [
      'keeps data and elements in their order, empty ones too',
      `(module (memory 1) (table 3 funcref) (func $f) (func $call (export "call"))
        (elem (i32.const 2) $call) (elem (i32.const 0)) (elem (i32.const 0) $f $f)
        (data (i32.const 9) "b") (data (i32.const 3) "") (data (i32.const 9) "a"))`,
      `(module (type (func)) (import "env" "memory" (memory 120 128)) (table 3 funcref) (func $f) (func $call (export "call"))
        (elem (i32.const 2) $call) (elem (i32.const 0)) (elem (i32.const 0) $f $f)
        (data (i32.const 9) "b") (data (i32.const 3) "") (data (i32.const 9) "a"))`,
    ],
  ])('%s', (_, preCode, exeCode) => {
    expect(bytesToHex(exeCodeOf(preCode))).toBe(bytesToHex(wat(exeCode)))
  })

  it('shortens indices that need fewer bytes once they are smaller', () => {
    const dead = new Array(300).fill('(func (nop))').join('')
    const exeCode = exeCodeOf(`(module (memory 1) ${dead} (func $f) (func (export "call") (call $f) (call $f)))`)
    const expected = `(module (type (func)) (import "env" "memory" (memory 120 128)) (func $f)
      (func (export "call") (call $f) (call $f)))`
    expect(bytesToHex(exeCode)).toBe(bytesToHex(wat(expected)))
  })

  const memoryImport = [3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 1, 0x78, 0x80, 1]

  it('keeps sections that pruning emptied, and no others', () => {
    // Neither exports call nor refers to anything; there is no table, element, start or data section.
    const outcome = exeCodeOf('(module (memory 1) (global i32 (i32.const 0)) (func (export "deploy")))')
    expect(bytesToHex(outcome)).toBe(
      bytesToHex(
        binary(
          section(1, 0),
          section(2, 1, ...memoryImport),
          section(3, 0),
          section(6, 0),
          section(7, 0),
          section(10, 0),
        ),
      ),
    )
  })

  it('does not keep sections that were empty in pre-code', () => {
    const body = [1, 2, 0, 0x0b]
    const call = [1, 4, 0x63, 0x61, 0x6c, 0x6c, 0, 0]
    const preCode = binary(
      section(1, 1, 0x60, 0, 0),
      section(2, 0),
      section(3, 1, 0),
      section(4, 0),
      section(5, 1, 0, 1),
      section(6, 0),
      section(7, ...call),
      section(9, 0),
      section(10, ...body),
      section(11, 0),
    )
    expect(bytesToHex(exeCodeOf(preCode))).toBe(
      bytesToHex(
        binary(
          section(1, 1, 0x60, 0, 0),
          section(2, 1, ...memoryImport),
          section(3, 1, 0),
          section(7, ...call),
          section(10, ...body),
        ),
      ),
    )
  })

  it('is its own exeCode', () => {
    const once = exeCodeOf(accounts)
    expect(bytesToHex(exeCodeOf(once))).toBe(bytesToHex(once))
  })

  it('of a compiled contract is smaller than its pre-code and computes the same', () => {
    const exeCode = exeCodeOf(accounts)
    expect(exeCode.length).toBeLessThan(accounts.length)
    const outcome = compute(exeCode, { args: new Uint8Array(3) })
    expect(outcome.kind === 'success' && new TextDecoder().decode(outcome.output)).toBe(
      'acc3:0,0.0;acc2:7,0.3333333333333333;acc1:14,0.6666666666666666;ACC1|ACC2|ACC31.4142135623730952',
    )
    // The same code as it stands, with everything that pruning would drop.
    const raw = decodeModule(accounts)
    raw.imports.push({ module: 'env', field: 'memory', kind: 'memory', limits: { initial: 120, maximum: 128 } })
    const unpruned = compute(encodeModule({ ...raw, memories: [] }), { args: new Uint8Array(3) })
    expect(unpruned).toEqual(outcome)
  })
})

describe('deployment', () => {
  it('runs deploy with 120 of 128 pages, whatever pre-code declares', () => {
    const state = new Map()
    const outcome = deployModule(
      `(module (import "env" "write_state" (func $w (param i32 i32 i32 i32))) (memory 1 1)
        (func (export "deploy") (i32.store8 (i32.const 7864319) (i32.add (memory.grow (i32.const 8)) (i32.const -72)))
          (call $w (i32.const 0) (i32.const 0) (i32.const 7864319) (i32.const 1))))`,
      { state },
    )
    // 120 - 72 is the digit 0.
    expect(outcome.kind).toBe('success')
    expect([...state]).toEqual([['', 0]])
  })

  it('ignores ret, and reports the Ethereum call of the constructor', () => {
    const outcome = deployModule(`(module (import "env" "ret" (func $ret (param i32 i32)))
      (import "env" "write_eth_bridge" (func $eth (param i32 i32 i32))) (memory 1) (data (i32.const 0) "ab")
      (func (export "deploy") (call $ret (i32.const 0) (i32.const 2)) (call $eth (i32.const 0) (i32.const 2) (i32.const 1)))
      (func (export "call")))`)
    expect(outcome).toMatchObject({ kind: 'success', ethereum: { payload: Uint8Array.of(0x61, 0x62) } })
    expect(outcome.kind === 'success' && outcome.output.subarray(0, 4)).toEqual(Uint8Array.of(0, 0x61, 0x73, 0x6d))
  })

  it('bills an absent constructor like an empty one', () => {
    const absent = deployModule('(module (memory 1) (func (export "call") (unreachable)))')
    const empty = deployModule('(module (memory 1) (func (export "call") (unreachable)) (func (export "deploy")))')
    expect(absent).toEqual(empty)
    expect(absent.kind === 'success' && absent.usedGas - BigInt(absent.output.length)).toBe(6n)
  })

  it('bills a constructor that traps, wrapper included', () => {
    expect(deployModule('(module (memory 1) (func (export "deploy") (nop) (unreachable)))')).toEqual({
      kind: 'failure',
      message: 'Error in execution of WASM code: unreachable',
      usedGas: 8n,
    })
  })

  it('needs gas for the wrapper, the constructor and every byte of exeCode', () => {
    const source = '(module (memory 1) (func (export "deploy")) (func (export "call")))'
    const { usedGas } = deployModule(source)
    expect(deployModule(source, { gasLimit: usedGas })).toMatchObject({ kind: 'success', usedGas })
    for (const gasLimit of [0n, 4n, 5n, usedGas - 1n]) {
      expect(deployModule(source, { gasLimit }), `limit ${gasLimit}`).toEqual({
        kind: 'failure',
        message: 'Invocation resulted in gas limit violated',
        usedGas: gasLimit,
      })
    }
  })

  it('takes code for call that could never run, as the reference does', () => {
    expect(deployModule('(module (memory 1) (func (export "deploy")))').kind).toBe('success')
  })
})
