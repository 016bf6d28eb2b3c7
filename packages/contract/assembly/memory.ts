// Memory is handed out upwards and never freed: a run is short, and its memory is thrown away with it. What lies behind
// the last object is open: keys, values and results for the worker are written there and forgotten, since the worker
// copies them. Nothing may be allocated meanwhile.
//
// Open memory is not zero, and there is always some left, so that bytes can be moved eight at a time.
import { keep, openMemory } from './openMemory'
import { revert } from './revert'

export { keep, openMemory }

/** Bytes that stay free at the end of memory: for the last message of a run, and for what words move too much. */
const slack: usize = 1088

/** Pages of 64 KiB that a worker gives a contract at most. */
const maxPages: usize = 128

/** Before each object: what class it is of, and how many bytes it has. */
@inline
const headerSize: usize = 8

/** Makes sure that `size` bytes may be written from `at` on, which lies in open memory. */
export function reserve(at: usize, size: usize): void {
  const end = at + size + slack
  if (end < size || end > (<usize>memory.size()) << 16) grow(end < size ? usize.MAX_VALUE : end)
}

function grow(end: usize): void {
  const pages = (end >> 16) + 1
  if (pages > maxPages || memory.grow(<i32>pages - memory.size()) < 0) revert('out of memory')
}

/** Where an object's bytes go that is made in open memory and kept by `keepObject`. */
@inline
export function openObject(): usize {
  return openMemory() + headerSize
}

/** Makes an object of what was written from `openObject()` up to `end`. */
export function keepObject(end: usize, id: u32): usize {
  const at = openMemory() + headerSize
  store<u32>(at - 8, id)
  store<u32>(at - 4, end - at)
  keep(end)
  return at
}

/** How many bytes an object has. */
@inline
export function sizeOf(object: usize): usize {
  return load<u32>(object - 4)
}

/** Copies `size` bytes; up to seven behind them are changed too. */
export function copyWords(to: usize, from: usize, size: usize): void {
  const end = to + size
  while (to < end) {
    store<u64>(to, load<u64>(from))
    to += 8
    from += 8
  }
}

/** Whether two regions of `size` bytes hold the same. */
export function equalRegions(a: usize, b: usize, size: usize): bool {
  const end = a + size
  while (a + 8 <= end) {
    if (load<u64>(a) != load<u64>(b)) return false
    a += 8
    b += 8
  }
  const rest = <u64>(end - a)
  return rest == 0 || (load<u64>(a) ^ load<u64>(b)) << (64 - 8 * rest) == 0
}

// What the compiler and its standard library call; they take the place of the functions that the compiler brings.

@global
@unsafe
export function __new(size: usize, id: u32): usize {
  const at = openMemory() + headerSize
  reserve(at, size)
  store<u32>(at - 8, id)
  store<u32>(at - 4, size)
  keep(at + size)
  return at
}

@global
@unsafe
export function __renew(object: usize, size: usize): usize {
  const before = sizeOf(object)
  if (size > before) {
    if (object + ((before + 7) & ~7) != openMemory()) {
      const larger = __new(size, load<u32>(object - 8))
      copyWords(larger, object, before)
      return larger
    }
    reserve(object, size)
    keep(object + size)
  }
  store<u32>(object - 4, size)
  return object
}

@global
@unsafe
export function __alloc(size: usize): usize {
  return __new(size, 0)
}

@global
@unsafe
export function __realloc(pointer: usize, size: usize): usize {
  return __renew(pointer, size)
}

@global
@unsafe
export function __free(_pointer: usize): void {}
