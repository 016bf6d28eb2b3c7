import { compareKeys, encodeJson, JsonFloat, type JsonObject, type JsonValue } from '@bletchley/state'
import { type Hex, toHex } from './testUser.ts'

/** A JSON value of the state as plain JavaScript: whole numbers beyond 2^53 are bigints. */
export type StateJson = null | boolean | string | number | bigint | StateJson[] | { [name: string]: StateJson }

/** What a contract's state holds, decrypted. */
export class TestState {
  readonly #read: () => JsonObject

  constructor(read: () => JsonObject) {
    this.#read = read
  }

  /** The value of a key; undefined if there is none. */
  get(key: string): StateJson | undefined {
    const value = this.#read().get(key)
    return value === undefined ? undefined : plain(value)
  }

  /** A `U256` or another whole number. @throws TypeError if the key holds something else */
  number(key: string): bigint {
    const value = this.get(key)
    if (isInteger(value)) return BigInt(value)
    if (Array.isArray(value) && value.length === 4 && value.every(isInteger)) {
      return value.reduceRight<bigint>((sum, limb) => sum * 2n ** 64n + BigInt(limb), 0n)
    }
    throw new TypeError(`${key} holds no number`)
  }

  /** `Bytes`, `Bytes1` to `Bytes32` or an `Address`. @throws TypeError if the key holds something else */
  bytes(key: string): Hex {
    const value = this.get(key)
    if (Array.isArray(value) && value.every((byte) => typeof byte === 'number' && byte >= 0 && byte < 256)) {
      return toHex(Uint8Array.from(value as number[]))
    }
    throw new TypeError(`${key} holds no bytes`)
  }

  /** All keys, sorted as a worker sorts them. */
  keys(): string[] {
    return [...this.#read().keys()].sort(compareKeys)
  }

  /** All keys and their values, sorted. */
  entries(): [key: string, value: StateJson][] {
    return this.keys().map((key) => [key, this.get(key)!])
  }

  /** The whole state as a worker keeps it: compact JSON with sorted keys. */
  get json(): string {
    return new TextDecoder().decode(encodeJson(this.#read()))
  }
}

function isInteger(value: StateJson | undefined): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

function plain(value: JsonValue): StateJson {
  if (value instanceof JsonFloat) return value.value
  if (Array.isArray(value)) return value.map(plain)
  // A member may have any name, and `__proto__` must not become the prototype.
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]))
  return value
}
