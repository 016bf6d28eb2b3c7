import { encodeJson, JsonSyntaxError, type JsonValue, parseJson } from '@bletchley/state'
import { ContractFault } from '../errors.ts'
import { gasPerStateByte, gasPerWrite } from '../gasCosts.ts'
import type { Environment, HostFunction } from './environment.ts'
import { decodeUtf8 } from './text.ts'

/**
 * `(key, key length, value, value length)`: stores a JSON value.
 *
 * Gas: 10 + 1 per byte of growth; a shorter value costs nothing and refunds 1 per byte saved. A missing value and
 * `null` count as 0 bytes. Charged before the value is read, in the reference's order. @see spec/runtime.md 2.7, 5
 */
export const writeState: HostFunction = {
  name: 'write_state',
  parameters: 4,
  returnsValue: false,
  call(environment, key, keyLength, value, valueLength) {
    const name = readKey(environment, key!, keyLength!)
    const { gas, invocation } = environment
    const growth = valueLength! - storedLength(invocation.state.get(name))
    if (growth >= 0) gas.charge(gasPerWrite + growth * gasPerStateByte)
    else gas.refund(-growth * gasPerStateByte)
    invocation.state.set(name, parseValue(environment.read(value!, valueLength!)))
    return undefined
  },
}

/** `(key, key length) -> length` of the compact JSON that `read_state` would write; 4 (`null`) for a missing key. */
export const readStateLength: HostFunction = {
  name: 'read_state_len',
  parameters: 2,
  returnsValue: true,
  call: (environment, key, keyLength) => readValue(environment, key!, keyLength!).length,
}

/** `(key, key length, pointer)`: writes the value as compact JSON; `null` for a missing key. */
export const readState: HostFunction = {
  name: 'read_state',
  parameters: 3,
  returnsValue: false,
  call(environment, key, keyLength, pointer) {
    environment.write(pointer!, readValue(environment, key!, keyLength!))
    return undefined
  },
}

/** `(key, key length)`: forgets the key; a missing one is left missing. */
export const removeFromState: HostFunction = {
  name: 'remove_from_state',
  parameters: 2,
  returnsValue: false,
  call(environment, key, keyLength) {
    environment.invocation.state.delete(readKey(environment, key!, keyLength!))
    return undefined
  },
}

/** The reference takes a key that is not UTF-8 for the empty key, so that two names are one; here it ends the run. */
function readKey(environment: Environment, pointer: number, length: number): string {
  const key = decodeUtf8(environment.read(pointer, length))
  if (key === undefined) throw new ContractFault('invalid state key')
  return key
}

function readValue(environment: Environment, key: number, keyLength: number): Uint8Array {
  return encodeJson(environment.invocation.state.get(readKey(environment, key, keyLength)) ?? null)
}

function storedLength(value: JsonValue | undefined): number {
  return value === undefined || value === null ? 0 : encodeJson(value).length
}

function parseValue(bytes: Uint8Array): JsonValue {
  try {
    return parseJson(bytes)
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new ContractFault('invalid state value')
    throw error
  }
}
