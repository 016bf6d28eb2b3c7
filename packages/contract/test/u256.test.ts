import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileText, encodeValues, Running, reasonOf } from './support/contracts.ts'
import { edgedBigInt } from './support/values.ts'

const source = `
import { randomBelow, U256 } from '@bletchley/contract/assembly'
@tuple
class Comparisons {
  constructor(public equal: bool, public different: bool, public less: bool, public more: bool, public atMost: bool, public atLeast: bool) {}
}
@contract
export class Arithmetic {
  plus(a: U256, b: U256): U256 { return a + b }
  minus(a: U256, b: U256): U256 { return a - b }
  times(a: U256, b: U256): U256 { return a * b }
  over(a: U256, b: U256): U256 { return a / b }
  modulo(a: U256, b: U256): U256 { return a % b }
  left(a: U256, bits: i32): U256 { return a << bits }
  right(a: U256, bits: i32): U256 { return a >> bits }
  compare(a: U256, b: U256): Comparisons { return new Comparisons(a == b, a != b, a < b, a > b, a <= b, a >= b) }
  decimal(a: U256): string { return a.toString() }
  small(a: U256): u64 { return a.toU64() }
  isZero(a: U256): bool { return a.isZero() }
  limits(a: u64): Array<U256> { return [U256.zero, U256.max, U256.from(a)] }
  fromSigned(a: i64): U256 { return U256.from(a) }
  fromSmall(a: i32): U256 { const byte = <i8>a; return U256.from(byte) }
  fromSum(a: i32, b: u64): Array<U256> { return [U256.from(a + 1), U256.from(2_000_000_000 + 2_000_000_000), U256.from(b), U256.from(0xffff_ffff_ffff_ffff), U256.from(1 << 40), U256.from(a > 0 ? 1 : 2)] }
  fromLimbs(a: u64, b: u32): U256 { return new U256(a, b, 1, 0xffff_ffff_ffff_ffff) }
  fromLiteral(): U256 { return U256.from(-1) }
  fromChoice(a: bool): U256 { return U256.from(a ? (-1) : 1) }
  drawSigned(a: i32): u64 { return randomBelow(a) }
  drawLiteral(): u64 { return randomBelow(-1) }
  sum(values: Array<U256>): U256 { return values.reduce<U256>((sum, value) => sum + value, U256.zero) }
}`

const most = 2n ** 256n - 1n
const number = edgedBigInt(0n, most)
const numRuns = Number(process.env.BLETCHLEY_U256_RUNS ?? 50)

let contract: Running

beforeAll(async () => {
  contract = Running.deploy((await compileText(source)).wasm)
})

/** The result, or the reason that there is none. */
function result(name: string, a: bigint, b: bigint): unknown {
  try {
    return contract.ask(`${name}(uint256,uint256)(uint256)`, a, b)[0]
  } catch (error) {
    return reasonOf({ kind: 'failure', message: (error as Error).message, usedGas: 0n })
  }
}

const operations: Record<string, (a: bigint, b: bigint) => bigint | string> = {
  plus: (a, b) => (a + b > most ? 'U256: sum is too large' : a + b),
  minus: (a, b) => (a < b ? 'U256: difference is negative' : a - b),
  times: (a, b) => (a * b > most ? 'U256: product is too large' : a * b),
  over: (a, b) => (b === 0n ? 'U256: division by zero' : a / b),
  modulo: (a, b) => (b === 0n ? 'U256: division by zero' : a % b),
}

