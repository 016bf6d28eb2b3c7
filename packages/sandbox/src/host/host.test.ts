import { JsonFloat, type JsonValue } from '@bletchley/state'
import { describe, expect, it } from 'vitest'
import { wat } from '../../test/support/modules.ts'
import { compute, plainHost } from '../../test/support/runs.ts'
import type { Invocation, Outcome } from '../index.ts'

const signatures = `
  (import "env" "fetch_function_name_length" (func $fetch_function_name_length (result i32)))
  (import "env" "fetch_function_name" (func $fetch_function_name (param i32)))
  (import "env" "fetch_args_length" (func $fetch_args_length (result i32)))
  (import "env" "fetch_args" (func $fetch_args (param i32)))
  (import "env" "ret" (func $ret (param i32 i32)))
  (import "env" "write_state" (func $write_state (param i32 i32 i32 i32)))
  (import "env" "read_state_len" (func $read_state_len (param i32 i32) (result i32)))
  (import "env" "read_state" (func $read_state (param i32 i32 i32)))
  (import "env" "remove_from_state" (func $remove_from_state (param i32 i32)))
  (import "env" "write_eth_bridge" (func $write_eth_bridge (param i32 i32 i32)))
  (import "env" "gas" (func $gas (param i32)))
  (import "env" "rand" (func $rand (param i32 i32)))
  (import "env" "encrypt" (func $encrypt (param i32 i32 i32 i32)))
  (import "env" "decrypt" (func $decrypt (param i32 i32 i32 i32)))
  (import "env" "eprint" (func $eprint (param i32 i32)))
  (import "env" "memory" (memory 1 2))`

/** Runs `call` made of the given text, with every host function imported. */
function host(body: string, changes: Partial<Invocation> = {}, data = ''): Outcome {
  return compute(`(module ${signatures} ${data} (func (export "call") ${body}))`, changes)
}

function outputOf(outcome: Outcome): Uint8Array {
  if (outcome.kind === 'failure') throw new Error(outcome.message)
  return outcome.output
}

function textOf(outcome: Outcome): string {
  return new TextDecoder().decode(outputOf(outcome))
}

const code = 'Error in execution of WASM code: '

describe('input', () => {
  it('hands over the function name in UTF-8 and the arguments', () => {
    const outcome = host(
      `(call $fetch_function_name (i32.const 8)) (call $fetch_args (i32.const 100))
       (i32.store8 (i32.const 0) (call $fetch_function_name_length)) (i32.store8 (i32.const 1) (call $fetch_args_length))
       (call $ret (i32.const 0) (i32.const 105))`,
      { functionName: 'größe', args: Uint8Array.of(9, 8, 7, 255) },
    )
    const output = outputOf(outcome)
    expect([...output.subarray(0, 2)]).toEqual([7, 4])
    expect(new TextDecoder().decode(output.subarray(8, 15))).toBe('größe')
    expect([...output.subarray(100)]).toEqual([9, 8, 7, 255, 0])
  })

  it('hands over nothing where there is nothing', () => {
    const outcome = host(
      `(call $fetch_function_name (i32.const 65536)) (call $fetch_args (i32.const 65536))
       (call $gas (i32.add (call $fetch_function_name_length) (call $fetch_args_length)))`,
      { functionName: '', args: new Uint8Array() },
    )
    expect(outcome).toMatchObject({ kind: 'success' })
  })
})

