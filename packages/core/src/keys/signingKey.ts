import {
  isSigningKeyFile,
  openSigningKey,
  readSigningKey,
  type SealingKey,
  type SigningIdentity,
} from '@bletchley/crypto/key-file'

/** What a worker's signing key is sealed for. */
export const workerKeyPurpose = 'worker signing key'

/** What a sealed file of a worker's data folder is for. */
export function workerKeyPurposes(path: string): readonly string[] {
  return isSigningKeyFile(path) ? [workerKeyPurpose] : []
}

/** Reads the worker's signing key from its data folder; makes one at the first start. */
export function loadSigningIdentity(dataFolder: string, sealingKey: SealingKey): Promise<SigningIdentity> {
  return openSigningKey(dataFolder, sealingKey, workerKeyPurpose)
}

/**
 * Reads the signing key of a worker that has run before, and makes nothing.
 *
 * @throws KeyFileError if the file is there but cannot be opened; Error if it is not there
 */
export async function readSigningIdentity(dataFolder: string, sealingKey: SealingKey): Promise<SigningIdentity> {
  const identity = await readSigningKey(dataFolder, sealingKey, workerKeyPurpose)
  if (identity === undefined) throw new Error(`There is no signing key in ${dataFolder}`)
  return identity
}
