import { problemOf, type Watched } from '@bletchley/crypto/watched-file'
import type { Logger } from 'pino'

const lookMs = 1000

/** Says in the log, within a second, when the files of a running principal are not what its next start needs. */
export class DataFolderWatch {
  readonly #dataFolder: string
  readonly #watched: Watched
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  #problem: string | undefined

  constructor(dataFolder: string, watched: Watched, logger: Logger) {
    this.#dataFolder = dataFolder
    this.#watched = watched
    this.#logger = logger
    this.#timer = setInterval(() => this.#look(), lookMs).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const problem = problemOf([this.#watched])
    if (problem === this.#problem) return
    this.#problem = problem
    const facts = { dataFolder: this.#dataFolder, ...(problem !== undefined && { reason: problem }) }
    if (problem === undefined) this.#logger.warn(facts, 'the data folder is as it was')
    else this.#logger.error(facts, 'no keys are handed out: they would be lost, or others, at the next start')
  }
}
