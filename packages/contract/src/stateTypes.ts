import type { Class, Node, Type } from 'assemblyscript'
import { arrayElement, containerName, isTuple, type Refuse, scalarName, tupleFields, writtenType } from './elements.ts'
import { libraryTypes, numbers } from './sourceTypes.ts'

/** Numbers that the state can hold and the ABI cannot pass. */
const smallNumbers = ['u8', 'u16', 'i8', 'i16']

const scalars = new Set([...smallNumbers, ...Object.keys(numbers), ...Object.keys(libraryTypes)])

const keyAdvice = 'keys are whole numbers, bool, string, U256, Address, Bytes and Bytes1 to Bytes32'
const valueAdvice =
  'values are whole numbers, bool, string, U256, Address, Bytes, Bytes1 to Bytes32, Array of these, and classes with @tuple whose fields are these'

/**
 * Requires that the library can keep what a container of the state is to hold. The compiler would tell too, but only where
 * the library gives up, not where the author wrote it.
 */
export function requireStateTypes(instance: Class, places: readonly Node[], refuse: Refuse): void {
  const container = containerName(instance)
  const types = instance.typeArguments ?? []
  const value = types.at(-1)
  if (container === undefined || value === undefined) return
  if (container === 'StateMap' && !isScalar(types[0]!)) {
    const { written, note } = writtenType(places[0]!, types[0]!)
    refuse(places[0]!.range, `${written} cannot be the key of a map; ${keyAdvice}${note}`)
  }
  if (container === 'StateMap' && containerName(value.getClass()) !== undefined) return
  if (!isStorable(value)) {
    const { written, note } = writtenType(places.at(-1)!, value)
    refuse(places.at(-1)!.range, `${written} cannot be kept in the state; ${valueAdvice}${note}`)
  }
}

/** Whether it is a type of the library or the language that holds one number, text or bytes, and is not null. */
export function isScalar(type: Type): boolean {
  const name = scalarName(type)
  return name !== undefined && scalars.has(name)
}

/** @param seen tuples that led to the type: inside of a class that is being looked at, the class is what it turns out to be */
function isStorable(type: Type, seen = new Set<Class>()): boolean {
  const element = arrayElement(type)
  if (element !== undefined) return isStorable(element, seen)
  const tuple = type.isNullableReference ? null : type.getClass()
  if (tuple === null || !isTuple(tuple.prototype)) return isScalar(type)
  if (seen.has(tuple)) return true
  if (tuple.typeArguments !== null || tuple.prototype.extendsNode !== null) return false
  seen.add(tuple)
  return tupleFields(tuple).every((field) => field.type !== undefined && isStorable(field.type, seen))
}
