import { JsonFloat, type JsonValue, memberSize } from '@bletchley/state'
import { describe, expect, it, test } from 'vitest'
import { concatenate, largeModule, leb, repeated, wat } from '../test/support/modules.ts'
import { compute, deployModule, plainHost } from '../test/support/runs.ts'
import { hostFunctions } from './host/registry.ts'
import type { Invocation, Outcome } from './index.ts'
import { moduleLimits, runLimits } from './index.ts'
import { freeLocals, localsPerGas } from './limits.ts'

// Every limit of the table at its value and one past it.

const mebibyte = 1024 * 1024
const block = [0x02, 0x40, 0x0b]
const branch = [0x0c, 0x00]
/** `f32.sqrt`, and `i64.trunc_f32_s`, of 0. */
const root = [0x43, 0, 0, 0, 0, 0x91, 0x1a]
const truncation = [0x43, 0, 0, 0, 0, 0xae, 0x1a]

const withCall = (rest: string): Uint8Array => wat(`(module ${rest} (func $call (export "call")))`)

/** A module in which the limited thing comes so many times. */
const modules: Record<keyof typeof moduleLimits, (count: number) => Uint8Array> = {
  moduleBytes: (count) => {
    const module = withCall('')
    const padding = new Uint8Array(count - module.length)
    // A custom section whose length takes four bytes.
    padding.set([0, ...leb(padding.length - 5)])
    return concatenate([module, padding])
  },
  nameBytes: (count) => withCall(`(export "${'n'.repeat(count)}" (func $call))`),
  types: (count) => withCall('(type (func (param i32)))'.repeat(count - 1)),
  imports: (count) => withCall('(import "env" "gas" (func (param i32)))'.repeat(count)),
  functions: (count) => withCall('(func)'.repeat(count - 1)),
  tableEntries: (count) => withCall(`(table ${count} funcref)`),
  globals: (count) => withCall('(global i32 (i32.const 0))'.repeat(count)),
  exports: (count) => withCall(Array.from({ length: count - 1 }, (_, n) => `(export "e${n}" (func $call))`).join('')),
  elementSegments: (count) => withCall(`(table 1 funcref) ${'(elem (i32.const 0) $call)'.repeat(count)}`),
  elements: (count) => {
    const segment = (members: number) => `(elem (i32.const 0) ${'$call '.repeat(members)})`
    return withCall(
      `(table 10000 funcref) ${segment(10_000).repeat(Math.floor(count / 10_000))} ${segment(count % 10_000)}`,
    )
  },
  dataSegments: (count) => withCall(`(import "env" "memory" (memory 1 1)) ${'(data (i32.const 0) "d")'.repeat(count)}`),
  dataBytes: (count) =>
    largeModule({
      functions: [{ code: repeated([], 0) }],
      memory: 'imported',
      data: [4 * mebibyte, count - 4 * mebibyte],
    }),
  functionBytes: (count) => largeModule({ functions: [{ code: repeated([0x01], count - 1) }] }),
  locals: (count) => largeModule({ functions: [{ locals: count, code: repeated([], 0) }] }),
  nesting: (count) => {
    const open = repeated([0x02, 0x40], count).subarray(0, -1)
    return largeModule({ functions: [{ code: concatenate([open, repeated([0x0b], count)]) }] })
  },
  branchTargets: (count) =>
    wat(`(module (func (export "call") (block (br_table ${'0 '.repeat(count)} 0 (i32.const 0)))))`),
  blocks: (count) => largeModule({ functions: [{ code: repeated(block, count) }] }),
  transfers: (count) => largeModule({ functions: [{ code: repeated(branch, count) }] }),
  codeBytes: (count) => {
    const functions: { code: Uint8Array }[] = []
    for (let left = count; left > 0; left -= 100_000) {
      functions.push({ code: repeated([0x01], Math.min(left, 100_000) - 1) })
    }
    return largeModule({ functions })
  },
  moduleBlocks: (count) => spread(block, count, 10_000),
  moduleTransfers: (count) => spread(branch, count, 20_000),
  moduleSlowInstructions: (count) => spread(root, count, 15_000, truncation),
  moduleLocals: (count) => {
    const large = { locals: 40_000, code: repeated([], 0) }
    return largeModule({
      functions: [...new Array(25).fill(large), { locals: count - 1_000_000, code: repeated([], 0) }],
    })
  },
  localsTimesBlocks: (count) => {
    // 5 000 001 = 35 461 × 141.
    const [locals, blocks] = count === 5_000_001 ? [35_461, 141] : [5000, 1000]
    return largeModule({ functions: [{ locals, code: repeated(block, blocks) }] })
  },
  moduleLocalsTimesBlocks: (count) => {
    const large = { locals: 5000, code: repeated(block, 1000) }
    return largeModule({
      functions: [large, { ...large, locals: 3000 }, { locals: count - 8_000_000, code: repeated(block, 1) }],
    })
  },
  moduleLocalsTimesTransfers: (count) => {
    const large = { locals: 10_000, code: repeated(branch, 5000) }
    return largeModule({ functions: [large, large, { locals: count - 100_000_000, code: repeated(branch, 1) }] })
  },
  memoryPages: (count) => withCall(`(import "env" "memory" (memory ${count} ${count}))`),
}