describe('output', () => {
  it('keeps the last result, as a copy, and goes on', () => {
    const outcome = host(
      `(call $ret (i32.const 0) (i32.const 2)) (call $ret (i32.const 2) (i32.const 3))
       (i32.store (i32.const 2) (i32.const 0))`,
      {},
      '(data (i32.const 0) "abcde")',
    )
    expect(textOf(outcome)).toBe('cde')
  })

  it('is empty without ret, and there is no Ethereum call without write_eth_bridge', () => {
    expect(host('')).toEqual({
      kind: 'success',
      output: new Uint8Array(),
      usedGas: 10_001n,
      ethereum: { payload: new Uint8Array(), address: new Uint8Array(20) },
    })
  })

  it('keeps the last Ethereum call, free of gas', () => {
    const outcome = host(
      `(call $write_eth_bridge (i32.const 0) (i32.const 1) (i32.const 2))
       (call $write_eth_bridge (i32.const 1) (i32.const 3) (i32.const 65516))`,
      {},
      '(data (i32.const 0) "\\01\\02\\03\\04")(data (i32.const 65516) "abcdefghijklmnopqrst")',
    )
    expect(outcome).toMatchObject({
      usedGas: 10_009n,
      ethereum: { payload: Uint8Array.of(2, 3, 4), address: new TextEncoder().encode('abcdefghijklmnopqrst') },
    })
  })

  it('prints text, and nothing for bytes that are none', () => {
    const printed: string[] = []
    host(
      '(call $eprint (i32.const 0) (i32.const 5)) (call $eprint (i32.const 8) (i32.const 1))',
      { host: { ...plainHost, print: (text) => printed.push(text) } },
      '(data (i32.const 0) "h\\c3\\a9y!") (data (i32.const 8) "\\ff")',
    )
    expect(printed).toEqual(['héy!', ''])
  })
})

