import {
  type CallExpression,
  type ClassDeclaration,
  ConstructorExpression,
  FieldDeclaration,
  MethodDeclaration,
  NamedTypeNode,
  NewExpression,
  Node,
  type Source,
  StringLiteralExpression,
} from 'assemblyscript'
import { type AbiFunction, type AbiParameter, type ContractAbi, constructorMethod } from './abi.ts'
import { type AbiType, AbiTypes } from './abiTypes.ts'
import { flags } from './compilerFlags.ts'
import { requireFreeNames } from './generatedNames.ts'
import { requireSeparateKeys, type StateField, stateTypes } from './stateKeys.ts'
import { ContractSourceError, classesOf, hasDecorator, parseExpression, typeName } from './syntax.ts'
import { canNameClass } from './typeScriptNames.ts'

/** A function that users call, or the constructor. */
export interface ContractFunction {
  name: string
  inputs: readonly { name: string; type: AbiType }[]
  /** Of the result, or of the members of a tuple. */
  outputs: readonly { name: string; type: AbiType }[]
}

/** A contract's class, as its author wrote it. */
export interface ContractClass {
  declaration: ClassDeclaration
  source: Source
  constructorFunction: ContractFunction | undefined
  functions: readonly ContractFunction[]
  fields: readonly StateField[]
}

/** Finds the one class in the author's files that is decorated with `@contract`. */
export function findContract(sources: readonly Source[]): ContractClass {
  const [first, second] = sources.flatMap((source) =>
    classesOf(source)
      .filter((declaration) => hasDecorator(declaration, 'contract'))
      .map((declaration) => ({ source, declaration })),
  )
  if (first === undefined) {
    throw new ContractSourceError(sources[0]!.range, 'no class is decorated with @contract')
  }
  if (second !== undefined)
    throw new ContractSourceError(second.declaration.name.range, 'a second class with @contract')
  const { source, declaration } = first
  requireClass(declaration)
  const types = new AbiTypes(sources)
  const functions: ContractFunction[] = []
  const fields: StateField[] = []
  let constructorFunction: ContractFunction | undefined
  for (const member of declaration.members) {
    if (member instanceof FieldDeclaration) fields.push(...describeField(member))
    if (!(member instanceof MethodDeclaration)) continue
    const described = isConstructor(member) || isCallable(member) ? describeFunction(member, types) : undefined
    if (described === undefined) continue
    if ([constructorFunction, ...functions].some((other) => other?.name === described.name)) {
      throw new ContractSourceError(
        member.name.range,
        `a second ${member.name.text}; users call functions by name only`,
      )
    }
    if (isConstructor(member)) constructorFunction = described
    else functions.push(described)
  }
  requireSeparateKeys(fields)
  return { declaration, source, constructorFunction, functions, fields }
}

function requireClass({ name, flags: kind, extendsType, isGeneric }: ClassDeclaration): void {
  if ((kind & flags.export) === 0) throw new ContractSourceError(name.range, 'the class of a contract is exported')
  if ((kind & flags.abstract) !== 0)
    throw new ContractSourceError(name.range, 'the class of a contract is not abstract')
  if (isGeneric) throw new ContractSourceError(name.range, 'a contract takes no type parameters')
  if (!canNameClass(name.text)) {
    throw new ContractSourceError(
      name.range,
      `${name.text} cannot be a contract: its client in TypeScript would have no name`,
    )
  }
  if (extendsType !== null) {
    throw new ContractSourceError(
      extendsType.range,
      'a contract extends no other class; what contracts share can be functions, which get the fields they work on',
    )
  }
}

function isConstructor(method: MethodDeclaration): boolean {
  return method.name instanceof ConstructorExpression
}

function isCallable(member: MethodDeclaration): boolean {
  return !member.isAny(flags.private | flags.protected | flags.static | flags.get | flags.set)
}