/** So many instructions, with at most `most` in one function. */
/** @param first what stands in place of the first of each function */
function spread(instructions: readonly number[], count: number, most: number, first = instructions): Uint8Array {
  const functions: { code: Uint8Array }[] = []
  for (let left = count; left > 0; left -= most) {
    functions.push({ code: concatenate([Uint8Array.from(first), repeated(instructions, Math.min(left, most) - 1)]) })
  }
  return largeModule({ functions })
}

describe.each(Object.entries(moduleLimits))('a module at the limit: %s', (name, { value, text }) => {
  const module = modules[name as keyof typeof moduleLimits]

  it('is computed', () => {
    expect(compute(module(value), { gasLimit: 1_000_000n })).toMatchObject({ kind: 'success' })
  })

  it('is refused one past it', () => {
    const outcome = compute(module(value + 1))
    expect(outcome).toMatchObject({ kind: 'failure', usedGas: 0n })
    expect(outcome.kind === 'failure' && outcome.message).toMatch(/^Error in execution of [^:]*: /)
    expect(outcome.kind === 'failure' && outcome.message.endsWith(text), text).toBe(true)
  })
})

describe('locals that calls set up', () => {
  const { value, text } = runLimits.idleLocals
  const calling = (locals: number, calls: number, params = 0): Outcome =>
    compute(
      `(module (func $idle (param ${'i32 '.repeat(params)}) (local ${'i64 '.repeat(locals)}))
        (func (export "call") (local $i i32)
          (loop (call $idle ${'(local.get 0) '.repeat(params)})
            (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${calls}))))))`,
      { gasLimit: 2n ** 60n },
    )

  it('end a run one past their limit, at the gas that it has used', () => {
    // The empty function pays 1.
    const idle = 40_000 - freeLocals - localsPerGas
    const most = Math.floor(value / idle)
    expect(calling(40_000, most)).toMatchObject({ kind: 'success' })
    const outcome = calling(40_000, most + 1)
    expect(outcome).toMatchObject({ kind: 'failure', message: `Error in execution of WASM code: ${text}` })
    expect(outcome.usedGas).toBeGreaterThan(0n)
  })

  it('do not count params', () => {
    const most = Math.floor(value / (40_000 - freeLocals - localsPerGas))
    expect(calling(40_000, most, 100)).toMatchObject({ kind: 'success' })
    expect(calling(40_000, most + 1, 100)).toMatchObject({ message: `Error in execution of WASM code: ${text}` })
  })

  it('are fewer by eight for each gas that the first block costs', () => {
    const run = (calls: number): Outcome =>
      compute(
        `(module (func $idle (local ${'i64 '.repeat(40_000)}) ${'nop '.repeat(999)})
          (func (export "call") (local $i i32)
            (loop (call $idle)
              (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${calls}))))))`,
        { gasLimit: 2n ** 60n },
      )
    const most = Math.floor(value / (40_000 - 64 - 8 * 1000))
    expect(run(most)).toMatchObject({ kind: 'success' })
    expect(run(most + 1)).toMatchObject({ message: `Error in execution of WASM code: ${text}` })
  })

  it('are not counted where there are few', () => {
    expect(calling(freeLocals + localsPerGas, 1_000_000)).toMatchObject({ kind: 'success' })
  })
})

