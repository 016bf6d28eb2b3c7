import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { KeyFileError } from './keyFileError.ts'
import {
  createExclusively,
  createFolder,
  hasErrorCode,
  maxFileBytes,
  readOwnerOnly,
  replaceFile,
} from './ownerOnlyFile.ts'
import { minSealedBytes, type SealingKey, sealedHeader, sealedMagic, sealedVersion } from './sealingKey.ts'

export const sealedSuffix = '.sealed'

/** Where sealed files are, beside the data folder itself. What lies deeper is somebody's copy, and none of the folder's own. */
export const sealedFolders = { oldSigningKeys: 'old-signing-keys', stateKeys: 'state-keys' } as const

/**
 * Reads a sealed file.
 *
 * @param path    ends in `.sealed`
 * @param purpose what the file is for, as it was given when the file was written; text of the program, not secret
 * @returns what was sealed, or undefined if there is no such file
 * @throws KeyFileError if the file is not the owner's alone, or is damaged, or of another key, purpose or version
 */
export async function readSealed(
  path: string,
  sealingKey: SealingKey,
  purpose: string,
): Promise<Uint8Array | undefined> {
  const content = await readSealedContent(path)
  if (content === undefined) return undefined
  const secret = sealingKey.unseal(purpose, content)
  if (secret === undefined) throw undecryptable(path)
  return secret
}

/** The bytes of a sealed file, still sealed, if they have its form. */
export async function readSealedContent(path: string): Promise<Uint8Array | undefined> {
  assertSealedName(path)
  const content = await readOwnerOnly(path)
  if (content === undefined) return undefined
  if (content.length < sealedHeader.length || !startsWith(content, sealedMagic)) {
    throw new KeyFileError('malformed', `${path} is not a sealed file of Bletchley, or is cut off`)
  }
  const version = content[sealedMagic.length]
  if (version !== sealedVersion) {
    throw new KeyFileError('unsupported_version', `${path} has version ${version}; this program knows ${sealedVersion}`)
  }
  if (content.length < minSealedBytes) throw new KeyFileError('malformed', `${path} is cut off`)
  return content
}

export function undecryptable(path: string): KeyFileError {
  return new KeyFileError('undecryptable', `${path} was sealed with another key or for another purpose, or was changed`)
}

/**
 * Writes a sealed file, durable when the promise resolves, and whole or not at all. Replaces a file that can be read;
 * one that cannot is never overwritten.
 *
 * @param path  ends in `.sealed`; its folder is created, for its owner only, if absent
 * @param bytes what to seal, secret, up to about 1 MB
 * @throws KeyFileError as `readSealed`, if there is a file that cannot be read
 */
export async function writeSealed(
  path: string,
  sealingKey: SealingKey,
  purpose: string,
  bytes: Uint8Array,
): Promise<void> {
  await readSealed(path, sealingKey, purpose)
  const content = sealContent(sealingKey, purpose, bytes)
  await createFolder(dirname(path))
  await replaceFile(path, content)
}

/**
 * Reads a sealed file, or makes it with what `create` gives. However many processes do this at once, all get the
 * content of the one file that stays.
 *
 * @param create called if there is no file yet; its bytes are dropped if another process was faster
 * @throws KeyFileError as `readSealed`
 */
export async function readOrCreateSealed(
  path: string,
  sealingKey: SealingKey,
  purpose: string,
  create: () => Uint8Array,
): Promise<Uint8Array> {
  const existing = await readSealed(path, sealingKey, purpose)
  if (existing !== undefined) return existing
  const bytes = create()
  await createFolder(dirname(path))
  if (await createExclusively(path, sealContent(sealingKey, purpose, bytes))) return bytes
  const winner = await readSealed(path, sealingKey, purpose)
  if (winner === undefined) throw new KeyFileError('malformed', `${path} was created and removed by someone else`)
  return winner
}

/** All names where sealed files are, by the folder in the data folder, which itself is `.`; without folders that are not there. */
export type KeyFolders = ReadonlyMap<string, readonly string[]>

export async function readKeyFolders(dataFolder: string): Promise<KeyFolders> {
  const folders = ['.', ...Object.values(sealedFolders)]
  const names = await Promise.all(folders.map((folder) => namesIn(join(dataFolder, folder))))
  return new Map(folders.flatMap((folder, i) => (names[i] === undefined ? [] : [[folder, names[i]]])))
}

/** The sealed files of a data folder: paths inside of it, with `/`, ascending. None if there is no folder. */
export async function listSealed(dataFolder: string): Promise<string[]> {
  return sealedIn(await readKeyFolders(dataFolder))
}

/** As `listSealed`, of folders that were read already. */
export function sealedIn(folders: KeyFolders): string[] {
  return [...folders]
    .flatMap(([folder, names]) =>
      names.filter((name) => name.endsWith(sealedSuffix)).map((name) => (folder === '.' ? name : `${folder}/${name}`)),
    )
    .sort()
}

async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function sealContent(sealingKey: SealingKey, purpose: string, bytes: Uint8Array): Uint8Array {
  const content = sealingKey.seal(purpose, bytes)
  if (content.length > maxFileBytes) throw new RangeError(`A sealed file holds at most ${maxFileBytes} bytes`)
  return content
}

function assertSealedName(path: string): void {
  // By this name `openSealingKey` finds out that a folder has sealed files.
  if (!path.endsWith(sealedSuffix)) throw new RangeError(`The name of a sealed file ends in ${sealedSuffix}`)
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, i) => bytes[i] === byte)
}
