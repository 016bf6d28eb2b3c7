import {
  AssertionExpression,
  BinaryExpression,
  CallExpression,
  ClassDeclaration,
  CommaExpression,
  ConstructorExpression,
  DeclarationStatement,
  ElementAccessExpression,
  type Expression,
  ExpressionStatement,
  ForStatement,
  FunctionDeclaration,
  FunctionExpression,
  IdentifierExpression,
  InstanceOfExpression,
  LiteralExpression,
  type Node,
  ParenthesizedExpression,
  PropertyAccessExpression,
  type Source,
  TernaryExpression,
  UnaryPostfixExpression,
  UnaryPrefixExpression,
} from 'assemblyscript'
import { customDecorator, tokens } from './compilerFlags.ts'
import { ContractSourceError, classesOf, isComparison, nodesOf, textOf } from './syntax.ts'

/** Requires that nothing stands in the author's files that the compiler would pass over in silence. */
export function requireEffects(sources: readonly Source[]): void {
  for (const source of sources) {
    const classes = new Set<DeclarationStatement>(classesOf(source))
    for (const node of effectsOf(source)) {
      if (node instanceof DeclarationStatement) requireKnownDecorators(node, classes.has(node))
      if (node instanceof ClassDeclaration) requireMemberNames(node)
      if (node instanceof ExpressionStatement) requireNoValue(node.expression)
      for (const expression of droppedBy(node)) {
        const reason = whyLost(expression)
        if (reason !== undefined) throw new ContractSourceError(expression.range, `${textOf(expression)} ${reason}`)
      }
    }
  }
}

/** A value in the place of a statement. Within an expression, one may hold the place of a result: `isOpen ? this.close() : 0`. */
function requireNoValue(expression: Expression): void {
  if (expression instanceof ParenthesizedExpression) requireNoValue(expression.expression)
  if (!(expression instanceof LiteralExpression || expression instanceof FunctionExpression)) return
  throw new ContractSourceError(expression.range, `${textOf(expression)} does nothing`)
}

/** The compiler would end without a word about where. */
function requireMemberNames({ members }: ClassDeclaration): void {
  for (const { name } of members) {
    if (name.text !== 'constructor' || name instanceof ConstructorExpression) continue
    throw new ContractSourceError(name.range, 'no field and no property is called constructor')
  }
}

/** @param isOuter whether it is a class outside of namespaces, which alone can be a contract */
function requireKnownDecorators(declaration: DeclarationStatement, isOuter: boolean): void {
  for (const { name, range, decoratorKind } of declaration.decorators ?? []) {
    const isOurs =
      name instanceof IdentifierExpression &&
      ((name.text === 'contract' && isOuter) || name.text === 'tuple') &&
      declaration instanceof ClassDeclaration
    if (isOurs || decoratorKind !== customDecorator) continue
    throw new ContractSourceError(
      range,
      `${textOf(name)} does nothing here; of an author there are @contract and @tuple, of classes`,
    )
  }
}

/** Why an expression that is a statement, or a part of it that nobody uses, is a mistake; undefined if it may have an effect. */
function whyLost(expression: Expression): string | undefined {
  if (expression instanceof PropertyAccessExpression || isName(expression) || isOfComparison(expression)) {
    return 'does nothing; a call has parentheses, an assignment one ='
  }
  // A cast of what is not called; ! behind it asks whether it is null.
  if (expression instanceof AssertionExpression && expression.toType !== null) return whyLost(expression.expression)
  // It may revert, which is no reason to write it.
  const isKept = !(isCalculation(expression) || expression instanceof ElementAccessExpression)
  return isKept ? undefined : 'is kept nowhere; an assignment has an =, as in a -= b'
}

/** Whether it is an arithmetic, bitwise or logical operation, also on a result of a call. */
function isCalculation(expression: Expression): boolean {
  if (expression instanceof ParenthesizedExpression) return isCalculation(expression.expression)
  if (expression instanceof BinaryExpression) return isWithin(expression.operator, tokens.plus, tokens.caret)
  return (
    expression instanceof UnaryPrefixExpression &&
    [tokens.plus, tokens.minus, tokens.tilde, tokens.not].some((token) => token === expression.operator)
  )
}

/** `null`, `true` and `this` are names to the compiler too; they hold the place of a value. */
function isName(expression: Expression): boolean {
  return expression.constructor === IdentifierExpression
}

/** Whether it is a comparison, whatever is made of its result. */
function isOfComparison(expression: Expression): boolean {
  if (expression instanceof ParenthesizedExpression) return isOfComparison(expression.expression)
  if (expression instanceof AssertionExpression) return isOfComparison(expression.expression)
  if (expression instanceof UnaryPrefixExpression) {
    return expression.operator === tokens.not && isOfComparison(expression.operand)
  }
  return expression instanceof InstanceOfExpression || isComparison(expression)
}

