import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { wat } from '../../test/support/modules.ts'
import { compute } from '../../test/support/runs.ts'
import { resultToCanonicalise } from './canonicalNan.ts'

type FloatType = 'f32' | 'f64'

const widths = { f32: 32, f64: 64 } as const
const canonical = { f32: 0x7fc00000n, f64: 0x7ff8000000000000n } as const

const binaryOperators = ['add', 'sub', 'mul', 'div', 'min', 'max'] as const
const unaryOperators = ['sqrt', 'ceil', 'floor', 'trunc', 'nearest'] as const

/** A float given by its bits; no engine or assembler reads it as a number. */
function literal(type: FloatType, bits: bigint): string {
  return `(${type}.reinterpret_i${widths[type]} (i${widths[type]}.const 0x${bits.toString(16)}))`
}

/** A module that returns the bits of each expression, 8 bytes apart. */
function returning(expressions: readonly { type: FloatType; text: string }[], more = ''): string {
  const stores = expressions.map(({ type, text }, index) => `(${type}.store (i32.const ${index * 8}) ${text})`)
  return `(module (import "env" "memory" (memory 1 1)) (import "env" "ret" (func $ret (param i32 i32))) ${more}
    (func (export "call") (local $f32 f32) (local $f64 f64) ${stores.join('\n')}
      (call $ret (i32.const 0) (i32.const ${8 * expressions.length}))))`
}

function resultBits(module: string | Uint8Array, gasLimit = 10_000_000_000n): bigint[] {
  const outcome = compute(module, { gasLimit })
  if (outcome.kind !== 'success') throw new Error(outcome.message)
  const view = new DataView(outcome.output.buffer, outcome.output.byteOffset, outcome.output.length)
  return Array.from({ length: outcome.output.length / 8 }, (_, index) => view.getBigUint64(index * 8, true))
}

/** Positive and negative, quiet and signalling, with and without payload. */
const nans = {
  f32: [0x7fc00000n, 0xffc00000n, 0x7fc12345n, 0xffd00001n, 0x7f800001n, 0xffabcdefn],
  f64: [
    0x7ff8000000000000n,
    0xfff8000000000000n,
    0x7ff8000012345678n,
    0xfffc000000000001n,
    0x7ff0000000000001n,
    0xfff7ffffffffffffn,
  ],
} as const
const one = { f32: 0x3f800000n, f64: 0x3ff0000000000000n } as const
const types: FloatType[] = ['f32', 'f64']

describe('a NaN out of arithmetic is the canonical one', () => {
  describe.each(types)('%s', (type) => {
    const number = literal(type, one[type])
    const zero = `(${type}.const 0)`
    const infinity = `(${type}.const inf)`

    it.each(binaryOperators)('%s of NaNs', (name) => {
      const operands = nans[type].flatMap((bits) => {
        const nan = literal(type, bits)
        return [`${nan} ${number}`, `${number} ${nan}`, `${nan} ${nan}`]
      })
      const expressions = operands.map((pair) => ({ type, text: `(${type}.${name} ${pair})` }))
      expect(resultBits(returning(expressions))).toEqual(expressions.map(() => canonical[type]))
    })

    it.each(unaryOperators)('%s of NaNs', (name) => {
      const expressions = nans[type].map((bits) => ({ type, text: `(${type}.${name} ${literal(type, bits)})` }))
      expect(resultBits(returning(expressions))).toEqual(expressions.map(() => canonical[type]))
    })

    it.each([
      `(${type}.add ${infinity} (${type}.neg ${infinity}))`,
      `(${type}.sub ${infinity} ${infinity})`,
      `(${type}.mul ${zero} ${infinity})`,
      `(${type}.div ${zero} ${zero})`,
      `(${type}.div (${type}.neg ${zero}) ${zero})`,
      `(${type}.div ${infinity} ${infinity})`,
      `(${type}.sqrt (${type}.const -1))`,
      `(${type}.sqrt (${type}.neg ${infinity}))`,
    ])('%s', (text) => {
      expect(resultBits(returning([{ type, text }]))).toEqual([canonical[type]])
    })

    it('also if the next operator takes it', () => {
      const nan = `(${type}.div ${zero} ${zero})`
      const expressions = [
        ...unaryOperators.map((name) => `(${type}.${name} ${nan})`),
        `(${type}.add ${number} ${nan})`,
      ]
      expect(resultBits(returning(expressions.map((text) => ({ type, text }))))).toEqual(
        expressions.map(() => canonical[type]),
      )
    })

    it('and what then moves bits starts from it', () => {
      const nan = `(${type}.div ${zero} ${zero})`
      const sign = 1n << BigInt(widths[type] - 1)
      const expected: [string, bigint][] = [
        [`(${type}.neg ${nan})`, canonical[type] | sign],
        [`(${type}.abs (${type}.neg ${nan}))`, canonical[type]],
        [`(${type}.copysign ${number} ${nan})`, one[type]],
        [`(${type}.copysign ${nan} (${type}.const -1))`, canonical[type] | sign],
        [`(select ${nan} ${number} (i32.const 1))`, canonical[type]],
        [`(local.tee $${type} ${nan})`, canonical[type]],
        [`(block (result ${type}) (br 0 ${nan}))`, canonical[type]],
        [`(call $id ${nan})`, canonical[type]],
      ]
      const identity = `(func $id (param ${type}) (result ${type}) (local.get 0))`
      const module = returning(
        expected.map(([text]) => ({ type, text })),
        identity,
      )
      expect(resultBits(module)).toEqual(expected.map(([, bits]) => bits))
    })
  })

  it('when it changes its width', () => {
    const promoted = nans.f32.map((bits) => `(f64.promote_f32 ${literal('f32', bits)})`)
    const demoted = nans.f64.map((bits) => `(f32.demote_f64 ${literal('f64', bits)})`)
    const expressions = [
      ...promoted.map((text) => ({ type: 'f64' as const, text })),
      ...demoted.map((text) => ({ type: 'f32' as const, text })),
    ]
    expect(resultBits(returning(expressions))).toEqual(expressions.map(({ type }) => canonical[type]))
  })
})

