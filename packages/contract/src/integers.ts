import {
  BinaryExpression,
  CallExpression,
  type Element,
  type Enum,
  EnumValue,
  type Expression,
  type Flow,
  ForStatement,
  FunctionDeclaration,
  Global,
  IdentifierExpression,
  IntegerLiteralExpression,
  Local,
  NewExpression,
  type Node,
  ParameterNode,
  ParenthesizedExpression,
  Property,
  PropertyAccessExpression,
  PropertyPrototype,
  type Source,
  type Statement,
  TernaryExpression,
  Type,
  UnaryPostfixExpression,
  UnaryPrefixExpression,
  VariableDeclaration,
  VariableLikeElement,
  VariableStatement,
} from 'assemblyscript'
import { flags, integerConstant, reportModes, tokens } from './compilerFlags.ts'
import { isOneOf, nodesOf, textOf } from './syntax.ts'

/** The whole numbers from one to another, both included. */
export interface Bounds {
  least: bigint
  most: bigint
}

/** What a type of whole numbers holds, `bool` among them; undefined of others. */
export function boundsOf(type: Type): Bounds | undefined {
  if (!type.isIntegerValue) return undefined
  const bits = BigInt(type.size)
  return type.isSignedIntegerValue
    ? { least: -(2n ** (bits - 1n)), most: 2n ** (bits - 1n) - 1n }
    : { least: 0n, most: 2n ** bits - 1n }
}

export function isWithin(inner: Bounds, outer: Bounds): boolean {
  return inner.least >= outer.least && inner.most <= outer.most
}

/** What a type that is too small makes of a number. */
export function wrapped(value: bigint, type: Type): bigint {
  return type.isSignedIntegerValue ? BigInt.asIntN(type.size, value) : BigInt.asUintN(type.size, value)
}

export function withoutParentheses(expression: Expression): Expression {
  return expression instanceof ParenthesizedExpression ? withoutParentheses(expression.expression) : expression
}

/** The number that is written, with a minus or without; undefined of all else. */
export function literalValue(expression: Expression): bigint | undefined {
  const plain = withoutParentheses(expression)
  if (plain instanceof UnaryPrefixExpression && plain.operator === tokens.minus) {
    const value = literalValue(plain.operand)
    return value === undefined ? undefined : -value
  }
  if (!(plain instanceof IntegerLiteralExpression)) return undefined
  const digits = textOf(plain).replaceAll('_', '')
  return /^(0[xob])?[\da-f]+$/i.test(digits) ? BigInt(digits) : undefined
}

/** The type that the compiler finds where nothing else asks for one. */
export function typeOf(expression: Expression, flow: Flow): Type | null {
  return flow.program.resolver.resolveExpression(expression, flow, Type.auto, reportModes.swallow)
}

/** The one value that an expression can have, if it is known. No call has one; to resolve calls changes what is compiled. */
export function constantValue(expression: Expression, flow: Flow): bigint | undefined {
  if ([...nodesOf(expression)].some((node) => node instanceof CallExpression || node instanceof NewExpression)) {
    return undefined
  }
  const values = valuesOf(expression, flow)
  return values !== undefined && values.least === values.most ? values.least : undefined
}

/** What values an expression can have: those of its type, or fewer. */
export function valuesOf(expression: Expression, flow: Flow): Bounds | undefined {
  const plain = withoutParentheses(expression)
  const literal = literalValue(plain)
  if (literal !== undefined) return only(literal)
  const type = typeOf(plain, flow)
  const all = type === null ? undefined : boundsOf(type)
  if (all === undefined) return undefined
  const some = fewerValues(plain, flow, all)
  // What leaves the type comes back at its other end.
  return some !== undefined && isWithin(some, all) ? some : all
}

function fewerValues(expression: Expression, flow: Flow, all: Bounds): Bounds | undefined {
  if (expression instanceof TernaryExpression) {
    const [a, b] = [valuesOf(expression.ifThen, flow), valuesOf(expression.ifElse, flow)]
    return a && b && { least: least(a.least, b.least), most: most(a.most, b.most) }
  }
  if (expression instanceof CallExpression) {
    const [value] = expression.args
    // A cast keeps what fits.
    if (isCastCall(expression) && value !== undefined) return valuesOf(value, flow)
    const { resolver } = flow.program
    const called = resolver.lookupExpression(expression.expression, flow, Type.auto, reportModes.swallow)
    return called !== null && /^~lib\/array\/Array(<.*>)?#(push|unshift)$/.test(called.internalName)
      ? lengths
      : undefined
  }
  if (expression instanceof UnaryPrefixExpression) {
    const values = valuesOf(expression.operand, flow)
    if (values === undefined) return undefined
    if (expression.operator === tokens.minus) return { least: -values.most, most: -values.least }
    return expression.operator === tokens.tilde ? { least: ~values.most, most: ~values.least } : undefined
  }
  if (expression instanceof BinaryExpression) {
    const [a, b] = [valuesOf(expression.left, flow), valuesOf(expression.right, flow)]
    if (expression.operator === tokens.shiftRightUnsigned && b !== undefined && b.least > 0n && b.least === b.most) {
      const most = (all.most - all.least) >> b.least
      return { least: 0n, most }
    }
    return a && b && calculated(expression.operator, a, b)
  }
  if (!(expression instanceof IdentifierExpression || expression instanceof PropertyAccessExpression)) return undefined
  const counter = counters.get(expression)
  if (counter !== undefined) return countedValues(counter, flow, all)
  const element = flow.program.resolver.lookupExpression(expression, flow, Type.auto, reportModes.swallow)
  if (element instanceof Local && tallies.has(element)) return tallied
  return element === null ? undefined : valuesOfElement(element)
}

