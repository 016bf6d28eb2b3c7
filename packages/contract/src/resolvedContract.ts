import {
  type ClassPrototype,
  type FunctionDeclaration,
  type Function as FunctionInstance,
  FunctionPrototype,
  type Program,
  PropertyPrototype,
  type Type,
  type TypeNode,
} from 'assemblyscript'
import type { ContractClass, ContractFunction } from './contractClass.ts'
import { arrayElement, containerName, isTuple, scalarName, tupleFields, writtenType } from './elements.ts'
import { libraryTypes, numbers } from './sourceTypes.ts'
import { ContractSourceError, textOf } from './syntax.ts'

/**
 * Requires that the types of a contract's fields and functions are what their names were taken for before the compiler knew
 * any type: a file can give the name of one type to another.
 */
export function requireTypesAsNamed(program: Program, { declaration, ...contract }: ContractClass): void {
  const prototype = program.elementsByDeclaration.get(declaration) as ClassPrototype
  const instance = program.resolver.resolveClass(prototype, null)!
  for (const { declaration: field, kind } of contract.fields) {
    const member = instance.getMember(field.name.text)
    const type = member instanceof PropertyPrototype ? member.instance?.type : undefined
    if (type !== undefined && containerName(type.getClass()) !== kind) {
      throw new ContractSourceError(field.type!.range, `${textOf(field.type!)} is not the library's ${kind}`)
    }
  }
  for (const each of [contract.constructorFunction, ...contract.functions]) {
    if (each === undefined) continue
    const member = instance.getMember(each.name)
    const method = member instanceof FunctionPrototype ? program.resolver.resolveFunction(member, null) : null
    if (method !== null) requireSignature(each, method)
  }
}

function requireSignature({ inputs, outputs }: ContractFunction, { signature, prototype }: FunctionInstance): void {
  const { parameters, returnType } = (prototype.declaration as FunctionDeclaration).signature
  inputs.forEach(({ type }, index) => {
    const resolved = signature.parameterTypes[index]!
    if (solidityOf(resolved) !== type.solidity) throw notAsNamed(parameters[index]!.type, resolved)
  })
  const members = outputsOf(signature.returnType)
  const isAsNamed =
    members.length === outputs.length &&
    outputs.every(({ name, type }, index) => members[index]!.name === name && members[index]!.type === type.solidity)
  if (!isAsNamed) throw notAsNamed(returnType, signature.returnType)
}

function notAsNamed(place: TypeNode, type: Type): ContractSourceError {
  const { written, note } = writtenType(place, type)
  return new ContractSourceError(
    place.range,
    `${written} is called like another type; give it a name of its own${note}`,
  )
}

function outputsOf(type: Type): { name: string; type: string | undefined }[] {
  if (type.toString() === 'void') return []
  const tuple = type.getClass()
  if (tuple === null || !isTuple(tuple.prototype)) return [{ name: '', type: solidityOf(type) }]
  return tupleFields(tuple).map((field) => ({ name: field.name, type: field.type && solidityOf(field.type) }))
}

/** What the ABI calls a type, if it has it. */
function solidityOf(type: Type): string | undefined {
  const element = arrayElement(type)
  if (element !== undefined) {
    const inner = solidityOf(element)
    return inner && `${inner}[]`
  }
  const name = scalarName(type) ?? ''
  return numbers[name] ?? libraryTypes[name]
}
