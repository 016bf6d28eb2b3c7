import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type FolderLock, lockFileName } from '@bletchley/crypto/folder-lock'
import { signingKeyFileName } from '@bletchley/crypto/key-file'
import type { ContractStore } from '@bletchley/store'
import type { Logger } from 'pino'

const lookMs = 1000

/** How long the oldest reader of the database reads, and which transaction. */
interface OldestReader {
  transaction: number
  /** As of `performance.now()`. */
  since: number
}

/**
 * Looks after the folder of a running core once a second: what is open must be what the next start will open, and what
 * killed readers held is given back.
 */
export class DataFolderWatch {
  readonly #dataFolder: string
  readonly #store: ContractStore
  readonly #lock: FolderLock
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  #problem: string | undefined
  #oldest: OldestReader | undefined

  constructor(dataFolder: string, store: ContractStore, lock: FolderLock, logger: Logger) {
    this.#dataFolder = dataFolder
    this.#store = store
    this.#lock = lock
    this.#logger = logger
    this.#timer = setInterval(() => this.look(), lookMs).unref()
  }

  /** Why the next start would not find what this core knows; undefined if it would. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** How long the oldest reader of the database, of whichever process, has been reading. In seconds; 0 if nobody reads. */
  get oldestReaderSeconds(): number {
    return this.#oldest === undefined ? 0 : (performance.now() - this.#oldest.since) / 1000
  }

  look(): void {
    const problem = this.#findProblem()
    if (problem !== this.#problem) {
      const facts = { dataFolder: this.#dataFolder, ...(problem !== undefined && { reason: problem }) }
      if (problem === undefined) this.#logger.warn(facts, 'the data folder is as it was')
      else this.#logger.error(facts, 'what this core does would be lost at its next start')
    }
    this.#problem = problem
    this.#lookForReaders()
  }

  close(): void {
    clearInterval(this.#timer)
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
    try {
      this.#store.assertInPlace()
      if (!this.#lock.isInPlace()) return `${join(this.#dataFolder, lockFileName)} was removed or replaced`
      const signingKey = join(this.#dataFolder, signingKeyFileName)
      return existsSync(signingKey) ? undefined : `${signingKey} was removed`
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
}
