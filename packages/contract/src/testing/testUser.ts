import { bytesToHex } from '@bletchley/bytes'
import { addressOf, type KeyPair, keyPairFromSecret, sign } from '@bletchley/crypto'

/** Bytes as `0x` and hexadecimal digits. */
export type Hex = `0x${string}`

/** Somebody who uses contracts: a key pair, the same for the same seed and name. */
export class TestUser {
  readonly name: string
  /** 20 bytes, as of Ethereum. */
  readonly address: Hex
  /** x || y, 64 bytes. */
  readonly publicKey: Hex
  readonly #keys: KeyPair

  /** @param secret 32 bytes */
  constructor(name: string, secret: Uint8Array) {
    this.#keys = keyPairFromSecret(secret)
    this.name = name
    this.address = toHex(addressOf(this.#keys.publicKey))
    this.publicKey = toHex(this.#keys.publicKey)
  }

  /** Signs `keccak256(message)`: r || s || v, 65 bytes, v = 27 or 28. */
  sign(message: Uint8Array): Hex {
    return toHex(sign(this.#keys.secretKey, message))
  }
}

export function toHex(bytes: Uint8Array): Hex {
  return `0x${bytesToHex(bytes)}`
}
