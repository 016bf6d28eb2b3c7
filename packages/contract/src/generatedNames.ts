import {
  DeclarationStatement,
  type IdentifierExpression,
  ImportStatement,
  type Node,
  type Source,
  VariableStatement,
} from 'assemblyscript'
import { ContractSourceError } from './syntax.ts'

/**
 * Requires that a file or a namespace leaves names to the language: code that is put into it needs them.
 *
 * @throws ContractSourceError where one is declared
 */
export function requireFreeNames(statements: readonly Node[], names: readonly string[]): void {
  for (const { text, range } of statements.flatMap(declaredBy)) {
    if (names.includes(text)) {
      throw new ContractSourceError(
        range,
        `${text} is a name that the compiled contract needs itself; take another one`,
      )
    }
  }
}

/** The names that a file gives to what it declares or imports. */
export function declaredNames({ statements }: Source): IdentifierExpression[] {
  return statements.flatMap(declaredBy)
}

function declaredBy(statement: Node): IdentifierExpression[] {
  if (statement instanceof DeclarationStatement) return [statement.name]
  if (statement instanceof VariableStatement) return statement.declarations.map(({ name }) => name)
  if (!(statement instanceof ImportStatement)) return []
  const { namespaceName, declarations } = statement
  return [...(namespaceName === null ? [] : [namespaceName]), ...(declarations ?? []).map(({ name }) => name)]
}
