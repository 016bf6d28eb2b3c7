import { describe, expect, it } from 'vitest'
import { runOnDeepStack } from '../test/support/deepStack.ts'
import { binary, section, wat } from '../test/support/modules.ts'
import { analyseFunctions } from './meter/analysis.ts'
import { decodeModule } from './wasm/decode.ts'

const code = 'Error in execution of WASM code: '
const gasLimit = 100_000_000n

async function runDeep(source: string, deployment = false) {
  const [result] = await runOnDeepStack([{ bytes: wat(source), gasLimit, deployment }])
  expect(result!.error, "the engine's own stack must not end first").not.toBe('RangeError')
  return result!.outcomes[0]!
}

describe('stack cost of one function, as the reference counts it', () => {
  it.each<[string, number]>([
    ['(func)', 1],
    ['(func (local i32 i32 i32))', 2],
    ['(func (local i32 i64 i32))', 4],
    ['(func (param i32 i32 i32))', 1],
    ['(func (if (i32.const 0) (then)))', 2],
    [`(func ${'(if (i32.const 0) (then))'.repeat(3)})`, 4],
    ['(func (result i32) (i32.const 1) (i32.const 2) (block) (drop))', 3],
    ['(func (result i32) (if (result i32) (i32.const 0) (then (i32.const 1)) (else (i32.const 2))))', 3],
    // Behind an inner block the outer one begins where it did: dead code takes nothing from below.
    [
      `(func i32.const 0 i32.const 0 block block end unreachable drop drop
        block ${'i32.const 0 '.repeat(5)} ${'drop '.repeat(5)} end end drop drop)`,
      7,
    ],
    // The reference refuses this valid dead code; here it counts what was reached.
    ['(func (unreachable) (drop (i32.add (i32.const 1))))', 1],
  ])('%s costs %i', (source, cost) => {
    const module = decodeModule(wat(`(module ${source})`))
    expect(analyseFunctions(module).map(({ stackCost }) => stackCost)).toEqual([cost])
  })
})

it.each([1, 127, 128])(
  'what leaves %i blocks by a table takes its result along, dead code behind it or not',
  (label) => {
    const module = wat(`(module (func block (result i32) ${'block '.repeat(label)}
    i32.const 1 i32.const 2 i32.const 3 br_table ${label} ${label}
    block ${'i32.const 0 '.repeat(5)} ${'drop '.repeat(5)} end ${'end '.repeat(label)} unreachable end drop))`)
    // Two operands are left, and the dead block has five more.
    expect(analyseFunctions(decodeModule(module)).map(({ stackCost }) => stackCost)).toEqual([7])
  },
)

describe('what each instruction takes and leaves is what the engine finds valid', () => {
  const constants = [
    [0x41, 0],
    [0x42, 0],
    [0x43, ...Array(4).fill(0)],
    [0x44, ...Array(8).fill(0)],
  ]
  /** With a memory, a global and a local, the last two of i32. */
  const moduleOf = (body: number[]): Uint8Array<ArrayBuffer> =>
    Uint8Array.from(
      binary(
        section(1, 1, 0x60, 0, 0),
        section(3, 1, 0),
        section(5, 1, 0, 1),
        section(6, 1, 0x7f, 1, 0x41, 0, 0x0b),
        section(10, 1, body.length + 4, 1, 1, 0x7f, ...body, 0x0b),
      ),
    )
  const operands = [[], ...constants.map((one) => [one])]
  for (const one of constants) for (const other of constants) operands.push([one, other], [one, other, constants[0]!])
  const drops = (count: number): number[] => Array<number>(count).fill(0x1a)

  /** Of an instruction that takes operands of some types: so many constants before it, so many values behind it. */
  function judge(instruction: number[]): { taken: number[]; left: number } | undefined {
    for (const given of operands) {
      for (let left = 0; left <= given.length + 1; left++) {
        const taken = given.flat()
        if (WebAssembly.validate(moduleOf([...taken, ...instruction, ...drops(left)]))) return { taken, left }
      }
    }
    return undefined
  }

  const opcodes = [
    0x1a,
    0x1b,
    ...Array.from({ length: 5 }, (_, n) => 0x20 + n),
    ...Array.from({ length: 0x98 }, (_, n) => 0x28 + n),
  ]
  it.each(opcodes.map((opcode) => [`0x${opcode.toString(16)}`, opcode] as const))('%s', (_, opcode) => {
    const immediates = constants.find(([constant]) => constant === opcode)?.slice(1)
    const length = opcode < 0x20 || opcode > 0x40 ? 0 : opcode >= 0x28 && opcode < 0x3f ? 2 : 1
    const instruction = [opcode, ...(immediates ?? Array<number>(length).fill(0))]
    const { taken, left } = judge(instruction)!
    const push = constants[0]!
    const body = [push, push, push, taken, instruction, push, push, push, push, push].flat()
    const analyses = analyseFunctions(decodeModule(moduleOf([...body, ...drops(8 + left)])))
    // The local counts as one.
    expect(analyses).toMatchObject([{ operandPeak: 8 + left, stackCost: 1 + 8 + left }])
  })
})