describe('what only moves bits keeps every NaN', () => {
  it.each(types)('%s', (type) => {
    const sign = 1n << BigInt(widths[type] - 1)
    const globals = nans[type].map((_, index) => `(global $g${index} (mut ${type}) (${type}.const 0))`).join(' ')
    const identity = `(func $id (param ${type}) (result ${type}) (local.get 0))`
    const expected = nans[type].flatMap<[string, bigint]>((bits, index) => {
      const nan = literal(type, bits)
      return [
        [nan, bits],
        [`(${type}.neg ${nan})`, bits ^ sign],
        [`(${type}.abs ${nan})`, bits & ~sign],
        [`(${type}.copysign ${nan} (${type}.const -0))`, bits | sign],
        [`(${type}.copysign ${literal(type, one[type])} ${nan})`, one[type] | (bits & sign)],
        [`(local.tee $${type} ${nan})`, bits],
        [`(call $id ${nan})`, bits],
        [`(select ${nan} (${type}.const 0) (i32.const 1))`, bits],
        [`(block (result ${type}) (global.set $g${index} ${nan}) (global.get $g${index}))`, bits],
        [`(block (result ${type}) (${type}.store (i32.const 60000) ${nan}) (${type}.load (i32.const 60000)))`, bits],
      ]
    })
    const module = returning(
      expected.map(([text]) => ({ type, text })),
      `${globals} ${identity}`,
    )
    expect(resultBits(module)).toEqual(expected.map(([, bits]) => bits))
  })
})

describe('the bits of a NaN do not depend on how hot the code is', () => {
  // Each function runs so often that the engine replaces its first code with optimised code on the way.
  const rounds = 3_000_000

  const made: [string, FloatType, string][] = types.flatMap((type) => [
    ...[...binaryOperators].map((name): [string, FloatType, string] => [
      `${type}.${name}`,
      type,
      `(${type}.${name} ${literal(type, nans[type][3])} ${literal(type, nans[type][5])})`,
    ]),
    ...[...unaryOperators].map((name): [string, FloatType, string] => [
      `${type}.${name}`,
      type,
      `(${type}.${name} ${literal(type, nans[type][3])})`,
    ]),
    [`${type} 0 / 0`, type, `(${type}.div (${type}.const 0) (${type}.const 0))`],
    [`${type} root of -1`, type, `(${type}.sqrt (${type}.const -1))`],
  ])
  made.push(['promotion', 'f64', `(f64.promote_f32 ${literal('f32', nans.f32[5])})`])
  made.push(['demotion', 'f32', `(f32.demote_f64 ${literal('f64', nans.f64[5])})`])

  const moved: [string, FloatType, string, bigint][] = types.flatMap((type) => {
    const bits = nans[type][4]
    const sign = 1n << BigInt(widths[type] - 1)
    const nan = literal(type, bits)
    return [
      [`${type}.neg`, type, `(${type}.neg ${nan})`, bits | sign],
      [`${type}.abs`, type, `(${type}.abs (${type}.neg ${nan}))`, bits],
      [`${type}.copysign`, type, `(${type}.copysign ${nan} (${type}.const -1))`, bits | sign],
    ]
  })

  /** First and last result of all rounds, and every bit in which one of them differed from the expected ones. */
  function repeat(type: FloatType, text: string, expected: bigint): bigint[] {
    const int = `i${widths[type]}`
    const extended = (value: string) => (type === 'f32' ? `(i64.extend_i32_u ${value})` : value)
    return resultBits(`(module (import "env" "memory" (memory 1 1)) (import "env" "ret" (func $ret (param i32 i32)))
      (func $make (result ${int}) (${int}.reinterpret_${type} ${text}))
      (func (export "call") (local $left i32) (local $bits i64) (local $differing i64)
        (i64.store (i32.const 0) ${extended('(call $make)')})
        (local.set $left (i32.const ${rounds}))
        (loop
          (local.set $bits ${extended('(call $make)')})
          (local.set $differing (i64.or (local.get $differing)
            (i64.xor (local.get $bits) (i64.const 0x${expected.toString(16)}))))
          (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i64.store (i32.const 8) (local.get $bits)) (i64.store (i32.const 16) (local.get $differing))
        (call $ret (i32.const 0) (i32.const 24))))`)
  }

  it.each(made)('%s', (_, type, text) => {
    expect(repeat(type, text, canonical[type])).toEqual([canonical[type], canonical[type], 0n])
  })

  it.each(moved)('%s, which keeps it', (_, type, text, expected) => {
    expect(repeat(type, text, expected)).toEqual([expected, expected, 0n])
  })
})

