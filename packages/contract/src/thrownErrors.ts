import {
  type Expression,
  NewExpression,
  Node,
  type Source,
  StringLiteralExpression,
  TemplateLiteralExpression,
  ThrowStatement,
} from 'assemblyscript'
import { declaredNames } from './generatedNames.ts'
import { ContractSourceError, nodesOf, textOf } from './syntax.ts'

/** Classes of the compiler's library whose first argument is the message. */
const errorClasses = new Set(['Error', 'RangeError', 'SyntaxError', 'TypeError', 'URIError'])

/**
 * Lets whatever is thrown tell its message. The compiler itself takes the first argument of a `new …` for the message,
 * whatever the class makes of it, and drops an error that was made before.
 *
 * @throws ContractSourceError where a text is thrown
 */
export function keepThrownMessages(sources: readonly Source[]): void {
  for (const source of sources) {
    const own = new Set(declaredNames(source).map(({ text }) => text))
    for (const node of nodesOf(source)) {
      if (!(node instanceof ThrowStatement) || isPlain(node.value, own)) continue
      const { value } = node
      const { range } = value
      if (value instanceof StringLiteralExpression || value instanceof TemplateLiteralExpression) {
        throw new ContractSourceError(range, `what is thrown is an error: throw new Error(${textOf(value)})`)
      }
      const messageOf = Node.createIdentifierExpression('__messageOf', range)
      const message = Node.createCallExpression(messageOf, null, [value], range)
      node.value = Node.createNewExpression(Node.createSimpleTypeName('Error', range), null, [message], range)
    }
  }
}

/** Whether the compiler finds the message, or there is none. @param own names that the file gives to something else */
function isPlain(thrown: Expression, own: ReadonlySet<string>): boolean {
  if (!(thrown instanceof NewExpression) || thrown.typeName.next !== null) return false
  const name = thrown.typeName.identifier.text
  return errorClasses.has(name) && !own.has(name)
}
