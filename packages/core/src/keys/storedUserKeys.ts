import { hkdfSync } from 'node:crypto'
import { bytesToHex, concatBytes } from '@bletchley/bytes'
import { decrypt, encrypt, randomBytes, type SecretKey } from '@bletchley/crypto'
import type { SealedUserKey, UserKeyName } from '@bletchley/store'
import { type Exchanged, exchangeKeys, type TakenKey, type UserKeys } from './userKeys.ts'

/** Where sealed keys are kept. */
export interface UserKeyStore {
  putUserKey(key: SealedUserKey): Promise<void>
  burnUserKey(name: UserKeyName): Promise<boolean>
}

/** What the keys are sealed for; another format gets another one. */
const label = 'bletchley-user-key-1'

/**
 * Keys in the database of a cluster: whichever core made the exchange, any core can take the task. They are sealed with a key that
 * follows from the signing key and the user's key, so that none can be put in the place of another.
 */
export class StoredUserKeys implements UserKeys {
  readonly #signingKey: SecretKey
  readonly #store: UserKeyStore
  /** Of tasks that are under way here. Several at a time would all be computed, and all but one in vain. */
  readonly #taken = new Set<string>()

  constructor(signingKey: SecretKey, store: UserKeyStore) {
    this.#signingKey = signingKey
    this.#store = store
  }

  /** Those that tasks have taken here. */
  get size(): number {
    return this.#taken.size
  }

  async exchange(userKey: Uint8Array): Promise<Exchanged> {
    const { sharedKey, exchanged } = exchangeKeys(this.#signingKey, userKey)
    const sealed = encrypt(this.#sealingKey(userKey), sharedKey)
    await this.#store.putUserKey({ userKey, id: randomBytes(8), sealed })
    return exchanged
  }

  take(userKey: Uint8Array, stored: SealedUserKey | undefined): TakenKey | undefined {
    const name = bytesToHex(userKey)
    if (stored === undefined || this.#taken.has(name)) return undefined
    const sharedKey = this.#open(userKey, stored.sealed)
    if (sharedKey === undefined) return undefined
    this.#taken.add(name)
    const burnt = { userKey, id: stored.id }
    return {
      sharedKey,
      burnt,
      use: () => this.#store.burnUserKey(burnt),
      end: () => void this.#taken.delete(name),
    }
  }

  #open(userKey: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    try {
      return decrypt(this.#sealingKey(userKey), sealed)
    } catch {
      // Of another signing key, or damaged: the user makes another exchange.
      return undefined
    }
  }

  #sealingKey(userKey: Uint8Array): Uint8Array {
    const info = concatBytes(Buffer.from(label), userKey)
    return new Uint8Array(hkdfSync('sha256', this.#signingKey.bytes, '', info, 32))
  }
}
