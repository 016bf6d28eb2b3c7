import { randomUUID } from 'node:crypto'
import { lstatSync, renameSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'

/** Of the path of a socket, in bytes, without the one that ends it. libuv cuts longer ones off, and says nothing. */
export const maxSocketPathBytes = process.platform === 'darwin' ? 103 : 107

/** Of a socket in a file: all but reading and writing by its owner. */
const notOwners = 0o177

/**
 * What tells a file from any that takes its place; undefined if there is none. Its owner may change rights and times of it.
 * Where the file system notes no time of birth, another file that got the same number is taken for it.
 */
export function fileIdentity(path: string): string | undefined {
  const status = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return status && `${status.dev} ${status.ino} ${status.birthtimeNs}`
}

/**
 * Removes the socket that a dead process has left, if there is one.
 *
 * @throws Error if something else is there
 */
export async function clearSocketFile(path: string): Promise<void> {
  const found = fileIdentity(path)
  if (found === undefined) return
  if (!lstatSync(path).isSocket()) throw new Error(`${path} is there, and is no socket: it is not replaced`)
  if (await isServed(path)) throw new Error(`${path} is served by another process`)
  // Others may have removed it meanwhile, or put theirs there.
  if (fileIdentity(path) === found) unlinkSync(path)
}

/**
 * Listens on a socket that is its owner's alone from the first moment on (mode 0600).
 *
 * @returns closes the server, and removes the file if it is still its own
 */
export function listenOnFile(server: Server, path: string, backlog: number): (onClosed: () => void) => void {
  // The mask is the process's: so it is changed for the one call that makes the file.
  const mask = process.umask(notOwners)
  try {
    server.listen({ path, backlog })
  } finally {
    process.umask(mask)
  }
  const own = identityIfKnown(path)
  return (onClosed) => {
    const putBack = identityIfKnown(path) === own ? undefined : putAside(path)
    server.close(onClosed)
    putBack?.()
  }
}

/** Where the folder cannot be read any more there is nothing to be removed either. */
function identityIfKnown(path: string): string | undefined {
  try {
    return fileIdentity(path)
  } catch {
    return undefined
  }
}

/** libuv removes what has the name of its socket, whosever it is: so another's has another name for that moment. */
function putAside(path: string): (() => void) | undefined {
  const aside = `${path}.${randomUUID()}`
  if (!tryRename(path, aside)) return undefined
  return () => tryRename(aside, path)
}

/** @returns false if there is no such file, or it cannot be renamed: then it cannot be removed either */
function tryRename(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch {
    return false
  }
}

/**
 * Whether anybody listens on the socket in a file; one that a process has left behind refuses.
 *
 * @throws Error if nobody can tell
 */
export function isServed(path: string): Promise<boolean> {
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
