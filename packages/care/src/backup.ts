import { constants, lstatSync, statSync } from 'node:fs'
import { type FileHandle, open, readdir, rename, rm, truncate } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { assertWorker, storeFolder, whileReadable, withReader } from '@bletchley/core/data-folder'
import { lastHolder, lockFileName, lockFolder } from '@bletchley/crypto/folder-lock'
import { createFolder, isInside, openFile, syncFolder, systemPath } from '@bletchley/crypto/key-file'
import { copyLmdb, type Finding, verifyRecords } from '@bletchley/store'
import { assertOutside } from './files.ts'
import { readKeyFiles } from './keyFiles.ts'
import type { LongRun } from './longRun.ts'
import { describeFile, type Manifest, type ManifestFile, manifestName, pieceBytes, readManifest } from './manifest.ts'

export interface BackedUp {
  manifest: Manifest
  findings: Finding[]
}

/**
 * Copies a worker's data folder as it is at one moment, also while its core runs: the database without its free pages,
 * the sealed files, and the sealing key if it is locked. A plain sealing key and the pair of CURVE are not copied.
 *
 * Until it is complete it is called `<folder>.partial`; what is left of one that was broken off is removed by the next.
 *
 * @param folder must not exist
 * @throws Error if it cannot be made
 */
export async function backUp(dataFolder: string, folder: string, run: LongRun = {}): Promise<BackedUp> {
  const target = systemPath(folder)
  assertWorker(dataFolder)
  assertOutside(dataFolder, target, 'a backup')
  // A link that leads nowhere is there as well.
  if (lstatSync(target, { throwIfNoEntry: false }))
    throw new Error(`${target} exists; a backup is made in a new folder`)
  const partial = `${resolve(target)}.partial`
  return inNewFolder(partial, 'backup', async () => {
    run.signal?.throwIfAborted()
    const { usedBytes, contracts } = await withReader(dataFolder, async (reader, backend) => ({
      ...backend.stats(),
      contracts: (await reader.allAddresses()).length,
    }))
    // Written, and read again for the checksums.
    const total = 2 * usedBytes
    await whileReadable(dataFolder, () =>
      copyLmdb(storeFolder(dataFolder), storeFolder(partial), (bytes) => run.onProgress?.(bytes, total)),
    )
    const keyFiles = await readKeyFiles(dataFolder)
    for (const [path, content] of keyFiles) await writeNew(join(partial, path), (file) => file.writeFile(content))
    const findings = await verifyCopy(partial, run.signal)

    const files: ManifestFile[] = []
    let done = usedBytes
    for (const path of ['store/data.mdb', ...keyFiles.keys()]) {
      run.signal?.throwIfAborted()
      files.push(
        await describeFile(partial, path, (bytes) => {
          done += bytes
          run.onProgress?.(Math.min(done, total), total)
        }),
      )
    }
    const manifest: Manifest = {
      format: 'bletchley backup',
      version: 1,
      made: new Date().toISOString(),
      contracts,
      findings: findings.length,
      sealingKey: keyFiles.has('sealing.key'),
      files,
    }
    await writeNew(join(partial, manifestName), (file) => file.writeFile(`${JSON.stringify(manifest, null, 2)}\n`))
    await rename(partial, target)
    await rm(join(target, lockFileName))
    await syncFolder(dirname(resolve(target)))
    return { manifest, findings }
  })
}

/**
 * Makes a data folder of a backup. It appears whole or not at all: until then it is called `<data>.restoring`, which the
 * next attempt removes.
 *
 * @param into must be absent or empty
 * @throws Error if a file is not as it was, or the database is in a worse state than the backup says
 */
export async function restore(from: string, into: string, run: LongRun = {}): Promise<BackedUp> {
  const [backup, dataFolder] = [systemPath(from), systemPath(into)]
  const manifest = await readManifest(backup)
  if (isInside(dataFolder, backup)) throw new Error(`${dataFolder} is inside of the backup, which would be changed`)
  await assertEmpty(dataFolder)
  const partial = `${resolve(dataFolder)}.restoring`
  return inNewFolder(partial, 'restore', async () => {
    const total = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0)
    let done = 0
    for (const file of manifest.files) {
      run.signal?.throwIfAborted()
      await copyChecked(backup, partial, file, (bytes) => {
        done += bytes
        run.onProgress?.(Math.min(done, total), total)
      })
    }
    const findings = await verifyCopy(partial, run.signal)
    if (findings.length > manifest.findings) {
      throw new Error(`${backup}: the database is damaged: ${findings[0]!.problem}`)
    }
    await assertEmpty(dataFolder)
    await renameInto(partial, dataFolder)
    // From now on it is a worker's, whatever it is called.
    await truncate(join(dataFolder, lockFileName))
    await syncFolder(dirname(resolve(dataFolder)))
    return { manifest, findings }
  })
}

