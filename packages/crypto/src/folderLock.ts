import { closeSync, fstatSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describeHolder, type LockHolder, readHolder, takeLock, tryShared } from './fileLock.ts'
import { createFolder, hasErrorCode } from './keyFile/ownerOnlyFile.ts'
import type { Watched } from './watchedFile.ts'

export { describeHolder, type LockHolder } from './fileLock.ts'

/* One process for one data folder: the lock is on the file `lock` in the folder. */

/** In the data folder. */
export const lockFileName = 'lock'

export interface FolderLock extends Watched {
  /** Why the next one who comes to the folder does not meet this lock: its file was removed, with the folder or not. */
  look(): string | undefined
  release(): void
}

/**
 * Takes a data folder for this process alone. Held until it is released, or the process ends.
 *
 * @param folder made, for its owner only, if absent
 * @param use    what the process is, for the error that others get
 * @throws FolderLockedError, at once, if another process has it, or this one has it already
 * @throws Error if the folder cannot be written
 */
export async function lockFolder(folder: string, use: string): Promise<FolderLock> {
  const fd = await openLockFile(folder)
  await takeLock(fd, use, () => new FolderLockedError(folder, lastHolder(folder)))
  return lockOf(folder, fd)
}

/**
 * Keeps those out who would take the folder for themselves, and lets others in who only read. Changes nothing.
 *
 * @returns undefined if the folder has no lock: nobody has ever taken it
 * @throws FolderLockedError if a process has it
 * @throws Error of the system if that cannot be told
 */
export function lockFolderForReading(folder: string): FolderLock | undefined {
  let fd: number
  try {
    fd = openSync(join(folder, lockFileName), 'r')
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined
    throw error
  }
  try {
    if (!tryShared(fd)) throw new FolderLockedError(folder, lastHolder(folder))
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return lockOf(folder, fd)
}

function lockOf(folder: string, fd: number): FolderLock {
  let held = true
  return {
    look() {
      const path = join(folder, lockFileName)
      const ours = fstatSync(fd, { bigint: true })
      const theirs = statSync(path, { bigint: true, throwIfNoEntry: false })
      const isInPlace = theirs?.ino === ours.ino && theirs.dev === ours.dev
      return isInPlace ? undefined : `${path} was removed or replaced`
    },
    release() {
      if (held) closeSync(fd)
      held = false
    },
  }
}

/** Who has a data folder now; nothing is changed. `undefined` if nobody has. */
export function lockHolder(folder: string): LockHolder | undefined {
  let fd: number
  try {
    fd = openSync(join(folder, lockFileName), 'r')
  } catch {
    return undefined
  }
  try {
    return tryShared(fd) ? undefined : lastHolder(folder)
  } finally {
    closeSync(fd)
  }
}

async function openLockFile(folder: string): Promise<number> {
  try {
    await createFolder(folder)
    return openSync(join(folder, lockFileName), 'a+', 0o600)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown'
    throw new Error(`The data folder ${folder} cannot be written (${code})`, { cause: error })
  }
}

/** Who has a data folder, or had it last, as far as they have said so. */
export function lastHolder(folder: string): LockHolder {
  return readHolder(join(folder, lockFileName))
}

/** Another process has the data folder. */
export class FolderLockedError extends Error {
  override readonly name = 'FolderLockedError'
  readonly holder: LockHolder

  constructor(folder: string, holder: LockHolder) {
    super(`The data folder ${folder} is in use by ${describeHolder(holder)}`)
    this.holder = holder
  }
}
