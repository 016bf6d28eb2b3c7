import { readdirSync, readFileSync } from 'node:fs'

/** Files that stay free for all but connections: a part of those that a process may have, within bounds. */
const reservedPart = 0.25
const reserved = { least: 24, most: 384 }

/** A process with a very low limit serves so many all the same. */
const leastConnections = 8

/** Files of this process. */
export interface OpenFiles {
  /** How many there may be. */
  readonly limit: number
  /** How many there are. */
  readonly open: number
}

/** As it is now; undefined where the system does not tell. */
export function openFiles(): OpenFiles | undefined {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return limit === undefined ? undefined : { limit: Number(limit), open: readdirSync('/proc/self/fd').length }
  } catch {
    return undefined
  }
}

/** How many files are kept from connections, for a database, threads that start, and what else a process opens. */
export function reservedFiles(limit: number): number {
  return Math.min(Math.max(limit * reservedPart, reserved.least), reserved.most)
}

/** How many connections there may be, where so many files are open without any. */
export function connectionsWithin({ limit, open }: OpenFiles): number {
  return Math.max(leastConnections, Math.floor(limit - open - reservedFiles(limit)))
}
