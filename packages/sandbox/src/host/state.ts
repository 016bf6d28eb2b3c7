import { JsonSyntaxError, parseUtf8 } from '@bletchley/bytes'
import {
  encodeJson,
  JsonDepthError,
  type JsonValue,
  jsonLength,
  memberSize,
  parseJson,
  structureSize,
} from '@bletchley/state'
import { ContractFault } from '../errors.ts'
import { gasPerStateByte, gasPerWrite } from '../gasCosts.ts'
import { runLimits } from '../limits.ts'
import type { Environment, HostFunction } from './environment.ts'

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
    const old = invocation.state.get(name)
    const growth = valueLength! - storedLength(environment, old)
    if (growth >= 0) gas.charge(gasPerWrite + growth * gasPerStateByte, name)
    else gas.refund(-growth * gasPerStateByte, name)
    const parsed = parseValue(environment.read(value!, valueLength!))
    environment.count(structureSize(parsed))
    replaceValue(environment, name, old, parsed)
    return undefined
  },
}

/** `(key, key length) -> length` of the compact JSON that `read_state` would write; 4 (`null`) for a missing key. */
export const readStateLength: HostFunction = {
  name: 'read_state_len',
  parameters: 2,
  returnsValue: true,
  call: (environment, key, keyLength) => valueLengthOf(environment, readValue(environment, key!, keyLength!)),
}

/** `(key, key length, pointer)`: writes the value as compact JSON; `null` for a missing key. */
export const readState: HostFunction = {
  name: 'read_state',
  parameters: 3,
  returnsValue: false,
  call(environment, key, keyLength, pointer) {
    const value = readValue(environment, key!, keyLength!)
    valueLengthOf(environment, value)
    environment.write(pointer!, encodeJson(value))
    return undefined
  },
}

/** `(key, key length)`: forgets the key; a missing one is left missing. */
export const removeFromState: HostFunction = {
  name: 'remove_from_state',
  parameters: 2,
  returnsValue: false,
  call(environment, key, keyLength) {
    const name = readKey(environment, key!, keyLength!)
    const old = environment.invocation.state.get(name)
    if (old !== undefined) replaceValue(environment, name, old, undefined)
    return undefined
  },
}

/** The reference takes a key that is not UTF-8 for the empty key, so that two names are one; here it ends the run. */
function readKey(environment: Environment, pointer: number, length: number): string {
  const key = parseUtf8(environment.read(pointer, length, runLimits.stateKeyBytes))
  if (key === undefined) throw new ContractFault('invalid state key')
  return key
}

function readValue(environment: Environment, key: number, keyLength: number): JsonValue {
  return environment.invocation.state.get(readKey(environment, key, keyLength)) ?? null
}

function storedLength(environment: Environment, value: JsonValue | undefined): number {
  return value === undefined || value === null ? 0 : valueLengthOf(environment, value)
}

/** Length as compact JSON. Finding it out is work in proportion, so it counts. */
function valueLengthOf(environment: Environment, value: JsonValue): number {
  const length = jsonLength(value)
  environment.count(length + structureSize(value))
  return length
}

/** A state that is too large already, because of deltas from elsewhere, may shrink and stay, but not grow. */
function replaceValue(
  environment: Environment,
  name: string,
  old: JsonValue | undefined,
  value: JsonValue | undefined,
): void {
  const growth = memberSize(name, value) - memberSize(name, old)
  const { value: limit, text } = runLimits.stateBytes
  if (growth > 0 && environment.stateSize + growth > limit) throw new ContractFault(text)
  environment.stateSize += growth
  const { state } = environment.invocation
  if (value === undefined) state.delete(name)
  else state.set(name, value)
}

function parseValue(bytes: Uint8Array): JsonValue {
  try {
    return parseJson(bytes)
  } catch (error) {
    if (error instanceof JsonDepthError) throw new ContractFault(runLimits.jsonDepth.text)
    if (error instanceof JsonSyntaxError) throw new ContractFault('invalid state value')
    throw error
  }
}
