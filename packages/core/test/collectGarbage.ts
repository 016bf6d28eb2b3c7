import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// The flag holds for contexts that are made while it is set, and for no other.
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options: { type: 'major'; execution: 'async' }) => Promise<void>
setFlagsFromString('--no-expose-gc')

/** Collects all garbage of this thread, in a turn of its own. */
export function collectGarbage(): Promise<void> {
  return collect({ type: 'major', execution: 'async' })
}