/** Whether it is `u32(…)` or the like. */
export function isCastCall({ expression }: CallExpression): boolean {
  return expression instanceof IdentifierExpression && /^[iu](8|16|32|64)$/.test(expression.text)
}

/** What an operation gives where there is room for it; undefined if nothing tells. */
export function calculated(operator: number, a: Bounds, b: Bounds): Bounds | undefined {
  switch (operator) {
    case tokens.plus:
      return { least: a.least + b.least, most: a.most + b.most }
    case tokens.minus:
      return { least: a.least - b.most, most: a.most - b.least }
    case tokens.times: {
      const corners = [a.least * b.least, a.least * b.most, a.most * b.least, a.most * b.most]
      return { least: corners.reduce(least), most: corners.reduce(most) }
    }
    case tokens.divided:
      return a.least >= 0n && b.least > 0n ? { least: a.least / b.most, most: a.most / b.least } : undefined
    case tokens.remainder:
      return a.least >= 0n && b.least > 0n ? { least: 0n, most: least(a.most, b.most - 1n) } : undefined
    case tokens.ampersand:
      if (a.least < 0n && b.least < 0n) return undefined
      return { least: 0n, most: a.least < 0n ? b.most : b.least < 0n ? a.most : least(a.most, b.most) }
    case tokens.bar:
    case tokens.caret:
      return a.least >= 0n && b.least >= 0n ? combined(operator, a, b) : undefined
    case tokens.shiftLeft:
      return a.least >= 0n && b.least === b.most && b.least >= 0n && b.least < 64n
        ? { least: a.least << b.least, most: a.most << b.least }
        : undefined
    case tokens.shiftRight:
    case tokens.shiftRightUnsigned:
      return a.least >= 0n ? { least: 0n, most: a.most } : undefined
    default:
      return undefined
  }
}

