import { eprint } from './host'
import { openMemory } from './memory'
import { putText, putUtf8, utf16At, utf16Size } from './text'

/** What does not fit into this many bytes of UTF-8 is cut off: workers take no more. */
const maxReason: usize = 1024

/** What stands for half a surrogate pair. */
const replacement: u32 = 0xfffd

/**
 * Ends the run as a failed task. The user reads the message, encrypted for him alone; nothing that the run wrote is kept,
 * and the gas used so far is paid.
 */
export function revert(message: string): void {
  const start = openMemory()
  let to = start
  let at = changetype<usize>(message)
  const end = at + (<usize>message.length << 1)
  while (at < end && to < start + maxReason) {
    const code = utf16At(at, end, replacement)
    at += utf16Size(code)
    to = putUtf8(to, code)
  }
  eprint(start, to - start)
  unreachable()
}

/** Reverts with the message unless the condition holds. */
@inline
export function require(condition: bool, message: string): void {
  if (!condition) revert(message)
}

/** A line for whoever simulates or tests the contract; nobody else sees it. */
export function log(message: string): void {
  const start = openMemory()
  eprint(start, putText(start, message, replacement) - start)
}

/** Where failed assertions and thrown errors end. */
export function abort(message: string | null, _file: string | null, _line: u32, _column: u32): void {
  revert(message === null ? 'aborted' : message)
}
