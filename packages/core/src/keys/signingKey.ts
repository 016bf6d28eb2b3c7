import { join } from 'node:path'
import { addressOf, generateKeyPair, type KeyPair, keyPairFromSecret } from '@bletchley/crypto'
import { readOrCreateSealed, type SealingKey } from '@bletchley/crypto/key-file'

/** The identity of a worker: the key that signs results, and the address that the network knows it by. */
export interface SigningIdentity {
  keyPair: KeyPair
  /** 20 bytes. */
  address: Uint8Array
}

const purpose = 'worker signing key'

/**
 * Reads the worker's signing key from its data folder; makes one at the first start.
 *
 * A key that cannot be read is never replaced: the reference does that, and the worker loses its registration and stake.
 *
 * @throws KeyFileError if the file is there but cannot be opened
 */
export async function loadSigningIdentity(dataFolder: string, sealingKey: SealingKey): Promise<SigningIdentity> {
  const path = join(dataFolder, 'signing-key.sealed')
  const keyPair = keyPairFromSecret(
    await readOrCreateSealed(path, sealingKey, purpose, () => generateKeyPair().secretKey.bytes),
  )
  return { keyPair, address: addressOf(keyPair.publicKey) }
}
