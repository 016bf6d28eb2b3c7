// What the worker offers a secret contract: the functions of module `env` (all pointers and lengths are unsigned i32).
// None of them ends the run except by trapping.

@external('env', 'fetch_function_name_length')
export declare function fetchFunctionNameLength(): i32

@external('env', 'fetch_function_name')
export declare function fetchFunctionName(pointer: usize): void

@external('env', 'fetch_args_length')
export declare function fetchArgsLength(): i32

@external('env', 'fetch_args')
export declare function fetchArgs(pointer: usize): void

/** Sets the result of the run; the last call wins. */
@external('env', 'ret')
export declare function ret(pointer: usize, length: i32): void

/** Sets `state[key]` to a JSON value, given as text. Costs 10 gas and 1 for each byte by which the value grows. */
@external('env', 'write_state')
export declare function writeState(key: usize, keyLength: i32, value: usize, valueLength: i32): void

/** The length of the JSON text of `state[key]`; an absent key reads as `null`, so 4. */
@external('env', 'read_state_len')
export declare function readStateLength(key: usize, keyLength: i32): i32

@external('env', 'read_state')
export declare function readState(key: usize, keyLength: i32, pointer: usize): void

@external('env', 'remove_from_state')
export declare function removeFromState(key: usize, keyLength: i32): void

/**
 * Ends the run as a failed task: nothing the run wrote is kept, the gas used so far is paid, and the user reads
 * `Error in execution of WASM code: unreachable`.
 */
export function refuse(): void {
  unreachable()
}

/** Where a failed assertion ends; the build names this function with `--use abort`. */
export function abort(_message: string | null, _file: string | null, _line: u32, _column: u32): void {
  unreachable()
}