test('growing the memory by nothing, or by too much, answers as the engine does', () => {
  const outcome = compute(
    `(module (import "env" "ret" (func $ret (param i32 i32))) (import "env" "memory" (memory 1 3))
      (func (export "call")
        (i32.store (i32.const 0) (memory.grow (i32.const 0)))
        (i32.store (i32.const 4) (memory.grow (i32.const 1)))
        (i32.store (i32.const 8) (memory.grow (i32.const 2)))
        (i32.store (i32.const 12) (memory.grow (i32.const 0x80000)))
        (i32.store (i32.const 16) (memory.grow (i32.const 0x80001)))
        (i32.store (i32.const 20) (memory.grow (i32.const 1)))
        (i32.store (i32.const 24) (memory.grow (i32.const 0)))
        (i32.store (i32.const 28) (memory.grow (i32.const 1)))
        (call $ret (i32.const 0) (i32.const 32))))`,
    { gasLimit: 2n ** 60n },
  )
  const output = outcome.kind === 'success' ? outcome.output : new Uint8Array()
  expect([...new Int32Array(output.slice().buffer)]).toEqual([1, 1, -1, -1, -1, 2, 3, -1])
})

test('growing the memory counts among the calls, which metering makes of it', () => {
  const { value, text } = moduleLimits.transfers
  const growing = (count: number): Uint8Array =>
    largeModule({
      functions: [{ code: concatenate([[0x41, 0], repeated([0x40, 0], count).subarray(0, -1), [0x1a, 0x0b]]) }],
      memory: 'imported',
    })
  expect(compute(growing(value), { gasLimit: 2n ** 60n })).toMatchObject({ kind: 'success' })
  expect(compute(growing(value + 1))).toMatchObject({ message: expect.stringContaining(text), usedGas: 0n })
})

test('a branch counts once, however far it goes, and a call, whatever its number', () => {
  const { value, text } = moduleLimits.transfers
  const blocks = (inside: Uint8Array): Uint8Array =>
    concatenate([repeated([0x02, 0x40], 9).subarray(0, -1), inside, repeated([0x0b], 8)])
  const leaving = (count: number): Uint8Array =>
    largeModule({ functions: [{ code: blocks(repeated([0x0c, 8], count)) }] })
  const calling = (count: number): Uint8Array =>
    largeModule({ functions: [...new Array(9).fill({ code: repeated([], 0) }), { code: repeated([0x10, 8], count) }] })
  for (const module of [leaving, calling]) {
    expect(compute(module(value), { gasLimit: 1_000_000n })).toMatchObject({ kind: 'success' })
    expect(compute(module(value + 1))).toMatchObject({ message: expect.stringContaining(text), usedGas: 0n })
  }
})

test('what deployment makes of pre-code is held against the size of a module too', () => {
  const filler = { code: repeated([0x01], 100_000) }
  const callAll = Uint8Array.from([...Array.from({ length: 25 }, (_, index) => [0x10, index]).flat(), 0x0b])
  const preCode = (data: number): Uint8Array =>
    largeModule({
      functions: [...new Array(25).fill(filler), { code: callAll }],
      memory: 'own',
      data: [3 * mebibyte, data],
    })
  const room = moduleLimits.moduleBytes.value - preCode(2 * mebibyte).length
  const largest = preCode(2 * mebibyte + room)
  expect(largest.length).toBe(moduleLimits.moduleBytes.value)
  // The import of the memory takes more bytes than the memory did.
  expect(deployModule(largest)).toEqual({
    kind: 'failure',
    message: `Error in execution of building the constructor: ${moduleLimits.moduleBytes.text}`,
    usedGas: 0n,
  })
  expect(deployModule(preCode(2 * mebibyte + room - 32))).toMatchObject({ kind: 'success' })
})

/** Runs `call` made of the given text with 8 MiB of memory; `args` are at 0. */
function host(imports: string, body: string, changes: Partial<Invocation> = {}): Outcome {
  return compute(
    `(module ${imports} (import "env" "fetch_args" (func $fetch_args (param i32))) (import "env" "memory" (memory 128 128))
      (func (export "call") (call $fetch_args (i32.const 0)) ${body}))`,
    { host: cheapHost, ...changes },
  )
}

