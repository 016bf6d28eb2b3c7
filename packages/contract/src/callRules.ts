import {
  BinaryExpression,
  BlockStatement,
  type CallExpression,
  Class,
  type Expression,
  ExpressionStatement,
  type Flow,
  type FunctionDeclaration,
  FunctionExpression,
  type Function as FunctionInstance,
  type Node,
  OperatorKind,
  type Program,
  PropertyAccessExpression,
  ReturnStatement,
  Type,
  UnaryPrefixExpression,
} from 'assemblyscript'
import { reportModes, tokens } from './compilerFlags.ts'
import {
  arrayElement,
  containerName,
  isText,
  isTuple,
  libraryFunction,
  nameInLibrary,
  type Refuse,
  writtenType,
} from './elements.ts'
import { isScalar } from './stateTypes.ts'
import { isAuthors, isComparison, nodesOf, textOf } from './syntax.ts'

/**
 * Requires that a map whose values are containers of the state is asked only what it can do. Such a container has no value
 * of its own, and a map does not know its keys.
 */
export function requireContainerCall(call: CallExpression, { name, parent }: FunctionInstance, refuse: Refuse): void {
  if (!(parent instanceof Class) || containerName(parent) !== 'StateMap') return
  const inner = containerName(parent.typeArguments?.[1]?.getClass())
  if (inner === undefined) return
  if (name === 'set' || name === 'getOr') {
    refuse(
      placeOf(call),
      `a map of ${inner} has no ${name}; get gives the ${inner} of a key, which is changed by its own methods`,
    )
  }
  if (inner === 'StateMap' && (name === 'has' || name === 'remove')) {
    refuse(
      placeOf(call),
      `a map of StateMap has no ${name}, for a map does not know its keys; keep a StateList of them, and ask for each entry`,
    )
  }
}

/** Requires that nobody changes a copy of what the state holds and drops it. @param changed of `changedResults` */
export function requireKeptCopy(
  call: CallExpression,
  { name, parent, signature }: FunctionInstance,
  changed: ReadonlySet<CallExpression>,
  refuse: Refuse,
): void {
  if (!changed.has(call) || !(parent instanceof Class) || containerName(parent) === undefined) return
  if (containerName(signature.returnType.getClass()) !== undefined) return
  refuse(
    placeOf(call),
    `${name} gives a copy, and this changes the copy alone; keep it in a variable, change it, and set it`,
  )
}

/**
 * Requires that nobody drops the result of what has no other effect: text, numbers and bytes never change, and an array
 * gives another one. That it may revert is no reason to call it.
 *
 * @param dropped of `droppedValues`
 */
export function requireUsedResult(
  call: CallExpression,
  called: FunctionInstance,
  dropped: ReadonlySet<Expression>,
  refuse: Refuse,
): void {
  if (!dropped.has(call)) return
  const { prototype, parent, signature } = called
  const isLost =
    parent instanceof Class
      ? isWithoutEffect(prototype.name, parent)
      : nameInLibrary(prototype) !== undefined && signature.returnType === Type.bool
  if (isLost) refuse(call.range, `${textOf(call)} changes nothing, and its result is kept nowhere`)
}

/** Requires that nobody makes an error and drops it. */
export function requireThrown(
  { parent }: FunctionInstance,
  place: Node,
  dropped: ReadonlySet<Node>,
  refuse: Refuse,
): void {
  if (!dropped.has(place) || !(parent instanceof Class) || !isError(parent)) return
  refuse(place.range, `${textOf(place)} is kept nowhere; an error is thrown by throw`)
}

function isError({ internalName, base }: Class): boolean {
  return internalName === '~lib/error/Error' || (base !== null && isError(base))
}

function isWithoutEffect(method: string, { type, prototype, internalName }: Class): boolean {
  if (isText(type)) return true
  const name = nameInLibrary(prototype)
  if (name !== undefined) return isOfValues(name) || questions.has(method)
  return internalName.startsWith('~lib/') && derivations.has(method)
}

