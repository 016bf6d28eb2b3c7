// What `==` and `!=` mean for bytes, arrays, maps, sets and classes with `@tuple`: the same values, at any depth. The
// language would ask whether it is one object. The compiler makes their operators of these functions; it gives classes
// with `@tuple` the method `__equals`, which uses `same`.
import { FixedBytes } from './fixedBytes'
import { equalRegions } from './memory'

/** Whether both are null, or hold the same values. */
export function equal<T>(a: T | null, b: T | null): bool {
  if (changetype<usize>(a) == changetype<usize>(b)) return true
  if (changetype<usize>(a) == 0 || changetype<usize>(b) == 0) return false
  return hasValuesOf<T>(changetype<T>(a), changetype<T>(b))
}

export function different<T>(a: T | null, b: T | null): bool {
  return !equal<T>(a, b)
}

function hasValuesOf<T>(a: T, b: T): bool {
  if (isDefined(a.__equals)) return a.__equals(b)
  if (a instanceof ArrayBuffer) {
    return a.byteLength == b.byteLength && equalRegions(changetype<usize>(a), changetype<usize>(b), a.byteLength)
  }
  if (a instanceof Set) {
    if (a.size != b.size) return false
    const values = a.values()
    for (let i = 0; i < values.length; i++) if (!b.has(values[i])) return false
    return true
  }
  if (a instanceof Map) {
    if (a.size != b.size) return false
    const keys = a.keys()
    for (let i = 0; i < keys.length; i++) {
      if (!b.has(keys[i]) || !same(a.get(keys[i]), b.get(keys[i]))) return false
    }
    return true
  }
  if (a.length != b.length) return false
  if (a instanceof StaticArray && isInteger<valueof<T>>()) {
    return equalRegions(changetype<usize>(a), changetype<usize>(b), <usize>a.length << alignof<valueof<T>>())
  }
  for (let i = 0; i < a.length; i++) if (!same<valueof<T>>(a[i], b[i])) return false
  return true
}

/** `==` of what is in a value, which may be null where the type has no `==` for that. */
@inline
export function same<T>(a: T, b: T): bool {
  if (isNullable<T>()) {
    if (changetype<usize>(a) == 0 || changetype<usize>(b) == 0) return changetype<usize>(a) == changetype<usize>(b)
    return a! == b!
  }
  return a == b
}

/** Of bytes of one fixed number; those of another one are another type. */
@inline
export function equalFixed<T extends FixedBytes>(a: T, b: T): bool {
  return a.equals(b)
}

@inline
export function differentFixed<T extends FixedBytes>(a: T, b: T): bool {
  return a.differs(b)
}

/** What the containers of the state are not: two of them cannot be compared. Unmanaged, it shifts no other class's number. */
@unmanaged
export class Comparable {}

/** Never called: it refuses to compare what is no `Comparable`, and the compiler says where. */
export function refused(_a: Comparable, _b: Comparable): bool {
  return false
}
