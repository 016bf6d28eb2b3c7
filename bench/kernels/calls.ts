// Nothing but calls: Fibonacci, the slow way.
import { finish } from './host'

function fibonacci(n: i32): u64 {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2)
}

export function call(): void {
  finish(fibonacci(30))
}