function describeFunction(method: MethodDeclaration, types: AbiTypes): ContractFunction {
  const { parameters, returnType } = method.signature
  for (const { initializer, parameterKind, range } of parameters) {
    if (initializer !== null || parameterKind !== 0) {
      throw new ContractSourceError(range, 'what users call takes no optional parameters')
    }
  }
  const inputs = parameters.map(({ name, type }) => ({ name: name.text, type: types.require(type) }))
  if (isConstructor(method)) {
    if (!isCallable(method)) throw new ContractSourceError(method.name.range, 'the constructor of a contract is public')
    return { name: constructorMethod, inputs, outputs: [] }
  }
  const name = method.name.text
  if (name === constructorMethod) {
    throw new ContractSourceError(method.name.range, `${name} is what the constructor is called`)
  }
  if (method.isAny(flags.generic)) {
    throw new ContractSourceError(method.name.range, 'what users call takes no type parameters; others are private')
  }
  return { name, inputs, outputs: types.requireResult(returnType) }
}

/** Fields are a contract's state, so one that is not kept would mislead. */
function describeField(field: FieldDeclaration): StateField[] {
  const { name, type, initializer } = field
  if (field.is(flags.static)) {
    if (field.is(flags.readonly)) return []
    throw new ContractSourceError(name.range, `${name.text} would be lost after each task; static fields are readonly`)
  }
  if (field.parameterIndex >= 0) {
    throw new ContractSourceError(name.range, 'a parameter of the constructor cannot be a field')
  }
  const kind = type === null ? '' : typeName(type)
  if (!(type instanceof NamedTypeNode) || !stateTypes.has(kind)) {
    throw new ContractSourceError(
      (type ?? name).range,
      `${name.text} would be lost after each task; a contract's fields are StateValue, StateMap or StateList`,
    )
  }
  if (initializer === null) return [{ declaration: field, kind, key: name.text }]
  const [key, ...rest] = initializer instanceof NewExpression ? initializer.args : []
  if (key instanceof StringLiteralExpression && rest.length === 0) {
    // In UTF-8 all halves would be the same.
    if (/\p{Surrogate}/u.test(key.value)) {
      throw new ContractSourceError(
        key.range,
        'the name of a key is whole characters; this has half of a pair of UTF-16',
      )
    }
    return [{ declaration: field, kind, key: key.value }]
  }
  throw new ContractSourceError(initializer.range, `a field begins as it is, or as new ${kind}('the name of its key')`)
}

/** What the contract can be asked. */
export function abiOf({ constructorFunction, functions }: ContractClass): ContractAbi {
  const parameters = (list: ContractFunction['inputs']): AbiParameter[] =>
    list.map(({ name, type }) => ({ name, type: type.solidity }))
  return {
    constructorInputs: parameters(constructorFunction?.inputs ?? []),
    functions: functions.map(
      ({ name, inputs, outputs }): AbiFunction => ({ name, inputs: parameters(inputs), outputs: parameters(outputs) }),
    ),
  }
}

/**
 * Makes the class what the entry points expect: the constructor becomes a method, so that an instance can be made for a
 * call without running it, and the fields become the names of their keys, which lie in the module's data.
 */
export function rewriteClass({ declaration, fields, source }: ContractClass): void {
  if (fields.length > 0) requireFreeNames(source.statements, ['changetype', 'memory'])
  for (const member of declaration.members) {
    if (!(member instanceof MethodDeclaration && isConstructor(member))) continue
    const { range } = member.name
    member.name = Node.createIdentifierExpression(constructorMethod, range)
    member.flags &= ~flags.constructor
    member.signature.returnType = Node.createNamedType(Node.createSimpleTypeName('void', range), null, false, range)
  }
  for (const { declaration: field, key } of fields) {
    const { normalizedPath } = field.range.source
    const initializer = parseExpression(`changetype(memory.data<u8>([${nameObject(key)}]))`, normalizedPath)
    // The author's own node: what is wrong with the type stands where it was written.
    ;(initializer as CallExpression).typeArguments = [field.type!]
    field.initializer = initializer
    // Another container in its place would be forgotten after the task.
    field.flags |= flags.readonly
  }
}

/** A name as the library keeps it: length, bytes, a colon. */
function nameObject(name: string): Uint8Array {
  const bytes = new TextEncoder().encode(name)
  const object = new Uint8Array(4 + bytes.length + 1)
  new DataView(object.buffer).setUint32(0, bytes.length, true)
  object.set(bytes, 4)
  object.set([0x3a], 4 + bytes.length)
  return object
}
