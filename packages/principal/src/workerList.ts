import { AccessList } from '@bletchley/crypto/key-file'
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
  readonly #list: AccessList<ReadonlySet<string>>

  private constructor(list: AccessList<ReadonlySet<string>>) {
    this.#list = list
  }

  /** @throws WorkerListError if there is no list, or a line is none */
  static async open(path: string, logger: Logger): Promise<WorkerList> {
    try {
      const list: AccessList<ReadonlySet<string>> = await AccessList.open({
        path,
        maxBytes: maxListBytes,
        parse: (text) => parseWorkers(text, path),
        onRead: ({ size }) => logger.info({ workers: size }, 'list of workers read anew'),
        onFailure: (error) =>
          logger.error(
            { reason: reasonOf(error, path), workers: list.current.size },
            'list of workers cannot be read; the one before stays in force',
          ),
      })
      return new WorkerList(list)
    } catch (error) {
      throw new WorkerListError(reasonOf(error as Error, path), { cause: error })
    }
  }

  get size(): number {
    return this.#list.current.size
  }

  /** @param worker 40 lower-case digits */
  async has(worker: string): Promise<boolean> {
    await this.#list.refresh()
    return this.#list.current.has(worker)
  }

  /** Reads the file again, and says so in the log. */
  reload(): Promise<void> {
    return this.#list.reload()
  }
}

function parseWorkers(text: string, path: string): ReadonlySet<string> {
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

function reasonOf(error: Error, path: string): string {
  if (error instanceof WorkerListError) return error.message
  return `The list of workers ${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? error.message}`
}

/** Why there is no list of workers. */
export class WorkerListError extends Error {
  override readonly name = 'WorkerListError'
}