/** A float expression and the bits that it must give. */
interface Modelled {
  type: FloatType
  text: string
  bits: bigint
}

const scratch = new DataView(new ArrayBuffer(8))

function numberOf({ type, bits }: Modelled): number {
  scratch.setBigUint64(0, bits)
  return type === 'f64' ? scratch.getFloat64(0) : scratch.getFloat32(4)
}

/** Bits of an arithmetic result: rounded to the type, NaN canonical. */
function bitsOf(type: FloatType, value: number): bigint {
  if (Number.isNaN(value)) return canonical[type]
  if (type === 'f64') scratch.setFloat64(0, value)
  else scratch.setFloat32(0, value)
  return type === 'f64' ? scratch.getBigUint64(0) : BigInt(scratch.getUint32(0))
}

function nearest(value: number): number {
  if (!Number.isFinite(value)) return value
  const size = Math.abs(value)
  const below = Math.floor(size)
  const rest = size - below
  const rounded = rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below
  return value < 0 || Object.is(value, -0) ? -rounded : rounded
}

const unaryModels: Record<(typeof unaryOperators)[number], (value: number) => number> = {
  sqrt: Math.sqrt,
  ceil: Math.ceil,
  floor: Math.floor,
  trunc: Math.trunc,
  nearest,
}

// Rounding the double result to f32 is the f32 result: a double has more than twice the digits, and two more.
const binaryModels: Record<(typeof binaryOperators)[number], (left: number, right: number) => number> = {
  add: (left, right) => left + right,
  sub: (left, right) => left - right,
  mul: (left, right) => left * right,
  div: (left, right) => left / right,
  min: Math.min,
  max: Math.max,
}

const notable = {
  f32: [0n, 0x80000000n, 1n, 0x80000001n, 0x007fffffn, 0x00800000n, 0x7f7fffffn, 0x7f800000n, 0xff800000n, one.f32],
  f64: [
    0n,
    0x8000000000000000n,
    1n,
    0x8000000000000001n,
    0x000fffffffffffffn,
    0x0010000000000000n,
    0x7fefffffffffffffn,
    0x7ff0000000000000n,
    0xfff0000000000000n,
    one.f64,
    0x36a0000000000000n, // the smallest f32
    0x47efffffefffffffn, // just below where f32 ends
  ],
} as const

function leaf(type: FloatType): fc.Arbitrary<Modelled> {
  const bits = fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << BigInt(widths[type])) - 1n }),
    fc.double({ noNaN: true }).map((value) => bitsOf(type, value)),
    fc.integer({ min: -9, max: 9 }).map((value) => bitsOf(type, value / 2)),
    fc.constantFrom(...notable[type], ...nans[type]),
  )
  return bits.map((bits) => ({ type, text: literal(type, bits), bits }))
}

