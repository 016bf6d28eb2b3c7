import {
  BinaryExpression,
  CallExpression,
  ClassDeclaration,
  IdentifierExpression,
  MethodDeclaration,
  Node,
  type Range,
  type Source,
  type TypeNode,
} from 'assemblyscript'
import { nodesOf } from './syntax.ts'

/** Of the elements, as the compiler's arrays call it. */
function elementType(range: Range): TypeNode {
  return Node.createNamedType(Node.createSimpleTypeName('T', range), null, false, range)
}

/** The files of the compiler's library with arrays. */
const arrayFiles = new Set(['~lib/array', '~lib/staticarray'])

/**
 * Methods that hand elements out, compare, join or flatten them, as they lie in memory. `[]` and `at` look whether there is
 * one.
 */
const handOut = new Set(
  'every filter findIndex findLastIndex flat forEach indexOf join lastIndexOf map pop reduce reduceRight shift some sort'.split(
    ' ',
  ),
)

/** Functions of the compiler that do not look whether there is an element, and the library's in their place. */
const looking = new Map([
  ['load', '__loadElement'],
  ['SORT', '__sortElements'],
  ['joinReferenceArray', '__joinReferences'],
  ['joinStringArray', '__joinTexts'],
])

/**
 * Lets the methods of arrays look whether an element was ever set before they hand it out, as `[]` does. Otherwise the
 * `pop()` of a `new Array<Address>(3)` would be address zero, and zero would be in a `new Array<U256>(3)`.
 */
export function checkHoles(sources: readonly Source[]): void {
  for (const { internalPath, statements } of sources) {
    if (!arrayFiles.has(internalPath)) continue
    const members = statements.flatMap((statement) => (statement instanceof ClassDeclaration ? statement.members : []))
    for (const method of members) {
      if (!(method instanceof MethodDeclaration && handOut.has(method.name.text))) continue
      for (const node of nodesOf(method)) {
        if (!(node instanceof CallExpression && node.expression instanceof IdentifierExpression)) continue
        const own = looking.get(node.expression.text)
        if (own === undefined) continue
        if (method.name.text !== 'flat') {
          node.expression.text = own
          node.typeArguments ??= [elementType(node.range)]
        } else if (isOfPointer(node)) {
          node.expression.text = '__loadList'
          node.typeArguments = [elementType(node.range)]
        }
      }
    }
  }
}

/** Whether `flat` loads one of the lists, not a field of one or an element of the result. */
function isOfPointer({ args: [place] }: CallExpression): boolean {
  return place instanceof BinaryExpression && place.left instanceof IdentifierExpression && place.left.text === 'ptr'
}
