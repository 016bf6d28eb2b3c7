import {
  AssertionExpression,
  BinaryExpression,
  CallExpression,
  ElementAccessExpression,
  type Expression,
  type Flow,
  type Function as FunctionInstance,
  IntegerLiteralExpression,
  PropertyAccessExpression,
  TernaryExpression,
  Type,
  UnaryPrefixExpression,
} from 'assemblyscript'
import { tokens } from './compilerFlags.ts'
import type { Refuse } from './elements.ts'
import { enumOf } from './enumRules.ts'
import {
  type Bounds,
  boundsOf,
  calculated,
  constantValue,
  isCastCall,
  isWithin,
  literalValue,
  mirroredOrder,
  typeOf,
  valuesOf,
  valuesOfEnum,
  withoutParentheses,
  wrapped,
} from './integers.ts'
import { isComparisonOperator, isOneOf, textOf } from './syntax.ts'

// The compiler takes the bits of a number for those of another type, as long as there is room for them: -1 becomes
// 2^64 - 1. A cast says that this is meant.

/** Operands of which only the bits count: `flags & -8` clears three of them, whatever the sign. */
const bits = new WeakSet<Expression>()

/** What is added, subtracted or multiplied: `total + change` of a `u64` and an `i64` below zero is what it says. */
const terms = new WeakSet<Expression>()

/** How far something is shifted. Only the last bits of it count. */
const shifts = new WeakSet<Expression>()

/** Arguments for which what is below zero is as much out of range as what is too large, so that the task reverts for both. */
const places = new WeakSet<Expression>()

/** Notes which operands are taken by their bits, or calculated with, and which are places in a list, before they are compiled. */
export function noteOperands({ operator, left, right }: BinaryExpression, flow: Flow): void {
  if (isOneOf(operator, tokens.firstAssignment, tokens.lastAssignment)) notePlacesOfTarget(left, right, flow)
  if (isShift(operator)) shifts.add(withoutParentheses(right))
  const operands = isBitwise(operator) ? bits : isSumOrProduct(operator) ? terms : undefined
  operands?.add(withoutParentheses(left)).add(withoutParentheses(right))
}

/** Notes which arguments are places in a list, or lengths of a new one, before they are compiled. */
export function notePlaces(called: FunctionInstance, args: readonly Expression[]): void {
  if (!placed.test(called.internalName)) return
  const both = called.prototype.name === 'sliceBytes' ? args.slice(1) : args.slice(0, 1)
  for (const place of both) places.add(withoutParentheses(place))
}

/** Notes the same where an element, or the length of a list, is assigned. */
export function notePlacesOfTarget(target: Expression, value: Expression | undefined, flow: Flow): void {
  const plain = withoutParentheses(target)
  const isElement = plain instanceof ElementAccessExpression
  const isLength = plain instanceof PropertyAccessExpression && plain.property.text === 'length'
  if (!isElement && !isLength) return
  const list = typeOf(plain.expression, flow)?.getClass()
  const place = isElement ? plain.elementExpression : value
  if (list == null || place === undefined) return
  if (placed.test(`${list.internalName}#__set`)) places.add(withoutParentheses(place))
}

