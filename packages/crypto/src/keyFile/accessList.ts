import { openFile } from './openFile.ts'

const writableByOthers = 0o022

/**
 * Reads a file that says who may come in: whoever may write it lets himself in, so it must be this user's or root's, and
 * theirs alone to write.
 *
 * @throws Error that names the file, or of Node if it cannot be opened
 */
export async function readAccessList(path: string, maxBytes: number): Promise<string> {
  const file = await openFile(path)
  try {
    const status = await file.stat()
    if (process.getuid !== undefined) {
      if ((status.mode & writableByOthers) !== 0) {
        throw new Error(`${path} can be written by other users, who could let themselves in (chmod go-w)`)
      }
      if (status.uid !== 0 && status.uid !== process.getuid()) {
        throw new Error(`${path} belongs to another user, who could let himself in (chown)`)
      }
    }
    if (status.size > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}
