// What the generated entry points of a contract use.
import { TupleReader, TupleWriter } from './abi'
import { fetchArgs, fetchArgsLength, fetchFunctionName, fetchFunctionNameLength, ret } from './host'
import { keep, openMemory, reserve } from './memory'
import { revert } from './revert'

/** The arguments of the task, to be read one after the other. */
export function readArguments(count: usize): TupleReader {
  const length = fetchArgsLength()
  const start = openMemory()
  reserve(start, length)
  if (length > 0) fetchArgs(start)
  keep(start + length)
  return new TupleReader(start, start + length, count)
}

/** Where the name of the function lies that the user calls, and how many bytes it has. */
let name: usize = 0
let nameLength: usize = 0

export function readFunctionName(): void {
  nameLength = fetchFunctionNameLength()
  name = openMemory()
  reserve(name, nameLength)
  if (nameLength > 0) fetchFunctionName(name)
  // A last word that is not full ends with zeros.
  store<u64>(name + nameLength, 0)
  keep(name + nameLength + 8)
}

/** Whether the name has this length; the words of it are compared next. */
@inline
export function nameHasLength(length: usize): bool {
  return nameLength == length
}

/** Whether eight bytes of the name, the first of them lowest, are these. */
@inline
export function nameHas(offset: usize, bytes: u64): bool {
  return load<u64>(name + offset) == bytes
}

/** What the user gets back. */
export function finish(tuple: TupleWriter): void {
  const start = openMemory()
  ret(start, tuple.end - start)
}

export { TupleWriter } from './abi'
export { revert } from './revert'
