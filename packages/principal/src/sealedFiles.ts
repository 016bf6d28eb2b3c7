import { isSigningKeyFile, sealedFolders } from '@bletchley/crypto/key-file'

/** What a principal's signing key is sealed for. */
export const principalKeyPurpose = 'signing key of the principal'

/** Where state keys are in a principal's data folder. */
export const stateKeyFolder = sealedFolders.stateKeys

/** What a state key is sealed for: for its contract alone. */
export function stateKeyPurpose(address: string): string {
  return `state key of contract ${address}`
}

/** What a sealed file of a principal's data folder is for. */
export function principalKeyPurposes(path: string): readonly string[] {
  if (isSigningKeyFile(path)) return [principalKeyPurpose]
  const [, address] = /^state-keys\/([0-9a-f]{64})\.sealed$/.exec(path) ?? []
  return address === undefined ? [] : [stateKeyPurpose(address)]
}
