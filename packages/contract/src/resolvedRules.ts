import {
  type BinaryExpression,
  type CallExpression,
  type Class,
  Compiler,
  DiagnosticCode,
  type Expression,
  type Flow,
  type Function as FunctionInstance,
  type FunctionPrototype,
  type Node,
  NullExpression,
  type Program,
  type ReturnStatement,
  SwitchStatement,
  type TernaryExpression,
  Type,
  type UnaryPostfixExpression,
  UnaryPrefixExpression,
  type VariableStatement,
} from 'assemblyscript'
import {
  functionFor,
  requireAsserted,
  requireCalled,
  requireCondition,
  requireContainerCall,
  requireKeptCopy,
  requirePresence,
  requireSortable,
  requireThrown,
  requireTypedMember,
  requireUsedResult,
} from './callRules.ts'
import { diagnosticCategories, explicitConversion, reportModes, tokens } from './compilerFlags.ts'
import type { Refuse } from './elements.ts'
import {
  enumOf,
  enumOfResult,
  requireEnum,
  requireEnumArguments,
  requireEnumOfVariables,
  requireOneEnum,
} from './enumRules.ts'
import { compareByValue, isNullTest } from './equality.ts'
import { noteValues, typeOf, withoutParentheses } from './integers.ts'
import { requireComparableKeys } from './mapKeys.ts'
import {
  isStepOrSign,
  noteFloored,
  noteOperands,
  notePlaces,
  notePlacesOfTarget,
  requireCalculation,
  requireClearNot,
  requireEqualPossible,
  requireFraction,
  requireNumbers,
  requirePossible,
  requireSameNumber,
  requireSign,
  requireWholeProduct,
  requireWritten,
  writtenNumber,
} from './numberRules.ts'
import { withSharedSign } from './sharedSign.ts'
import { requireStateTypes } from './stateTypes.ts'
import { isAuthors } from './syntax.ts'
import { requireOwnFields } from './tupleMethods.ts'
import { checkedText } from './typedText.ts'

/**
 * Applies the rules about types to what the compiler finds, not to what is written: an alias, another file's name for a
 * type, a type parameter and a type that is inferred hide nothing.
 *
 * @param changed the calls whose results are changed and dropped
 * @param dropped the expressions whose values nobody uses, so that they are no conditions either
 */
export function watchTypes(
  program: Program,
  changed: ReadonlySet<CallExpression>,
  dropped: ReadonlySet<Expression>,
): void {
  const { resolver } = program
  const { resolveClass, resolveClassInclTypeArguments, maybeInferCall } = resolver
  const refuse: Refuse = (range, message) => {
    program.emitDiagnostic(DiagnosticCode.User_defined_0, diagnosticCategories.error, range, null, message)
  }
  const resolved = (instance: Class | null): Class | null => {
    if (instance !== null) {
      requireOwnFields(instance, refuse)
      compareByValue(program, instance)
    }
    return instance
  }
  refusals.set(program, refuse)
  unused.set(program, dropped)
  resolved(program.arrayBufferInstance)
  resolver.resolveClass = (...args) => resolved(resolveClass.apply(resolver, args))
  resolver.resolveClassInclTypeArguments = (...args) => {
    const instance = resolveClassInclTypeArguments.apply(resolver, args)
    const [, nodes, , , , place, reportMode] = args
    if (instance !== null && reportMode !== reportModes.swallow) {
      const places = instance.typeArguments?.map((_, index) => nodes?.[index] ?? place) ?? []
      requireComparableKeys(instance, places, refuse)
      requireStateTypes(instance, places, refuse)
    }
    return instance
  }
  const signed = resolver as unknown as HiddenResolver
  for (const name of ['resolveBinaryExpression', 'resolveTernaryExpression'] as const) {
    const resolve = signed[name] as (
      expression: BinaryExpression | TernaryExpression,
      flow: Flow,
      asked: Type,
      reportMode: number,
    ) => Type | null
    signed[name] = (
      expression: BinaryExpression | TernaryExpression,
      flow: Flow,
      asked = Type.auto,
      reportMode: number = reportModes.report,
    ) => {
      const act = () => resolve.call(resolver, expression, flow, asked, reportMode)
      return isAuthors(expression.range.source) ? withSharedSign(expression, asked, flow, act) : act()
    }
  }
  resolver.maybeInferCall = (...args) => {
    const [call, , flow, reportMode] = args
    const instance = maybeInferCall.apply(resolver, args)
    if (instance === null) return null
    if (reportMode !== reportModes.swallow) {
      requireContainerCall(call, instance, refuse)
      requireSortable(call, instance, refuse)
      requireTypedMember(call, instance, refuse)
      requireKeptCopy(call, instance, changed, refuse)
      requireUsedResult(call, instance, dropped, refuse)
      requireEnumArguments(instance, call, flow, refuse)
    }
    return functionFor(call, instance, flow)
  }
}

