import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { devNull } from 'node:os'
import { join } from 'node:path'
import { StorageError } from '../errors.ts'

/** The database's file in its folder, and LMDB's table of who is reading beside it. */
export const dataFile = 'data.mdb'
export const lockFile = 'lock.mdb'

/** Where the two meta pages, one of which is the current one, tell what they are (LMDB's data version 2). */
const meta = { magic: 24, version: 28, pageSize: 48, lastPage: 144, transaction: 152, bytes: 160 }
const magic = 0xbeef_c0de
const dataVersion = 2

/**
 * Looks whether a file can be LMDB's: opening another one, or one that was cut off, ends the process.
 *
 * @returns false if there is no database yet
 * @throws StorageError if the file cannot be read, is something else, or is damaged where it says what it is
 */
export function holdsDatabase(folder: string): boolean {
  const path = join(folder, dataFile)
  let fd: number | undefined
  try {
    // Of a pipe, it would wait for somebody who writes to it.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const status = fstatSync(fd)
    if (!status.isFile() && !status.isDirectory()) throw new StorageError(`${path} is not a file`)
    const { size } = status
    // So LMDB leaves it if it is killed while it makes it.
    if (size === 0) return false
    const first = readMeta(fd, 0)
    const second = first && readMeta(fd, first.pageSize)
    if (first === undefined || second === undefined) {
      throw new StorageError(`${path} is not a database, or is damaged`)
    }
    const current = second.transaction > first.transaction ? second : first
    const wanted = (current.lastPage + 1n) * BigInt(current.pageSize)
    if (BigInt(size) < wanted) {
      throw new StorageError(`${path} was cut off: it has ${size} bytes of ${wanted}`)
    }
    return true
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause)) throw cause
    if (cause.code === 'ENOENT') return false
    throw new StorageError(`${path} cannot be read (${cause.code})`, { cause })
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/**
 * Whether whoever reads the database of a folder can be seen by whoever writes to it: LMDB notes readers in a file, and
 * reads all the same if it cannot.
 */
export function canNoteReaders(folder: string): boolean {
  const path = join(folder, lockFile)
  try {
    // Not opened: POSIX takes a process's locks on a file away when it closes any descriptor of it.
    accessSync(existsSync(path) ? path : folder, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** What LMDB is told about the files that it makes. */
export const ownerOnly = { permissionsMode: 0o600 }

/** As large as the larger of the two files is at first. */
const roomBytes = 16 * 1024

/** Of the gate, of LMDB, and of a copy. */
const openedFiles = 5

/**
 * Makes the folder, for its owner only, and looks whether the files of a database can be made in it, or opened: where they
 * cannot, opening it ends the process (lmdb 3.5.6).
 *
 * @param readOnly of a database that is there: only LMDB's table of readers is made, if it can be
 * @throws StorageError if there is no room, or the process may make no file of their size, open no more, or not write to the table
 */
export function makeRoom(folder: string, readOnly: boolean): void {
  assertDescriptors(folder)
  if (hasTable(folder, readOnly)) return
  if (readOnly && !canNoteReaders(folder)) return
  const probe = join(folder, `.${process.pid}.room`)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(probe, new Uint8Array(roomBytes), { mode: ownerOnly.permissionsMode })
  } catch (cause) {
    throw new StorageError(`${folder} takes no file of ${roomBytes} bytes, as a database needs (${reasonOf(cause)})`, {
      cause,
    })
  } finally {
    rmSync(probe, { force: true })
  }
}

function assertDescriptors(folder: string): void {
  const fds: number[] = []
  try {
    while (fds.length < openedFiles) fds.push(openSync(devNull, 'r'))
  } catch (cause) {
    throw new StorageError(
      `${folder} cannot be opened (${reasonOf(cause)}): a database takes up to ${openedFiles} open files`,
      {
        cause,
      },
    )
  } finally {
    for (const fd of fds) closeSync(fd)
  }
}

/** Whether there is a table of readers, which can be opened. */
function hasTable(folder: string, readOnly: boolean): boolean {
  const path = join(folder, lockFile)
  try {
    const status = statSync(path, { throwIfNoEntry: false })
    if (status === undefined) return false
    if (!status.isFile()) throw new StorageError(`${path} is not a file`)
    // Whoever reads does without it.
    if (!readOnly) accessSync(path, constants.R_OK | constants.W_OK)
    return status.size > 0
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause)) throw cause
    const remedy = 'give it to the user of this process, or remove it while no process has the database open'
    throw new StorageError(`${path} cannot be written (${cause.code}): ${remedy}`, { cause })
  }
}

function reasonOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : cause
}

function readMeta(fd: number, at: number): { pageSize: number; lastPage: bigint; transaction: bigint } | undefined {
  const page = new DataView(new ArrayBuffer(meta.bytes))
  if (readSync(fd, page, 0, meta.bytes, at) < meta.bytes) return undefined
  if (page.getUint32(meta.magic, true) !== magic || page.getUint32(meta.version, true) !== dataVersion) return undefined
  return {
    pageSize: page.getUint32(meta.pageSize, true),
    lastPage: page.getBigUint64(meta.lastPage, true),
    transaction: page.getBigUint64(meta.transaction, true),
  }
}
