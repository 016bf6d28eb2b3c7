import { chmod, lstat, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { open as openDatabase, type RootDatabase } from 'lmdb'
import { StorageError } from '../errors.ts'
import { schemaKey } from './keys.ts'
import { openLmdb } from './lmdb.ts'
import { dataFile, holdsDatabase, lockFile, makeRoom, ownerOnly } from './lmdbFile.ts'
import { LmdbGate } from './lmdbGate.ts'

/**
 * Copies a database as it is at one moment, without its free pages. May run beside a writing process, which is not held
 * up: the copy reads within one transaction.
 *
 * @param folder of the database
 * @param target a folder, made if absent, that has no database yet
 * @param onBytes told now and then how many bytes are written
 * @throws StorageError if there is no database, or the copy cannot be written
 */
export async function copyLmdb(folder: string, target: string, onBytes?: (bytes: number) => void): Promise<void> {
  assertDatabase(folder)
  await mkdir(target, { recursive: true, mode: 0o700 })
  makeRoom(folder, true)
  const gate = new LmdbGate(folder, true)
  const copy = join(target, dataFile)
  let database: RootDatabase | undefined
  const watch = setInterval(() => {
    stat(copy).then(
      ({ size }) => onBytes?.(size),
      () => {},
    )
  }, 200)
  try {
    database = await gate.pass(async () =>
      openDatabase({ path: folder, noSubdir: false, readOnly: true, ...ownerOnly }),
    )
    await database.backup(target, true)
    await chmod(copy, ownerOnly.permissionsMode)
    await noteFreePages(target)
    await syncPath(copy)
    await syncPath(target)
  } catch (error) {
    throw new StorageError(`the database could not be copied to ${target}`, { cause: error })
  } finally {
    clearInterval(watch)
    // Without one, what failed is told at once, and not that the gate is taken now.
    const opened = database
    if (opened) await gate.pass(() => opened.close())
    gate.close()
  }
}

/**
 * Replaces a database by a copy without free pages, in one step: whoever is killed on the way leaves the old one or the
 * new one. Nobody may have it open for writing; whoever reads goes on reading the old one.
 *
 * @returns the size of the file before and after
 * @throws StorageError
 */
export async function compactLmdb(
  folder: string,
  options: { onBytes?: (bytes: number) => void; signal?: AbortSignal | undefined } = {},
): Promise<{ before: number; after: number }> {
  const data = join(folder, dataFile)
  if (!(await lstat(data)).isFile()) throw new StorageError(`${data} is a symbolic link, and would be replaced`)
  const before = await sizeOf(folder)
  // Within the folder, which may be a link to another file system, or one by itself.
  const target = join(folder, 'compacting')
  try {
    await rm(target, { recursive: true, force: true })
    await copyLmdb(folder, target, options.onBytes)
    options.signal?.throwIfAborted()
    const after = await sizeOf(target)
    // LMDB's table of readers also holds the number of the last transaction, and the copy begins to count anew: a table
    // that a reader keeps alive would lead a writer astray. Each reader keeps the file that it has opened.
    await rm(join(folder, lockFile), { force: true })
    await rename(join(target, dataFile), data).catch((cause: NodeJS.ErrnoException) => {
      throw new StorageError(`${data} cannot be replaced by its copy (${cause.code})`, { cause })
    })
    await rm(join(folder, lockFile), { force: true })
    await syncPath(folder)
    return { before, after }
  } finally {
    await rm(target, { recursive: true, force: true })
  }
}

/**
 * A copy has no free pages, and on an empty list of them lmdb 3.5.6 ends the process (an assertion in `mdb_page_alloc`)
 * when the first thing written is a large removal. Any small write before it puts the list in order.
 */
async function noteFreePages(folder: string): Promise<void> {
  const backend = await openLmdb({ folder })
  try {
    await backend.commit([{ key: schemaKey, value: await backend.get(schemaKey) }])
  } finally {
    await backend.close()
  }
  await rm(join(folder, lockFile), { force: true })
}

function assertDatabase(folder: string): void {
  // lmdb would make one.
  if (!holdsDatabase(folder)) throw new StorageError(`${folder} holds no database`)
}

async function sizeOf(folder: string): Promise<number> {
  return (await stat(join(folder, dataFile))).size
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
