import {
  type CallExpression,
  type Class,
  Compiler,
  DiagnosticCode,
  type Expression,
  type Node,
  NullExpression,
  type Program,
  Type,
} from 'assemblyscript'
import {
  functionFor,
  requireCondition,
  requireContainerCall,
  requireKeptCopy,
  requireSortable,
  requireTypedMember,
  requireUnsigned,
} from './callRules.ts'
import { diagnosticCategories, reportModes, tokens } from './compilerFlags.ts'
import type { Refuse } from './elements.ts'
import { compareByValue, isNullTest } from './equality.ts'
import { requireComparableKeys } from './mapKeys.ts'
import { requireStateTypes } from './stateTypes.ts'
import { requireOwnFields } from './tupleMethods.ts'
import { requireTypedText } from './typedText.ts'

/**
 * Applies the rules about types to what the compiler finds, not to what is written: an alias, another file's name for a
 * type, a type parameter and a type that is inferred hide nothing.
 *
 * @param changed the calls whose results are changed and dropped
 */
export function watchTypes(program: Program, changed: ReadonlySet<CallExpression>): void {
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
  resolver.maybeInferCall = (...args) => {
    const [call, , flow, reportMode] = args
    const instance = maybeInferCall.apply(resolver, args)
    if (instance === null) return null
    if (reportMode !== reportModes.swallow) {
      requireContainerCall(call, instance, refuse)
      requireSortable(call, instance, refuse)
      requireTypedMember(call, instance, refuse)
      requireKeptCopy(call, instance, changed, refuse)
    }
    return functionFor(call, instance, flow)
  }
}

/** Of the programs that are watched. */
const refusals = new WeakMap<Program, Refuse>()

// No other place of the compiler knows the type of a condition.
const { makeIsTrueish } = Compiler.prototype
Compiler.prototype.makeIsTrueish = function (expression, type, place) {
  const refuse = refusals.get(this.program)
  if (refuse !== undefined) requireCondition(type, place, this.currentFlow, refuse)
  return makeIsTrueish.call(this, expression, type, place)
}

// Constructors are resolved without their arguments.
const { compileInstantiate } = Compiler.prototype
Compiler.prototype.compileInstantiate = function (instance, args, constraints, place) {
  const refuse = refusals.get(this.program)
  if (refuse !== undefined) {
    requireUnsigned(instance, args, place, this.currentFlow, refuse)
    requireTypedText(instance, args, refuse)
  }
  return compileInstantiate.call(this, instance, args, constraints, place)
}

/** What the compiler's types keep private: a comparison whose sides are compiled. */
interface Comparing {
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

const comparing = Compiler.prototype as unknown as Comparing
const compare = comparing.compileCommutativeCompareBinaryExpressionFromParts
comparing.compileCommutativeCompareBinaryExpressionFromParts = function (...args) {
  const [operator, left, leftCode, leftType, right, rightCode, rightType, contextualType, place] = args
  if (!refusals.has(this.program)) return compare.apply(this, args)
  // The compiler asks the left side what null is to be. Nothing else depends on the order.
  if (left instanceof NullExpression && rightType.isNullableReference) {
    const { compileCommutativeCompareBinaryExpressionFromParts: compareAgain } = comparing
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
  const isEqual = operator === tokens.equal || operator === tokens.identical
  const { usizeType } = this.options
  return isEqual
    ? this.makeEq(leftCode, rightCode, usizeType, place)
    : this.makeNe(leftCode, rightCode, usizeType, place)
}
