import { SORT } from 'util/sort'
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

/** What methods of the compiler's arrays sort by: a function that compares two elements is given no hole. */
@global
@inline
export function __sortElements<T>(start: usize, length: i32, comparator: (a: T, b: T) => i32): void {
  if (isReference<T>()) {
    if (!isNullable<T>()) {
      for (let i = 0; i < length; i++) present<T>(load<T>(start + (<usize>i << alignof<T>())))
    }
  }
  SORT<T>(start, length, comparator)
}
