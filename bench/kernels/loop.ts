// A tight loop: xorshift, nothing else.
import { finish } from './host'

export function call(): void {
  let x: u64 = 88172645463325252
  let sum: u64 = 0
  for (let round = 0; round < 4_000_000; round++) {
    x ^= x << 13
    x ^= x >> 7
    x ^= x << 17
    sum += x
  }
  finish(sum)
}
