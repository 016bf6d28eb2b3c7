import { SORT } from 'util/sort'
import { joinStringArray } from 'util/string'
import { revert } from './revert'

/**
 * An element of an array. Where none was ever set there is a null pointer, at which zeros would be read: such a hole
 * reverts.
 */
@inline
export function present<T>(element: T): T {
  if (isReference<T>()) {
    if (!isNullable<T>()) {
      if (changetype<usize>(element) == 0) revertHole()
    }
  }
  return element
}

function revertHole(): void {
  revert('an element of an array was never set')
}

/** What methods of the compiler's arrays load an element by (`src/arrayHoles.ts`), for they do not look themselves. */
@global
@inline
export function __loadElement<T>(at: usize): T {
  return present<T>(load<T>(at))
}

/** What `flat` of the compiler's arrays loads a list by: the compiler's own takes a hole for an empty list. */
@global
@inline
export function __loadList<T>(at: usize): usize {
  return changetype<usize>(__loadElement<T>(at))
}

/** What methods of the compiler's arrays sort by: a function that compares two elements is given no hole. */
@global
@inline
export function __sortElements<T>(start: usize, length: i32, comparator: (a: T, b: T) => i32): void {
  requireAll<T>(start, length)
  SORT<T>(start, length, comparator)
}

/**
 * What methods of the compiler's arrays join by. The compiler's own takes a hole for an empty text, and cannot compare with null
 * what has an `==`.
 */
@global
export function __joinReferences<T>(start: usize, length: i32, separator: string): string {
  let text = ''
  for (let i = 0; i < length; i++) {
    if (i > 0) text += separator
    const element = __loadElement<T>(start + (<usize>i << alignof<T>()))
    if (changetype<usize>(element) != 0) text += element!.toString()
  }
  return text
}

@global
@inline
export function __joinTexts<T>(start: usize, length: i32, separator: string): string {
  requireAll<T>(start, length)
  return joinStringArray(start, length, separator)
}

/** Reverts if an element that cannot be null was never set. */
@inline
function requireAll<T>(start: usize, length: i32): void {
  if (isReference<T>()) {
    if (!isNullable<T>()) {
      for (let i = 0; i < length; i++) present<T>(load<T>(start + (<usize>i << alignof<T>())))
    }
  }
}
