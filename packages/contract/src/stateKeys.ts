import {
  type ClassDeclaration,
  type FieldDeclaration,
  NamedTypeNode,
  type TypeDeclaration,
  type TypeNode,
} from 'assemblyscript'
import { type AbiTypes, elementOf, fieldsOf } from './abiTypes.ts'
import { libraryTypes, numbers } from './sourceTypes.ts'
import { ContractSourceError, textOf, typeName } from './syntax.ts'

/** A field of a contract, and the name that its keys begin with. */
export interface StateField {
  declaration: FieldDeclaration
  /** One of `stateTypes`. */
  kind: string
  key: string
}

export const stateTypes: ReadonlySet<string> = new Set(['StateValue', 'StateMap', 'StateList'])

/**
 * Requires that no two fields can ever use the same key.
 *
 * A value has the key `name`, a map `name:…`, a list both. So two names must differ, and none may be the beginning of
 * another one up to a colon.
 */
export function requireSeparateKeys(fields: readonly StateField[]): void {
  const seen: StateField[] = []
  for (const field of fields) {
    const other = seen.find(({ key }) => overlap(key, field.key))
    if (other !== undefined) {
      const names = `${field.declaration.name.text} and ${other.declaration.name.text}`
      throw new ContractSourceError(field.declaration.name.range, `the keys of ${names} could be the same`)
    }
    seen.push(field)
  }
}

function overlap(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}:`) || b.startsWith(`${a}:`)
}

/** Numbers that the state can hold and the ABI cannot pass. */
const smallNumbers = ['u8', 'u16', 'i8', 'i16']

const scalars = new Set([...smallNumbers, ...Object.keys(numbers), ...Object.keys(libraryTypes)])

/**
 * Requires that the library can keep what a field is declared to hold. The compiler would tell too, but only where the
 * library gives up, not where the author wrote it.
 *
 * @param type `StateValue<…>`, `StateMap<…>` or `StateList<…>`
 */
export function requireStateType(type: NamedTypeNode, types: AbiTypes): void {
  const args = type.typeArguments ?? []
  const value = args.at(-1)
  const expected = typeName(type) === 'StateMap' ? 2 : 1
  if (value === undefined || args.length !== expected) {
    throw new ContractSourceError(type.range, `${textOf(type)} needs type arguments: ${expected}`)
  }
  if (args.length === 2 && !isScalar(args[0]!, types)) {
    throw new ContractSourceError(args[0]!.range, `${textOf(args[0]!)} cannot be the key of a map; ${keyAdvice}`)
  }
  const followed = types.follow(value, new Set())
  if (args.length === 2 && followed instanceof NamedTypeNode && stateTypes.has(typeName(followed))) {
    requireStateType(followed, types)
  } else if (!isStorable(value, types)) {
    throw new ContractSourceError(value.range, `${textOf(value)} cannot be kept in the state; ${valueAdvice}`)
  }
}

const keyAdvice = 'keys are whole numbers, bool, string, U256, Address, Bytes and Bytes1 to Bytes32'
const valueAdvice =
  'values are whole numbers, bool, string, U256, Address, Bytes, Bytes1 to Bytes32, Array of these, and classes with @tuple whose fields are these'

function isScalar(type: TypeNode, types: AbiTypes): boolean {
  const name = typeName(types.follow(type, new Set()))
  return scalars.has(name) && !types.isDeclared(name)
}

function isStorable(type: TypeNode, types: AbiTypes, seen: Seen = { aliases: new Set(), tuples: new Set() }): boolean {
  const followed = types.follow(type, seen.aliases)
  const element = elementOf(followed)
  if (element !== undefined) return isStorable(element, types, seen)
  const tuple = types.tupleOf(followed)
  if (tuple === undefined) return isScalar(followed, types)
  // Inside of a class that is being looked at, the class is what it turns out to be.
  if (seen.tuples.has(tuple)) return true
  if (tuple.isGeneric || tuple.extendsType !== null) return false
  seen.tuples.add(tuple)
  return fieldsOf(tuple).every(
    (field) => field.type !== null && isStorable(field.type, types, { aliases: new Set(), tuples: seen.tuples }),
  )
}

/** What has led to a type. */
interface Seen {
  aliases: Set<TypeDeclaration>
  tuples: Set<ClassDeclaration>
}
