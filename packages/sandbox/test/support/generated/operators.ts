/**
 * The numeric operators of WebAssembly (core specification 1.0, 4.3), one after the other, over bit patterns: i32 and
 * f32 are numbers of `[0, 2^32)`, i64 and f64 bigints of `[0, 2^64)`. A float that arithmetic makes a NaN is the
 * canonical one.
 */

/** Bit pattern of a value of any type. */
export type Bits = number | bigint

/** The contract's code ends. `message` is the reference's text. */
export class Trap extends Error {}

type Unary = (value: Bits) => Bits
type Binary = (left: Bits, right: Bits) => Bits

/** Applies the operator to one operand, or to two. @throws Trap */
export function evaluate(op: number, left: Bits, right: Bits): Bits {
  const operator = operators.get(op)
  if (operator === undefined) throw new Error(`no operator ${op}`)
  return operator(left, right)
}

const view = new DataView(new ArrayBuffer(8))

export function floatOf32(bits: Bits): number {
  view.setUint32(0, bits as number)
  return view.getFloat32(0)
}

export function floatOf64(bits: Bits): number {
  view.setBigUint64(0, bits as bigint)
  return view.getFloat64(0)
}

/** Rounds to the nearest f32, ties to even. */
function bits32(value: number): number {
  if (Number.isNaN(value)) return 0x7fc00000
  view.setFloat32(0, value)
  return view.getUint32(0)
}

function bits64(value: number): bigint {
  if (Number.isNaN(value)) return 0x7ff8000000000000n
  view.setFloat64(0, value)
  return view.getBigUint64(0)
}

const signed32 = (bits: Bits): number => (bits as number) | 0
const signed64 = (bits: Bits): bigint => BigInt.asIntN(64, bits as bigint)
const wrap64 = (value: bigint): bigint => BigInt.asUintN(64, value)
const truth = (condition: boolean): number => (condition ? 1 : 0)

/** Bits of a pattern of `width` bits, the lowest first. */
function digits(bits: Bits, width: number): boolean[] {
  return Array.from({ length: width }, (_, at) => ((BigInt(bits) >> BigInt(at)) & 1n) === 1n)
}

function leadingZeros(bits: Bits, width: number): number {
  const highest = digits(bits, width).lastIndexOf(true)
  return width - 1 - highest
}

function trailingZeros(bits: Bits, width: number): number {
  const lowest = digits(bits, width).indexOf(true)
  return lowest < 0 ? width : lowest
}

function ones(bits: Bits, width: number): number {
  return digits(bits, width).filter((digit) => digit).length
}

/** Integer operators of both widths, in the order of their opcodes from `add` on, on numbers without a width. */
function integerOperator(name: string, left: bigint, right: bigint, width: bigint): bigint {
  const unsigned = (value: bigint) => BigInt.asUintN(Number(width), value)
  const shift = unsigned(right) % width
  switch (name) {
    case 'add':
      return left + right
    case 'sub':
      return left - right
    case 'mul':
      return left * right
    case 'div_s':
      if (right === 0n) throw new Trap('division by zero')
      if (left === -(1n << (width - 1n)) && right === -1n) throw new Trap('invalid conversion to int')
      return left / right
    case 'div_u':
      if (right === 0n) throw new Trap('division by zero')
      return unsigned(left) / unsigned(right)
    case 'rem_s':
      if (right === 0n) throw new Trap('division by zero')
      return left % right
    case 'rem_u':
      if (right === 0n) throw new Trap('division by zero')
      return unsigned(left) % unsigned(right)
    case 'and':
      return left & right
    case 'or':
      return left | right
    case 'xor':
      return left ^ right
    case 'shl':
      return left << shift
    case 'shr_s':
      return left >> shift
    case 'shr_u':
      return unsigned(left) >> shift
    case 'rotl':
      return (unsigned(left) << shift) | (unsigned(left) >> (width - shift))
    case 'rotr':
      return (unsigned(left) >> shift) | (unsigned(left) << (width - shift))
    default:
      throw new Error(name)
  }
}

