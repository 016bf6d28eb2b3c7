import { existsSync, readlinkSync } from 'node:fs'
import { type FileHandle, open, readdir, readlink } from 'node:fs/promises'
import { relative } from 'node:path'

/** This process's open files in a folder, and the folder, as paths from there; none where the system does not tell (it is Linux that does). */
export async function openFilesOf(folder: string): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const names = await readdir('/proc/self/fd')
  const paths = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')))
  return paths.filter((path) => path.startsWith(folder)).map((path) => relativeTo(folder, path))
}

/**
 * Notes what is synced to the disk while something is done, in order: paths from a folder, of Linux. Behind the moment
 * when `target` is there, with a mark.
 */
export async function syncsOf(folder: string, work: () => Promise<unknown>, target?: string): Promise<string[]> {
  const handle = await open(folder)
  const prototype = Object.getPrototypeOf(handle) as Pick<FileHandle, 'sync'>
  await handle.close()
  const { sync } = prototype
  const synced: string[] = []
  prototype.sync = function (this: FileHandle) {
    const path = relativeTo(folder, readlinkSync(`/proc/self/fd/${this.fd}`))
    synced.push(target !== undefined && existsSync(target) ? `${path} (done)` : path)
    return sync.call(this)
  }
  try {
    await work()
  } finally {
    prototype.sync = sync
  }
  return synced
}

function relativeTo(folder: string, path: string): string {
  return relative(folder, path) || '.'
}
