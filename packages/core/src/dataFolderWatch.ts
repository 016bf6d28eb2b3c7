import type { FolderLock } from '@bletchley/crypto/folder-lock'
import { problemOf, type Watched } from '@bletchley/crypto/watched-file'
import type { KeyValueStore } from '@bletchley/store'
import type { Logger } from 'pino'

const lookMs = 1000

/** How long the oldest reader of the database reads, and which transaction. */
interface OldestReader {
  transaction: number
  /** As of `performance.now()`. */
  since: number
}

/**
 * Looks after the files of a running core once a second: what is open must be what the next start will open, what peers
 * connect to must be there, and what killed readers held is given back.
 */
export class DataFolderWatch {
  readonly #dataFolder: string
  readonly #store: KeyValueStore
  readonly #lock: FolderLock
  readonly #keyFiles: readonly Watched[]
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  #problem: string | undefined
  #sockets: Watched | undefined
  #curveKey: Watched | undefined
  #unreachable: string | undefined
  #oldest: OldestReader | undefined

  /** @param keyFiles those that the next start needs */
  constructor(
    dataFolder: string,
    store: KeyValueStore,
    lock: FolderLock,
    keyFiles: readonly Watched[],
    logger: Logger,
  ) {
    this.#dataFolder = dataFolder
    this.#store = store
    this.#lock = lock
    this.#keyFiles = keyFiles
    this.#logger = logger
    this.#timer = setInterval(() => this.look(), lookMs).unref()
  }

  /** Why the next start would not find what this core knows, and no write is taken; undefined if it would. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Why peers cannot connect to this core, or could not to the next start; undefined if they can. Nothing stored is lost by it. */
  get unreachable(): string | undefined {
    return this.#unreachable
  }

  /** Looks after the sockets that peers connect to, too, and after the key pair that they know the core by. */
  watchDoors(sockets: Watched, curveKey?: Watched): void {
    this.#sockets = sockets
    this.#curveKey = curveKey
  }

  /** How long the oldest reader of the database, of whichever process, has been reading. In seconds; 0 if nobody reads. */
  get oldestReaderSeconds(): number {
    return this.#oldest === undefined ? 0 : (performance.now() - this.#oldest.since) / 1000
  }

  look(): void {
    const problem = this.#findProblem()
    if (problem !== this.#problem) {
      this.#problem = problem
      this.#store.refuseWrites(problem)
      this.#say(problem, 'what this core does would be lost at its next start', 'the data folder is as it was')
    }
    this.#lookForDoors()
    this.#lookForReaders()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #lookForDoors(): void {
    const problem = lookAt(this.#sockets) ?? lookAt(this.#curveKey)
    if (problem === this.#unreachable) return
    this.#unreachable = problem
    this.#say(problem, 'peers cannot connect, or could not after the next start', 'peers can connect as before')
  }

  /** @param before what is said when there is no problem any more */
  #say(problem: string | undefined, consequence: string, before: string): void {
    const dataFolder = this.#dataFolder
    if (problem === undefined) this.#logger.warn({ dataFolder }, before)
    else this.#logger.error({ dataFolder, reason: problem }, consequence)
  }

  #lookForReaders(): void {
    try {
      const transaction = this.#store.clearDeadReaders()
      if (transaction === this.#oldest?.transaction) return
      this.#oldest = transaction === undefined ? undefined : { transaction, since: performance.now() }
    } catch (error) {
      this.#logger.error({ err: error }, 'the readers of the database cannot be looked at')
    }
  }

  #findProblem(): string | undefined {
    const store: Watched = { look: () => void this.#store.assertInPlace() }
    return problemOf([store, this.#lock, ...this.#keyFiles])
  }
}

function lookAt(file: Watched | undefined): string | undefined {
  return file && problemOf([file])
}
