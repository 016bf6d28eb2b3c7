import {
  type Class,
  ClassDeclaration,
  type ClassPrototype,
  type Element,
  type FunctionPrototype,
  type Node,
  type Program,
  PropertyPrototype,
  type Range,
  type Type,
  TypeNode,
} from 'assemblyscript'
import { fieldsOf } from './abiTypes.ts'
import { libraryTypes } from './sourceTypes.ts'
import { hasDecorator, textOf } from './syntax.ts'
import { libraryName } from './toolchain.ts'

// Elements are what the compiler makes of declarations. They are known by where they stand, whatever an author calls them.

/** Tells what is wrong, and where. */
export type Refuse = (range: Range, message: string) => void

/** What names of the library's elements and paths of its files begin with. */
export const libraryPrefix = `~lib/${libraryName}/`

/** The name of an element of the library, such as `state/StateMap`; undefined for all others. */
export function nameInLibrary({ internalName }: Element): string | undefined {
  return internalName.startsWith(libraryPrefix) ? internalName.slice(libraryPrefix.length) : undefined
}

/** @param name as `nameInLibrary` gives it */
export function libraryFunction(program: Program, name: string): FunctionPrototype {
  return program.elementsByName.get(libraryPrefix + name) as FunctionPrototype
}

/** `StateValue`, `StateMap` or `StateList`, if a class is one. */
export function containerName(instance: Class | null | undefined): string | undefined {
  const name = instance && nameInLibrary(instance.prototype)
  return name?.startsWith('state/State') ? name.slice('state/'.length) : undefined
}

/** Whether it is a class with `@tuple`. */
export function isTuple({ declaration }: ClassPrototype): boolean {
  return declaration instanceof ClassDeclaration && hasDecorator(declaration, 'tuple')
}

/** The types of the fields of a class with `@tuple`, by their names. */
export function tupleFields(instance: Class): { name: string; type: Type | undefined }[] {
  return fieldsOf(instance.prototype.declaration as ClassDeclaration).map(({ name: { text } }) => {
    const member = instance.getMember(text)
    return { name: text, type: member instanceof PropertyPrototype ? member.instance?.type : undefined }
  })
}

/** The library's name of a type that is no array and no tuple, such as `u32`, `Bytes` and `Address`. */
export function scalarName(type: Type): string | undefined {
  const instance = type.getClass()
  if (instance === null) return type.isReference ? undefined : type.toString()
  if (type.isNullableReference) return undefined
  const { internalName } = instance.prototype
  if (isText(type)) return 'string'
  if (internalName === '~lib/staticarray/StaticArray' && instance.typeArguments![0]!.toString() === 'u8') return 'Bytes'
  const name = nameInLibrary(instance.prototype)?.replace(/^(fixedBytes|u256)\//, '')
  return name !== undefined && Object.hasOwn(libraryTypes, name) ? name : undefined
}

/** Whether it is the language's text, or that or null. */
export function isText(type: Type): boolean {
  return type.getClass()?.prototype.internalName === '~lib/string/String'
}

/** Of the elements, if a type is an `Array`. */
export function arrayElement(type: Type): Type | undefined {
  const instance = type.isNullableReference ? null : type.getClass()
  return instance?.prototype.internalName === '~lib/array/Array' ? instance.typeArguments![0] : undefined
}

/** A type as its author wrote it at a place, and a note of what it is if it is called otherwise. */
export function writtenType(place: Node, type: Type): { written: string; note: string } {
  const name = scalarName(type) ?? type.toString().replace(/[^<>,|\s]*\//g, '')
  if (!(place instanceof TypeNode)) return { written: name, note: '' }
  const written = textOf(place)
  return { written, note: written.replaceAll(/\s/g, '') === name ? '' : ` (${written} is ${name})` }
}
