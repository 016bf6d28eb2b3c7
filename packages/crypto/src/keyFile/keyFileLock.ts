import { closeSync, openSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { describeHolder, readHolder, takeLock } from '../fileLock.ts'
import { KeyFileError } from './keyFileError.ts'
import { hasErrorCode } from './ownerOnlyFile.ts'

/**
 * Works on the file of a sealing key while nobody else rewrites it.
 *
 * Whoever reads the file and writes it again would otherwise put back what was there before another one wrote. A core and a
 * principal only read it, and a key that is there gets another lock beside them: so this is no lock of the data folder, which
 * they hold. Nor is the file itself locked, since another one takes its place, but one beside it, which stays.
 *
 * @param path of a file that is there; of a symbolic link, what it leads to is locked
 * @param use  what this process does, for the error that others get
 * @throws KeyFileError `in_use`, at once, if another process is at it; `missing_sealing_key`; `unwritable`
 */
export async function withKeyFileLocked<T>(path: string, use: string, work: () => Promise<T>): Promise<T> {
  const file = `${await placeOf(path)}.lock`
  const fd = openLockFile(file)
  await takeLock(fd, use, () => {
    const reason = `is being rewritten by ${describeHolder(readHolder(file))}`
    return new KeyFileError('in_use', `${path} ${reason}; try again when it is done`)
  })
  try {
    return await work()
  } finally {
    closeSync(fd)
  }
}

async function placeOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) throw new KeyFileError('missing_sealing_key', `There is no sealing key ${path}`)
    throw new KeyFileError('unreadable', `${path} cannot be opened`, { cause: error })
  }
}

function openLockFile(file: string): number {
  try {
    return openSync(file, 'a+', 0o600)
  } catch (cause) {
    throw new KeyFileError('unwritable', `${file} cannot be written; a sealing key is rewritten by its owner`, {
      cause,
    })
  }
}
