import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { tryLock } from 'fs-native-extensions'
import { createFolder, hasErrorCode } from './keyFile/ownerOnlyFile.ts'
import type { Watched } from './watchedFile.ts'

/*
 * One process for one data folder.
 *
 * The lock is the operating system's, on the file `lock` in the folder. It belongs to the open file and ends with the
 * process, however that ends, so there is nothing to clean up and nothing to wait for. What stands in the file only
 * tells others whom to look for.
 */

/** In the data folder. */
export const lockFileName = 'lock'
/** The byte that is locked lies behind the text, which stays readable where locks are mandatory. */
const lockedByte = 2 ** 30
/** Whoever asks who holds the lock has it for a moment. */
const attempts = 5
const attemptMs = 10

export interface FolderLock extends Watched {
  /** Why the next one who comes to the folder does not meet this lock: its file was removed, with the folder or not. */
  look(): string | undefined
  release(): void
}

/** Who holds a folder, as far as they have said so. */
export interface LockHolder {
  pid?: number
  /** The command, `core` for instance. */
  use?: string
  host?: string
  /** ISO 8601. */
  since?: string
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
  try {
    if (!(await tryForAMoment(fd))) throw new FolderLockedError(folder, lastHolder(folder))
    sayWho(fd, { pid: process.pid, use, host: hostname(), since: new Date().toISOString() })
  } catch (error) {
    closeSync(fd)
    throw error
  }
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
    if (!tryLock(fd, lockedByte, 1, { shared: true })) throw new FolderLockedError(folder, lastHolder(folder))
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
    return tryLock(fd, lockedByte, 1, { shared: true }) ? undefined : lastHolder(folder)
  } finally {
    closeSync(fd)
  }
}

async function tryForAMoment(fd: number): Promise<boolean> {
  for (let left = attempts; ; left--) {
    if (tryLock(fd, lockedByte, 1)) return true
    if (left === 1) return false
    await setTimeout(attemptMs)
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

function sayWho(fd: number, holder: LockHolder): void {
  try {
    ftruncateSync(fd, 0)
    writeSync(fd, `${JSON.stringify(holder)}\n`)
  } catch {
    // On a full disk the lock holds as well, without a name.
  }
}

/** Who has a data folder, or had it last, as far as they have said so. */
export function lastHolder(folder: string): LockHolder {
  try {
    const { pid, use, host, since } = JSON.parse(readFileSync(join(folder, lockFileName), 'utf8')) as Record<
      string,
      unknown
    >
    return {
      ...(typeof pid === 'number' && { pid }),
      ...(isName(use) && { use }),
      ...(isName(host) && { host }),
      ...(isName(since) && { since }),
    }
  } catch {
    return {}
  }
}

/** Nothing that could drive a terminal. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.: -]{1,100}$/.test(value)
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

/** In words, for people. */
export function describeHolder({ pid, use, host, since }: LockHolder): string {
  if (pid === undefined) return 'another process'
  const where = host === undefined || host === hostname() ? '' : ` on ${host}`
  return `process ${pid}${use === undefined ? '' : ` (bletchley ${use})`}${where}${since === undefined ? '' : `, since ${since}`}`
}
