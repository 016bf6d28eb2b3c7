import { stat } from 'node:fs/promises'
import { readAccessList } from '@bletchley/crypto/key-file'
import type { Logger } from 'pino'

/** A list has some 60 bytes a worker. */
const maxListBytes = 1 << 24

/**
 * The workers that may have state keys, from a file: an address on each line, 40 hex digits with or without 0x, behind it
 * a name if wanted, and `#` before comments.
 *
 * The file is looked at with every request, so that a worker who is taken off gets nothing from then on. If it has become
 * unreadable, malformed or others' to write, the list stays as it was, and the log says so.
 */
export class WorkerList {
  readonly #path: string
  readonly #logger: Logger
  #workers: ReadonlySet<string> = new Set()
  /** What the file looked like when it was last read, successfully or not. */
  #seen = ''

  private constructor(path: string, logger: Logger) {
    this.#path = path
    this.#logger = logger
  }

  /** @throws WorkerListError if there is no list, or a line is none */
  static async open(path: string, logger: Logger): Promise<WorkerList> {
    const list = new WorkerList(path, logger)
    list.#seen = await list.#look()
    list.#workers = await readList(path)
    return list
  }

  get size(): number {
    return this.#workers.size
  }

  /** @param worker 40 lower-case digits */
  async has(worker: string): Promise<boolean> {
    await this.refresh()
    return this.#workers.has(worker)
  }

  /** Reads the file if it is another than before. */
  async refresh(): Promise<void> {
    const look = await this.#look()
    if (look === this.#seen) return
    this.#seen = look
    try {
      this.#workers = await readList(this.#path)
      this.#logger.info({ workers: this.#workers.size }, 'list of workers read anew')
    } catch (error) {
      this.#logger.error(
        { reason: (error as Error).message, workers: this.#workers.size },
        'list of workers cannot be read; the one before stays in force',
      )
    }
  }

  async #look(): Promise<string> {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(this.#path, { bigint: true })
      return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code)
    }
  }
}

async function readList(path: string): Promise<ReadonlySet<string>> {
  let text: string
  try {
    text = await readAccessList(path, maxListBytes)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new WorkerListError(`The list of workers ${path} cannot be read: ${code ?? message}`, { cause: error })
  }
  const workers = new Set<string>()
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const words = line.replace(/#.*/, '').trim()
    if (words === '') continue
    const [, address] = /^(?:0x)?([0-9a-f]{40})(?:\s.*)?$/i.exec(words) ?? []
    if (address === undefined) throw new WorkerListError(`${path}, line ${i + 1}: this is no address of a worker`)
    workers.add(address.toLowerCase())
  }
  return workers
}

/** Why there is no list of workers. */
export class WorkerListError extends Error {
  override readonly name = 'WorkerListError'
}
