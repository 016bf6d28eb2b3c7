import {
  BinaryExpression,
  ClassDeclaration,
  type Expression,
  type ExpressionStatement,
  IdentifierExpression,
  NamedTypeNode,
  Node,
  Parser,
  type Range,
  type Source,
  type Statement,
  type TypeNode,
} from 'assemblyscript'
import { tokens } from './compilerFlags.ts'

/** The source of a contract is not one. The message begins with file, line and column. */
export class ContractSourceError extends Error {
  override readonly name = 'ContractSourceError'

  constructor(range: Range, message: string) {
    super(`${placeOf(range)}: ${message}`)
  }
}

/** `file:line:column` of where a range begins. */
export function placeOf({ source, start }: Range): string {
  const line = source.lineAt(start)
  return `${source.normalizedPath}:${line}:${source.columnAt()}`
}

/** Whether a file is the author's, not the compiler's or ours. */
export function isAuthors({ internalPath }: Source): boolean {
  return !internalPath.startsWith('~lib/')
}

export function hasDecorator({ decorators }: ClassDeclaration, name: string): boolean {
  return (decorators ?? []).some(
    (decorator) => decorator.name instanceof IdentifierExpression && decorator.name.text === name,
  )
}

export function classesOf({ statements }: Source): ClassDeclaration[] {
  return statements.filter((statement): statement is ClassDeclaration => statement instanceof ClassDeclaration)
}

/** A piece of source as its author wrote it. */
export function textOf({ range }: Node): string {
  return range.source.text.slice(range.start, range.end)
}

/** The name of a type, empty if it is more than a name and its type arguments. */
export function typeName(type: TypeNode): string {
  return type instanceof NamedTypeNode && type.name.next === null && !type.isNullable ? type.name.identifier.text : ''
}

/** The statement that a text is. @param path for messages */
export function parseStatement(text: string, path: string): Statement {
  const sources: Source[] = []
  new Parser([], sources).parseFile(`${text};\n`, path, false)
  return sources[0]!.statements[0]!
}

/** The expression that a text is. @param path for messages */
export function parseExpression(text: string, path: string): Expression {
  return (parseStatement(text, path) as ExpressionStatement).expression
}

/** Whether it compares two sides. */
export function isComparison(node: Node): boolean {
  return node instanceof BinaryExpression && isComparisonOperator(node.operator)
}

export function isComparisonOperator(operator: number): boolean {
  return isOneOf(operator, tokens.firstComparison, tokens.lastComparison)
}

/** Whether an operator is one of those that follow each other. */
export function isOneOf(operator: number, first: number, last: number): boolean {
  return operator >= first && operator <= last
}

/** All nodes of a syntax tree, in the order of the source; one that the compiler has put in two places comes twice. */
export function* nodesOf(node: Node): Generator<Node> {
  yield node
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child instanceof Node) yield* nodesOf(child)
    }
  }
}
