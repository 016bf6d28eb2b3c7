import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describeHolder, type FolderLock, FolderLockedError, lockFolderForReading } from '@bletchley/crypto/folder-lock'
import { type ContractReader, canNoteReaders, type KeyValueBackend, KeyValueReader, openLmdb } from '@bletchley/store'

export function storeFolder(dataFolder: string): string {
  return join(dataFolder, 'store')
}

/** @throws Error if the folder holds no worker's database, or that cannot be told */
export function assertWorker(dataFolder: string): void {
  try {
    statSync(join(storeFolder(dataFolder), 'data.mdb'))
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const isAbsent = code === 'ENOENT' || code === 'ENOTDIR'
    throw new Error(
      isAbsent
        ? `${dataFolder} is not the data folder of a worker: it has no store/data.mdb`
        : `${dataFolder} cannot be read (${code})`,
      { cause },
    )
  }
}

/**
 * Reads a worker's database, also beside its core.
 *
 * @throws Error as {@link whileReadable}, or if the folder holds no worker's database
 */
export async function withReader<T>(
  dataFolder: string,
  read: (reader: ContractReader, backend: KeyValueBackend) => Promise<T>,
): Promise<T> {
  assertWorker(dataFolder)
  return whileReadable(dataFolder, async () => {
    const backend = await openLmdb({ folder: storeFolder(dataFolder), readOnly: true })
    try {
      return await read(await KeyValueReader.openExisting(backend), backend)
    } finally {
      await backend.close()
    }
  })
}

/**
 * Does something for which the database is read. Where a core could not see that (another user, a mount that is
 * read-only), none may run meanwhile: it would write over what is being read.
 *
 * @throws Error, before anything is read, if a core has the folder, or that cannot be told
 */
export async function whileReadable<T>(dataFolder: string, read: () => Promise<T>): Promise<T> {
  const store = storeFolder(dataFolder)
  const lock = canNoteReaders(store) ? undefined : lockAgainstWriters(dataFolder, join(store, 'lock.mdb'))
  try {
    return await read()
  } finally {
    lock?.release()
  }
}

function lockAgainstWriters(dataFolder: string, table: string): FolderLock | undefined {
  try {
    return lockFolderForReading(dataFolder)
  } catch (cause) {
    const known = cause instanceof FolderLockedError
    const why = known ? `it is in use by ${describeHolder(cause.holder)}` : 'whether a core runs cannot be told'
    throw new Error(
      `${dataFolder} cannot be read: ${why}, and could not see what is being read, since ${table} cannot be written. ` +
        'Run this as the owner of the folder, where it can be written',
      { cause },
    )
  }
}
