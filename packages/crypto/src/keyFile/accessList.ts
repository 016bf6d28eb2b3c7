import { stat } from 'node:fs/promises'
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

export interface AccessListOptions<T> {
  path: string
  maxBytes: number
  /** @throws Error if this is no such list; then the one before stays in force */
  parse: (text: string) => T
  /** The file has been read anew. */
  onRead?: (list: T, before: T) => void
  /** The file cannot be read, or holds no such list. Called once until the file or the reason is another. */
  onFailure?: (error: Error) => void
}

/**
 * What a file says of who may come in, as it is now.
 *
 * Its status is compared, which survives editors that rename and network file systems. What cannot be used changes
 * nothing; what could not be read is read again with the next look, whether the file has changed or not.
 */
export class AccessList<T> {
  readonly #options: AccessListOptions<T>
  #list: T
  /** The file as it was, at the latest, when what it held was taken or found to be of no use. */
  #seen: string
  #failure = ''
  #isAsked = false
  #looking: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  private constructor(options: AccessListOptions<T>, list: T, seen: string) {
    this.#options = options
    this.#list = list
    this.#seen = seen
  }

  /** @throws Error if there is no such list */
  static async open<T>(options: AccessListOptions<T>): Promise<AccessList<T>> {
    const seen = await statusOf(options.path)
    const list = options.parse(await readAccessList(options.path, options.maxBytes))
    return new AccessList(options, list, seen)
  }

  get current(): T {
    return this.#list
  }

  /**
   * Reads the file if it is another one than before. Whoever waits for this has what stood in the file when he called:
   * those who come while it is being looked at wait for the next look, which they share.
   */
  refresh(): Promise<void> {
    this.#next ??= this.#looking.then(() => {
      this.#next = undefined
      this.#looking = this.#look()
      return this.#looking
    })
    return this.#next
  }

  /** As `refresh`; reads and tells also what has not changed. */
  reload(): Promise<void> {
    this.#isAsked = true
    return this.refresh()
  }

  async #look(): Promise<void> {
    const isAsked = this.#isAsked
    this.#isAsked = false
    const { path, maxBytes, parse, onRead, onFailure } = this.#options
    const now = await statusOf(path)
    if (now === this.#seen && !isAsked) return
    const before = this.#list
    try {
      this.#list = parse(await readAccessList(path, maxBytes))
    } catch (error) {
      // The system may let it be read the next time, and the file would be the same.
      if (!('code' in (error as Error))) this.#seen = now
      const failure = `${now} ${(error as Error).message}`
      if (failure !== this.#failure || isAsked) onFailure?.(error as Error)
      this.#failure = failure
      return
    }
    this.#seen = now
    this.#failure = ''
    onRead?.(this.#list, before)
  }
}

async function statusOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