const cheapHost: Invocation['host'] = {
  ...plainHost,
  encrypt: (_, plaintext) => new Uint8Array(plaintext.length + 28),
  decrypt: (_, blob) => blob.subarray(28),
}

function expectLimit(name: keyof typeof runLimits, run: (count: number) => Outcome): void {
  const { value, text } = runLimits[name]
  expect(run(value)).toMatchObject({ kind: 'success' })
  expect(run(value + 1)).toMatchObject({ kind: 'failure', message: `Error in execution of WASM code: ${text}` })
}

const writeState = '(import "env" "write_state" (func $write_state (param i32 i32 i32 i32)))'

describe('arguments of a host call', () => {
  const calls: [name: string, parameters: string, call: (length: number) => string][] = [
    ['ret', 'i32 i32', (n) => `(i32.const 0) (i32.const ${n})`],
    ['write_state', 'i32 i32 i32 i32', (n) => `(i32.const 0) (i32.const 1) (i32.const 0) (i32.const ${n})`],
    ['write_eth_bridge', 'i32 i32 i32', (n) => `(i32.const 0) (i32.const ${n}) (i32.const 0)`],
    ['rand', 'i32 i32', (n) => `(i32.const 0) (i32.const ${n})`],
    ['encrypt', 'i32 i32 i32 i32', (n) => `(i32.const 0) (i32.const ${n}) (i32.const 0) (i32.const 0)`],
    ['decrypt', 'i32 i32 i32 i32', (n) => `(i32.const 0) (i32.const ${n}) (i32.const 0) (i32.const 0)`],
    ['eprint', 'i32 i32', (n) => `(i32.const 0) (i32.const ${n})`],
  ]
  // A number and blanks behind it are a JSON value.
  const args = new Uint8Array(4 * mebibyte + 1).fill(0x20)
  args[0] = 0x31

  it.each(calls)('%s', (name, parameters, call) => {
    expectLimit('argumentBytes', (length) =>
      host(`(import "env" "${name}" (func $f (param ${parameters})))`, `(call $f ${call(length)})`, { args }),
    )
  })
})

describe('state keys', () => {
  const calls: [name: string, signature: string, call: (length: number) => string][] = [
    [
      'write_state',
      '(param i32 i32 i32 i32)',
      (n) => `(call $f (i32.const 1) (i32.const ${n}) (i32.const 0) (i32.const 1))`,
    ],
    ['read_state', '(param i32 i32 i32)', (n) => `(call $f (i32.const 1) (i32.const ${n}) (i32.const 0))`],
    ['read_state_len', '(param i32 i32) (result i32)', (n) => `(drop (call $f (i32.const 1) (i32.const ${n})))`],
    ['remove_from_state', '(param i32 i32)', (n) => `(call $f (i32.const 1) (i32.const ${n}))`],
  ]
  it.each(calls)('%s', (name, signature, call) => {
    const args = new Uint8Array(6000).fill(0x31)
    expectLimit('stateKeyBytes', (length) =>
      host(`(import "env" "${name}" (func $f ${signature}))`, call(length), { args }),
    )
  })
})

test('bytes that host functions handle', () => {
  // Each call counts 32 and what it handles; fetch_args handles nothing here.
  const rand = (length: number) => `(call $rand (i32.const 0) (i32.const ${length}))`
  expectLimit('hostBytes', (count) =>
    host(
      '(import "env" "rand" (func $rand (param i32 i32)))',
      rand(4 * mebibyte).repeat(3) + rand(count - 12 * mebibyte - 5 * 32),
    ),
  )
})