function node(type: FloatType, same: fc.Arbitrary<Modelled>, other: fc.Arbitrary<Modelled>): fc.Arbitrary<Modelled> {
  const sign = 1n << BigInt(widths[type] - 1)
  const unary = fc.tuple(fc.constantFrom(...unaryOperators), same).map(([name, value]) => ({
    type,
    text: `(${type}.${name} ${value.text})`,
    bits: bitsOf(type, unaryModels[name](numberOf(value))),
  }))
  const binary = fc.tuple(fc.constantFrom(...binaryOperators), same, same).map(([name, left, right]) => ({
    type,
    text: `(${type}.${name} ${left.text} ${right.text})`,
    bits: bitsOf(type, binaryModels[name](numberOf(left), numberOf(right))),
  }))
  const converted = other.map((value) => ({
    type,
    text: `(${type === 'f32' ? 'f32.demote_f64' : 'f64.promote_f32'} ${value.text})`,
    bits: bitsOf(type, numberOf(value)),
  }))
  const compared = fc.tuple(same, same).map(([left, right]) => ({
    type,
    text: `(${type}.convert_i32_s (${type}.le ${left.text} ${right.text}))`,
    bits: bitsOf(type, numberOf(left) <= numberOf(right) ? 1 : 0),
  }))
  const moving = fc.oneof(
    same.map(({ text, bits }) => ({ type, text: `(${type}.neg ${text})`, bits: bits ^ sign })),
    same.map(({ text, bits }) => ({ type, text: `(${type}.abs ${text})`, bits: bits & ~sign })),
    fc.tuple(same, same).map(([left, right]) => ({
      type,
      text: `(${type}.copysign ${left.text} ${right.text})`,
      bits: (left.bits & ~sign) | (right.bits & sign),
    })),
    same.map(({ text, bits }) => ({ type, text: `(local.tee $${type} ${text})`, bits })),
    fc.tuple(same, same, fc.boolean()).map(([left, right, first]) => ({
      type,
      text: `(select ${left.text} ${right.text} (i32.const ${first ? 1 : 0}))`,
      bits: first ? left.bits : right.bits,
    })),
    fc.tuple(same, same, fc.boolean()).map(([left, right, first]) => ({
      type,
      text: `(if (result ${type}) (i32.const ${first ? 1 : 0}) (then ${left.text}) (else ${right.text}))`,
      bits: first ? left.bits : right.bits,
    })),
  )
  return fc.oneof({ arbitrary: binary, weight: 4 }, { arbitrary: unary, weight: 3 }, converted, compared, {
    arbitrary: moving,
    weight: 3,
  })
}

const expressions = fc.letrec<{ f32: Modelled; f64: Modelled }>((tie) => {
  const options = { depthSize: 'small', maxDepth: 6 } as const
  return {
    f32: fc.oneof(options, leaf('f32'), { arbitrary: node('f32', tie('f32'), tie('f64')), weight: 3 }),
    f64: fc.oneof(options, leaf('f64'), { arbitrary: node('f64', tie('f64'), tie('f32')), weight: 3 }),
  }
})

it('computes random float expressions bit for bit as the model with canonical NaNs does', () => {
  const several = fc.array(fc.oneof(expressions.f32, expressions.f64), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(several, (modelled) => {
      expect(resultBits(returning(modelled))).toEqual(modelled.map(({ bits }) => bits))
    }),
    { numRuns: 1000 },
  )
})

describe('what it costs', () => {
  const twice = (text: string) => `(module ${text} (func (export "call") (call $f) (call $f)))`

  it('is no gas', () => {
    const source = twice('(func $f (drop (f64.neg (f64.add (f64.const 1) (f32.const 2) (f64.promote_f32)))))')
    // $f: its block and 6 instructions; call: its block and 2 calls.
    expect(compute(source)).toMatchObject({ kind: 'success', usedGas: 2n * 7n + 3n + 10_000n })
  })

  it('is two locals besides the two of metering, which the function must leave free', () => {
    const source = (count: number) =>
      wat(`(module (func (export "call") (param) (local ${'f64 '.repeat(count)})
        (local.set 0 (f64.neg (f64.add (f64.const 1) (f64.promote_f32 (f32.demote_f64 (local.get ${count - 1}))))))
        (drop (f32.neg (f32.sqrt (f32.const 2))))))`)
    expect(compute(source(49_996))).toMatchObject({ kind: 'success' })
    expect(compute(source(49_997))).toEqual({
      kind: 'failure',
      message: 'Error in execution of creation of WASM module: function 0 has more than 49996 locals',
      usedGas: 0n,
    })
  })
})

it('is made canonical behind every operator whose NaN is the choice of the engine, unless the next one does not see it', () => {
  const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index)
  // ceil, floor, trunc, nearest, sqrt, add, sub, mul, div, min, max; and conversions of one float to the other.
  const results = new Map([
    ...[...range(0x8d, 0x97), 0xb6].map((opcode) => [opcode, 0x7d] as const),
    ...[...range(0x9b, 0xa5), 0xbb].map((opcode) => [opcode, 0x7c] as const),
  ])
  // Comparisons, and truncations to i32 and i64.
  const blind = new Set([...results.keys(), ...range(0x5b, 0x66), ...range(0xa8, 0xab), ...range(0xae, 0xb1)])
  for (let opcode = 0; opcode < 256; opcode++) {
    const found = range(0, 255).map((next) => resultToCanonicalise(opcode, next))
    expect(found, `0x${opcode.toString(16)}`).toEqual(
      range(0, 255).map((next) => (blind.has(next) ? undefined : results.get(opcode))),
    )
  }
})
