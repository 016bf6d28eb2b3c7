import { type BigIntStats, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { equalBytes } from '@bletchley/bytes'
import { sha256 } from './hashes.ts'
import { mayHoldKey, type SealingOptions, sealingKeyPath } from './keyFile/openSealingKey.ts'
import { maxFileBytes } from './keyFile/ownerOnlyFile.ts'
import { isInside, systemPath } from './keyFile/paths.ts'
import type { SealingKey } from './keyFile/sealingKey.ts'
import { signingKeyFileName } from './keyFile/signingKeyFile.ts'

/** Something that must stay what it is. */
export interface Watched {
  /** What is wrong with it; undefined if nothing is. */
  look(): string | undefined
}

/** What is wrong with the first of them that is not what it was. One that cannot be looked at is not. */
export function problemOf(watched: Iterable<Watched>): string | undefined {
  try {
    for (const each of watched) {
      const problem = each.look()
      if (problem !== undefined) return problem
    }
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** What the next start needs of a data folder to open its keys, where it lies in the folder. */
export function watchKeyFiles(
  dataFolder: string,
  sealing: SealingOptions | undefined,
  sealingKey: SealingKey,
): WatchedFile[] {
  const mayBecome = (content: Uint8Array): boolean => mayHoldKey(content, sealingKey)
  const sealingFile = watchInFolder(dataFolder, sealingKeyPath(dataFolder, sealing), mayBecome)
  const signingFile = new WatchedFile(join(dataFolder, signingKeyFileName))
  return sealingFile === undefined ? [signingFile] : [sealingFile, signingFile]
}

/** What lies elsewhere may be gone: on a medium, say. */
export function watchInFolder(
  dataFolder: string,
  path: string,
  mayBecome?: (content: Uint8Array) => boolean,
): WatchedFile | undefined {
  return isInside(path, dataFolder) ? new WatchedFile(resolve(systemPath(path)), mayBecome) : undefined
}

/** A small file that must stay what it is, or become it again. Its content is read only when something of it has changed. */
export class WatchedFile implements Watched {
  readonly #path: string
  readonly #mayBecome: (content: Uint8Array) => boolean
  #hash: Uint8Array
  #seen: string

  /**
   * @param mayBecome whether a content that is another one will do as well
   * @throws Error of the system if it cannot be read
   */
  constructor(path: string, mayBecome: (content: Uint8Array) => boolean = () => false) {
    this.#path = path
    this.#mayBecome = mayBecome
    this.#seen = describe(statSync(path, { bigint: true }))
    this.#hash = sha256(readFileSync(path))
  }

  /** What is wrong with the file; undefined if nothing is. */
  look(): string | undefined {
    const status = statSync(this.#path, { bigint: true, throwIfNoEntry: false })
    if (status === undefined) return `${this.#path} was removed`
    const now = describe(status)
    if (now === this.#seen) return undefined
    if (!this.#isAsGood(status)) return `${this.#path} was replaced or changed`
    this.#seen = now
    return undefined
  }

  #isAsGood(status: BigIntStats): boolean {
    // Of a pipe nobody knows when it ends.
    if (!status.isFile() || status.size > maxFileBytes) return false
    const content = readFileSync(this.#path)
    const hash = sha256(content)
    if (equalBytes(hash, this.#hash)) return true
    if (!this.#mayBecome(content)) return false
    this.#hash = hash
    return true
  }
}

function describe({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return `${dev} ${ino} ${size} ${mtimeNs}`
}
