// How a contract is called: a function name, and the arguments as one Solidity ABI tuple (32-byte big-endian words).
import { Bytes } from './bytes'
import { fetchArgs, fetchArgsLength, fetchFunctionName, fetchFunctionNameLength, refuse, ret } from './host'

const wordBytes = 32

/** The name of the function that the user calls. */
export function calledFunction(): Bytes {
  const name = Bytes.zeros(fetchFunctionNameLength())
  if (name.length > 0) fetchFunctionName(name.pointer)
  return name
}

/** The user's arguments, all of them. */
export function fetchArguments(): Bytes {
  const args = Bytes.zeros(fetchArgsLength())
  if (args.length > 0) fetchArgs(args.pointer)
  return args
}

/** The word at `index`. If the user sent fewer, the run ends as a failed task; more are ignored, as is usual. */
export function bytes32At(args: Bytes, index: i32): Bytes {
  return args.view(index * wordBytes, (index + 1) * wordBytes)
}

/** As `bytes32At`, for a `uint64`: a value of 2^64 or more ends the run. */
export function uint64At(args: Bytes, index: i32): u64 {
  const word = bytes32At(args, index)
  for (let i = 0; i < wordBytes - 8; i++) {
    if (word[i] != 0) refuse()
  }
  return bswap<u64>(load<u64>(word.pointer + wordBytes - 8))
}

/** Returns one `uint64` to the user. */
export function returnUint64(value: u64): void {
  const word = Bytes.zeros(wordBytes)
  store<u64>(word.pointer + wordBytes - 8, bswap<u64>(value))
  ret(word.pointer, wordBytes)
}
