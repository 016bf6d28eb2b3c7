import { describe, expect, it } from 'vitest'
import { runOnDeepStack } from '../../test/support/deepStack.ts'
import { wat } from '../../test/support/modules.ts'
import { compute } from '../../test/support/runs.ts'

// Charges are moved to where fewer of them run (analysis.ts). Nobody may be able to tell: what ends the run in front of a
// block must not have paid for it, and what happens in front of an `if` must have been paid for.

/** Code that ends the run, and the gas of its instructions. */
const ends: [name: string, code: string, gas: bigint][] = [
  ['unreachable', 'unreachable', 1n],
  ['i32.div_s', '(drop (i32.div_s (i32.const 1) (i32.const 0)))', 19n],
  ['i32.div_u', '(drop (i32.div_u (i32.const 1) (i32.const 0)))', 19n],
  ['i32.rem_s', '(drop (i32.rem_s (i32.const 1) (i32.const 0)))', 19n],
  ['i32.rem_u', '(drop (i32.rem_u (i32.const 1) (i32.const 0)))', 19n],
  ['i64.div_s', '(drop (i64.div_s (i64.const 1) (i64.const 0)))', 19n],
  ['i64.div_u', '(drop (i64.div_u (i64.const 1) (i64.const 0)))', 19n],
  ['i64.rem_s', '(drop (i64.rem_s (i64.const 1) (i64.const 0)))', 19n],
  ['i64.rem_u', '(drop (i64.rem_u (i64.const 1) (i64.const 0)))', 19n],
  ...['i32', 'i64'].flatMap((to) =>
    ['f32', 'f64'].flatMap((from) =>
      ['s', 'u'].map((sign): [string, string, bigint] => {
        const name = `${to}.trunc_${from}_${sign}`
        return [name, `(drop (${name} (${from}.const nan)))`, 3n]
      }),
    ),
  ),
  ...['i32.load', 'i64.load32_u', 'f64.load', 'i32.load8_s'].map((name): [string, string, bigint] => [
    name,
    `(drop (${name} (i32.const 65536)))`,
    4n,
  ]),
  ...(['i32.store', 'f32.store', 'i64.store8'] as const).map((name): [string, string, bigint] => [
    name,
    `(${name} (i32.const 65536) (${name.slice(0, 3)}.const 0))`,
    4n,
  ]),
  ['a host call', '(call $ret (i32.const 65536) (i32.const 1))', 3n],
  ['a call', '(call $ends)', 3n], // and in the callee: the block and `unreachable`
  ['call_indirect of nothing', '(call_indirect (type $t) (i32.const 0))', 2n],
]

/** Blocks that could be paid for in front of them, as the instructions that stand in the block around count them. */
const blocks: [name: string, code: string, outside: bigint][] = [
  ['a block', '(block (nop) (nop) (nop))', 1n],
  ['blocks in a block', '(block (block (nop)) (nop))', 1n],
  ['a loop', '(loop (nop) (nop))', 1n],
  ['an if', '(if (i32.const 1) (then (nop) (nop)))', 2n],
  ['an if and else', '(if (i32.const 0) (then (nop)) (else (nop) (nop)))', 2n],
]

const module = (body: string): string => `(module
  (type $t (func))
  (import "env" "ret" (func $ret (param i32 i32)))
  (import "env" "memory" (memory 1 1))
  (table 1 funcref)
  (func $ends unreachable)
  (func (export "call") ${body}))`

describe('what ends a run in front of a block has not paid for the block', () => {
  for (const [block, blockCode, outside] of blocks) {
    it.each(ends)(`${block} behind %s`, (_, code, gas) => {
      const body = `${code} ${blockCode}`
      // The function's own block is 1, with what stands directly in it behind the end as well.
      expect(compute(module(body))).toMatchObject({ kind: 'failure', usedGas: 1n + gas + outside })
    })
  }
})

describe('what ends a run in the condition of an if has paid for the block around', () => {
  const conditions: [string, string, bigint][] = [
    ['a division', '(i32.div_u (i32.const 1) (i32.const 0))', 18n],
    ['a load', '(i32.load (i32.const 65536))', 3n],
    ['a truncation', '(i32.trunc_f64_u (f64.const -1))', 2n],
  ]
  it.each(conditions)('%s', (_, condition, gas) => {
    const body = `(if ${condition} (then (nop)) (else (nop) (nop) (nop)))`
    expect(compute(module(body))).toMatchObject({ kind: 'failure', usedGas: 1n + gas + 1n })
  })
})

describe('what growing the memory ends in front of a block has not paid for the block', () => {
  // The helper that grows it takes more of the stack than its caller does at that place: with so many slots for locals and
  // operands the caller is entered, and the helper passes the limit.
  const [locals, operands] = [49_000, 16_438]
  const nearLimit = (code: string): string => `(local ${'i32 '.repeat(locals)})
    ${'i32.const 0 '.repeat(operands)} (drop (memory.grow (i32.const 0))) ${code} ${'drop '.repeat(operands)}`

  it.each(blocks)('in front of %s', async (_, code, outside) => {
    const [result] = await runOnDeepStack([{ bytes: wat(module(nearLimit(code))), gasLimit: 100_000_000n }])
    expect(result!.outcomes).toEqual([
      {
        kind: 'failure',
        message: 'Error in execution of WASM code: stack overflow',
        // The function's block, const, memory.grow and drop, and what puts the operands there and takes them away.
        usedGas: 1n + 3n + 2n * BigInt(operands) + outside,
      },
    ])
  })
})

describe('growing the memory is paid for when it happens', () => {
  it.each(blocks)('in front of %s', (_, code, outside) => {
    expect(compute(module(`(drop (memory.grow (i32.const 1))) (unreachable) ${code}`))).toMatchObject({
      usedGas: 1n + 3n + outside + 1n + 8192n,
    })
  })
})
