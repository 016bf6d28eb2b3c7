import { closeSync, ftruncateSync, readFileSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { tryLock } from 'fs-native-extensions'

/*
 * A lock of the operating system's on a file that says who holds it.
 *
 * It belongs to the open file and ends with the process, however that ends, so there is nothing to clean up and nothing to
 * wait for. What stands in the file only tells others whom to look for.
 */

/** The byte that is locked lies behind the text, which stays readable where locks are mandatory. */
const lockedByte = 2 ** 30
/** Whoever asks who holds the lock has it for a moment. */
const attempts = 5
const attemptMs = 10

/** Who holds a lock, as far as they have said so. */
export interface LockHolder {
  pid?: number
  /** The command, `core` for instance. */
  use?: string
  host?: string
  /** ISO 8601. */
  since?: string
}

/**
 * Takes the lock, and says so in the file. Held until the file is closed.
 *
 * @param fd  of the file, open for writing; closed if the lock is not taken
 * @param use what the process is, for the error that others get
 * @param taken makes that error
 */
export async function takeLock(fd: number, use: string, taken: () => Error): Promise<void> {
  try {
    if (!(await tryForAMoment(fd))) throw taken()
    sayWho(fd, { pid: process.pid, use, host: hostname(), since: new Date().toISOString() })
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** Keeps out those who would take the lock, and nobody else who shares it. @returns false if somebody has it */
export function tryShared(fd: number): boolean {
  return tryLock(fd, lockedByte, 1, { shared: true })
}

async function tryForAMoment(fd: number): Promise<boolean> {
  for (let left = attempts; ; left--) {
    if (tryLock(fd, lockedByte, 1)) return true
    if (left === 1) return false
    await setTimeout(attemptMs)
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

/** Who holds the lock of a file, or had it last, as far as they have said so. */
export function readHolder(file: string): LockHolder {
  try {
    const { pid, use, host, since } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
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

/** In words, for people. */
export function describeHolder({ pid, use, host, since }: LockHolder): string {
  if (pid === undefined) return 'another process'
  const where = host === undefined || host === hostname() ? '' : ` on ${host}`
  return `process ${pid}${use === undefined ? '' : ` (bletchley ${use})`}${where}${since === undefined ? '' : `, since ${since}`}`
}
