import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { withKeyFileLocked } from './keyFileLock.ts'
import { removeLeftovers } from './leftovers.ts'
import { makeLock } from './lock.ts'
import { readKeyFile, type SealingOptions, sealingKeyPath, writeKeyFile } from './openSealingKey.ts'
import { removeTemporaryFiles, replaceFile } from './ownerOnlyFile.ts'
import { listSealed, readSealedContent, undecryptable } from './sealedFile.ts'
import { SealingKey } from './sealingKey.ts'

/** Files that are rewritten at once. */
const atOnce = 16

/** What a sealed file may be for, by its path in the data folder; sealed files do not tell it themselves. */
export type PurposesOf = (path: string) => readonly string[]

/** A sealed file that was opened. */
export interface OpenedFile {
  /** In the data folder. */
  path: string
  purpose: string
  secret: Uint8Array
  content: Uint8Array
}

/**
 * Opens all sealed files of a data folder.
 *
 * @throws KeyFileError for the first one that cannot be opened
 */
export async function openAllSealed(
  dataFolder: string,
  sealingKey: SealingKey,
  purposesOf: PurposesOf,
): Promise<OpenedFile[]> {
  const files: OpenedFile[] = []
  for (const path of await listSealed(dataFolder)) {
    const file = await openOne(dataFolder, path, sealingKey, purposesOf)
    if (file !== undefined) files.push(file)
  }
  return files
}

async function openOne(
  dataFolder: string,
  path: string,
  sealingKey: SealingKey,
  purposesOf: PurposesOf,
): Promise<OpenedFile | undefined> {
  const full = join(dataFolder, path)
  const content = await readSealedContent(full)
  if (content === undefined) return undefined
  for (const purpose of purposesOf(path)) {
    const secret = sealingKey.unseal(purpose, content)
    if (secret !== undefined) return { path, purpose, secret, content }
  }
  throw undecryptable(full)
}

/**
 * Gives a data folder a new sealing key, and seals all its files with it. Ends a rotation that was broken off.
 *
 * At every moment the folder opens: the key file holds the old key, then the new and the old one, and the new one alone
 * when no file needs the old one any more. Nothing else may make sealed files meanwhile, so the caller has the folder's
 * lock; that of the key file, which `relockSealingKey` takes as well, is taken here. What killed processes left of
 * such files is removed: it holds the same secrets, under the old key.
 *
 * @param onFile is called before each file with the number of files that are done and of all
 * @returns how many files there are
 * @throws KeyFileError if any file cannot be opened, or the key is being relocked; then nothing is changed
 */
export function rotateSealingKey(
  dataFolder: string,
  options: SealingOptions,
  purposesOf: PurposesOf,
  onFile: (done: number, all: number) => void = () => {},
): Promise<number> {
  const path = sealingKeyPath(dataFolder, options)
  return withKeyFileLocked(path, 'keys rotate', () => rotateLocked(dataFolder, options, purposesOf, onFile))
}

async function rotateLocked(
  dataFolder: string,
  options: SealingOptions,
  purposesOf: PurposesOf,
  onFile: (done: number, all: number) => void,
): Promise<number> {
  const keyFile = await readKeyFile(dataFolder, options)
  const files = await openAllSealed(dataFolder, keyFile.key, purposesOf)
  const key = keyFile.key.previous === undefined ? SealingKey.random(keyFile.key) : keyFile.key
  if (key !== keyFile.key) await writeKeyFile({ ...keyFile, key })
  for (let start = 0; start < files.length; start += atOnce) {
    onFile(start, files.length)
    const some = files.slice(start, start + atOnce)
    await Promise.all(
      some.map(async ({ path, purpose, secret, content }) => {
        const full = join(dataFolder, path)
        if (key.unsealWithThis(purpose, content) === undefined) await replaceFile(full, key.seal(purpose, secret))
        // What is written for a link lies beside what it leads to, in a folder that is not looked through below.
        if ((await lstat(full)).isSymbolicLink()) await removeTemporaryFiles(full)
      }),
    )
  }
  await removeLeftovers(dataFolder)
  onFile(files.length, files.length)
  await writeKeyFile({ ...keyFile, key: new SealingKey(key.bytes) })
  return files.length
}

/**
 * Locks the sealing key otherwise: with another passphrase, with a command, or not at all. Rewrites its one file, also beside a
 * core or a principal.
 *
 * @param options where the key is and what unlocks it now
 * @param lock what it is to be locked with; the file holds the key itself if absent
 * @throws KeyFileError as `readSealingKey`; `in_use` if another process rewrites the file
 */
export function relockSealingKey(
  dataFolder: string,
  options: SealingOptions,
  lock: SealingOptions['lock'],
): Promise<void> {
  // From reading to writing, passphrases included: a key that was rotated meanwhile must not be undone.
  return withKeyFileLocked(sealingKeyPath(dataFolder, options), 'keys relock', async () => {
    const keyFile = await readKeyFile(dataFolder, options)
    await writeKeyFile({ ...keyFile, lock: lock && (await makeLock(lock)) })
  })
}