describe('bytes that host functions handle, for each of them', () => {
  const state = () => new Map<string, JsonValue>([['1', 'v'.repeat(998)]])
  const calls: [name: string, signature: string, args: string, bytes: number][] = [
    ['fetch_function_name_length', '(result i32)', '', 0],
    ['fetch_function_name', '(param i32)', '(i32.const 0)', 4],
    ['fetch_args_length', '(result i32)', '', 0],
    ['ret', '(param i32 i32)', '(i32.const 0) (i32.const 1000)', 1000],
    // Key, new text, and the length of the old value.
    [
      'write_state',
      '(param i32 i32 i32 i32)',
      '(i32.const 0) (i32.const 1) (i32.const 0) (i32.const 500)',
      1 + 500 + 1000,
    ],
    ['read_state_len', '(param i32 i32) (result i32)', '(i32.const 0) (i32.const 1)', 1 + 1000],
    ['read_state', '(param i32 i32 i32)', '(i32.const 0) (i32.const 1) (i32.const 2000)', 1 + 1000 + 1000],
    ['remove_from_state', '(param i32 i32)', '(i32.const 0) (i32.const 1)', 1],
    ['write_eth_bridge', '(param i32 i32 i32)', '(i32.const 0) (i32.const 1000) (i32.const 0)', 1020],
    ['gas', '(param i32)', '(i32.const 0)', 0],
    ['rand', '(param i32 i32)', '(i32.const 2000) (i32.const 1000)', 1000],
    [
      'encrypt',
      '(param i32 i32 i32 i32)',
      '(i32.const 0) (i32.const 1000) (i32.const 0) (i32.const 2000)',
      1000 + 32 + 512 + 1028,
    ],
    [
      'decrypt',
      '(param i32 i32 i32 i32)',
      '(i32.const 0) (i32.const 1000) (i32.const 0) (i32.const 2000)',
      1000 + 32 + 512 + 972,
    ],
    ['eprint', '(param i32 i32)', '(i32.const 0) (i32.const 1000)', 1000],
  ]
  const args = new Uint8Array(1000).fill(0x20)
  args[0] = 0x31

  it.each(calls)('%s', (name, signature, parameters, bytes) => {
    const call = signature.includes('result') ? `(drop (call $f ${parameters}))` : `(call $f ${parameters})`
    // Two calls to use up what is left, then the one that is measured.
    const used = 3 * mebibyte + args.length + (3 + 5) * 32
    const rest = (missing: number) => 16 * mebibyte - used - 12 * mebibyte - bytes + missing
    const run = (missing: number) =>
      host(
        `(import "env" "${name}" (func $f ${signature})) (import "env" "rand" (func $fill (param i32 i32)))`,
        `(call $fill (i32.const 4096) (i32.const ${4 * mebibyte}))`.repeat(3) +
          `(call $fill (i32.const 4096) (i32.const ${3 * mebibyte})) (call $fill (i32.const 4096) (i32.const ${rest(missing) + 32}))` +
          call,
        { args, state: state(), stateSize: memberSize('1', 'v'.repeat(998)) },
      )
    expect(run(0)).toMatchObject({ kind: 'success' })
    expect(run(1)).toMatchObject({
      kind: 'failure',
      message: `Error in execution of WASM code: ${runLimits.hostBytes.text}`,
    })
  })
})

describe('what host functions handle of a value with much in it counts more than its text', () => {
  const text = '[{"k":0},[],1.5,18446744073709551615,1,"s",null]'
  // Three arrays and objects, a member, and two numbers that are no safe integers.
  const structure = 3 * 16 + 3 * 8
  const parsed = (): JsonValue => [new Map([['k', 0]]), [], new JsonFloat(1.5), 18446744073709551615n, 1, 's', null]
  const calls: [name: string, call: string, bytes: number][] = [
    ['write_state', '(call $f (i32.const 1) (i32.const 1) (i32.const 0) (i32.const LENGTH))', text.length + structure],
    ['read_state_len', '(drop (call $f (i32.const 1) (i32.const 1)))', text.length + structure],
    ['read_state', '(call $f (i32.const 1) (i32.const 1) (i32.const 64))', 2 * text.length + structure],
  ]
  it.each(calls)('%s', (name, call, bytes) => {
    const parameters = hostFunctions.get(name)!.parameters
    const result = name === 'read_state_len' ? '(result i32)' : ''
    const rand = (length: number) => `(call $fill (i32.const 4096) (i32.const ${length}))`
    expectLimit('hostBytes', (count) =>
      host(
        `(import "env" "${name}" (func $f (param ${'i32 '.repeat(parameters)}) ${result}))
         (import "env" "rand" (func $fill (param i32 i32)))`,
        call.replace('LENGTH', String(text.length)) +
          rand(4 * mebibyte).repeat(3) +
          rand(count - 12 * mebibyte - 6 * 32 - text.length - 1 - bytes),
        {
          args: new TextEncoder().encode(text),
          state: new Map(name === 'write_state' ? [] : [['{', parsed()]]),
        },
      ),
    )
  })
})