/** Methods of the library's other classes that only tell. */
const questions = new Set(['has', 'exists'])

/** Methods of the language's arrays, maps and sets that change none of them, though one may think so or that they check something. */
const derivations = new Set([
  'concat',
  'every',
  'filter',
  'findIndex',
  'findLastIndex',
  'flat',
  'has',
  'includes',
  'indexOf',
  'keys',
  'lastIndexOf',
  'map',
  'reduce',
  'reduceRight',
  'slice',
  'some',
  'subarray',
  'values',
])

/** Requires that a condition is false where a reader takes it to be: of these types, no value is. */
export function requireCondition(type: Type, condition: Expression, flow: Flow, refuse: Refuse): void {
  if (!isAuthors(condition.range.source)) return
  const reason = whyTrue(type)
  if (reason === undefined) return
  // What may be null by its declaration may have been compared before, or be inlined.
  const declared = flow.program.resolver.resolveExpression(condition, flow, Type.auto, reportModes.swallow)
  if (!declared?.isNullableReference) refuse(condition.range, reason)
}

/** Why a condition of a type would hold always; undefined if it can fail, or is an object whose own language says so. */
function whyTrue(type: Type): string | undefined {
  if (type.isNullableReference) return undefined
  if (type.getSignature() !== null) return 'a function is always true as a condition; a call has parentheses'
  const instance = type.getClass()
  if (instance === null) return undefined
  const container = containerName(instance)
  if (container !== undefined) return `a ${container} is always true as a condition; ask for what it holds`
  if (isText(type)) return 'text is always true as a condition, even if it is empty; text.length > 0 tells'
  if (!isOfValues(nameInLibrary(instance.prototype) ?? '')) return undefined
  return `of type ${instance.prototype.name}, a condition is always true; isZero tells whether it is zero`
}

/** Whether a class of the library, by its name, is one of numbers or of bytes of a fixed number. */
function isOfValues(name: string): boolean {
  return /^(u256|fixedBytes)\//.test(name)
}

/** Requires what is required of any condition, and no fraction: `assert` would take NaN for true. */
export function requireAsserted(type: Type, condition: Expression, flow: Flow, refuse: Refuse): void {
  requireCondition(type, condition, flow, refuse)
  if (type.isFloatValue && isAuthors(condition.range.source)) {
    refuse(condition.range, 'assert takes a fraction that is no number for true; compare it')
  }
}

/**
 * Requires that `!` is not asked of text that may be null: it holds for empty text, for which a condition without it, which
 * asks whether there is text, holds too.
 */
export function requirePresence(type: Type, operand: Expression, refuse: Refuse): void {
  if (!type.isNullableReference || !isText(type) || !isAuthors(operand.range.source)) return
  refuse(
    operand.range,
    '! of text that may be null is true of empty text too; compare it with null, or with an empty text',
  )
}

/** Requires a comparator where elements have no order of their own, and none that gives what is no order. */
export function requireSortable(call: CallExpression, { name, parent }: FunctionInstance, refuse: Refuse): void {
  if (name !== 'sort' || !(parent instanceof Class)) return
  if (!parent.internalName.startsWith('~lib/')) return
  const [comparator] = call.args
  if (comparator !== undefined) {
    const result = comparator instanceof FunctionExpression ? resultOf(comparator.declaration) : undefined
    if (result !== undefined) requireOrder(result, refuse)
    return
  }
  const element = parent.typeArguments?.[0]?.getClass()
  if (element == null || element.lookupOverload(OperatorKind.Lt) !== null) return
  refuse(placeOf(call), `the elements have no order of their own; sort takes a function that compares two of them`)
}

/** What a function gives that does nothing else; undefined of others. */
function resultOf({ body }: FunctionDeclaration): Expression | undefined {
  const only = body instanceof BlockStatement && body.statements.length === 1 ? body.statements[0] : body
  if (only instanceof ReturnStatement) return only.value ?? undefined
  return only instanceof ExpressionStatement ? only.expression : undefined
}