describe('state', () => {
  const keyed = (value: string, rest = '') => `(data (i32.const 0) "key") (data (i32.const 16) "${value}") ${rest}`
  const write = (length: number) =>
    `(call $write_state (i32.const 0) (i32.const 3) (i32.const 16) (i32.const ${length}))`
  const readBack = `(call $read_state (i32.const 0) (i32.const 3) (i32.const 64))
    (call $ret (i32.const 64) (call $read_state_len (i32.const 0) (i32.const 3)))`

  it('gives back what it wrote, in canonical form', () => {
    const value = ' {"b": [1.0, -0, 18446744073709551615], "a":null} '
    const state = new Map<string, JsonValue>()
    const outcome = host(`${write(value.length)} ${readBack}`, { state }, keyed(value.replaceAll('"', '\\"')))
    expect(textOf(outcome)).toBe('{"a":null,"b":[1.0,0,18446744073709551615]}')
    expect(state.get('key')).toBeInstanceOf(Map)
  })

  it('reads null where there is nothing, and removes without gas', () => {
    expect(textOf(host(readBack, {}, keyed('')))).toBe('null')
    const state = new Map<string, JsonValue>([['key', 'x']])
    const outcome = host(`(call $remove_from_state (i32.const 0) (i32.const 3)) ${readBack}`, { state }, keyed(''))
    expect(textOf(outcome)).toBe('null')
    expect(outcome).toMatchObject({ usedGas: 10_000n + 13n })
    expect([...state.keys()]).toEqual([])
  })

  it('charges the whole length where the old value is null or absent, and growth elsewhere', () => {
    const gasFor = (old: JsonValue | undefined, value: string, length: number): bigint => {
      const state = new Map<string, JsonValue>(old === undefined ? [] : [['key', old]])
      return host(write(length), { state }, keyed(value)).usedGas - 10_006n
    }
    expect(gasFor(undefined, '123', 3)).toBe(13n)
    expect(gasFor(null, '123', 3)).toBe(13n)
    expect(gasFor(1, '123', 3)).toBe(12n)
    expect(gasFor(new JsonFloat(1), '123', 3)).toBe(10n)
    expect(gasFor(1234, '123', 3)).toBe(-1n)
    // Blanks count: the length is the one that the contract passed.
    expect(gasFor(undefined, '1    ', 5)).toBe(15n)
  })

  it('lets a refund cancel the gas of the run, but never more', () => {
    const state = new Map<string, JsonValue>([['key', 'x'.repeat(20_000)]])
    expect(host(write(1), { state }, keyed('1'))).toMatchObject({ kind: 'success', usedGas: 0n })
  })

  it('keeps a refund out of a failure', () => {
    const state = new Map<string, JsonValue>([['key', 'x'.repeat(20_000)]])
    expect(host(`${write(1)} (unreachable)`, { state }, keyed('1'))).toMatchObject({ kind: 'failure', usedGas: 7n })
  })

  it('charges before it reads the value', () => {
    const huge = '(call $write_state (i32.const 0) (i32.const 3) (i32.const 16) (i32.const -1))'
    expect(host(huge, {}, keyed(''))).toEqual({
      kind: 'failure',
      message: 'Invocation resulted in gas limit violated',
      usedGas: 100_000_000n,
    })
    expect(host(huge, { gasLimit: 5_000_000_000n }, keyed(''))).toEqual({
      kind: 'failure',
      message: `${code}Memory: trying to access region [16..4294967311] in memory [0..65536]`,
      usedGas: 6n + 10n + 4_294_967_295n,
    })
  })

  it.each(['', '{', '01', '[1] x', "'a'", 'nul'])('ends the run on a value that is not JSON: %j', (value) => {
    const state = new Map<string, JsonValue>([['key', 1]])
    expect(host(write(value.length), { state }, keyed(value))).toMatchObject({
      kind: 'failure',
      message: `${code}invalid state value`,
    })
    expect(state.get('key')).toBe(1)
  })

  it.each([
    ['write_state', '(i32.const 16) (i32.const 1)'],
    ['read_state', '(i32.const 64)'],
    ['read_state_len', ''],
    ['remove_from_state', ''],
  ])('ends the run on a key that is not UTF-8: %s', (name, more) => {
    const call = `(call $${name} (i32.const 0) (i32.const 2) ${more})`
    const body = name === 'read_state_len' ? `(drop ${call})` : call
    expect(host(body, {}, '(data (i32.const 0) "k\\ff")(data (i32.const 16) "1")')).toMatchObject({
      kind: 'failure',
      message: `${code}invalid state key`,
    })
  })

  it('keeps a byte order mark, __proto__ and the empty key as they are', () => {
    const state = new Map<string, JsonValue>()
    host(
      `(call $write_state (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 1))
       (call $write_state (i32.const 4) (i32.const 9) (i32.const 16) (i32.const 1))
       (call $write_state (i32.const 65536) (i32.const 0) (i32.const 16) (i32.const 1))`,
      { state },
      '(data (i32.const 0) "\\ef\\bb\\bf") (data (i32.const 4) "__proto__") (data (i32.const 16) "1")',
    )
    expect([...state.keys()]).toEqual(['\ufeff', '__proto__', ''])
  })
})

describe('crypto', () => {
  it('copies its inputs before it writes, so that buffers may overlap', () => {
    const outcome = host(
      `(call $encrypt (i32.const 0) (i32.const 4) (i32.const 32) (i32.const 0))
       (call $decrypt (i32.const 0) (i32.const 32) (i32.const 32) (i32.const 1))
       (call $ret (i32.const 0) (i32.const 5))`,
      {},
      '(data (i32.const 0) "abcd") (data (i32.const 32) "\\01")',
    )
    expect(textOf(outcome)).toBe('`abcd')
  })

  it.each([
    [11, 'Cryptography Error: ImproperEncryption'],
    [12, 'Cryptography Error: DecryptionError'],
    [27, 'Cryptography Error: DecryptionError'],
  ])('bills the contract for %i bytes that do not open', (length, detail) => {
    expect(host(`(call $decrypt (i32.const 0) (i32.const ${length}) (i32.const 0) (i32.const 0))`)).toEqual({
      kind: 'failure',
      message: code + detail,
      usedGas: 6n,
    })
  })

  it('writes random bytes', () => {
    const outcome = host('(call $rand (i32.const 65532) (i32.const 4)) (call $ret (i32.const 65531) (i32.const 5))')
    expect([...outputOf(outcome)]).toEqual([0, 0xab, 0xab, 0xab, 0xab])
  })

  it.each(['encrypt', 'decrypt', 'random'] as const)('throws a defect of %s on, unbilled', (name) => {
    const defect = new TypeError('our bug')
    const broken = () => {
      throw defect
    }
    const call = name === 'random' ? '$rand (i32.const 0) (i32.const 1)' : `$${name} ${'(i32.const 0)'.repeat(4)}`
    expect(() => host(`(call ${call})`, { host: { ...plainHost, [name]: broken } })).toThrow(defect)
  })
})

