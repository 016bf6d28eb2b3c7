import type { StatsFs } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { type Check, megabytes, ok, problem, warning } from './check.ts'

const MB = 1 << 20
/** Below these the next tasks may fail, or the operator should know. */
const leastFree = { bytes: 100 * MB, inodes: 100 }
const littleFree = { bytes: 1024 * MB, inodes: 10_000 }

const needsLocal = { status: 'problem', why: 'LMDB and its locks need a local file system' } as const
const goesAtRestart = { status: 'warning', why: 'it is gone at a restart of the machine' } as const

/**
 * File systems that a database must not lie on, or had better not, by Linux' numbers for statfs(2). Those of other systems
 * are small.
 */
const fileSystems: Readonly<Record<number, { name: string; status: 'warning' | 'problem'; why: string }>> = {
  26985: { name: 'NFS', ...needsLocal },
  4283649346: { name: 'CIFS', ...needsLocal },
  4266872130: { name: 'SMB', ...needsLocal },
  16914839: { name: '9p', ...needsLocal },
  16914836: { name: 'tmpfs', ...goesAtRestart },
  2240043254: { name: 'ramfs', ...goesAtRestart },
  1702057286: { name: 'FUSE', status: 'warning', why: 'it may be a network file system' },
  2035054128: { name: 'overlay', status: 'warning', why: 'it is gone with the container, and slow; mount a volume' },
}

/**
 * The file system of a path, and what is free there.
 *
 * @param copyBytes what a copy of the database takes
 */
export async function checkRoom(path: string, copyBytes: number): Promise<Check[]> {
  const system = await statfs(path).catch(() => undefined)
  if (system === undefined) return []
  return [checkFileSystem(path, system.type), checkDiskSpace(system, copyBytes), ...checkInodes(system)]
}

/** @param type the number that statfs(2) gives, with a sign or without */
export function checkFileSystem(path: string, type: number): Check {
  const known = fileSystems[type >>> 0]
  if (known === undefined) return ok('file system', 'local')
  const remedy = 'put the data folder on a local disk'
  return { name: 'file system', status: known.status, found: `${path} is on ${known.name}: ${known.why}`, remedy }
}

const more = 'make room, or move the data folder to a larger disk'

export function checkDiskSpace({ bavail, bsize }: Pick<StatsFs, 'bavail' | 'bsize'>, copyBytes: number): Check {
  const freeBytes = bavail * bsize
  const [name, free] = ['disk space', `${megabytes(freeBytes)} free`]
  if (freeBytes < leastFree.bytes) return problem(name, free, more)
  if (freeBytes < littleFree.bytes) return warning(name, free, more)
  if (freeBytes >= copyBytes) return ok(name, free)
  return warning(name, free, 'too little for a second copy: make room before compact or a backup here')
}

export function checkInodes({ files, ffree }: Pick<StatsFs, 'files' | 'ffree'>): Check[] {
  // Some file systems have no fixed number.
  if (files === 0) return []
  const [name, free] = ['inodes', `${ffree} inodes free`]
  if (ffree < leastFree.inodes) return [problem(name, free, more)]
  return [ffree < littleFree.inodes ? warning(name, free, more) : ok(name, free)]
}