/** Functions that look whether an argument is in range: what is too large for one type is below zero in the other. */
const placed =
  /^~lib\/((array|staticarray|typedarray|string|arraybuffer)\/\w+(<.*>)?#(__get|__set|constructor|charAt|charCodeAt|codePointAt|repeat)|@bletchley\/contract\/assembly\/(state\/StateList<.*>#[gs]et|random\/randomBytes|bytes\/sliceBytes))$/

/** Requires that a number that is written out is what becomes of it. @param taken the type that it takes */
export function requireWritten(literal: Expression, taken: Type, refuse: Refuse): void {
  const value = literalValue(literal)
  const bounds = boundsOf(taken)
  if (value === undefined || bounds === undefined || bits.has(literal) || terms.has(literal) || shifts.has(literal))
    return
  if (!isWithin({ least: value, most: value }, bounds)) refuseConstant(literal, value, taken, refuse)
}

/** Whether an expression is a number that is written out, for the compiler itself: `-(1)` is a calculation. */
export function writtenNumber(
  expression: Expression,
): { literal: IntegerLiteralExpression; isNegative: boolean } | undefined {
  const plain = withoutParentheses(expression)
  if (plain instanceof IntegerLiteralExpression) return { literal: plain, isNegative: false }
  const isNegation = plain instanceof UnaryPrefixExpression && plain.operator === tokens.minus
  if (!isNegation || !(plain.operand instanceof IntegerLiteralExpression)) return undefined
  return { literal: plain.operand, isNegative: true }
}

/** Requires that a value that gets another type without a cast stays the number that it is. */
export function requireSameNumber(from: Type, to: Type, value: Expression, flow: Flow, refuse: Refuse): void {
  // Of addresses, which are in `usize`, a sum has no other meaning. What is too narrow, the compiler refuses itself.
  if (from.isVaryingIntegerValue || to.isVaryingIntegerValue || from.size > to.size) return
  const [given, taken] = [boundsOf(from), boundsOf(to)]
  if (given === undefined || taken === undefined || isWithin(given, taken)) return
  const plain = withoutParentheses(value)
  const values = valuesOf(plain, flow) ?? given
  const ofEnum = enumOf(plain, flow)
  const members = ofEnum && valuesOfEnum(ofEnum)
  if (members !== undefined && isWithin(members, taken)) return
  if (isWithin(values, taken) || terms.has(plain) || shifts.has(plain)) return
  const isConstant = values.least === values.most
  if (bits.has(plain) && (isConstant || from.size === to.size)) return
  if (isConstant) {
    refuseConstant(plain, values.least, to, refuse)
    return
  }
  if (places.has(plain)) return
  const [example, becomes] = from.isSignedIntegerValue ? [-1n, taken.most] : [given.most, -1n]
  const text = textOf(plain)
  refuse(
    plain.range,
    `${text} is ${a(from)}, and of ${example} ${a(to)} would be ${becomes}; where that cannot be or is meant, write ${to}(${text})`,
  )
}

/**
 * Requires that a product is not cut off before it gets a type that has room for it, whether or not by a cast, nor a sum of
 * less than 32 bits, for which nobody takes it: `const wei: u64 = gwei * 1000000000` of a `u32`.
 */
export function requireWholeProduct(from: Type, to: Type, value: Expression, flow: Flow, refuse: Refuse): void {
  const isNumber = to.isIntegerValue || to.isFloatValue
  if (!from.isIntegerValue || !isNumber || from.size >= to.size || from === Type.bool) return
  const cut = cutOff(value, from, flow)
  if (cut === undefined) return
  const [whole, first] = [textOf(cut), textOf(cut.left)]
  refuse(
    cut.range,
    `${whole} is calculated as ${a(from)}, and cut off before it becomes ${a(to)}; write ${to}(${first}) there, or ${from}(${whole}) where that is meant`,
  )
}

/** The first operation in a calculation whose result may not fit into its type. */
function cutOff(value: Expression, type: Type, flow: Flow): BinaryExpression | undefined {
  const plain = withoutParentheses(value)
  if (plain instanceof TernaryExpression) return cutOff(plain.ifThen, type, flow) ?? cutOff(plain.ifElse, type, flow)
  if (!(plain instanceof BinaryExpression) || !isOneOf(plain.operator, tokens.plus, tokens.remainder)) return undefined
  const { operator, left, right } = plain
  const cut = cutOff(left, type, flow) ?? cutOff(right, type, flow)
  const isWatched =
    operator === tokens.times || operator === tokens.power || (operator === tokens.plus && type.size < 32)
  if (cut !== undefined || !isWatched) return cut
  const [x, y] = [valuesOf(left, flow), valuesOf(right, flow)]
  const result = x && y && (operator === tokens.power ? powers(x, y) : calculated(operator, x, y))
  return result !== undefined && isWithin(result, boundsOf(type)!) ? undefined : plain
}

function powers(base: Bounds, exponent: Bounds): Bounds | undefined {
  if (base.least < 0n || exponent.least < 0n || exponent.most > 64n) return undefined
  return { least: 0n, most: base.most ** exponent.most }
}

/** What `Math.floor` and `Math.trunc` are given. */
const floored = new WeakMap<Expression, 'floor' | 'trunc'>()

/** Notes them, before they are compiled: to leave out what a division has left out is no mistake. */
export function noteFloored({ internalName }: FunctionInstance, [value]: readonly Expression[]): void {
  const [, name] = /^~lib\/math\/NativeMathf?\.(floor|trunc)$/.exec(internalName) ?? []
  if (name !== undefined && value !== undefined) floored.set(withoutParentheses(value), name as 'floor' | 'trunc')
}

/** Requires that what a division leaves out is not looked for behind it: `Math.ceil(count / 10)` would round nothing up. */
export function requireFraction(from: Type, to: Type, value: Expression, flow: Flow, refuse: Refuse): void {
  if (!from.isIntegerValue || !to.isFloatValue) return
  const division = divisionIn(value, flow)
  if (division === undefined) return
  const how = floored.get(withoutParentheses(value))
  // A division of whole numbers goes towards zero, as `trunc` does; of numbers without a sign, that is down.
  if (division === withoutParentheses(value) && (how === 'trunc' || (how === 'floor' && from.isUnsignedIntegerValue)))
    return
  refuse(
    division.range,
    `${textOf(division)} is a division of whole numbers, without a fraction; write ${to}(${textOf(division.left)}) there, or keep it in a variable where that is meant`,
  )
}

/** The division of whole numbers, if a calculation has one that may have a rest. */
function divisionIn(value: Expression, flow: Flow): BinaryExpression | undefined {
  const plain = withoutParentheses(value)
  if (!(plain instanceof BinaryExpression) || !isOneOf(plain.operator, tokens.plus, tokens.divided)) return undefined
  if (plain.operator !== tokens.divided) return divisionIn(plain.left, flow) ?? divisionIn(plain.right, flow)
  const [a, b] = [constantValue(plain.left, flow), constantValue(plain.right, flow)]
  const isEven = a !== undefined && b !== undefined && b !== 0n && a % b === 0n
  return isEven ? undefined : plain
}

function refuseConstant(expression: Expression, value: bigint, type: Type, refuse: Refuse): void {
  const text = textOf(expression)
  const what = literalValue(expression) === undefined ? `${text}, which is ${value},` : text
  const isCalculation = withoutParentheses(expression) instanceof BinaryExpression
  const larger = value < 0n ? Type.i64 : Type.u64
  const fits = isWithin({ least: value, most: value }, boundsOf(larger)!)
  const holder = fits ? `${a(larger)} holds it, as in ${larger}(${text})` : 'a U256 holds more'
  // The cast of a calculation would leave its parts as they are.
  const cast = `where that is meant, write ${type}(${text})`
  const advice = isCalculation ? holder : value < 0n ? cast : `${holder}; ${cast}`
  refuse(expression.range, `${what} does not fit into ${a(type)}, and would be ${wrapped(value, type)}; ${advice}`)
}

/** `a u64`, `an i64`, `an f64`. */
function a(type: Type): string {
  return `${/^[if]/.test(type.toString()) ? 'an' : 'a'} ${type}`
}

/**
 * Requires that a minus before a value without a sign is meant. Whoever writes the type right behind it, as in
 * `-u64(isPaid)`, or takes the bits, as in `a & -a`, means it.
 *
 * @param type of the value
 */
export function requireSign(expression: UnaryPrefixExpression, type: Type, flow: Flow, refuse: Refuse): void {
  const { operator, operand, range } = expression
  const text = textOf(operand)
  const isNumber = literalValue(expression) !== undefined && writtenNumber(expression) !== undefined
  if (operator !== tokens.minus || isNumber || type === Type.bool || !type.isUnsignedIntegerValue) return
  if (type.isVaryingIntegerValue || bits.has(expression) || isCast(withoutParentheses(operand))) return
  if (constantValue(operand, flow) === 0n) return
  refuse(
    range,
    `${text} is ${a(type)}, and ${textOf(expression)} is not below zero, but 2^${type.size} - ${text}; write -i64(${text}), or 0 - ${text} where that is meant`,
  )
}

function isCast(expression: Expression): boolean {
  if (expression instanceof AssertionExpression) return true
  return expression instanceof CallExpression && isCastCall(expression)
}

/** Requires that nobody calculates with values of type `bool` alone: the result would be one again. */
export function requireNumbers(expression: Expression, type: Type | null, refuse: Refuse): void {
  if (type !== Type.bool) return
  refuse(
    expression.range,
    `${textOf(expression)} calculates with bool, and is no number; write u32(…) of what is added or counted`,
  )
}

/** Whether a prefix or postfix calculates. */
export function isStepOrSign(operator: number): boolean {
  return [tokens.minus, tokens.plus, tokens.tilde, tokens.plusPlus, tokens.minusMinus].some((each) => each === operator)
}

/** Requires that a calculation gives what is written. @param type of its result, unless it is assigned at once */
export function requireCalculation(expression: BinaryExpression, type: Type, flow: Flow, refuse: Refuse): void {
  const { operator, left } = expression
  if (isOneOf(operator, tokens.plusAssign, tokens.shiftRightUnsignedAssign)) {
    requireResult(expression, typeOf(left, flow), flow, refuse)
  } else if (isOneOf(operator, tokens.plus, tokens.remainder) || isShift(operator)) {
    requireResult(expression, type, flow, refuse)
  }
}

function requireResult(expression: BinaryExpression, type: Type | null, flow: Flow, refuse: Refuse): void {
  const { operator, left, right } = expression
  const bounds = type === null ? undefined : boundsOf(type)
  if (type === null || bounds === undefined) return
  requireNumbers(expression, type, refuse)
  if (isShift(operator) && type !== Type.bool) requireShift(expression, type, flow, refuse)
  const [a, b] = [constantValue(left, flow), constantValue(right, flow)]
  if (a === undefined || b === undefined || bits.has(expression)) return
  const value = resultOf(operator, a, b)
  if (value === undefined) return
  if (!isWithin({ least: value, most: value }, bounds)) refuseConstant(expression, value, type, refuse)
}

/** Of a calculation whose result can be too large, or below zero. */
function resultOf(operator: number, a: bigint, b: bigint): bigint | undefined {
  switch (operator) {
    case tokens.plus:
      return a + b
    case tokens.minus:
      return a - b
    case tokens.times:
      return a * b
    case tokens.power:
      return b >= 0n && b <= 256n ? a ** b : undefined
    default:
      return undefined
  }
}

/** Requires that nothing is shifted by as many bits as it has, or more: a part of them would be left out. */
function requireShift({ right, range }: BinaryExpression, type: Type, flow: Flow, refuse: Refuse): void {
  const count = constantValue(right, flow)
  if (count === undefined || (count >= 0n && count < type.size)) return
  const moved = BigInt.asUintN(32, count) % BigInt(type.size)
  refuse(
    range,
    `${a(type)} has ${type.size} bits, and would be shifted by ${moved}, not by ${count}; shift a larger type, or U256`,
  )
}

/** Requires that `!` belongs to what stands right behind it, where one may read it otherwise. */
export function requireClearNot({ operator, left, range }: BinaryExpression, flow: Flow, refuse: Refuse): boolean {
  if (!(left instanceof UnaryPrefixExpression) || left.operator !== tokens.not) return true
  const isOrder = mirroredOrder(operator) !== undefined
  if (!isOrder && !isComparisonOperator(operator) && !isBitwise(operator)) return true
  // Of two bool, `!a == b` is the same in both readings.
  const type = typeOf(left.operand, flow)
  if (!isOrder && (type === null || type === Type.bool || !type.isNumericValue)) return true
  refuse(range, `${textOf(left)} comes first, and is true or false; parentheses tell what belongs together`)
  return false
}

/** Requires that no comparison of order with a number that is written out is decided by the type alone. */
export function requirePossible(expression: BinaryExpression, flow: Flow, refuse: Refuse): void {
  const { operator, left, right } = expression
  const mirrored = mirroredOrder(operator)
  if (mirrored === undefined) return
  const isValueFirst = literalValue(right) !== undefined
  const [value, bound] = isValueFirst ? [left, right] : [right, left]
  const limit = literalValue(bound)
  if (limit === undefined || literalValue(value) !== undefined) return
  const type = typeOf(value, flow)
  const bounds = type === null ? undefined : boundsOf(type)
  if (type === null || bounds === undefined) return
  const order = isValueFirst ? operator : mirrored
  const isOfLeast = order === tokens.less || order === tokens.atLeast
  const isStrict = order === tokens.less || order === tokens.greater
  // Where the type ends, `<` and `>` never hold, and `<=` and `>=` always do; beyond its other end, it is the other way round.
  const isAtEnd = isOfLeast ? limit <= bounds.least : limit >= bounds.most
  const isBeyond = isOfLeast ? limit > bounds.most : limit < bounds.least
  if (isAtEnd || isBeyond) refuseDecided(expression, isAtEnd === isStrict, type, limit, refuse)
}

/** Requires that an equality with a number that is written out can hold. */
export function requireEqualPossible(
  expression: Expression,
  { value, type, other }: { value: Expression; type: Type; other: Expression },
  isEqual: boolean,
  refuse: Refuse,
): boolean {
  const limit = literalValue(other)
  const bounds = boundsOf(type)
  if (limit === undefined || bounds === undefined || literalValue(value) !== undefined) return true
  // Where the compiler had 64 bits for a number, it was looked at already.
  if (type.size === 64 || isWithin({ least: limit, most: limit }, bounds)) return true
  refuseDecided(expression, isEqual, type, limit, refuse)
  return false
}

function refuseDecided(expression: Expression, isNever: boolean, type: Type, limit: bigint, refuse: Refuse): void {
  const { least, most } = boundsOf(type)!
  const reason =
    type === Type.bool
      ? 'a bool is no number; compare it with true or false, or not at all'
      : least === 0n && limit <= 0n
        ? `${a(type)} is not below zero; compare before you subtract`
        : `${a(type)} is from ${least} to ${most}`
  refuse(expression.range, `${textOf(expression)} ${isNever ? 'never' : 'always'} holds: ${reason}`)
}

function isShift(operator: number): boolean {
  return (
    isOneOf(operator, tokens.shiftLeft, tokens.shiftRightUnsigned) ||
    isOneOf(operator, tokens.shiftLeftAssign, tokens.shiftRightUnsignedAssign)
  )
}

function isSumOrProduct(operator: number): boolean {
  return (
    isOneOf(operator, tokens.plus, tokens.minus) ||
    operator === tokens.times ||
    isOneOf(operator, tokens.plusAssign, tokens.timesAssign)
  )
}

function isBitwise(operator: number): boolean {
  return (
    isOneOf(operator, tokens.ampersand, tokens.caret) ||
    isOneOf(operator, tokens.ampersandAssign, tokens.lastAssignment)
  )
}
