import { fileOf } from './endpoints.ts'

/** The files of sockets as they were bound. Others may remove them, or put theirs there. */
export class SocketFiles {
  readonly #files: ReadonlyMap<string, string>

  /** @param endpoints bound a moment ago; those that are in no file are left out */
  constructor(endpoints: readonly string[]) {
    const files = new Map<string, string>()
    for (const endpoint of endpoints) {
      const file = fileOf(endpoint)
      if (file !== undefined) files.set(endpoint, file)
    }
    this.#files = files
  }

  /** What is wrong with the first of them that is not what it was; undefined if none is. */
  look(): string | undefined {
    for (const [endpoint, file] of this.#files) {
      const now = fileOf(endpoint)
      if (now === file) continue
      return `the file of ${endpoint} was ${now === undefined ? 'removed' : 'replaced'}: nobody can connect to it`
    }
    return undefined
  }
}