/** Of the programs that are watched. */
const refusals = new WeakMap<Program, Refuse>()
const unused = new WeakMap<Program, ReadonlySet<Node>>()

// What gets here is what is taken for true or false, but for `assert` and for operators `!` of classes.
const { makeIsTrueish } = Compiler.prototype
Compiler.prototype.makeIsTrueish = function (expression, type, place) {
  const refuse = refusals.get(this.program)
  if (refuse !== undefined && !unused.get(this.program)?.has(place)) {
    requireCondition(type, place as Expression, this.currentFlow, refuse)
  }
  return makeIsTrueish.call(this, expression, type, place)
}

// Constructors are resolved without their arguments.
const { compileInstantiate } = Compiler.prototype
Compiler.prototype.compileInstantiate = function (instance, args, constraints, place) {
  const refuse = refusals.get(this.program)
  if (refuse === undefined) return compileInstantiate.call(this, instance, args, constraints, place)
  requireThrown(instance, place, unused.get(this.program)!, refuse)
  notePlaces(instance, args)
  const checked = checkedText(instance, args, this.currentFlow, refuse)
  return compileInstantiate.call(this, instance, checked, constraints, place)
}

/** What the types of the compiler's resolver keep private. */
interface HiddenResolver {
  resolveBinaryExpression(expression: BinaryExpression, flow: Flow, asked?: Type, reportMode?: number): Type | null
  resolveTernaryExpression(expression: TernaryExpression, flow: Flow, asked?: Type, reportMode?: number): Type | null
}

/** What the compiler's types keep private. */
interface Hidden {
  compileCallExpressionBuiltin(this: Compiler, called: FunctionPrototype, call: CallExpression, type: Type): number
  compileBinaryExpression(this: Compiler, expression: BinaryExpression, type: Type, constraints: number): number
  /** @param type of both sides, and of the result */
  makePow(this: Compiler, base: number, exponent: number, type: Type, place: Node): number
  compileTernaryExpression(this: Compiler, expression: TernaryExpression, type: Type, constraints: number): number
  compileVariableStatement(this: Compiler, statement: VariableStatement): number
  compileReturnStatement(this: Compiler, statement: ReturnStatement): number
  compileUnaryPrefixExpression(
    this: Compiler,
    expression: UnaryPrefixExpression,
    type: Type,
    constraints: number,
  ): number
  compileUnaryPostfixExpression(
    this: Compiler,
    expression: UnaryPostfixExpression,
    type: Type,
    constraints: number,
  ): number
  compileIdentifierExpression(this: Compiler, expression: Expression, type: Type, constraints: number): number
  compilePropertyAccessExpression(this: Compiler, expression: Expression, type: Type, constraints: number): number
  /** @param code of the operand, whose type is the compiler's current one */
  compileUnaryOverload(this: Compiler, called: FunctionInstance, operand: Expression, code: number, place: Node): number
  /** A comparison whose sides are compiled. */
  compileCommutativeCompareBinaryExpressionFromParts(
    this: Compiler,
    operator: number,
    left: Expression,
    leftCode: number,
    leftType: Type,
    right: Expression,
    rightCode: number,
    rightType: Type,
    contextualType: Type,
    place: Node,
  ): number
}

