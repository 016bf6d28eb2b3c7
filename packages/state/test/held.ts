import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const kept: unknown[] = []

function used(): number {
  // What lies outside of the heap goes with the second collection.
  collectGarbage()
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Bytes that this thread holds because of what was made. */
export function held(make: () => unknown): number {
  const before = used()
  kept.push(make())
  const bytes = used() - before
  kept.pop()
  return bytes
}