describe('a number with a sign', () => {
  it('is taken where it is not negative', () => {
    expect(contract.ask('fromSigned(int64)(uint256)', 2n ** 63n - 1n)).toEqual([2n ** 63n - 1n])
    expect(contract.ask('fromSmall(int32)(uint256)', 127)).toEqual([127n])
    const values = [8n, 4_000_000_000n, 2n ** 64n - 1n, 2n ** 64n - 1n, 2n ** 40n, 1n]
    expect(contract.ask('fromSum(int32,uint64)(uint256[])', 7, 2n ** 64n - 1n)).toEqual([values])
    expect(contract.ask('fromChoice(bool)(uint256)', false)).toEqual([1n])
    const limbs = [2n ** 64n - 1n, 2, (2n ** 64n - 1n) * 2n ** 192n + 2n ** 128n + 2n ** 65n + 2n ** 64n - 1n] as const
    expect(contract.ask('fromLimbs(uint64,uint32)(uint256)', limbs[0], limbs[1])).toEqual([limbs[2]])
    expect(contract.ask('drawSigned(int32)(uint64)', 1)).toEqual([0n])
  })

  it.each([
    ['-1', '-1 does not fit into a u64'],
    ['1, 0, -2', '-2 does not fit into a u64'],
    ['n', 'n is an i64, and of -1 a u64 would be 18446744073709551615'],
    ['n + 1', 'n + 1 is an i64'],
    ['<i8>n', '<i8>n is an i8'],
    ['-n', '-n is an i64'],
  ])('is no limb: new U256(%s)', async (limbs, reason) => {
    const text = `import { U256 } from '@bletchley/contract/assembly'
@contract export class C { f(n: i64): U256 { return new U256(${limbs}) } }`
    const before = text.split('\n')[1]!.indexOf(`(${limbs})`) + 1
    const place = before + limbs.lastIndexOf(' -') + 2
    await expect(compileText(text)).rejects.toThrow(`contract.ts:2:${place}: ${reason}`)
  })

  it.each<[string, unknown[], string]>([
    ['fromSigned(int64)(uint256)', [-1n], 'U256: a negative number'],
    ['fromSigned(int64)(uint256)', [-(2n ** 63n)], 'U256: a negative number'],
    ['fromSmall(int32)(uint256)', [128], 'U256: a negative number'],
    ['fromSum(int32,uint64)(uint256[])', [-2, 0n], 'U256: a negative number'],
    ['fromLiteral()(uint256)', [], 'U256: a negative number'],
    ['fromChoice(bool)(uint256)', [true], 'U256: a negative number'],
    ['drawSigned(int32)(uint64)', [-1], 'random: a negative bound'],
    ['drawLiteral()(uint64)', [], 'random: a negative bound'],
  ])('reverts in %s of %s', (signature, values, reason) => {
    expect(() => contract.ask(signature, ...values)).toThrow(reason)
  })
})

describe.each(Object.entries(operations))('%s', (name, expected) => {
  it('agrees with whole numbers of any size, and reverts where the result has no place', () => {
    const property = fc.property(number, number, (a, b) => {
      expect(result(name, a, b), `${name} of ${a} and ${b}`).toBe(expected(a, b))
    })
    fc.assert(property, { numRuns })
  })

  it('is right at the limits', () => {
    const edges = [0n, 1n, 2n ** 64n - 1n, 2n ** 128n - 1n, 2n ** 255n, most - 1n, most]
    for (const a of edges) {
      for (const b of edges) expect(result(name, a, b), `${name} of ${a} and ${b}`).toBe(expected(a, b))
    }
  })
})

it('multiplies and adds what it divided', () => {
  // Products of two numbers and a remainder reach the rare corrections of a guessed digit.
  const nearDigits = fc.constantFrom(
    2n ** 128n - 1n,
    2n ** 128n,
    2n ** 96n - 2n ** 32n,
    2n ** 127n + 1n,
    2n ** 127n - 1n,
  )
  const divisor = fc.oneof(edgedBigInt(1n, 2n ** 128n), nearDigits)
  const property = fc.property(
    divisor,
    fc.oneof(edgedBigInt(0n, 2n ** 126n), nearDigits),
    fc.bigInt({ min: 0n, max: most }),
    (by, quotient, more) => {
      const numerator = (by * quotient + (more % by)) % (most + 1n)
      expect(result('over', numerator, by), `${numerator} / ${by}`).toBe(numerator / by)
      expect(result('modulo', numerator, by), `${numerator} % ${by}`).toBe(numerator % by)
    },
  )
  fc.assert(property, { numRuns })
})