describe('the highest operand of one function', () => {
  const pushes = (count: number): string => `${'i32.const 0 '.repeat(count)} ${'drop '.repeat(count)}`
  // A metered block is charged with one operand more.
  it.each<[string, number]>([
    [pushes(5), 5],
    [`block unreachable end ${pushes(5)}`, 5],
    [`block block unreachable end end ${pushes(5)}`, 5],
    [`unreachable ${pushes(5)}`, 1],
    [`unreachable block ${pushes(5)} end ${pushes(5)}`, 1],
    [`block unreachable block unreachable end ${pushes(5)} end`, 1],
    [`block unreachable block unreachable end end ${pushes(5)}`, 5],
    [`i32.const 0 if unreachable else ${pushes(5)} end`, 5],
    [`i32.const 0 if unreachable block unreachable end else ${pushes(5)} end`, 5],
  ])('%s is %i', (body, peak) => {
    const module = decodeModule(wat(`(module (func ${body}))`))
    expect(analyseFunctions(module).map(({ operandPeak }) => operandPeak)).toEqual([peak])
  })
})

it('what waits below a call is neither its arguments nor the index in the table', () => {
  const module = wat(`(module (import "env" "memory" (memory 1 2)) (table 1 funcref)
    (type $two (func (param i32 i64))) (func $f (type $two))
    (func i32.const 0 i32.const 0 i32.const 0
      i32.const 0 i64.const 0 call $f
      i32.const 0 i64.const 0 i32.const 0 call_indirect (type $two)
      i32.const 0 memory.grow
      i32.const 0 i64.const 0 call $f
      drop drop drop drop))`)
  expect(analyseFunctions(decodeModule(module)).map(({ callHeights }) => callHeights)).toEqual([[], [3, 3, 3, 4]])
})