/** The expressions whose values nobody uses: statements, and what is in their values' place. */
export function droppedValues(sources: readonly Source[]): Set<Expression> {
  const dropped = new Set<Expression>()
  for (const source of sources) {
    for (const node of effectsOf(source)) {
      for (const expression of droppedBy(node)) dropped.add(expression)
    }
  }
  return dropped
}

function* droppedBy(node: Node): Generator<Expression> {
  if (node instanceof ExpressionStatement) yield* unusedIn(node.expression)
  else if (node instanceof ForStatement && node.incrementor !== null) yield* unusedIn(node.incrementor)
  else if (node instanceof CommaExpression) {
    for (const each of node.expressions.slice(0, -1)) yield* unusedIn(each)
  }
}

/** An expression whose value nobody uses, and those within it of which that is so too. */
function* unusedIn(expression: Expression): Generator<Expression> {
  yield expression
  // A cast may revert.
  if (expression instanceof AssertionExpression) return
  const isLogical = expression instanceof BinaryExpression && isWithin(expression.operator, tokens.and, tokens.or)
  for (const each of isLogical ? [expression.right] : valuesOf(expression)) yield* unusedIn(each)
}

/** The calls whose results are changed where they stand, and then dropped: `list.get().push(1)`, `accounts.get(x).sum = 1`. */
export function changedResults(sources: readonly Source[]): Set<CallExpression> {
  const calls = new Set<CallExpression>()
  for (const source of sources) {
    for (const node of effectsOf(source)) {
      for (const changed of changedBy(node)) {
        for (const owner of ownersOf(changed)) {
          if (owner instanceof CallExpression) calls.add(owner)
        }
      }
    }
  }
  return calls
}

/** All nodes but the statement that is the result of an arrow function: its value is used. */
function* effectsOf(source: Source): Generator<Node> {
  const results = new Set<Node>()
  for (const node of nodesOf(source)) {
    if (node instanceof FunctionDeclaration && node.arrowKind !== 0 && node.body !== null) results.add(node.body)
    if (!results.has(node)) yield node
  }
}

/** What a node changes, with the members that it changes. */
function* changedBy(node: Node): Generator<Expression> {
  if (node instanceof BinaryExpression) {
    if (isWithin(node.operator, tokens.firstAssignment, tokens.lastAssignment)) yield node.left
  } else if (node instanceof UnaryPostfixExpression || node instanceof UnaryPrefixExpression) {
    if (node.operator === tokens.plusPlus || node.operator === tokens.minusMinus) yield node.operand
  } else if (node instanceof CallExpression) {
    if (isCallOf(growers, node)) yield node.expression
  } else if (node instanceof ExpressionStatement) {
    yield* changedAndDropped(node.expression)
  } else if (node instanceof ForStatement && node.incrementor !== null) {
    yield* changedAndDropped(node.incrementor)
  }
}

/** What an expression changes by calls whose own results nobody uses. */
function* changedAndDropped(expression: Expression): Generator<Expression> {
  if (expression instanceof CallExpression) {
    if (isCallOf(mutators, expression)) yield expression.expression
    return
  }
  for (const each of valuesOf(expression)) yield* changedAndDropped(each)
  if (expression instanceof CommaExpression) {
    for (const each of expression.expressions.slice(0, -1)) yield* changedAndDropped(each)
  }
}

function isCallOf(names: ReadonlySet<string>, { expression }: CallExpression): boolean {
  return expression instanceof PropertyAccessExpression && names.has(expression.property.text)
}

/** Methods whose results, of a copy, are of no use to anybody. */
const growers = new Set(['push', 'unshift'])

/** Methods of arrays that give the array itself. */
const returningThis = new Set(['sort', 'reverse', 'fill', 'copyWithin'])

/** Methods of arrays, maps and sets. */
const mutators = new Set([
  'push',
  'pop',
  'shift',
  'unshift',
  'splice',
  'sort',
  'reverse',
  'fill',
  'copyWithin',
  'set',
  'add',
  'delete',
  'clear',
])

/** Whose member, at any depth, an expression is, or may be. */
function* ownersOf(expression: Expression): Generator<Expression> {
  if (expression instanceof PropertyAccessExpression || expression instanceof ElementAccessExpression) {
    yield* ownersOf(expression.expression)
    return
  }
  const values = valuesOf(expression)
  if (values.length === 0) yield expression
  for (const value of values) yield* ownersOf(value)
  if (expression instanceof CallExpression && isCallOf(returningThis, expression))
    yield* ownersOf(expression.expression)
}

/** The expressions within one of which the value is its own. */
function valuesOf(expression: Expression): Expression[] {
  if (expression instanceof ParenthesizedExpression || expression instanceof AssertionExpression) {
    return [expression.expression]
  }
  if (expression instanceof TernaryExpression) return [expression.ifThen, expression.ifElse]
  if (expression instanceof CommaExpression) return expression.expressions.slice(-1)
  if (expression instanceof BinaryExpression) {
    const { operator, left, right } = expression
    if (operator === tokens.and || operator === tokens.or) return [left, right]
  }
  return []
}

function isWithin(value: number, first: number, last: number): boolean {
  return value >= first && value <= last
}