describe('gas', () => {
  it('takes its argument as unsigned', () => {
    const burn = '(call $gas (i32.const -1))'
    expect(host(burn, { gasLimit: 5_000_000_000n })).toMatchObject({ kind: 'success', usedGas: 4_294_977_298n })
    expect(host(burn)).toMatchObject({ kind: 'failure', usedGas: 100_000_000n })
  })
})

/** Every pointer of every host function: the arguments around it, its size in bytes, and a run that is in bounds. */
const pointers: [name: string, size: number, call: (pointer: string) => string][] = [
  ['fetch_function_name', 4, (p) => `(call $fetch_function_name ${p})`],
  ['fetch_args', 3, (p) => `(call $fetch_args ${p})`],
  ['ret', 5, (p) => `(call $ret ${p} (i32.const 5))`],
  ['write_state key', 1, (p) => `(call $write_state ${p} (i32.const 1) (i32.const 300) (i32.const 2))`],
  ['write_state value', 2, (p) => `(call $write_state (i32.const 0) (i32.const 1) ${p} (i32.const 2))`],
  ['read_state_len key', 2, (p) => `(drop (call $read_state_len ${p} (i32.const 2)))`],
  ['read_state key', 2, (p) => `(call $read_state ${p} (i32.const 2) (i32.const 0))`],
  ['read_state value', 4, (p) => `(call $read_state (i32.const 0) (i32.const 2) ${p})`],
  ['remove_from_state key', 2, (p) => `(call $remove_from_state ${p} (i32.const 2))`],
  ['write_eth_bridge payload', 9, (p) => `(call $write_eth_bridge ${p} (i32.const 9) (i32.const 0))`],
  ['write_eth_bridge address', 20, (p) => `(call $write_eth_bridge (i32.const 0) (i32.const 9) ${p})`],
  ['rand', 7, (p) => `(call $rand ${p} (i32.const 7))`],
  ['encrypt message', 6, (p) => `(call $encrypt ${p} (i32.const 6) (i32.const 0) (i32.const 0))`],
  ['encrypt key', 32, (p) => `(call $encrypt (i32.const 0) (i32.const 6) ${p} (i32.const 0))`],
  ['encrypt out', 34, (p) => `(call $encrypt (i32.const 0) (i32.const 6) (i32.const 0) ${p})`],
  ['decrypt blob', 30, (p) => `(call $decrypt ${p} (i32.const 30) (i32.const 0) (i32.const 0))`],
  ['decrypt key', 32, (p) => `(call $decrypt (i32.const 0) (i32.const 30) ${p} (i32.const 0))`],
  ['decrypt out', 2, (p) => `(call $decrypt (i32.const 0) (i32.const 30) (i32.const 0) ${p})`],
  ['eprint', 3, (p) => `(call $eprint ${p} (i32.const 3))`],
]

