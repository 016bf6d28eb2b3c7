// Short loops over memory: the primes below a million, by Eratosthenes.
import { finish } from './host'

const limit = 1_000_000
const base = 1024

export function call(): void {
  let count: u64 = 0
  for (let round = 0; round < 1; round++) {
    for (let n = 2; n < limit; n++) store<u8>(base + n, 1)
    for (let n = 2; n * n < limit; n++) {
      if (!load<u8>(base + n)) continue
      for (let multiple = n * n; multiple < limit; multiple += n) store<u8>(base + multiple, 0)
    }
    for (let n = 2; n < limit; n++) count += load<u8>(base + n)
  }
  finish(count)
}
