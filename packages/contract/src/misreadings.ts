import {
  BinaryExpression,
  CallExpression,
  DoStatement,
  EmptyStatement,
  type Expression,
  ForStatement,
  IdentifierExpression,
  IfStatement,
  InstanceOfExpression,
  IntegerLiteralExpression,
  type Node,
  type Source,
  type Statement,
  UnaryPrefixExpression,
  WhileStatement,
} from 'assemblyscript'
import { tokens } from './compilerFlags.ts'
import { ContractSourceError, isComparison, isComparisonOperator, nodesOf, textOf } from './syntax.ts'

/** Requires that nothing stands in the author's files that the compiler takes for something else than a reader does. */
export function requireReadable(sources: readonly Source[]): void {
  for (const source of sources) {
    for (const node of nodesOf(source)) {
      if (node instanceof IntegerLiteralExpression) requireWholeNumber(node)
      else if (node instanceof BinaryExpression) {
        requireClearOperands(node)
        requireClearPower(node)
        requireEqualToSomething(node)
      } else if (node instanceof InstanceOfExpression) requireClearNot(node)
      for (const condition of conditionsOf(node)) requireNoAssignment(condition)
      for (const body of bodiesOf(node)) requireBody(body)
    }
  }
}

const maxU64 = 2n ** 64n - 1n

/** The compiler cuts most numbers of more than 64 bits off, and refuses some. */
function requireWholeNumber(literal: IntegerLiteralExpression): void {
  const digits = textOf(literal).replaceAll('_', '')
  if (!/^(0[xob])?[\da-f]+$/i.test(digits) || BigInt(digits) <= maxU64) return
  throw new ContractSourceError(
    literal.range,
    `${textOf(literal)} does not fit into 64 bits; of U256, multiply two that do, or give its four parts to new U256`,
  )
}

/** In TypeScript as here, `a & b == c` compares first, and `a < b < c` compares a comparison. */
function requireClearOperands({ operator, left, right, range }: BinaryExpression): void {
  const operands = [left, right]
  const compared = operands.filter(isComparison)
  const [comparison] = compared
  if (comparison === undefined) return
  if (operator === tokens.and || operator === tokens.or) {
    const number = operands.find((each) => each instanceof IntegerLiteralExpression)
    if (number === undefined) return
    throw new ContractSourceError(
      number.range,
      `${textOf(number)} is always the same as a condition; compare it as well`,
    )
  }
  const isBitwise = operator === tokens.ampersand || operator === tokens.bar || operator === tokens.caret
  if (isComparisonOperator(operator) || (isBitwise && compared.length === 1)) {
    const how = isBitwise ? 'parentheses tell what belongs together' : 'compare twice, with && between'
    throw new ContractSourceError(
      range,
      `${textOf(comparison)} is compared first, and the result is one side here; ${how}`,
    )
  }
}

function requireEqualToSomething({ operator, left, right, range }: BinaryExpression): void {
  const isOfNaN = [left, right].some((each) => each instanceof IdentifierExpression && each.text === 'NaN')
  if (!isOfNaN || !isComparisonOperator(operator)) return
  throw new ContractSourceError(range, 'NaN is neither equal to any number nor less nor greater; isNaN(…) asks for it')
}

/** TypeScript refuses `-a ** 2` too: in mathematics the power comes first, here the sign. */
function requireClearPower(expression: BinaryExpression): void {
  const { operator, left, right, range } = expression
  const [base, exponent] = [textOf(left), textOf(right)]
  if (operator === tokens.caret && /^(2|10)$/.test(base) && /^\d+$/.test(exponent)) {
    const power = `${base} ** ${exponent}`
    throw new ContractSourceError(range, `${textOf(expression)} is an exclusive or; ${power} is the power`)
  }
  const isSigned = left instanceof UnaryPrefixExpression && !isStep(left.operator)
  if (operator !== tokens.power || !isSigned) return
  throw new ContractSourceError(range, `${base} comes first here; parentheses tell what belongs together`)
}

function isStep(operator: number): boolean {
  return operator === tokens.plusPlus || operator === tokens.minusMinus
}

function requireClearNot({ expression, range }: InstanceOfExpression): void {
  if (!(expression instanceof UnaryPrefixExpression) || expression.operator !== tokens.not) return
  throw new ContractSourceError(range, `${textOf(expression)} comes first here; parentheses tell what belongs together`)
}

/** In parentheses of its own, an assignment is meant. */
function requireNoAssignment(condition: Expression): void {
  if (!(condition instanceof BinaryExpression) || condition.operator !== tokens.firstAssignment) return
  throw new ContractSourceError(condition.range, `${textOf(condition)} is an assignment; a comparison has two =`)
}

function* conditionsOf(node: Node): Generator<Expression> {
  if (node instanceof ForStatement) {
    if (node.condition !== null) yield node.condition
  } else if (node instanceof IfStatement || node instanceof WhileStatement || node instanceof DoStatement) {
    yield node.condition
  } else if (node instanceof CallExpression && node.expression instanceof IdentifierExpression) {
    const [condition] = node.args
    if (condition !== undefined && /^(require|assert)$/.test(node.expression.text)) yield condition
  }
}

function requireBody(body: Statement): void {
  if (!(body instanceof EmptyStatement)) return
  throw new ContractSourceError(
    body.range,
    'this ; is all that the condition decides about; where nothing is to be done, write {}',
  )
}

function* bodiesOf(node: Node): Generator<Statement> {
  if (node instanceof IfStatement) {
    yield node.ifTrue
    if (node.ifFalse !== null) yield node.ifFalse
  } else if (node instanceof WhileStatement || node instanceof ForStatement || node instanceof DoStatement)
    yield node.body
}
