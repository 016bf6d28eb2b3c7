import {
  type Class,
  type ClassPrototype,
  type Node,
  NullExpression,
  OperatorKind,
  type Program,
  type Type,
} from 'assemblyscript'
import { isTuple, libraryFunction, nameInLibrary } from './elements.ts'

/**
 * Lets `==` and `!=` compare what a class holds, where the language would ask whether it is one object: bytes, arrays, maps,
 * sets and classes with `@tuple`. What is made of `==` goes with them: `includes`, `indexOf`, `case`. What can never be
 * equal is refused where somebody compares it: containers of the state, and an `Address` with `Bytes32`.
 */
export function compareByValue(program: Program, instance: Class): void {
  const functions = functionsFor(instance)
  if (functions === undefined || instance.operatorOverloads?.has(OperatorKind.Eq)) return
  instance.operatorOverloads ??= new Map()
  for (const [kind, name] of functions.names) {
    const typeArguments = functions.isGeneric ? [instance.type] : null
    const compare = program.resolver.resolveFunction(libraryFunction(program, `equality/${name}`), typeArguments)
    if (compare !== null) instance.operatorOverloads.set(kind, compare)
  }
}

/**
 * Whether a comparison asks only if there is a value: of what may be null with the literal `null`. It is then a test of the
 * pointer, which the compiler understands: behind it the value is there. A call would hide that. Whoever has a function for
 * null, such as text, is left to it.
 */
export function isNullTest(leftType: Type, right: Node): boolean {
  if (!(right instanceof NullExpression && leftType.isNullableReference)) return false
  const compare = leftType.getClass()?.lookupOverload(OperatorKind.Eq)
  if (compare == null) return false
  return compare.signature.thisType !== null || nameInLibrary(compare.prototype) !== undefined
}

interface Functions {
  names: Map<OperatorKind, string>
  /** Whether they take the type that they compare. */
  isGeneric: boolean
}

function functionsNamed(equal: string, different: string, isGeneric: boolean): Functions {
  return {
    names: new Map([
      [OperatorKind.Eq, equal],
      [OperatorKind.Ne, different],
    ]),
    isGeneric,
  }
}

/** The functions of `assembly/equality.ts` that are `==` and `!=` of a class, if it is not the class that says so. */
function functionsFor({ prototype }: Class): Functions | undefined {
  const name = nameInLibrary(prototype)
  if (name === 'state/Stored' || prototype.internalName === '~lib/dataview/DataView') {
    return functionsNamed('refused', 'refused', false)
  }
  if (name?.startsWith('fixedBytes/') && prototype.basePrototype !== null) {
    return functionsNamed('equalFixed', 'differentFixed', true)
  }
  if (hasOperator(prototype) || !(collections.test(prototype.internalName) || isTuple(prototype))) return undefined
  return functionsNamed('equal', 'different', true)
}

/** The language's classes that hold values. */
const collections =
  /^~lib\/(array\/Array|staticarray\/StaticArray|arraybuffer\/ArrayBuffer|typedarray\/\w+|map\/Map|set\/Set)$/

/** Whether a class says itself what `==` means. */
function hasOperator(prototype: ClassPrototype | null): boolean {
  if (prototype === null) return false
  return prototype.operatorOverloadPrototypes.has(OperatorKind.Eq) || hasOperator(prototype.basePrototype)
}