const integerNames = [
  ...['add', 'sub', 'mul', 'div_s', 'div_u', 'rem_s', 'rem_u', 'and', 'or', 'xor', 'shl', 'shr_s', 'shr_u'],
  ...['rotl', 'rotr'],
]

/** Comparisons of one type in the order of their opcodes, from `eq` on; a NaN is unequal to everything. */
const integerComparisons: readonly ((left: bigint, right: bigint, unsigned: [bigint, bigint]) => boolean)[] = [
  (left, right) => left === right,
  (left, right) => left !== right,
  (left, right) => left < right,
  (_, __, [left, right]) => left < right,
  (left, right) => left > right,
  (_, __, [left, right]) => left > right,
  (left, right) => left <= right,
  (_, __, [left, right]) => left <= right,
  (left, right) => left >= right,
  (_, __, [left, right]) => left >= right,
]

const floatComparisons: readonly ((left: number, right: number) => boolean)[] = [
  (left, right) => left === right,
  (left, right) => left !== right,
  (left, right) => left < right,
  (left, right) => left > right,
  (left, right) => left <= right,
  (left, right) => left >= right,
]

/** To the nearest whole number, ties to even; a zero keeps the operand's sign. */
function nearest(value: number): number {
  const below = Math.floor(value)
  const rest = value - below
  let rounded = value
  if (rest > 0.5) rounded = below + 1
  else if (rest === 0.5) rounded = below % 2 === 0 ? below : below + 1
  else if (rest < 0.5) rounded = below
  return rounded === 0 && (value < 0 || Object.is(value, -0)) ? -0 : rounded
}

/** From `ceil` on, behind `abs` and `neg`. */
const floatUnary: readonly ((value: number) => number)[] = [Math.ceil, Math.floor, Math.trunc, nearest, Math.sqrt]

/** The result of these in f32 is the one of f64 rounded once more: f64 has more than twice the digits, and two more. */
const floatBinary: readonly ((left: number, right: number) => number)[] = [
  (left, right) => left + right,
  (left, right) => left - right,
  (left, right) => left * right,
  (left, right) => left / right,
  Math.min,
  Math.max,
]

/** The whole part, if it lies in `[lowest, highest]`. */
function truncate(value: number, lowest: bigint, highest: bigint): bigint {
  if (!Number.isFinite(value)) throw new Trap('invalid conversion to int')
  const whole = BigInt(Math.trunc(value))
  if (whole < lowest || whole > highest) throw new Trap('invalid conversion to int')
  return whole
}

/** The f32 nearest to a whole number, ties to even, without a rounding to f64 in between. */
function wholeTo32(value: bigint): number {
  const size = value < 0n ? -value : value
  const surplus = BigInt(Math.max(0, size.toString(2).length - 24))
  const unit = 1n << surplus
  let kept = size / unit
  const rest = size % unit
  if (2n * rest > unit || (2n * rest === unit && kept % 2n === 1n)) kept += 1n
  return bits32(Number(kept * unit) * (value < 0n ? -1 : 1))
}

const operators = new Map<number, (left: Bits, right: Bits) => Bits>()

function unary(op: number, operator: Unary): void {
  operators.set(op, operator)
}

function binary(first: number, all: readonly Binary[]): void {
  for (const [at, operator] of all.entries()) operators.set(first + at, operator)
}

// Integers.
unary(0x45, (value) => truth(value === 0))
unary(0x50, (value) => truth(value === 0n))
binary(
  0x46,
  integerComparisons.map(
    (compare): Binary =>
      (left, right) =>
        truth(compare(BigInt(signed32(left)), BigInt(signed32(right)), [BigInt(left), BigInt(right)])),
  ),
)
binary(
  0x51,
  integerComparisons.map(
    (compare): Binary =>
      (left, right) =>
        truth(compare(signed64(left), signed64(right), [left as bigint, right as bigint])),
  ),
)
unary(0x67, (value) => leadingZeros(value, 32))
unary(0x68, (value) => trailingZeros(value, 32))
unary(0x69, (value) => ones(value, 32))
unary(0x79, (value) => BigInt(leadingZeros(value, 64)))
unary(0x7a, (value) => BigInt(trailingZeros(value, 64)))
unary(0x7b, (value) => BigInt(ones(value, 64)))
binary(
  0x6a,
  integerNames.map(
    (name): Binary =>
      (left, right) =>
        Number(BigInt.asUintN(32, integerOperator(name, BigInt(signed32(left)), BigInt(signed32(right)), 32n))),
  ),
)
binary(
  0x7c,
  integerNames.map(
    (name): Binary =>
      (left, right) =>
        wrap64(integerOperator(name, signed64(left), signed64(right), 64n)),
  ),
)