describe('deep recursion', () => {
  it('ends in the limiter at cost 2 per activation, as measured in the reference', async () => {
    const outcome = await runDeep(`(module
      (func $f (param i32) (result i32) (i32.add (call $f (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
      (func (export "call") (drop (call $f (i32.const 0)))))`)
    expect(outcome).toEqual({ kind: 'failure', message: `${code}unreachable`, usedGas: 229_373n })
  })

  it('is as deep with floats, whose NaNs are made canonical', async () => {
    const outcome = await runDeep(`(module
      (func $f (param f64) (result f64) (f64.add (call $f (f64.add (local.get 0) (f64.const 1))) (f64.const 1)))
      (func (export "call") (drop (call $f (f64.const 0)))))`)
    expect(outcome).toEqual({ kind: 'failure', message: `${code}unreachable`, usedGas: 229_373n })
  })

  it('counts no slots for the locals that canonical NaNs need', async () => {
    const recursion = (body: string) => `(module (func $f (local ${'f64 '.repeat(100)}) ${body} (call $f))
      (func (export "call") (call $f)))`
    const plain = await runDeep(recursion('(local.set 0 (f64.copysign (f64.const 1) (f64.const 2)))'))
    expect(plain).toMatchObject({ kind: 'failure', message: `${code}stack overflow` })
    expect(await runDeep(recursion('(local.set 0 (f64.div (f64.const 1) (f64.const 2)))'))).toEqual(plain)
  })

  it('counts the thunk of the entry only once', async () => {
    // Thunk 1, call 2, and from there $f: activations pay 2 each while their depth is below 65 536.
    const outcome = await runDeep('(module (func $f (export "call") (call $f)))')
    expect(outcome).toEqual({ kind: 'failure', message: `${code}stack overflow`, usedGas: 2n * 65_534n })
  })

  it('counts thunk and function for each indirect call', async () => {
    const outcome = await runDeep(`(module (table 1 funcref) (elem (i32.const 0) $f) (type $t (func))
      (func $f (call_indirect (type $t) (i32.const 0))) (func (export "call") (call $f)))`)
    // call has depth 2, the first $f 3, each further one 2 more; 1 + const + call_indirect = 3 gas each.
    const activations = BigInt(Math.floor((65_535 - 3) / 2) + 1)
    expect(outcome).toEqual({ kind: 'failure', message: `${code}stack overflow`, usedGas: 2n + 3n * activations })
  })

  it('comes back from 30 000 activations and has its room again', async () => {
    const outcome = await runDeep(`(module
      (func $down (param i32) (block (br_if 0 (i32.eqz (local.get 0))) (call $down (i32.sub (local.get 0) (i32.const 1)))))
      (func (export "call") (call $down (i32.const 30000)) (call $down (i32.const 30000))))`)
    expect(outcome).toMatchObject({ kind: 'success' })
  })

  it('takes leave of frames through branches and returns alike', async () => {
    const source = (exit: string) => `(module
      (func $f (param i32) (result i32) (local i64)
        (block $out (result i32) ${exit} (i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))))
      (func (export "call") (local i32) (loop
        (drop (call $f (i32.const 15000)))
        (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 6))))))`
    for (const exit of [
      '(if (i32.eqz (local.get 0)) (then (return (i32.const 7))))',
      '(if (i32.eqz (local.get 0)) (then (br $out (i32.const 7))))',
      '(drop (br_if $out (i32.const 7) (i32.eqz (local.get 0))))',
    ]) {
      expect(await runDeep(source(exit)), exit).toMatchObject({ kind: 'success' })
    }
  })

  it('counts real locals, not declarations', async () => {
    const outcome = await runDeep(`(module (func $f (local ${'i64 '.repeat(1000)}) (call $f))
      (func (export "call") (call $f)))`)
    expect(outcome).toEqual({ kind: 'failure', message: `${code}stack overflow`, usedGas: 2n + 65n * 2n })
  })

  it('counts operands that wait below a call', async () => {
    const outcome = await runDeep(`(module
      (func $f (result i32) (i32.const 1) (i32.const 1) (i32.const 1) (call $f) (drop) (drop) (drop))
      (func (export "call") (drop (call $f))))`)
    // Cost 4 (the result above three operands), 8 gas; 1 for call: 1 + 4n <= 65 536.
    expect(outcome).toEqual({ kind: 'failure', message: `${code}unreachable`, usedGas: 3n + 8n * 16_383n })
  })

  it('does not let a single frame be larger than the stack', async () => {
    const outcome = await runDeep(`(module (func (export "call") (local ${'i32 '.repeat(49_000)})
      (call $g)) (func $g (local ${'i32 '.repeat(20_000)})))`)
    expect(outcome).toEqual({ kind: 'failure', message: `${code}stack overflow`, usedGas: 2n })
  })

  it('guards the growth of memory like a call', async () => {
    // The reference's helper that charges for growth is an activation of its own, of cost 3.
    const source = (activations: number) => `(module (import "env" "memory" (memory 1 1))
      (global $left (mut i32) (i32.const ${activations}))
      (func $f (global.set $left (i32.sub (global.get $left) (i32.const 1)))
        (block (br_if 0 (global.get $left)) (drop (memory.grow (i32.const 0))) (return))
        (call $f))
      (func (export "call") (call $f)))`
    // Each $f costs the limiter 2: 32 766 of them and 1 for call leave 3 for the helper.
    expect(await runDeep(source(32_766))).toMatchObject({ kind: 'success' })
    expect(await runDeep(source(32_767))).toMatchObject({ kind: 'failure', message: `${code}unreachable` })
  })

  it('has less room in a constructor, which the reference calls from a function of its own', async () => {
    const source = (name: string) => `(module ${name === 'deploy' ? '(memory 1)' : ''}
      (func $f (param i32) (result i32) (i32.add (call $f (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
      (func (export "${name}") (drop (call $f (i32.const 0)))))`
    expect(await runDeep(source('call'))).toMatchObject({ usedGas: 4n + 32_767n * 7n })
    // 2 more for the wrapper and 1 for deploy: 2 + 1 + 2n <= 65 536.
    expect(await runDeep(source('deploy'), true)).toMatchObject({ usedGas: 5n + 4n + 32_766n * 7n })
  })
})
