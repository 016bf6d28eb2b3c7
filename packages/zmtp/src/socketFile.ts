import { lstatSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'

/** Of a socket in a file: all but reading and writing by its owner. */
const notOwners = 0o177

/**
 * Removes the socket that a dead process has left, if there is one.
 *
 * @param path a name in the abstract namespace begins with NUL, and is no file
 * @throws Error if something else is there
 */
export async function clearSocketFile(path: string): Promise<void> {
  if (path.startsWith('\0')) return
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return
  if (!status.isSocket()) throw new Error(`${path} is there, and is no socket: it is not replaced`)
  if (await answers(path)) throw new Error(`${path} is served by another process`)
  unlinkSync(path)
}

/** Listens on a socket that is its owner's alone from the first moment on (mode 0600). */
export function listenOnFile(server: Server, path: string, backlog: number): void {
  // The mask is the process's: so it is changed for the one call that makes the file, and nothing runs in between.
  const mask = process.umask(notOwners)
  try {
    server.listen({ path, backlog })
  } finally {
    process.umask(mask)
  }
}

/** Whether anybody listens; a socket that a process has left behind refuses. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = connect(path)
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false)
      else reject(new Error(`nobody can tell whether ${path} is served (${error.code})`, { cause: error }))
    })
  })
}
