import {
  BinaryExpression,
  CallExpression,
  ClassDeclaration,
  DeclarationStatement,
  ElementAccessExpression,
  type Expression,
  ExpressionStatement,
  FunctionDeclaration,
  IdentifierExpression,
  type Node,
  ParenthesizedExpression,
  PropertyAccessExpression,
  type Source,
  UnaryPostfixExpression,
  UnaryPrefixExpression,
} from 'assemblyscript'
import { customDecorator, tokens } from './compilerFlags.ts'
import { ContractSourceError, nodesOf, textOf } from './syntax.ts'

/** Requires that nothing stands in the author's files that the compiler would pass over in silence. */
export function requireEffects(sources: readonly Source[]): void {
  for (const source of sources) {
    for (const node of effectsOf(source)) {
      if (node instanceof DeclarationStatement) requireKnownDecorators(node)
      if (node instanceof ExpressionStatement && doesNothing(node.expression)) {
        throw new ContractSourceError(
          node.range,
          `${textOf(node.expression)} does nothing; a call has parentheses, an assignment one =`,
        )
      }
    }
  }
}

function requireKnownDecorators(declaration: DeclarationStatement): void {
  for (const { name, range, decoratorKind } of declaration.decorators ?? []) {
    const isOurs =
      name instanceof IdentifierExpression &&
      (name.text === 'contract' || name.text === 'tuple') &&
      declaration instanceof ClassDeclaration
    if (isOurs || decoratorKind !== customDecorator) continue
    throw new ContractSourceError(
      range,
      `${textOf(name)} does nothing here; of an author there are @contract and @tuple, of classes`,
    )
  }
}

function doesNothing(expression: Expression): boolean {
  if (expression instanceof PropertyAccessExpression) return true
  return (
    expression instanceof BinaryExpression &&
    isWithin(expression.operator, tokens.firstComparison, tokens.lastComparison)
  )
}

/** The calls whose results are changed where they stand, and then dropped: `list.get().push(1)`, `accounts.get(x).sum = 1`. */
export function changedResults(sources: readonly Source[]): Set<CallExpression> {
  const calls = new Set<CallExpression>()
  for (const source of sources) {
    for (const node of effectsOf(source)) {
      const changed = changedBy(node)
      const owner = changed && ownerOf(changed)
      if (owner !== changed && owner instanceof CallExpression) calls.add(owner)
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

/** What a node changes, with the member that it changes. */
function changedBy(node: Node): Expression | undefined {
  if (node instanceof BinaryExpression) {
    return isWithin(node.operator, tokens.firstAssignment, tokens.lastAssignment) ? node.left : undefined
  }
  if (node instanceof UnaryPostfixExpression || node instanceof UnaryPrefixExpression) {
    return node.operator === tokens.plusPlus || node.operator === tokens.minusMinus ? node.operand : undefined
  }
  if (!(node instanceof ExpressionStatement && node.expression instanceof CallExpression)) return undefined
  const called = node.expression.expression
  return called instanceof PropertyAccessExpression && mutators.has(called.property.text) ? called : undefined
}

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

/** Whose member, at any depth, an expression is. */
function ownerOf(expression: Expression): Expression {
  if (expression instanceof ParenthesizedExpression) return ownerOf(expression.expression)
  if (expression instanceof PropertyAccessExpression) return ownerOf(expression.expression)
  if (expression instanceof ElementAccessExpression) return ownerOf(expression.expression)
  return expression
}

function isWithin(value: number, first: number, last: number): boolean {
  return value >= first && value <= last
}
