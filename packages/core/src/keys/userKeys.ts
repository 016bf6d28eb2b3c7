import { bytesToHex } from '@bletchley/bytes'
import { ecdh, generateKeyPair, type SecretKey, signItems, userMessageItems } from '@bletchley/crypto'
import { BoundedMap } from '@bletchley/store'

/** A user who never sends the task leaves a key behind; these bounds are the spec's (crypto.md, section 3). */
const bounds = { entries: 10_000, lifetimeMs: 24 * 60 * 60 * 1000 }

/** One-time keys that users and the worker share, each good for one task (crypto.md, section 3). */
export class UserKeys {
  readonly #signingKey: SecretKey
  readonly #keys = new BoundedMap<Uint8Array>(bounds)

  constructor(signingKey: SecretKey) {
    this.#signingKey = signingKey
  }

  /** Exchanges that wait for their task. */
  get size(): number {
    return this.#keys.size
  }

  /**
   * Makes a fresh worker key for a user; a second exchange of the same user replaces the first.
   *
   * @param userKey 64 bytes, on the curve
   * @throws CryptoError `invalid_key` if it is not
   */
  exchange(userKey: Uint8Array): { workerEncryptionKey: Uint8Array; workerSig: Uint8Array } {
    const { secretKey, publicKey } = generateKeyPair()
    this.#keys.set(bytesToHex(userKey), ecdh(secretKey, userKey))
    return { workerEncryptionKey: publicKey, workerSig: signItems(this.#signingKey, userMessageItems(publicKey)) }
  }

  /** Takes the key shared with a user: one exchange serves one task. */
  take(userKey: Uint8Array): Uint8Array | undefined {
    return this.#keys.take(bytesToHex(userKey))
  }

  /** Gives a key back whose task ended through no fault of the user's, unless the user has made a new one since. */
  giveBack(userKey: Uint8Array, sharedKey: Uint8Array): void {
    const name = bytesToHex(userKey)
    if (this.#keys.get(name) === undefined) this.#keys.set(name, sharedKey)
  }
}