/** Of `|` and `^`, of numbers that are not below zero: exact where both are known, else as many bits as the longer one has. */
function combined(operator: number, a: Bounds, b: Bounds): Bounds {
  if (a.least === a.most && b.least === b.most) {
    return only(operator === tokens.bar ? a.least | b.least : a.least ^ b.least)
  }
  return { least: 0n, most: 2n ** BigInt(most(a.most, b.most).toString(2).length) - 1n }
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function most(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

/** Neither the memory of a run nor the state of a contract, of 16 MiB at most, has room for more elements. */
const lengths: Bounds = { least: 0n, most: 2n ** 24n }

/** Constants whose value is being looked for: one that is made of itself has none. */
const sought = new Set<Element>()

function valuesOfElement(element: Element): Bounds | undefined {
  if (element instanceof Property || element instanceof PropertyPrototype) {
    const isLength = /^(length|byteLength|size)$/.test(element.name) && element.internalName.startsWith('~lib/')
    return isLength ? lengths : undefined
  }
  const given = element instanceof Local ? valuesOfLocals.get(element) : undefined
  if (given !== undefined) return valuesOf(given.initializer, given.flow)
  if (!(element instanceof VariableLikeElement)) return undefined
  if (element.constantValueKind === integerConstant) {
    const { low, high } = element.constantIntegerValue as unknown as { low: number; high: number }
    return only(wrapped((BigInt(high) << 32n) | BigInt(low >>> 0), element.type))
  }
  if (sought.has(element)) return undefined
  sought.add(element)
  const values = valuesOfDeclared(element)
  sought.delete(element)
  return values
}

/** Of constants outside of functions, and of enums. */
function valuesOfDeclared(element: VariableLikeElement): Bounds | undefined {
  const { initializerNode: initializer, parent } = element
  const isConstant = element.is(flags.const) || (element.is(flags.static) && element.is(flags.readonly))
  if (initializer !== null) {
    const { flow } = element.file.startFunction
    const ofSiblings = element instanceof EnumValue ? valuesInEnum(initializer, element) : undefined
    if (ofSiblings !== undefined) return ofSiblings
    return element instanceof EnumValue || (element instanceof Global && isConstant)
      ? valuesOf(initializer, flow)
      : undefined
  }
  if (!(element instanceof EnumValue)) return undefined
  const siblings = [...(parent.members?.values() ?? [])]
  const before = siblings[siblings.indexOf(element) - 1]
  if (before === undefined) return only(0n)
  const values = valuesOfElement(before)
  return values && { least: values.least + 1n, most: values.most + 1n }
}

/** What a member of an enum is that is made of numbers and of other members, as in `All = Read | Write`. */
function valuesInEnum(initializer: Expression, member: EnumValue): Bounds | undefined {
  const plain = withoutParentheses(initializer)
  const literal = literalValue(plain)
  if (literal !== undefined) return only(literal)
  if (plain instanceof IdentifierExpression) {
    // The compiler looks outside of the enum first.
    const { flow } = member.file.startFunction
    if (flow.program.resolver.lookupExpression(plain, flow, Type.auto, reportModes.swallow) !== null) return undefined
    const sibling = member.parent.members?.get(plain.text)
    return sibling instanceof EnumValue ? valuesOfElement(sibling) : undefined
  }
  if (!(plain instanceof BinaryExpression)) return undefined
  const [a, b] = [valuesInEnum(plain.left, member), valuesInEnum(plain.right, member)]
  const values = a && b && calculated(plain.operator, a, b)
  return values !== undefined && isWithin(values, boundsOf(Type.i32)!) ? values : undefined
}

/** What the members of an enum are, where all are known. */
export function valuesOfEnum({ members }: Enum): Bounds | undefined {
  let all: Bounds | undefined
  for (const member of members?.values() ?? []) {
    const values = valuesOfElement(member)
    if (values === undefined) return undefined
    all = all === undefined ? values : { least: least(all.least, values.least), most: most(all.most, values.most) }
  }
  return all
}

function only(value: bigint): Bounds {
  return { least: value, most: value }
}

/** A variable that a `for` counts with, and nothing else changes. */
interface Counter {
  first: Expression
  /** Those of its condition, with the variable at the left. */
  tests: { operator: number; bound: Expression }[]
  /** Added after each turn. */
  step: bigint
}

/** Where a body or a condition reads them. */
const counters = new WeakMap<Node, Counter>()

/** Notes what `for` counts with, for `for (let i = 0; i < names.length; i++)` gives no `i` below zero. */
export function noteCounts(sources: readonly Source[]): void {
  for (const source of sources) {
    for (const node of nodesOf(source)) {
      if (node instanceof ForStatement) noteCounter(node)
      else if (node instanceof FunctionDeclaration && node.body !== null) noteVariables(node.body)
    }
  }
}

/** Declarations of variables that nothing changes. */
const steady = new WeakSet<VariableDeclaration>()

/** What they are given, and where. It is looked at when it is asked for: to resolve types changes what is compiled. */
const valuesOfLocals = new WeakMap<Local, { initializer: Expression; flow: Flow }>()

/** Notes what variables in functions hold that nothing changes; once they are compiled. */
export function noteValues({ declarations }: VariableStatement, flow: Flow): void {
  for (const declaration of declarations) {
    const { name, initializer } = declaration
    const local = flow.lookupLocal(name.text)
    if (local === null) continue
    valuesOfLocals.delete(local)
    tallies.delete(local)
    if (growths.has(declaration)) tallies.add(local)
    const isSteady = declaration.is(flags.const) || steady.has(declaration)
    if (isSteady && initializer !== null) valuesOfLocals.set(local, { initializer, flow })
  }
}

/** Declarations of variables that begin at zero or above, and only ever grow by one; and the variables. */
const growths = new WeakSet<VariableDeclaration>()
const tallies = new WeakSet<Local>()

/** What such a variable holds. To get below zero by adding, it takes more steps than anybody pays for. */
const tallied: Bounds = { least: 0n, most: 2n ** 31n - 1n }

/** Notes variables such as `let found = 0`, of which the rest is `found++`, and those that nothing changes. */
function noteVariables(body: Statement): void {
  const growing = new Map<string, boolean>()
  const changed = new Set<string | undefined>()
  for (const node of nodesOf(body)) {
    if (node instanceof VariableDeclaration) {
      const { name, initializer } = node
      growing.set(name.text, !growing.has(name.text) && isCount(initializer))
    } else {
      const name = changedName(node)
      changed.add(name)
      if (name !== undefined && !isGrowth(node)) growing.set(name, false)
    }
  }
  for (const node of nodesOf(body)) {
    if (!(node instanceof VariableDeclaration)) continue
    if (growing.get(node.name.text)) growths.add(node)
    if (!changed.has(node.name.text)) steady.add(node)
  }
}

function isCount(value: Expression | null): boolean {
  return value !== null && (literalValue(value) ?? -1n) >= 0n
}

/** Whether it is `found++`, or begins again as in `found = 0`. */
function isGrowth(node: Node): boolean {
  if (node instanceof BinaryExpression) return node.operator === tokens.firstAssignment && isCount(node.right)
  const isStep = node instanceof UnaryPrefixExpression || node instanceof UnaryPostfixExpression
  return isStep && node.operator === tokens.plusPlus
}

function noteCounter({ initializer, condition, incrementor, body }: ForStatement): void {
  if (!(initializer instanceof VariableStatement) || condition === null || incrementor === null) return
  const name = changedName(incrementor)
  const first = initializer.declarations.find((each) => each.name.text === name)?.initializer
  if (name === undefined || first == null) return
  const step = stepOf(incrementor)
  const tests = testsOf(condition, name)
  const within = [...nodesOf(condition), ...nodesOf(body)]
  if (step === undefined || tests.length === 0 || within.some((node) => changes(node, name))) return
  const counter = { first, tests, step }
  for (const node of nodesOf(body)) if (isNamed(node, name)) counters.set(node, counter)
}

/** Of `i++`, `i--`, `i += 2` and `i -= 2`. */
function stepOf(incrementor: Expression): bigint | undefined {
  if (!(incrementor instanceof BinaryExpression)) {
    return 'operator' in incrementor && incrementor.operator === tokens.plusPlus ? 1n : -1n
  }
  const value = literalValue(incrementor.right)
  if (value === undefined) return undefined
  if (incrementor.operator === tokens.plusAssign) return value
  return incrementor.operator === tokens.minusAssign ? -value : undefined
}

function testsOf(condition: Expression, name: string): Counter['tests'] {
  const plain = withoutParentheses(condition)
  if (!(plain instanceof BinaryExpression)) return []
  const { operator, left, right } = plain
  if (operator === tokens.and) return [...testsOf(left, name), ...testsOf(right, name)]
  const mirrored = mirroredOrder(operator)
  if (mirrored === undefined) return []
  const [bound, test] = isNamed(left, name) ? [right, operator] : [left, mirrored]
  if (!isNamed(left, name) && !isNamed(right, name)) return []
  return [...nodesOf(bound)].some((node) => isNamed(node, name)) ? [] : [{ operator: test, bound }]
}

/** `>` of `<`, and so on; undefined of what is no such operator. */
export function mirroredOrder(operator: number): number | undefined {
  return new Map<number, number>([
    [tokens.less, tokens.greater],
    [tokens.greater, tokens.less],
    [tokens.atMost, tokens.atLeast],
    [tokens.atLeast, tokens.atMost],
  ]).get(operator)
}

function isNamed(node: Node, name: string): boolean {
  return node instanceof IdentifierExpression && node.text === name
}

/** Whether it gives a variable of that name another value, or declares another variable of that name. */
function changes(node: Node, name: string): boolean {
  return changedName(node) === name || (node instanceof VariableDeclaration && node.name.text === name)
}

/** The variable that gets another value there; a parameter has one from elsewhere. */
function changedName(node: Node): string | undefined {
  if (node instanceof ParameterNode) return node.name.text
  if (node instanceof UnaryPrefixExpression || node instanceof UnaryPostfixExpression) {
    return isOneOf(node.operator, tokens.plusPlus, tokens.minusMinus) ? nameOf(node.operand) : undefined
  }
  const isAssignment =
    node instanceof BinaryExpression && isOneOf(node.operator, tokens.firstAssignment, tokens.lastAssignment)
  return isAssignment ? nameOf(node.left) : undefined
}

function nameOf(expression: Expression): string | undefined {
  const plain = withoutParentheses(expression)
  return plain instanceof IdentifierExpression ? plain.text : undefined
}

/** @param all of its type */
function countedValues({ first, tests, step }: Counter, flow: Flow, all: Bounds): Bounds {
  const values = { ...all }
  const begin = valuesOf(first, flow)
  const isExact = begin !== undefined && isWithin(begin, all)
  for (const { operator, bound } of tests) {
    const limit = valuesOf(bound, flow)
    if (limit === undefined) continue
    if (operator === tokens.less || operator === tokens.atMost) {
      const last = operator === tokens.less ? limit.most - 1n : limit.most
      values.most = least(values.most, last)
      if (isExact && step > 0n && last + step <= all.most) values.least = most(values.least, begin.least)
    } else {
      const last = operator === tokens.greater ? limit.least + 1n : limit.least
      values.least = most(values.least, last)
      if (isExact && step < 0n && last + step >= all.least) values.most = least(values.most, begin.most)
    }
  }
  return values
}
