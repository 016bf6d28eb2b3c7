import { describe, expect, it } from 'vitest'
import { runOnDeepStack } from '../test/support/deepStack.ts'
import { wat } from '../test/support/modules.ts'
import { compute, deployModule, plainHost } from '../test/support/runs.ts'

const code = 'Error in execution of WASM code: '

/** A module whose `call` is the given text, with a table of one function of type (i32) -> () and one empty entry. */
const body = (text: string) => `(module (import "env" "memory" (memory 1 2)) (table 2 funcref) (elem (i32.const 0) $one)
  (type $none (func)) (func $one (param i32)) (func (export "call") ${text}))`

describe('traps', () => {
  it.each([
    ['(unreachable)', 'unreachable'],
    ['(drop (i32.load (i32.const 65533)))', 'memory access out of bounds'],
    ['(i64.store offset=4294967295 (i32.const -1) (i64.const 0))', 'memory access out of bounds'],
    ['(call_indirect (type $none) (i32.const 2))', 'table access out of bounds'],
    ['(call_indirect (type $none) (i32.const 0))', 'unexpected signature'],
    ['(call_indirect (type $none) (i32.const 1))', 'unexpected signature'],
    ['(drop (i32.div_s (i32.const 1) (i32.const 0)))', 'division by zero'],
    ['(drop (i64.rem_u (i64.const 1) (i64.const 0)))', 'division by zero'],
    ['(drop (i32.div_s (i32.const -2147483648) (i32.const -1)))', 'invalid conversion to int'],
    ['(drop (i32.trunc_f64_s (f64.const 1e10)))', 'invalid conversion to int'],
    ['(drop (i64.trunc_f32_u (f32.const nan)))', 'invalid conversion to int'],
  ])('%s is reported as %j', (text, detail) => {
    const outcome = compute(body(text))
    expect(outcome).toMatchObject({ kind: 'failure', message: code + detail })
    expect(outcome.usedGas).toBeGreaterThan(1n)
    expect(outcome.usedGas).toBeLessThan(30n)
  })

  it('leaves a run that follows untouched', () => {
    expect(compute(body('(unreachable)')).kind).toBe('failure')
    expect(compute(body(''))).toMatchObject({ kind: 'success', usedGas: 10_001n })
  })
})

describe('the reason that a contract gives', () => {
  const print = '(import "env" "eprint" (func $eprint (param i32 i32)))'
  const say = (length: number) => `(call $eprint (i32.const 0) (i32.const ${length}))`
  const run = (text: string, data: string, changes: Parameters<typeof compute>[1] = {}) =>
    compute(
      `(module ${print} (import "env" "gas" (func $gas (param i32))) (import "env" "memory" (memory 1 2))
        (data (i32.const 0) "${data}") (func (export "call") ${text}))`,
      changes,
    )
  const messageOf = (outcome: ReturnType<typeof compute>) => (outcome.kind === 'failure' ? outcome.message : 'success')

  it('follows the trap, if it was the last that the contract told the host', () => {
    const outcome = run(`${say(2)} ${say(8)} (unreachable)`, 'too l\\c3\\b6w')
    expect(outcome).toEqual({ kind: 'failure', message: `${code}unreachable: too löw`, usedGas: 8n })
  })

  it('is told whether or not somebody listens to prints', () => {
    const host = { ...plainHost, print: () => {} }
    expect(messageOf(run(`${say(3)} (unreachable)`, 'why', { host }))).toBe(`${code}unreachable: why`)
  })

  it.each([
    ['another host call came after it', `${say(3)} (call $gas (i32.const 0)) (unreachable)`, 'unreachable'],
    ['nothing was said', `${say(0)} (unreachable)`, 'unreachable'],
    ['it was not text', `${say(4)} (unreachable)`, 'unreachable'],
    ['the run ended otherwise', `${say(3)} (drop (i32.div_s (i32.const 1) (i32.const 0)))`, 'division by zero'],
  ])('is left out if %s', (_, text, expected) => {
    expect(messageOf(run(text, 'why\\ff'))).toBe(code + expected)
  })

  it('is no reason for recursion that is too deep', async () => {
    const bytes = wat(
      `(module ${print} (data (i32.const 0) "why") (import "env" "memory" (memory 1 2))
        (func $deep (param i32) (call $deep (local.get 0)) (call $eprint (i32.const 0) (i32.const 0)))
        (func (export "call") ${say(3)} (call $deep (i32.const 1))))`,
    )
    const [result] = await runOnDeepStack([{ bytes, gasLimit: 100_000_000n }])
    expect(messageOf(result!.outcomes[0]!)).toBe(`${code}unreachable`)
  })

  it('is cut at 1024 bytes, between characters', () => {
    // One byte, then characters of three: 341 of them fit.
    const outcome = run(`${say(1 + 3 * 400)} (unreachable)`, `x${'\\e2\\82\\ac'.repeat(400)}`)
    expect(messageOf(outcome)).toBe(`${code}unreachable: x${'€'.repeat(341)}`)
    const whole = run(`${say(1024)} (unreachable)`, 'y'.repeat(1030))
    expect(messageOf(whole)).toBe(`${code}unreachable: ${'y'.repeat(1024)}`)
  })

  it('is told by constructors too', () => {
    const outcome = deployModule(
      `(module ${print} (memory 1) (data (i32.const 0) "why") (func (export "call"))
        (func (export "deploy") ${say(3)} (unreachable)))`,
    )
    expect(messageOf(outcome)).toBe(`${code}unreachable: why`)
  })
})