// Numerators and divisors where a guessed digit is one or two too high; the last makes the estimate overflow its digit.
it.each([
  [0x7fffffff_80000000_00000000_00000000n, 0x80000000_00000000_00000001n],
  [0x80000000_00000000_00000003n, 0x20000000_00000000_00000001n],
  [0x80000000_0000fffe_00000000n, 0x80000000_0000ffffn],
  [0x00008000_00000000_00000000_00000003n, 0x00002000_00000000_00000000_00000001n],
  [0xffffffff_fffffffe_00000000_00000000n, 0xffffffff_ffffffffn],
  [2n ** 256n - 1n, 2n ** 224n - 1n],
])('divides %s by %s', (a, b) => {
  expect([result('over', a, b), result('modulo', a, b)]).toEqual([a / b, a % b])
})

it('shifts, and forgets what leaves the range', () => {
  const property = fc.property(number, fc.integer({ min: 0, max: 300 }), (a, bits) => {
    const shown = `${a} by ${bits}`
    expect(contract.ask('left(uint256,int32)(uint256)', a, bits), shown).toEqual([(a << BigInt(bits)) & most])
    expect(contract.ask('right(uint256,int32)(uint256)', a, bits), shown).toEqual([a >> BigInt(bits)])
  })
  fc.assert(property, { numRuns })
  for (const bits of [0, 1, 31, 32, 63, 64, 65, 127, 128, 192, 255, 256, 2 ** 31 - 1]) {
    expect(contract.ask('left(uint256,int32)(uint256)', most, bits), `${bits}`).toEqual([
      bits > 255 ? 0n : (most << BigInt(bits)) & most,
    ])
    expect(contract.ask('right(uint256,int32)(uint256)', most, bits), `${bits}`).toEqual([
      bits > 255 ? 0n : most >> BigInt(bits),
    ])
  }
  for (const name of ['left', 'right']) {
    const outcome = contract.call(name, encodeValues(['uint256', 'int32'], [1n, -1]))
    expect(reasonOf(outcome), name).toBe('U256: a negative shift')
  }
})

it('compares', () => {
  const signature = 'compare(uint256,uint256)(bool,bool,bool,bool,bool,bool)'
  const pair = fc.oneof(
    fc.tuple(number, number),
    number.map((a): [bigint, bigint] => [a, a]),
  )
  const property = fc.property(pair, ([a, b]) => {
    expect(contract.ask(signature, a, b), `${a} and ${b}`).toEqual([a === b, a !== b, a < b, a > b, a <= b, a >= b])
  })
  fc.assert(property, { numRuns })
})

it('writes decimal digits', () => {
  const powers = Array.from({ length: 78 }, (_, index) => 10n ** BigInt(index))
  const edges = fc.constantFrom(...powers.flatMap((power) => [power - 1n, power, power + 1n]))
  const property = fc.property(fc.oneof(number, edges), (a) => {
    expect(contract.ask('decimal(uint256)(string)', a)).toEqual([String(a)])
  })
  fc.assert(property, { numRuns: 2 * numRuns })
})

it('fits into 64 bits or says that it does not', () => {
  expect(contract.ask('small(uint256)(uint64)', 2n ** 64n - 1n)).toEqual([2n ** 64n - 1n])
  for (const value of [2n ** 64n, 2n ** 128n, 2n ** 192n, most]) {
    const outcome = contract.call('small', encodeValues(['uint256'], [value]))
    expect(reasonOf(outcome), `${value}`).toBe('U256: does not fit into 64 bits')
  }
  expect(contract.ask('limits(uint64)(uint256[])', 7n)).toEqual([[0n, most, 7n]])
  expect(contract.ask('isZero(uint256)(bool)', 0n)).toEqual([true])
  expect(contract.ask('isZero(uint256)(bool)', 2n ** 255n)).toEqual([false])
  expect(contract.ask('sum(uint256[])(uint256)', [1n, 2n, most - 3n])).toEqual([most])
})
