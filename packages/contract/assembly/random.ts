import { Bytes } from './bytes'
import { rand } from './host'
import { keepObject, openMemory, openObject, reserve } from './memory'
import { revert } from './revert'
import { U256 } from './u256'

/** Random bytes from the worker's generator; nobody can foresee them, and nobody can prove them to others. */
export function randomBytes(length: i32): Bytes {
  if (length < 0) revert('random: a negative length')
  const at = openObject()
  reserve(at, length)
  if (length > 0) rand(at, length)
  return changetype<Bytes>(keepObject(at + length, idof<Bytes>()))
}

/** Evenly distributed over all values of the type: a whole number, a bool or a U256. */
export function randomNumber<T>(): T {
  const at = openMemory()
  reserve(at, 32)
  if (isBoolean<T>()) {
    rand(at, 1)
    return <T>((load<u8>(at) & 1) != 0)
  }
  if (isInteger<T>()) {
    rand(at, sizeof<T>())
    return load<T>(at)
  }
  if (idof<T>() == idof<U256>()) {
    rand(at, 32)
    return changetype<T>(new U256(load<u64>(at), load<u64>(at, 8), load<u64>(at, 16), load<u64>(at, 24)))
  }
  return ERROR('not a type of numbers')
}

/** Evenly distributed over `0 .. bound - 1`. The compiler calls `randomBelowSigned` instead where a bound has a sign. */
export function randomBelow(bound: u64): u64 {
  if (bound == 0) revert('random: nothing is below 0')
  // The last, incomplete stretch of multiples would favour small numbers.
  const excess = ((u64.MAX_VALUE % bound) + 1) % bound
  while (true) {
    const value = randomNumber<u64>()
    if (value <= u64.MAX_VALUE - excess) return value % bound
  }
}

/** Reverts if the bound is negative. */
export function randomBelowSigned(bound: i64): u64 {
  if (bound < 0) revert('random: a negative bound')
  return randomBelow(<u64>bound)
}
