import { CryptoError, decrypt } from '@bletchley/crypto'
import { StateError } from './errors.ts'

/** @throws StateError `undecryptable` if the key is wrong or the blob was changed */
export function openBlob(stateKey: Uint8Array, blob: Uint8Array): Uint8Array {
  try {
    return decrypt(stateKey, blob)
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error
    throw new StateError('undecryptable', 'the blob cannot be decrypted with this state key', { cause: error })
  }
}