/** Fills a folder that is this process's alone, in place of what one that was broken off has left; removes it if that fails. */
async function inNewFolder<T>(folder: string, use: string, fill: () => Promise<T>): Promise<T> {
  if (!(await isLeftOver(folder, use))) {
    const what = `a ${use} that was broken off has left`
    throw new Error(`${folder} is in the way, and is nothing that ${what}: move it, or name another folder`)
  }
  const lock = await lockFolder(folder, use)
  try {
    // Somebody else may have made it meanwhile, where everybody may make files.
    assertOwnFolder(folder)
  } catch (error) {
    lock.release()
    throw error
  }
  try {
    await emptyFolder(folder)
    return await fill()
  } catch (error) {
    // The lock goes last: by it is known what is left if this is killed.
    await emptyFolder(folder).catch(() => {})
    await rm(folder, { recursive: true, force: true })
    throw error
  } finally {
    lock.release()
  }
}

async function verifyCopy(folder: string, signal: AbortSignal | undefined): Promise<Finding[]> {
  const findings = await withReader(folder, async (_, backend) => {
    const found: Finding[] = []
    for await (const finding of verifyRecords(backend, { signal })) found.push(finding)
    return found
  })
  // LMDB's table of readers, which every opener makes anew.
  await rm(join(storeFolder(folder), 'lock.mdb'), { force: true })
  return findings
}

async function copyChecked(
  from: string,
  to: string,
  file: ManifestFile,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const source = await openFile(join(from, file.path), constants.O_NOFOLLOW).catch((error: unknown) => {
    throw new Error(`${from}: ${file.path} cannot be read`, { cause: error })
  })
  try {
    await writeNew(join(to, file.path), async (copy) => {
      for await (const chunk of source.createReadStream({ highWaterMark: pieceBytes, autoClose: false })) {
        await copy.writeFile(chunk as Buffer)
        onBytes((chunk as Buffer).length)
      }
    })
  } finally {
    await source.close()
  }
  // What arrived counts, not what was read.
  const { bytes, sha256 } = await describeFile(to, file.path)
  if (bytes !== file.bytes || sha256 !== file.sha256) {
    throw new Error(`${from}: ${file.path} is not as it was when the backup was made`)
  }
}

/** Makes a file that outlives a power failure, with its name and the way to it. */
async function writeNew(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const folder = dirname(path)
  await createFolder(folder)
  const file = await open(path, 'wx', 0o600)
  try {
    await write(file)
    await file.sync()
  } finally {
    await file.close()
  }
  await syncFolder(folder)
}

async function renameInto(partial: string, dataFolder: string): Promise<void> {
  try {
    await rename(partial, dataFolder)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'EBUSY' && code !== 'EXDEV') throw error
    const remedy = 'name a folder that does not exist yet, inside of it'
    throw new Error(`${dataFolder} cannot be replaced in one step, since it is a mount point: ${remedy}`, {
      cause: error,
    })
  }
}

async function assertEmpty(folder: string): Promise<void> {
  // It would be replaced, and not what it leads to.
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new Error(`${folder} is a symbolic link; name what it leads to`)
  }
  if (isWorkingDirectory(folder)) {
    throw new Error(`${folder} is the working directory, which would be replaced; run this elsewhere, and name it`)
  }
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (names.length > 0) throw new Error(`${folder} is not empty; a backup is restored into a new folder`)
}

/**
 * Whether nothing is lost if a folder is emptied. Its name alone does not tell: it may be anybody's, a data folder, or a link
 * to one. The lock, which is the first thing in it and goes last, names what it was made for.
 */
async function isLeftOver(folder: string, use: string): Promise<boolean> {
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return true
  assertOwnFolder(folder)
  const names = await readdir(folder)
  return names.every((name) => name === lockFileName) || lastHolder(folder).use === use
}

/** @throws Error if it is a link or no folder, or belongs to another user, who could still write it */
function assertOwnFolder(folder: string): void {
  const status = lstatSync(folder)
  if (!status.isDirectory()) throw new Error(`${folder} is in the way, and is no folder: move it, or name another one`)
  if (process.getuid !== undefined && status.uid !== process.getuid()) {
    throw new Error(`${folder} belongs to another user; remove it, or name another folder`)
  }
}

/** Leaves the lock. */
async function emptyFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name !== lockFileName) await rm(join(folder, name), { recursive: true })
  }
}

function isWorkingDirectory(folder: string): boolean {
  const [named, working] = [folder, '.'].map((path) => statSync(path, { throwIfNoEntry: false }))
  return named !== undefined && named.ino === working?.ino && named.dev === working.dev
}
