import { bytesToHex } from '@bletchley/bytes'
import { ecdh, generateKeyPair, type SecretKey, signItems, userMessageItems } from '@bletchley/crypto'
import { BoundedMap, type SealedUserKey, type UserKeyName } from '@bletchley/store'

/** A user who never sends the task leaves a key behind; these bounds are the spec's (crypto.md, section 3). */
const bounds = { entries: 10_000, lifetimeMs: 24 * 60 * 60 * 1000 }

/** What a worker tells a user in an exchange of keys. */
export interface Exchanged {
  workerEncryptionKey: Uint8Array
  workerSig: Uint8Array
}

/** One-time keys that users and the worker share, each good for one task (crypto.md, section 3). */
export interface UserKeys {
  /** Exchanges that wait for their task, as far as this process knows. */
  readonly size: number

  /**
   * Makes a fresh worker key for a user; a second exchange of the same user replaces the first.
   *
   * @param userKey 64 bytes, on the curve
   * @throws CryptoError `invalid_key` if it is not; StorageError
   */
  exchange(userKey: Uint8Array): Exchanged | Promise<Exchanged>

  /**
   * Takes the key shared with a user: one exchange serves one task at a time.
   *
   * @param stored of this user, as it was loaded for the task
   * @returns undefined if there is none, or another task has it
   */
  take(userKey: Uint8Array, stored: SealedUserKey | undefined): TakenKey | undefined
}

/** A one-time key that a task has taken. It is used up by a commit, or by {@link use}, or given back. */
export interface TakenKey {
  /** 32 bytes. */
  readonly sharedKey: Uint8Array
  /** What the task's commit is to use up along with it; undefined if taking it has. */
  readonly burnt: UserKeyName | undefined
  /**
   * Uses the key up for a task that stores nothing.
   *
   * @returns whether it was there still
   * @throws StorageError
   */
  use(): Promise<boolean>
  /** The task has ended: if `isUnused` through no fault of the user's, who may come again with the same key. */
  end(isUnused: boolean): void
}

/** Keys that are in this process's memory. */
export class MemoryUserKeys implements UserKeys {
  readonly #signingKey: SecretKey
  readonly #keys = new BoundedMap<Uint8Array>(bounds)

  constructor(signingKey: SecretKey) {
    this.#signingKey = signingKey
  }

  get size(): number {
    return this.#keys.size
  }

  exchange(userKey: Uint8Array): Exchanged {
    const { sharedKey, exchanged } = exchangeKeys(this.#signingKey, userKey)
    this.#keys.set(bytesToHex(userKey), sharedKey)
    return exchanged
  }

  take(userKey: Uint8Array): TakenKey | undefined {
    const name = bytesToHex(userKey)
    const sharedKey = this.#keys.take(name)
    if (sharedKey === undefined) return undefined
    return {
      sharedKey,
      burnt: undefined,
      use: async () => true,
      // Unless the user has made a new one since.
      end: (isUnused) => {
        if (isUnused && this.#keys.get(name) === undefined) this.#keys.set(name, sharedKey)
      },
    }
  }
}

/** Makes a key pair for one task of a user. */
export function exchangeKeys(
  signingKey: SecretKey,
  userKey: Uint8Array,
): { sharedKey: Uint8Array; exchanged: Exchanged } {
  const { secretKey, publicKey } = generateKeyPair()
  const sharedKey = ecdh(secretKey, userKey)
  return {
    sharedKey,
    exchanged: { workerEncryptionKey: publicKey, workerSig: signItems(signingKey, userMessageItems(publicKey)) },
  }
}