function requireOrder(result: Expression, refuse: Refuse): void {
  if (!(result instanceof BinaryExpression)) return
  const { operator, range } = result
  const isOfBool = isComparison(result)
  // `i32(x > y) - i32(x < y)` is an order.
  if (!isOfBool && (operator !== tokens.minus || [...nodesOf(result)].some(isComparison))) return
  const reason = isOfBool ? 'true and false are no order' : 'a difference that is too large has the wrong sign'
  refuse(range, `${reason}; a comparator gives -1, 0 or 1, and numbers have an order without one`)
}

/** Requires that a member of typed data is of a type that it can hash, and is not null, which would be hashed as a zero. */
export function requireTypedMember(
  call: CallExpression,
  { prototype, typeArguments }: FunctionInstance,
  refuse: Refuse,
): void {
  const type = typeArguments?.[0]
  if (type === undefined || nameInLibrary(prototype) !== 'typedData/TypedData#add' || isMember(type)) return
  const { written } = writtenType(call, type)
  refuse(placeOf(call), `${written} is not a type of the ABI; ${adviceFor(type)}`)
}

function isMember(type: Type): boolean {
  const element = arrayElement(type)
  return element === undefined ? isScalar(type) : isMember(element)
}

function adviceFor(type: Type): string {
  if (type.isNullableReference)
    return 'a member of typed data is never null; with ! behind it, the task reverts where it is'
  const instance = type.getClass()
  const isStruct = instance !== null && (isTuple(instance.prototype) || isTypedData(instance))
  if (isStruct) return 'of a struct within, add the hash() of its own TypedData'
  return 'members of typed data are numbers, bool, string, U256, Address, Bytes, Bytes1 to Bytes32, and Array of these'
}

function isTypedData({ prototype }: Class): boolean {
  return nameInLibrary(prototype) === 'typedData/TypedData'
}

/** What the library has for numbers with a sign, in the place of functions that would take -1 for 2^64 - 1. */
const signedTwins = new Map([
  ['u256/U256.from', 'u256/U256.fromSigned'],
  ['random/randomBelow', 'random/randomBelowSigned'],
])

/** The function that a call of the library means: another one if it is given a number with a sign. */
export function functionFor(call: CallExpression, called: FunctionInstance, flow: Flow): FunctionInstance {
  const twin = signedTwins.get(nameInLibrary(called.prototype) ?? '')
  const [value] = call.args
  if (twin === undefined || value === undefined) return called
  const { program } = called
  if (!isSigned(value, program, flow)) return called
  return program.resolver.resolveFunction(libraryFunction(program, twin), null) ?? called
}

/** Requires that nobody keeps a function that has such a twin to call it later, for then only it is called. */
export function requireCalled(expression: Expression, flow: Flow, refuse: Refuse): void {
  const element = flow.program.resolver.lookupExpression(expression, flow, Type.auto, reportModes.swallow)
  if (element === null || !signedTwins.has(nameInLibrary(element) ?? '')) return
  const written = textOf(expression)
  refuse(
    expression.range,
    `${written} is a function to call, not to keep: only its call tells whether a number has a sign; keep one that calls it`,
  )
}

function isSigned(value: Expression, program: Program, flow: Flow): boolean {
  // A literal alone takes the type that is asked for.
  const asked = [...nodesOf(value)].some(isNegation) ? Type.i64 : Type.u64
  return program.resolver.resolveExpression(value, flow, asked, reportModes.swallow)?.isSignedIntegerValue ?? false
}

function isNegation(node: Node): boolean {
  return node instanceof UnaryPrefixExpression && node.operator === tokens.minus
}

/** Where the function's name stands. */
function placeOf({ expression }: CallExpression) {
  return (expression instanceof PropertyAccessExpression ? expression.property : expression).range
}
