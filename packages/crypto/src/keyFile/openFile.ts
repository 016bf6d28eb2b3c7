import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/**
 * Flags to open what is there for reading, at once: the system would let whoever opens a pipe wait until somebody writes
 * to it, in a thread that no signal frees. Windows has no such pipes among its files.
 */
export const readAtOnce = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/**
 * Opens a file for reading.
 *
 * @param flags more of them
 * @throws Error that names the path if something else is there, or of Node if it cannot be opened
 */
export async function openFile(path: string, flags = 0): Promise<FileHandle> {
  const file = await open(path, readAtOnce | flags).catch((cause: NodeJS.ErrnoException) => {
    // So are sockets told from what can be opened.
    throw cause.code === 'ENXIO' ? new Error(`${path} is not a file`, { cause }) : cause
  })
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${path} is not a file`)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}