describe('the gas limit', () => {
  const loop = body('(loop (br 0))')

  it('ends an endless loop with all gas used', () => {
    expect(compute(loop, { gasLimit: 1_000_001n })).toEqual({
      kind: 'failure',
      message: 'Invocation resulted in gas limit violated',
      usedGas: 1_000_001n,
    })
  })

  it.each([0n, 1n, 9_999n, 10_000n])('of %s is not enough for an empty call', (gasLimit) => {
    expect(compute(body(''), { gasLimit })).toEqual({
      kind: 'failure',
      message: 'Invocation resulted in gas limit violated',
      usedGas: gasLimit,
    })
  })

  it.each([10_001n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n])('of %s is', (gasLimit) => {
    expect(compute(body(''), { gasLimit })).toMatchObject({ kind: 'success', usedGas: 10_001n })
  })

  it('wins over a trap of the same block', () => {
    expect(compute(body('(unreachable)'), { gasLimit: 1n })).toMatchObject({
      message: 'Invocation resulted in gas limit violated',
      usedGas: 1n,
    })
  })
})

describe('memory.grow', () => {
  const grow = (pages: number) => body(`(drop (memory.grow (i32.const ${pages})))`)

  it.each([
    [0, 4n],
    [1, 4n + 8192n],
    [2, 4n + 2n * 8192n],
    [2 ** 19, 4n],
    [2 ** 19 + 1, 4n + 8192n],
  ])('of %i pages costs %s', (pages, gas) => {
    expect(compute(grow(pages))).toMatchObject({ kind: 'success', usedGas: gas + 10_000n })
  })

  it('of -1 page is more than a usual limit, and is charged although it fails', () => {
    expect(compute(grow(-1))).toMatchObject({ kind: 'failure', usedGas: 100_000_000n })
    expect(compute(grow(-1), { gasLimit: 2n ** 40n })).toMatchObject({
      kind: 'success',
      usedGas: 4n + 4_294_959_104n + 10_000n,
    })
  })

  it('gives the old size, or -1 beyond the maximum', () => {
    const outcome =
      compute(`(module (import "env" "memory" (memory 1 2)) (import "env" "ret" (func $ret (param i32 i32)))
      (func (export "call") (i32.store (i32.const 0) (memory.grow (i32.const 1)))
        (i32.store (i32.const 4) (memory.grow (i32.const 1))) (i32.store (i32.const 8) (memory.size))
        (call $ret (i32.const 0) (i32.const 12))))`)
    expect(outcome).toMatchObject({ output: Uint8Array.of(1, 0, 0, 0, 255, 255, 255, 255, 2, 0, 0, 0) })
  })
})
