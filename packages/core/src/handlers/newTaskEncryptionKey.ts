import { parsePublicKey } from '@bletchley/crypto'
import { enclaveError } from '../refusals.ts'
import type { Handler } from './handler.ts'

export const newTaskEncryptionKey: Handler<'NewTaskEncryptionKey'> = async ({ userPubKey }, { userKeys }) => {
  let userKey: Uint8Array
  try {
    userKey = parsePublicKey(userPubKey)
  } catch (error) {
    throw enclaveError('KeysError', error)
  }
  return userKeys.exchange(userKey)
}