describe.each(pointers)('pointer of %s', (_, size, call) => {
  // Two digits everywhere, so that keys are text and both ends of the memory are JSON values.
  const data = `(data (i32.const 300) "11") (data (i32.const 65534) "11")`
  const changes = { functionName: 'name', args: Uint8Array.of(1, 2, 3) }

  it('reaches the last byte of memory, and no further', () => {
    const last = 65_536 - size
    expect(host(call(`(i32.const ${last})`), changes, data).kind).toBe('success')
    expect(host(call(`(i32.const ${last + 1})`), changes, data)).toMatchObject({
      kind: 'failure',
      message: `${code}Memory: trying to access region [${last + 1}..65537] in memory [0..65536]`,
    })
  })

  it.each([65_536, 65_537, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - size, 2 ** 32 - 1])('refuses %i', (pointer) => {
    expect(host(call(`(i32.const ${pointer | 0})`), changes, data)).toMatchObject({
      kind: 'failure',
      message: `${code}Memory: trying to access region [${pointer}..${pointer + size}] in memory [0..65536]`,
    })
  })

  it('reaches what memory.grow added', () => {
    const body = `(drop (memory.grow (i32.const 1))) (i32.store16 (i32.const 65536) (i32.const 0x3131))
      ${call('(i32.const 65536)')}`
    expect(host(body, changes, data).kind).toBe('success')
  })
})

describe('lengths', () => {
  const huge: [string, (length: string) => string][] = [
    ['ret', (n) => `(call $ret (i32.const 1) ${n})`],
    ['write_state key', (n) => `(call $write_state (i32.const 1) ${n} (i32.const 0) (i32.const 1))`],
    ['read_state_len', (n) => `(drop (call $read_state_len (i32.const 1) ${n}))`],
    ['read_state', (n) => `(call $read_state (i32.const 1) ${n} (i32.const 0))`],
    ['remove_from_state', (n) => `(call $remove_from_state (i32.const 1) ${n})`],
    ['write_eth_bridge', (n) => `(call $write_eth_bridge (i32.const 1) ${n} (i32.const 0))`],
    ['rand', (n) => `(call $rand (i32.const 1) ${n})`],
    ['encrypt', (n) => `(call $encrypt (i32.const 1) ${n} (i32.const 0) (i32.const 0))`],
    ['decrypt', (n) => `(call $decrypt (i32.const 1) ${n} (i32.const 0) (i32.const 0))`],
    ['eprint', (n) => `(call $eprint (i32.const 1) ${n})`],
  ]

  it.each(huge)('of 65 536 to 4 GiB fail by bounds in %s', (_, call) => {
    for (const length of [65_536, 2 ** 31, 2 ** 32 - 1]) {
      expect(host(call(`(i32.const ${length | 0})`)), `length ${length}`).toMatchObject({
        kind: 'failure',
        message: `${code}Memory: trying to access region [1..${length + 1}] in memory [0..65536]`,
      })
    }
  })

  it.each(huge)('of 0 are fine up to the end of memory, and not behind it, in %s', (name, call) => {
    // Decrypting nothing fails for another reason.
    const inBounds = name === 'decrypt' ? 'failure' : 'success'
    const zero = call('(i32.const 0)').replace('(i32.const 1)', '(i32.const 65536)')
    expect(host(zero, {}, '(data (i32.const 0) "1")').kind).toBe(inBounds)
    const behind = call('(i32.const 0)').replace('(i32.const 1)', '(i32.const 65537)')
    expect(host(behind, {}, '(data (i32.const 0) "1")')).toMatchObject({
      kind: 'failure',
      message: `${code}Memory: trying to access region [65537..65537] in memory [0..65536]`,
    })
  })
})

describe('a contract without memory', () => {
  const without = (pointer: number, length: number) =>
    compute(
      wat(`(module (import "env" "ret" (func $ret (param i32 i32)))
        (func (export "call") (call $ret (i32.const ${pointer}) (i32.const ${length}))))`),
    )

  it('has zero bytes of it', () => {
    expect(without(0, 0)).toMatchObject({ kind: 'success', output: new Uint8Array() })
    expect(without(0, 1)).toMatchObject({
      message: `${code}Memory: trying to access region [0..1] in memory [0..0]`,
    })
    expect(without(1, 0)).toMatchObject({
      message: `${code}Memory: trying to access region [1..1] in memory [0..0]`,
    })
  })
})
