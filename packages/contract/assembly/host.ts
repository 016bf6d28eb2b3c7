// What the worker offers a secret contract: the functions of module `env`. All pointers and lengths are unsigned 32-bit;
// none of them ends the run except by trapping. The rest of the library wraps each of them; contracts need none directly.

@external('env', 'fetch_function_name_length')
export declare function fetchFunctionNameLength(): usize

@external('env', 'fetch_function_name')
export declare function fetchFunctionName(pointer: usize): void

@external('env', 'fetch_args_length')
export declare function fetchArgsLength(): usize

@external('env', 'fetch_args')
export declare function fetchArgs(pointer: usize): void

@external('env', 'ret')
export declare function ret(pointer: usize, length: usize): void

@external('env', 'write_state')
export declare function writeState(key: usize, keyLength: usize, value: usize, valueLength: usize): void

@external('env', 'read_state_len')
export declare function readStateLength(key: usize, keyLength: usize): usize

@external('env', 'read_state')
export declare function readState(key: usize, keyLength: usize, pointer: usize): void

@external('env', 'remove_from_state')
export declare function removeFromState(key: usize, keyLength: usize): void

@external('env', 'write_eth_bridge')
export declare function writeEthBridge(payload: usize, payloadLength: usize, address: usize): void

@external('env', 'rand')
export declare function rand(pointer: usize, length: usize): void

@external('env', 'encrypt')
export declare function encrypt(message: usize, messageLength: usize, key: usize, out: usize): void

@external('env', 'decrypt')
export declare function decrypt(ciphertext: usize, ciphertextLength: usize, key: usize, out: usize): void

@external('env', 'eprint')
export declare function eprint(pointer: usize, length: usize): void
