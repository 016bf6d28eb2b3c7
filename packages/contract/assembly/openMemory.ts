/** Where open memory begins; a multiple of 8. */
let top: usize = (__heap_base + 7) & ~7

/** Where open memory begins: what lies behind the last object, see `memory.ts`. */
@inline
export function openMemory(): usize {
  return top
}

/** Keeps what was written to open memory up to `end`. */
@inline
export function keep(end: usize): void {
  top = (end + 7) & ~7
}
