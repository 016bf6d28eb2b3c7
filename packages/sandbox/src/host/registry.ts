import { decrypt, encrypt, rand } from './crypto.ts'
import type { HostFunction } from './environment.ts'
import { gas } from './gas.ts'
import { fetchArgs, fetchArgsLength, fetchFunctionName, fetchFunctionNameLength } from './input.ts'
import { eprint, ret, writeEthBridge } from './output.ts'
import { readState, readStateLength, removeFromState, writeState } from './state.ts'

/** Everything that a contract can import besides its memory, by field of module `env`. */
export const hostFunctions: ReadonlyMap<string, HostFunction> = new Map(
  [
    fetchFunctionNameLength,
    fetchFunctionName,
    fetchArgsLength,
    fetchArgs,
    ret,
    writeState,
    readStateLength,
    readState,
    removeFromState,
    writeEthBridge,
    gas,
    rand,
    encrypt,
    decrypt,
    eprint,
  ].map((entry) => [entry.name, entry]),
)
