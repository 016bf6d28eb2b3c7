import { assertBytes, utf8ToBytes } from '@bletchley/bytes'
import { publicKeyLength } from './keys.ts'

/**
 * What a worker signs when it gives a user a fresh key for one task. The user's own key is not covered.
 *
 * @param workerPublicKey of the fresh pair, 64 bytes
 * @see spec/crypto.md 3
 */
export function userMessageItems(workerPublicKey: Uint8Array): Uint8Array[] {
  assertBytes(workerPublicKey, 'worker public key', publicKeyLength)
  return [utf8ToBytes('Enigma User Message'), workerPublicKey]
}
