import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { curveKeyFileName } from '../curveKeys.ts'
import { sealingKeyFileName } from './openSealingKey.ts'
import { removeFiles, syncFolder, targetOfTemporary } from './ownerOnlyFile.ts'
import { type KeyFolders, readKeyFolders, sealedSuffix } from './sealedFile.ts'

/** Files that are also made beside a running core, by `keys relock` and `keys curve`. */
const madeWithoutLock: readonly string[] = [sealingKeyFileName, curveKeyFileName]

/** No living process takes as long between writing a small file and putting it in its place. */
const writingMs = 60_000

/**
 * Removes what killed processes left of key files of a data folder: each may be one more name of a file with secrets,
 * which no rotation would ever reseal.
 *
 * Only for who has locked the folder, and makes no sealed files meanwhile: whoever else makes them has the lock as well.
 *
 * @param folders as they were read before, if they were
 * @returns how many there were; that they are gone is durable
 */
export async function removeLeftovers(dataFolder: string, folders?: KeyFolders): Promise<number> {
  let removed = 0
  for (const [folder, names] of folders ?? (await readKeyFolders(dataFolder))) {
    const path = join(dataFolder, folder)
    removed += await removeFiles(path, names.filter(isOfSealed))
    if (folder === '.') removed += await removeFiles(path, names.filter(isMadeWithoutLock), isAbandoned)
    // Also if there were none: who removed them may have been killed before they were gone for good.
    await syncFolder(path)
  }
  return removed
}

function isOfSealed(name: string): boolean {
  return targetOfTemporary(name)?.endsWith(sealedSuffix) ?? false
}

function isMadeWithoutLock(name: string): boolean {
  return madeWithoutLock.includes(targetOfTemporary(name) ?? '')
}

function isAbandoned({ mtimeMs }: Stats): boolean {
  return Date.now() - mtimeMs > writingMs
}
