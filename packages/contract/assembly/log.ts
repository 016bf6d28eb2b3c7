import { replacement } from './textEncoding'
import { eprint } from './host'
import { openMemory } from './openMemory'
import { putText } from './text'

/** A line for whoever simulates or tests the contract; nobody else sees it. */
export function log(message: string): void {
  const start = openMemory()
  eprint(start, putText(start, message, replacement) - start)
}
