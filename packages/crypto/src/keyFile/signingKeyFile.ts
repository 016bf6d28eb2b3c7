import { join } from 'node:path'
import { bytesToHex } from '@bletchley/bytes'
import { addressOf, generateKeyPair, type KeyPair, keyPairFromSecret } from '../keys.ts'
import { KeyFileError } from './keyFileError.ts'
import { readOrCreateSealed, readSealed, sealedFolders, writeSealed } from './sealedFile.ts'
import type { SealingKey } from './sealingKey.ts'

/** In the data folder. */
export const signingKeyFileName = 'signing-key.sealed'

/** Who signs: a key pair, and the address that the others know it by. */
export interface SigningIdentity {
  keyPair: KeyPair
  /** 20 bytes. */
  address: Uint8Array
}

/**
 * Reads the signing key of a data folder; makes one on first use.
 *
 * A key that cannot be read is never replaced: the reference does that, and the worker loses its registration and stake.
 *
 * @param purpose what it signs for, as of `readSealed`
 * @throws KeyFileError if the file is there but cannot be opened
 */
export async function openSigningKey(
  dataFolder: string,
  sealingKey: SealingKey,
  purpose: string,
): Promise<SigningIdentity> {
  const path = join(dataFolder, signingKeyFileName)
  return identityOf(await readOrCreateSealed(path, sealingKey, purpose, () => generateKeyPair().secretKey.bytes))
}

/** Reads the signing key of a data folder, and makes nothing; undefined if there is none. */
export async function readSigningKey(
  dataFolder: string,
  sealingKey: SealingKey,
  purpose: string,
): Promise<SigningIdentity | undefined> {
  const secret = await readSealed(join(dataFolder, signingKeyFileName), sealingKey, purpose)
  return secret && identityOf(secret)
}

/**
 * Gives a data folder a new signing key. The old one is kept, sealed, as `old-signing-keys/<address>.sealed`, before the
 * new one takes its place; put back under its old name, it is the signing key again.
 *
 * @throws KeyFileError if there is no signing key, or none that can be opened
 */
export async function replaceSigningKey(
  dataFolder: string,
  sealingKey: SealingKey,
  purpose: string,
): Promise<{ before: SigningIdentity; now: SigningIdentity }> {
  const before = await readSigningKey(dataFolder, sealingKey, purpose)
  if (before === undefined) throw new KeyFileError('missing', `There is no ${join(dataFolder, signingKeyFileName)}`)
  const aside = join(dataFolder, sealedFolders.oldSigningKeys, `${bytesToHex(before.address)}.sealed`)
  await writeSealed(aside, sealingKey, purpose, before.keyPair.secretKey.bytes)
  const keyPair = generateKeyPair()
  await writeSealed(join(dataFolder, signingKeyFileName), sealingKey, purpose, keyPair.secretKey.bytes)
  return { before, now: { keyPair, address: addressOf(keyPair.publicKey) } }
}

/** Whether a sealed file of a data folder holds a signing key, this one or an older one. */
export function isSigningKeyFile(path: string): boolean {
  return path === signingKeyFileName || /^old-signing-keys\/[0-9a-f]{40}\.sealed$/.test(path)
}

function identityOf(secret: Uint8Array): SigningIdentity {
  const keyPair = keyPairFromSecret(secret)
  return { keyPair, address: addressOf(keyPair.publicKey) }
}
