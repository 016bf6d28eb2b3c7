import {
  BinaryExpression,
  CallExpression,
  type Expression,
  type Flow,
  IdentifierExpression,
  Node,
  PropertyAccessExpression,
  TernaryExpression,
  Type,
} from 'assemblyscript'
import { assertionKinds, tokens } from './compilerFlags.ts'
import { literalValue, typeOf, valuesOf, withoutParentheses } from './integers.ts'
import { isOneOf, nodesOf } from './syntax.ts'

/**
 * For the compiler, `1 + count` of a `u32` has a sign, for 1 alone would, and from 2^31 on, it would be below zero; `count + 1`
 * has none. Takes the first side for a number without a sign, as long as `act` runs, where the other side is one, and the
 * first one is known not to be below zero. A difference can be below zero, and stays as it is.
 *
 * @param asked the type that is asked for. One of 64 bits or of fractions decides by itself, and so does one with a sign for a sum
 */
export function withSharedSign<Result>(
  expression: BinaryExpression | TernaryExpression,
  asked: Type,
  flow: Flow,
  act: () => Result,
): Result {
  // Where nothing is asked for, it looks like an i32.
  const isSigned = expression instanceof BinaryExpression && asked.isSignedIntegerValue && asked !== Type.auto
  const isDecided = asked.isFloatValue || (asked.isIntegerValue && (asked.size === 64 || isSigned))
  const type = isDecided ? undefined : sharedType(expression, flow)
  if (type === undefined) return act()
  const [first, name] =
    expression instanceof TernaryExpression
      ? ([expression.ifThen, 'ifThen'] as const)
      : ([expression.left, 'left'] as const)
  const { range } = first
  const named = Node.createNamedType(Node.createSimpleTypeName(type.toString(), range), null, false, range)
  // The same source is compiled again for other type arguments.
  const sides = expression as unknown as Record<typeof name, Expression>
  sides[name] = Node.createAssertionExpression(assertionKinds.as, first, named, range)
  try {
    return act()
  } finally {
    sides[name] = first
  }
}

/** By the function, which a generic one is for each type anew. */
const known = new WeakMap<object, WeakMap<Expression, Type | undefined>>()

/**
 * Of the second side, if both are to have it. Looked for once: in `1 + (1 + (1 + count))`, each level would otherwise look
 * twice at the one below.
 */
function sharedType(expression: BinaryExpression | TernaryExpression, flow: Flow): Type | undefined {
  const ofFunction = known.get(flow.sourceFunction) ?? new WeakMap<Expression, Type | undefined>()
  known.set(flow.sourceFunction, ofFunction)
  if (!ofFunction.has(expression)) ofFunction.set(expression, findSharedType(expression, flow))
  return ofFunction.get(expression)
}

function findSharedType(expression: BinaryExpression | TernaryExpression, flow: Flow): Type | undefined {
  const isTernary = expression instanceof TernaryExpression
  if (!isTernary && !isKeepingSign(expression.operator)) return undefined
  const [first, second] = isTernary ? [expression.ifThen, expression.ifElse] : [expression.left, expression.right]
  // To look at longer ones for each part of a long sum would take too long.
  const plain = withoutParentheses(first)
  const isShort =
    literalValue(plain) !== undefined ||
    plain instanceof IdentifierExpression ||
    (plain instanceof PropertyAccessExpression && ![...nodesOf(plain)].some((node) => node instanceof CallExpression))
  if (!isShort || literalValue(second) !== undefined) return undefined
  const type = typeOf(plain, flow)
  if (type === null || !type.isSignedIntegerValue || type.isVaryingIntegerValue || type.size < 32) return undefined
  const other = typeOf(second, flow)
  if (other === null || !other.isUnsignedIntegerValue || other.isVaryingIntegerValue || other.size !== type.size) {
    return undefined
  }
  const values = valuesOf(plain, flow)
  return values !== undefined && values.least >= 0n ? other : undefined
}

/** Whether no result is below zero where neither side is. */
function isKeepingSign(operator: number): boolean {
  const isArithmetic = isOneOf(operator, tokens.plus, tokens.remainder) && operator !== tokens.minus
  return (isArithmetic && operator !== tokens.power) || isOneOf(operator, tokens.ampersand, tokens.caret)
}