// Floats.
for (const [at, compare] of floatComparisons.entries()) {
  operators.set(0x5b + at, (left, right) => truth(compare(floatOf32(left), floatOf32(right))))
  operators.set(0x61 + at, (left, right) => truth(compare(floatOf64(left), floatOf64(right))))
}
const sign32 = 0x80000000
const sign64 = 0x8000000000000000n
unary(0x8b, (value) => ((value as number) & ~sign32) >>> 0)
unary(0x8c, (value) => ((value as number) ^ sign32) >>> 0)
unary(0x99, (value) => (value as bigint) & ~sign64)
unary(0x9a, (value) => (value as bigint) ^ sign64)
for (const [at, operator] of floatUnary.entries()) {
  unary(0x8d + at, (value) => bits32(operator(floatOf32(value))))
  unary(0x9b + at, (value) => bits64(operator(floatOf64(value))))
}
for (const [at, operator] of floatBinary.entries()) {
  operators.set(0x92 + at, (left, right) => bits32(operator(floatOf32(left), floatOf32(right))))
  operators.set(0xa0 + at, (left, right) => bits64(operator(floatOf64(left), floatOf64(right))))
}
operators.set(0x98, (left, right) => (((left as number) & ~sign32) | ((right as number) & sign32)) >>> 0)
operators.set(0xa6, (left, right) => ((left as bigint) & ~sign64) | ((right as bigint) & sign64))

// Conversions.
const lowest32 = -(2n ** 31n)
const highest32 = 2n ** 31n - 1n
const lowest64 = -(2n ** 63n)
const highest64 = 2n ** 63n - 1n
const as32 = (value: bigint): number => Number(BigInt.asUintN(32, value))
unary(0xa7, (value) => as32(value as bigint))
unary(0xa8, (value) => as32(truncate(floatOf32(value), lowest32, highest32)))
unary(0xa9, (value) => as32(truncate(floatOf32(value), 0n, 2n ** 32n - 1n)))
unary(0xaa, (value) => as32(truncate(floatOf64(value), lowest32, highest32)))
unary(0xab, (value) => as32(truncate(floatOf64(value), 0n, 2n ** 32n - 1n)))
unary(0xac, (value) => wrap64(BigInt(signed32(value))))
unary(0xad, (value) => BigInt(value))
unary(0xae, (value) => wrap64(truncate(floatOf32(value), lowest64, highest64)))
unary(0xaf, (value) => truncate(floatOf32(value), 0n, 2n ** 64n - 1n))
unary(0xb0, (value) => wrap64(truncate(floatOf64(value), lowest64, highest64)))
unary(0xb1, (value) => truncate(floatOf64(value), 0n, 2n ** 64n - 1n))
unary(0xb2, (value) => wholeTo32(BigInt(signed32(value))))
unary(0xb3, (value) => wholeTo32(BigInt(value)))
unary(0xb4, (value) => wholeTo32(signed64(value)))
unary(0xb5, (value) => wholeTo32(value as bigint))
unary(0xb6, (value) => bits32(floatOf64(value)))
unary(0xb7, (value) => bits64(signed32(value)))
unary(0xb8, (value) => bits64(value as number))
unary(0xb9, (value) => bits64(Number(signed64(value))))
unary(0xba, (value) => bits64(Number(value)))
unary(0xbb, (value) => bits64(floatOf32(value)))

// Reinterpretations: the pattern stays.
for (let op = 0xbc; op <= 0xbf; op++) unary(op, (value) => value)
