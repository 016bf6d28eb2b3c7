import { randomBytes } from 'node:crypto'
import { closeSync, createReadStream, fstatSync, openSync, type Stats, statSync } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'
import { addAbortSignal, type Readable } from 'node:stream'
import { bytesToHex } from '@bletchley/bytes'
import { KeyFileError } from './keyFileError.ts'
import { readAtOnce } from './openFile.ts'
import { systemPath } from './paths.ts'

/** Keys are small; a larger file is not one of ours, and is not read. */
export const maxFileBytes = 1 << 20
const ownerOnlyFile = 0o600
const ownerOnlyFolder = 0o700
const groupAndOthers = 0o077
const allButReadingByGroup = 0o037
const hasModes = process.platform !== 'win32'
/** Of `withTemporaryFile`. */
const temporaryName = /^\.(.+)\.[0-9a-f]{16}\.tmp$/

/**
 * Reads a file of the owner only; undefined if there is none.
 *
 * A file of root that this process can read by its group or an access list is taken as well: service managers hand
 * credentials over like this.
 *
 * @param options.pipes takes named and anonymous pipes too, so that another program can write the content
 * @param options.signal ends the wait for it
 * @throws KeyFileError unreadable, unsafe_permissions, or malformed if it is too large
 */
export async function readOwnerOnly(
  path: string,
  {
    maxBytes = maxFileBytes,
    pipes = false,
    signal,
  }: { maxBytes?: number; pipes?: boolean; signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array | undefined> {
  let fd: number
  try {
    fd = openSync(path, readAtOnce)
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined
    throw new KeyFileError('unreadable', `${path} cannot be opened`, { cause: error })
  }
  const content = await readBounded(openedStream(fd, path, pipes), maxBytes, signal)
  if (content === undefined) throw new KeyFileError('malformed', `${path} is too large to be a key`)
  return content
}

/** What stands behind a descriptor, which it closes at its end, or if it is refused. */
function openedStream(fd: number, path: string, pipes: boolean): Readable {
  try {
    const status = fstatSync(fd)
    const isPipe = pipes && status.isFIFO()
    if (!status.isFile() && !isPipe) throw new KeyFileError('unreadable', `${path} is not a file`)
    assertOwnerOnly(status, path)
    // A pipe that nobody writes to would keep a thread that reads it; this waits for news of it instead.
    return isPipe ? new Socket({ fd, readable: true, writable: false }) : createReadStream(path, { fd })
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function assertOwnerOnly({ uid, mode }: Stats, path: string): void {
  const handedOver = uid === 0 && process.getuid?.() !== 0
  if (hasModes && (mode & (handedOver ? allButReadingByGroup : groupAndOthers)) !== 0) {
    throw new KeyFileError('unsafe_permissions', `${path} is open to other users; allow its owner only (chmod 600)`)
  }
}

async function readBounded(
  stream: Readable,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  if (signal !== undefined) addAbortSignal(signal, stream)
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBytes) return undefined
      chunks.push(chunk)
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/**
 * Puts `content` there, in place of what is there; durable when the promise resolves, and whole or not at all. Of a
 * symbolic link, what it leads to is replaced.
 *
 * @throws KeyFileError unwritable if something is there that is not a file
 */
export async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  const place = await realpath(path).catch(() => path)
  const status = await lstat(place).catch(() => undefined)
  if (status !== undefined && !status.isFile()) {
    throw new KeyFileError('unwritable', `${path} is there and is not a file; it is not replaced`)
  }
  await withTemporaryFile(place, content, (temporary) => rename(temporary, place))
}

/** Makes the file unless it exists, and says whether it did. A hard link appears whole and replaces nothing. */
export function createExclusively(path: string, content: Uint8Array): Promise<boolean> {
  return withTemporaryFile(path, content, async (temporary) => {
    try {
      await link(temporary, path)
      return true
    } catch (error) {
      if (hasErrorCode(error, 'EEXIST')) return false
      throw error
    }
  })
}

/** Writes `content` to a file beside `path`, lets `place` put it there, and makes both durable. */
async function withTemporaryFile<T>(
  path: string,
  content: Uint8Array,
  place: (temporary: string) => Promise<T>,
): Promise<T> {
  const target = systemPath(path)
  const folder = dirname(target)
  const temporary = join(folder, `.${basename(target)}.${bytesToHex(randomBytes(8))}.tmp`)
  try {
    const file = await openNew(temporary)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    const result = await place(temporary)
    await syncFolder(folder)
    return result
  } finally {
    await rm(temporary, { force: true })
  }
}

/** Which file a temporary file was to become, by its name; undefined if it has another form than those that are made here. */
export function targetOfTemporary(name: string): string | undefined {
  return temporaryName.exec(name)?.[1]
}

/** Removes what writers of this file left behind when they were killed. None may be at work. */
export async function removeTemporaryFiles(path: string): Promise<void> {
  const place = await realpath(path).catch(() => path)
  const [folder, target] = [dirname(place), basename(place)]
  const names = (await readdir(folder)).filter((name) => targetOfTemporary(name) === target)
  if ((await removeFiles(folder, names)) > 0) await syncFolder(folder)
}

/** Of these names, removes files alone: no writer leaves a link or anything else. @returns how many */
export async function removeFiles(
  folder: string,
  names: readonly string[],
  isMeant: (status: Stats) => boolean = () => true,
): Promise<number> {
  let removed = 0
  for (const name of names) {
    const path = join(folder, name)
    const status = await lstatIfThere(path)
    if (!status?.isFile() || !isMeant(status)) continue
    await rm(path, { force: true })
    removed++
  }
  return removed
}

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined
    throw error
  }
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', ownerOnlyFile)
  } catch (error) {
    throw new KeyFileError('unwritable', `No file can be created in ${dirname(path)}`, { cause: error })
  }
}

/** Makes a folder, and those above it, for the owner only, unless it is there. */
export async function createFolder(path: string): Promise<void> {
  const folder = resolve(systemPath(path))
  const above = dirname(folder)
  // Not all in one call: Node's own never ends where no folder can be made in one that is there, as in /proc.
  try {
    if (!(await makeFolder(folder))) return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === folder) throw error
    await createFolder(above)
    if (!(await makeFolder(folder))) return
  }
  await syncFolder(above)
}

/** @returns false if it is there */
async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: ownerOnlyFolder })
    return true
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST' && (await stat(folder)).isDirectory()
    if (!isThere) throw error
    return false
  }
}

/** The mode of a file or folder, in octal, if it is not its owner's alone; undefined if it is, or there are no modes. */
export function modeIfOpen(path: string): string | undefined {
  const { mode } = statSync(path)
  return hasModes && (mode & groupAndOthers) !== 0 ? (mode & 0o777).toString(8) : undefined
}

/** Makes the names in a folder durable. Windows cannot, and does not need to, open a folder for this. */
export async function syncFolder(path: string): Promise<void> {
  if (!hasModes) return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

export function hasErrorCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