const hidden = Compiler.prototype as unknown as Hidden

/** What the builtin `assert` is given, which it looks at in its own way. */
const asserted = new WeakSet<Expression>()

const { compileCallExpressionBuiltin } = hidden
hidden.compileCallExpressionBuiltin = function (called, call, type) {
  const [condition] = call.args
  if (condition !== undefined && called.internalName === '~lib/builtins/assert') asserted.add(condition)
  return compileCallExpressionBuiltin.call(this, called, call, type)
}

const { compileExpression } = Compiler.prototype
Compiler.prototype.compileExpression = function (expression, type, constraints = 0) {
  const code = compileExpression.call(this, expression, type, constraints)
  const refuse = refusals.get(this.program)
  if (refuse !== undefined && asserted.has(expression)) {
    requireAsserted(this.currentType, expression, this.currentFlow, refuse)
  }
  const number = writtenNumber(expression)
  const isCast = (constraints & explicitConversion) !== 0
  if (refuse !== undefined && number !== undefined && !isCast && isAuthors(expression.range.source)) {
    const taken = this.resolver.determineIntegerLiteralType(number.literal, number.isNegative, type)
    requireWritten(withoutParentheses(expression), taken, refuse)
  }
  return code
}

const { convertExpression } = Compiler.prototype
Compiler.prototype.convertExpression = function (code, from, to, isCast, place) {
  const refuse = refusals.get(this.program)
  if (refuse !== undefined && isAuthors(place.range.source)) {
    if (!isCast) requireSameNumber(from, to, place as Expression, this.currentFlow, refuse)
    requireWholeProduct(from, to, place as Expression, this.currentFlow, refuse)
    requireFraction(from, to, place as Expression, this.currentFlow, refuse)
  }
  return convertExpression.call(this, code, from, to, isCast, place)
}

const { compileCallDirect } = Compiler.prototype
Compiler.prototype.compileCallDirect = function (called, args, ...rest) {
  notePlaces(called, args)
  noteFloored(called, args)
  return compileCallDirect.call(this, called, args, ...rest)
}

const { compileBinaryExpression } = hidden
hidden.compileBinaryExpression = function (expression, type, constraints) {
  const refuse = refusals.get(this.program)
  if (refuse === undefined || !isAuthors(expression.range.source)) {
    return compileBinaryExpression.call(this, expression, type, constraints)
  }
  const flow = this.currentFlow
  noteOperands(expression, flow)
  if (!requireClearNot(expression, flow, refuse)) {
    this.currentType = Type.bool
    return this.module.unreachable()
  }
  const code = withSharedSign(expression, type, flow, () =>
    compileBinaryExpression.call(this, expression, type, constraints),
  )
  requirePossible(expression, flow, refuse)
  requireOneEnum(expression, flow, refuse)
  requireCalculation(expression, this.currentType, flow, refuse)
  return code
}

// The compiler leaves the type of its own function for powers, which has a sign.
const { makePow } = hidden
hidden.makePow = function (base, exponent, type, place) {
  const code = makePow.call(this, base, exponent, type, place)
  this.currentType = type
  return code
}

const { compileTernaryExpression } = hidden
hidden.compileTernaryExpression = function (expression, type, constraints) {
  const compile = () => compileTernaryExpression.call(this, expression, type, constraints)
  const isWatched = refusals.has(this.program) && isAuthors(expression.range.source)
  return isWatched ? withSharedSign(expression, type, this.currentFlow, compile) : compile()
}

