import { putUtf8, replacement, utf16Size } from './textEncoding'
import { eprint } from './host'
import { openMemory } from './openMemory'

/** What does not fit into this many bytes of UTF-8 is cut off: workers take no more. */
const maxReason: usize = 1024

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

/** The character at `at`, in UTF-16; half a pair alone is what `alone` says, or reverts if that is 0. */
export function utf16At(at: usize, end: usize, alone: u32 = 0): u32 {
  const unit = <u32>load<u16>(at)
  if (unit >> 11 != 27) return unit
  if (unit < 0xdc00 && at + 2 < end) {
    const low = <u32>load<u16>(at, 2)
    if (low >> 10 == 0x37) return 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff)
  }
  if (alone == 0) revert('text has half a surrogate pair')
  return alone
}

/** Reverts with the message unless the condition holds. */
@inline
export function require(condition: bool, message: string): void {
  if (!condition) revert(message)
}

/** Where failed assertions and thrown errors end. */
export function abort(
  message: string | null = null,
  _file: string | null = null,
  _line: u32 = 0,
  _column: u32 = 0,
): void {
  revert(message === null ? 'aborted' : message)
}

/** What a thrown error tells the user (`src/thrownErrors.ts`). */
@global
export function __messageOf(error: Error): string {
  return error.message
}
