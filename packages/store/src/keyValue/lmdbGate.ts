import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { tryLock, unlock } from 'fs-native-extensions'
import { StorageError } from '../errors.ts'
import { dataFile, ownerOnly } from './lmdbFile.ts'

/** Whoever wants the gate takes the queue first, so that commits without a pause do not keep others out. */
const queue = 2 ** 52
const gate = queue + 1
const attemptMs = 1
const patienceMs = 10_000

/**
 * Openings, commits and closings of a database pass it one at a time, whichever process does them:
 *
 * - Whoever opens it writes into LMDB's table of readers which transaction was the last one when the opening began (lmdb
 *   3.5.6, `mdb_env_open2`; mended in LMDB itself as ITS#9496). Had a writer committed meanwhile, its next transaction
 *   would replace the last one, which was acknowledged, or its process would end.
 * - Whoever closes it last destroys the locks in the table, which one who opens it may be about to take.
 *
 * The gate is the operating system's lock on bytes of the database's file that it never has: it ends with its process.
 */
export class LmdbGate {
  readonly #fd: number
  readonly #folder: string
  readonly #shared: boolean

  /** @param readOnly of a database that is there; for a writer, its file is made */
  constructor(folder: string, readOnly: boolean) {
    this.#folder = folder
    const path = join(folder, dataFile)
    let fd: number | undefined
    try {
      fd = openSync(path, readOnly ? 'r+' : 'a+', ownerOnly.permissionsMode)
    } catch (error) {
      if (!readOnly) throw error
    }
    // Who cannot write to the file passes beside others of the kind, who change no table either.
    this.#shared = fd === undefined
    this.#fd = fd ?? openSync(path, 'r')
  }

  /** @throws StorageError (as a rejection) if somebody is at the gate for 10 seconds: a commit takes milliseconds, an opening one */
  async pass<T>(step: () => Promise<T>): Promise<T> {
    const end = performance.now() + patienceMs
    for (const byte of [queue, gate]) while (!this.#try(byte, end)) await setTimeout(attemptMs)
    unlock(this.#fd, queue, 1)
    try {
      return await step()
    } finally {
      unlock(this.#fd, gate, 1)
    }
  }

  #try(byte: number, end: number): boolean {
    if (tryLock(this.#fd, byte, 1, { shared: this.#shared })) return true
    if (performance.now() < end) return false
    unlock(this.#fd, queue, 1)
    throw new StorageError(
      `${this.#folder}: for 10 seconds, another process has opened, closed or written the database`,
    )
  }

  close(): void {
    closeSync(this.#fd)
  }
}
