import { existsSync, readlinkSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { relative } from 'node:path'

/**
 * Notes what is synced to the disk while something is done, in order: paths from a folder, of Linux. Behind the moment
 * when `target` is there, with a mark.
 */
export async function syncsOf(folder: string, target: string, work: () => Promise<unknown>): Promise<string[]> {
  const handle = await open(folder)
  const prototype = Object.getPrototypeOf(handle) as Pick<FileHandle, 'sync'>
  await handle.close()
  const { sync } = prototype
  const synced: string[] = []
  prototype.sync = function (this: FileHandle) {
    const path = relative(folder, readlinkSync(`/proc/self/fd/${this.fd}`)) || '.'
    synced.push(existsSync(target) ? `${path} (done)` : path)
    return sync.call(this)
  }
  try {
    await work()
  } finally {
    prototype.sync = sync
  }
  return synced
}
