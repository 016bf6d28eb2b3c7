// Heap sort of 50 000 random numbers.
import { finish } from './host'

const count = 50_000
const base = 1024

function at(index: i32): usize {
  return base + ((<usize>index) << 2)
}

function sink(root: i32, end: i32): void {
  const value = load<u32>(at(root))
  let child = 2 * root + 1
  while (child < end) {
    if (child + 1 < end && load<u32>(at(child)) < load<u32>(at(child + 1))) child++
    if (load<u32>(at(child)) <= value) break
    store<u32>(at(root), load<u32>(at(child)))
    root = child
    child = 2 * root + 1
  }
  store<u32>(at(root), value)
}

export function call(): void {
  let x: u32 = 2463534242
  for (let index = 0; index < count; index++) {
    x ^= x << 13
    x ^= x >> 17
    x ^= x << 5
    store<u32>(at(index), x)
  }
  for (let root = count / 2; root >= 0; root--) sink(root, count)
  for (let end = count - 1; end > 0; end--) {
    const last = load<u32>(at(end))
    store<u32>(at(end), load<u32>(at(0)))
    store<u32>(at(0), last)
    sink(0, end)
  }
  let mixed: u64 = 0
  for (let index = 0; index < count; index++) mixed = mixed * 31 + load<u32>(at(index))
  finish(mixed)
}