const { compileVariableStatement, compileReturnStatement } = hidden
hidden.compileVariableStatement = function (statement) {
  const code = compileVariableStatement.call(this, statement)
  const refuse = refusals.get(this.program)
  if (refuse !== undefined) {
    requireEnumOfVariables(statement, this.currentFlow, refuse)
    noteValues(statement, this.currentFlow)
  }
  return code
}
hidden.compileReturnStatement = function (statement) {
  const refuse = refusals.get(this.program)
  const flow = this.currentFlow
  if (refuse !== undefined && statement.value !== null) {
    requireEnum(enumOfResult(flow), statement.value, flow, refuse)
  }
  return compileReturnStatement.call(this, statement)
}

for (const name of ['compileUnaryPrefixExpression', 'compileUnaryPostfixExpression'] as const) {
  const compileUnary = hidden[name] as (
    this: Compiler,
    expression: UnaryPrefixExpression | UnaryPostfixExpression,
    type: Type,
    constraints: number,
  ) => number
  hidden[name] = function (expression, type, constraints) {
    const refuse = refusals.get(this.program)
    const flow = this.currentFlow
    if (refuse === undefined || !isAuthors(expression.range.source)) {
      return compileUnary.call(this, expression, type, constraints)
    }
    notePlacesOfTarget(expression.operand, undefined, flow)
    const code = compileUnary.call(this, expression, type, constraints)
    if (isStepOrSign(expression.operator)) requireNumbers(expression, typeOf(expression.operand, flow), refuse)
    const isCast = (constraints & explicitConversion) !== 0
    if (expression instanceof UnaryPrefixExpression && !isCast) requireSign(expression, this.currentType, flow, refuse)
    return code
  }
}

// A function that is called is not compiled as a value.
for (const name of ['compileIdentifierExpression', 'compilePropertyAccessExpression'] as const) {
  const compileName = hidden[name]
  hidden[name] = function (expression, type, constraints) {
    const code = compileName.call(this, expression, type, constraints)
    const refuse = refusals.get(this.program)
    const isFunction = this.currentType.getSignature() !== null
    if (refuse !== undefined && isFunction) requireCalled(expression, this.currentFlow, refuse)
    return code
  }
}

const { compileUnaryOverload } = hidden
hidden.compileUnaryOverload = function (called, operand, code, place) {
  const refuse = refusals.get(this.program)
  if (refuse !== undefined) requirePresence(this.currentType, operand, refuse)
  return compileUnaryOverload.call(this, called, operand, code, place)
}

const compare = hidden.compileCommutativeCompareBinaryExpressionFromParts
hidden.compileCommutativeCompareBinaryExpressionFromParts = function (...args) {
  const [operator, left, leftCode, leftType, right, rightCode, rightType, contextualType, place] = args
  const refuse = refusals.get(this.program)
  if (refuse === undefined) return compare.apply(this, args)
  const isEqual = operator === tokens.equal || operator === tokens.identical
  if (place instanceof SwitchStatement) {
    requireEnum(enumOf(left, this.currentFlow), right, this.currentFlow, refuse)
  } else if (isAuthors(place.range.source)) {
    const sides = [
      { value: left, type: leftType, other: right },
      { value: right, type: rightType, other: left },
    ]
    if (!sides.every((each) => requireEqualPossible(place as Expression, each, isEqual, refuse))) {
      this.currentType = Type.bool
      return this.module.unreachable()
    }
  }
  // The compiler asks the left side what null is to be. Nothing else depends on the order.
  if (left instanceof NullExpression && rightType.isNullableReference) {
    const { compileCommutativeCompareBinaryExpressionFromParts: compareAgain } = hidden
    return compareAgain.call(
      this,
      operator,
      right,
      rightCode,
      rightType,
      left,
      leftCode,
      rightType,
      contextualType,
      place,
    )
  }
  if (!isNullTest(leftType, right)) return compare.apply(this, args)
  this.currentType = Type.bool
  const { usizeType } = this.options
  return isEqual
    ? this.makeEq(leftCode, rightCode, usizeType, place)
    : this.makeNe(leftCode, rightCode, usizeType, place)
}