test('calls without end are ended by their number', () => {
  const outcome = host('(import "env" "fetch_args_length" (func $f (result i32)))', '(loop (drop (call $f)) (br 0))', {
    gasLimit: 2n ** 60n,
  })
  expect(outcome).toMatchObject({
    kind: 'failure',
    message: `Error in execution of WASM code: ${runLimits.hostBytes.text}`,
  })
  // As many calls as fit behind the one of fetch_args, and the one that does not; each with its loop, drop and br.
  expect(outcome.usedGas).toBe(4n + 4n * ((16n * BigInt(mebibyte)) / 32n))
})

describe('the size of a state', () => {
  const { value: limit, text } = runLimits.stateBytes
  const filler = (size: number): [string, JsonValue] => ['big', 'x'.repeat(size - memberSize('big', ''))]
  /** Writes `length` bytes of args, `1` and blanks, under the key `k`. */
  const write = (state: Map<string, JsonValue>, stateSize: number, value: string, key = 'k') =>
    host(
      writeState,
      `(call $write_state (i32.const 0) (i32.const ${key.length}) (i32.const ${key.length}) (i32.const ${value.length}))`,
      { state, stateSize, args: new TextEncoder().encode(key + value) },
    )

  it('counts names and values', () => {
    const added = memberSize('k', 1)
    expectLimit('stateBytes', (count) => write(new Map([filler(count - added)]), count - added, '1'))
  })

  it('counts what is written, not what the contract passed', () => {
    const added = memberSize('k', [1])
    expect(write(new Map([filler(limit - added)]), limit - added, '[1     ]')).toMatchObject({ kind: 'success' })
  })

  it('counts what the run has written and removed before', () => {
    const state = new Map<string, JsonValue>([filler(limit - 20), ['a', 1]])
    const size = limit - 20 + memberSize('a', 1)
    const run = (remove: string) =>
      host(
        `${writeState} (import "env" "remove_from_state" (func $remove (param i32 i32)))`,
        `${remove} (call $write_state (i32.const 1) (i32.const 1) (i32.const 2) (i32.const 13))`,
        { state: new Map(state), stateSize: size, args: new TextEncoder().encode('ak"01234567890"') },
      )
    expect(run('')).toMatchObject({ kind: 'failure', message: expect.stringContaining(text) })
    expect(run('(call $remove (i32.const 0) (i32.const 1))')).toMatchObject({ kind: 'success' })
    // Removing twice makes no room twice.
    expect(run('(call $remove (i32.const 0) (i32.const 1))'.repeat(2))).toMatchObject({ kind: 'success' })
  })

  it('may shrink and stay where deltas from elsewhere have made it too large, but not grow', () => {
    const state = new Map<string, JsonValue>([filler(limit + 1000), ['k', 'xyz']])
    const size = limit + 1000 + memberSize('k', 'xyz')
    expect(write(new Map(state), size, '"abc"')).toMatchObject({ kind: 'success' })
    expect(write(new Map(state), size, '1')).toMatchObject({ kind: 'success' })
    expect(write(new Map(state), size, '"abcd"')).toMatchObject({
      kind: 'failure',
      message: expect.stringContaining(text),
    })
    expect(write(new Map(state), size, '1', 'new')).toMatchObject({ kind: 'failure' })
  })
})

test('depth of a value', () => {
  expectLimit('jsonDepth', (depth) =>
    host(writeState, `(call $write_state (i32.const 0) (i32.const 0) (i32.const 0) (i32.const ${2 * depth}))`, {
      args: new TextEncoder().encode('['.repeat(depth) + ']'.repeat(depth)),
    }),
  )
})

test('each target of a br_table counts as a branch', () => {
  const table = `(block (br_table ${'0 '.repeat(9999)} 0 (i32.const 0)))`
  const module = (more: string) => `(module (func (export "call") ${table} ${table} ${more}))`
  expect(compute(module(''))).toMatchObject({ kind: 'success' })
  expect(compute(module('(br 0)'))).toMatchObject({
    kind: 'failure',
    message: `Error in execution of creation of WASM module: function 0 has ${moduleLimits.transfers.text}`,
  })
})
