import { compareKeys } from '@bletchley/state'
import {
  type Class,
  ClassDeclaration,
  type FieldDeclaration,
  type ImportStatement,
  type MethodDeclaration,
  NamespaceDeclaration,
  type Source,
  type Statement,
} from 'assemblyscript'
import { fieldsOf } from './abiTypes.ts'
import { isTuple, type Refuse } from './elements.ts'
import { requireFreeNames } from './generatedNames.ts'
import { ContractSourceError, hasDecorator, parseStatement, textOf } from './syntax.ts'
import { libraryName } from './toolchain.ts'

/** What the functions of the library that write and read JSON are called in the author's files. */
const json = '__json'

/** And those that compare. */
const equality = '__equality'

/**
 * Gives each class with `@tuple` the method by which it is compared, and those by which the library keeps it in the state.
 * A class that is neither compared nor kept costs nothing: the compiler leaves out what nobody calls.
 */
export function addTupleMethods(sources: readonly Source[]): void {
  for (const source of sources) {
    const tuples = tuplesIn(source.statements)
    if (tuples.length === 0) continue
    const path = source.normalizedPath
    for (const tuple of tuples) {
      const fields = fieldsOf(tuple)
      const methods = ['class Methods {', ...equalityMethod(fields), ...jsonMethods(tuple.name.text, fields), '}']
      requireFreeMembers(tuple)
      const { members } = parseStatement(methods.join('\n'), path) as ClassDeclaration
      tuple.members.push(...(members as MethodDeclaration[]))
    }
    for (const [name, file] of [
      [json, 'json'],
      [equality, 'equality'],
    ]) {
      const imported = parseStatement(`import * as ${name} from '${libraryName}/${file}'`, path) as ImportStatement
      source.statements.unshift(imported as Statement)
    }
  }
}

/** The tuples of a file or a namespace, and of the namespaces in there. */
function tuplesIn(statements: readonly Statement[]): ClassDeclaration[] {
  const tuples = statements.flatMap((statement) => {
    if (statement instanceof NamespaceDeclaration) return tuplesIn(statement.members)
    return statement instanceof ClassDeclaration && hasDecorator(statement, 'tuple') ? [statement] : []
  })
  if (tuples.length > 0) requireFreeNames(statements, ['memory', 'offsetof', json, equality])
  return tuples
}

/** Requires that no member has the name of a method that the class is given. */
function requireFreeMembers({ members }: ClassDeclaration): void {
  for (const { name } of members) {
    if (!methodNames.has(name.text)) continue
    throw new ContractSourceError(
      name.range,
      `${name.text} is a name that the compiled contract needs itself; take another one`,
    )
  }
}

const methodNames = new Set(['__equals', '__putJson', '__readJson'])

/**
 * Requires that all fields of a tuple are its own, for its methods know no others; and that it is known by its own type
 * only, for those of an interface are compared as objects.
 */
export function requireOwnFields({ prototype }: Class, refuse: Refuse): void {
  const { extendsNode, implementsNodes, basePrototype } = prototype
  if (extendsNode !== null && basePrototype !== null) {
    if (isTuple(prototype)) refuse(extendsNode.range, 'a tuple extends no other class')
    else if (isTuple(basePrototype)) refuse(extendsNode.range, 'no class extends a tuple')
  }
  const [implemented] = implementsNodes ?? []
  if (implemented !== undefined && isTuple(prototype)) refuse(implemented.range, 'a tuple implements no interface')
}

function equalityMethod(fields: readonly FieldDeclaration[]): string[] {
  const comparisons = fields.map(({ name: { text } }) => `${equality}.same(this.${text}, other.${text})`)
  return ['__equals(other: this): bool {', `return ${['true', ...comparisons].join(' && ')}`, '}']
}

/** The two methods for an object whose members are in the order of workers: by the bytes of their names. */
function jsonMethods(tuple: string, fields: readonly FieldDeclaration[]): string[] {
  const sorted = fields
    .map(({ name, type }) => ({ name: name.text, type: textOf(type!) }))
    .sort((a, b) => compareKeys(a.name, b.name))
  const plain = (text: string) => {
    const bytes = Buffer.from(text)
    return `memory.data<u8>([${[...bytes]}]), ${bytes.length}`
  }
  const before = (index: number) => plain(`${index === 0 ? '{' : ','}"${sorted[index]!.name}":`)
  const at = ({ name }: { name: string }) => `offsetof<this>('${name}')`
  return [
    '__putJson(to: usize): usize {',
    ...sorted.flatMap((field, index) => [
      `to = ${json}.putPlain(to, ${before(index)})`,
      `to = ${json}.putJson<${field.type}>(to, this.${field.name})`,
    ]),
    `return ${json}.putPlain(to, ${plain('}')})`,
    '}',
    '__readJson(): void {',
    ...sorted.flatMap((field, index) => [
      `${json}.expectPlain(${before(index)})`,
      `${json}.readField<${tuple}, ${field.type}>(this, ${at(field)})`,
    ]),
    `${json}.expectPlain(${plain('}')})`,
    '}',
  ]
}
