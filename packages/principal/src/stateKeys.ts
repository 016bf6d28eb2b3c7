import { existsSync, statSync } from 'node:fs'
import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { hexToBytes } from '@bletchley/bytes'
import { randomBytes, type StateKey } from '@bletchley/crypto'
import { KeyFileError, readOrCreateSealed, readSealed, type SealingKey } from '@bletchley/crypto/key-file'
import type { Watched } from '@bletchley/crypto/watched-file'
import { stateKeyFolder, stateKeyPurpose } from './sealedFiles.ts'

const stateKeyLength = 32
const sealedName = /^([0-9a-f]{64})\.sealed$/
/** Each file that is being made holds a descriptor, of which a process commonly has about 1000. */
const maxOpenFiles = 16
/** Keys that are in memory are gathered within a millisecond or two, so many of them. */
const keysAtOnce = 1000

const putBack =
  'Put back what is missing, from a copy or from a backup of the keys that is as new as the log: no other key opens what is stored'

/**
 * The state keys of all contracts: 32 random bytes each, made on first request, never changed.
 *
 * A key is on disk before anybody gets it, sealed in `state-keys/<address>.sealed` for this address alone. A contract that
 * has one gets no other, also when its file is gone.
 */
export class StateKeys implements Watched {
  readonly #folder: string
  readonly #sealingKey: SealingKey
  /** By address, in hexadecimal. Promises, so that two first requests at once share one key. */
  readonly #keys = new Map<string, Promise<Uint8Array>>()
  /** Contracts that have a key, whether its file is there or not: it was at the start, was given, or was made or read since. */
  readonly #made = new Set<string>()
  readonly #waiting: (() => void)[] = []
  #openFiles = 0
  /** Which folder it is. */
  #seen: string | undefined

  constructor(dataFolder: string, sealingKey: SealingKey) {
    this.#folder = join(dataFolder, stateKeyFolder)
    this.#sealingKey = sealingKey
  }

  /**
   * Looks what there is; before anything else.
   *
   * @param given contracts that were given a key, as the log says
   * @returns what is to be said if some of these keys are missing: those contracts get none. Where all are, nobody does
   */
  async load(given: AsyncIterable<readonly string[]>): Promise<string | undefined> {
    const stored = new Set(await this.#stored())
    // Those that are missing come first, where they are soon found to be.
    for await (const addresses of given) {
      for (const address of addresses) if (!stored.has(address)) this.#made.add(address)
    }
    const [lost] = this.#made
    const { size } = this.#made
    for (const address of stored) this.#made.add(address)
    if (lost === undefined || stored.size > 0) this.#seen = this.#whichFolder()
    if (lost === undefined) return undefined
    return (
      `${this.#folder} lacks ${size} of the keys that were given, as the log says: that of ${lost}, for one. ` +
      `${putBack}. If they are lost for good, move audit*.jsonl away: then these contracts get new ones at the next start`
    )
  }

  /** Whether the folder is the one that keys were made in, or one that has them all. */
  look(): string | undefined {
    const now = this.#whichFolder()
    if (now === undefined && this.#made.size > 0) return `${this.#folder} was removed`
    if (now === this.#seen) return undefined
    for (const address of this.#made) {
      if (!existsSync(this.#path(address)))
        return `${this.#folder} is not what it was: it has no key of ${address}. ${putBack}`
    }
    this.#seen = now
    return undefined
  }

  /** @param addresses contract addresses, 64 lower-case digits each */
  async get(addresses: readonly string[]): Promise<StateKey[]> {
    const keys: StateKey[] = []
    for (let at = 0; at < addresses.length; at += keysAtOnce) {
      // Known ones wait for nothing, and others would wait for all of them.
      if (at > 0) await setImmediate()
      const some = addresses.slice(at, at + keysAtOnce)
      keys.push(
        ...(await Promise.all(
          some.map(async (address) => ({ address: hexToBytes(address), key: await this.#key(address) })),
        )),
      )
    }
    return keys
  }

  /** How many contracts have a key, as far as one can know without looking. */
  get count(): number {
    return this.#made.size
  }

  /** How many of these contracts have no key yet. */
  async countMissing(addresses: readonly string[]): Promise<number> {
    let missing = 0
    for (const address of addresses) {
      const has = this.#keys.has(address) || this.#made.has(address) || (await exists(this.#path(address)))
      if (!has) missing++
    }
    return missing
  }

  /** The addresses of all contracts that have a key. */
  async addresses(): Promise<string[]> {
    return [...new Set([...(await this.#stored()), ...this.#made])]
  }

  async #stored(): Promise<string[]> {
    let names: string[]
    try {
      names = await readdir(this.#folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
    return names.flatMap((name) => sealedName.exec(name)?.[1] ?? [])
  }

  #key(address: string): Promise<Uint8Array> {
    const known = this.#keys.get(address)
    if (known !== undefined) return known
    const key = this.#readOrCreate(address)
    this.#keys.set(address, key)
    // A failure is not kept: the next request tries again. Whoever awaits `key` sees the error itself.
    key.catch(() => this.#keys.delete(address))
    return key
  }

  async #readOrCreate(address: string): Promise<Uint8Array> {
    await this.#takeTurn()
    try {
      const path = this.#path(address)
      const purpose = stateKeyPurpose(address)
      const key = this.#made.has(address)
        ? await readSealed(path, this.#sealingKey, purpose)
        : await readOrCreateSealed(path, this.#sealingKey, purpose, () => randomBytes(stateKeyLength))
      if (key === undefined) throw new KeyFileError('missing', `${path} was removed. ${putBack}`)
      if (key.length !== stateKeyLength) throw new KeyFileError('malformed', `${path} does not hold a state key`)
      this.#made.add(address)
      return key
    } finally {
      this.#endTurn()
    }
  }

  #whichFolder(): string | undefined {
    const status = statSync(this.#folder, { bigint: true, throwIfNoEntry: false })
    return status && `${status.dev} ${status.ino}`
  }

  #path(address: string): string {
    return join(this.#folder, `${address}.sealed`)
  }

  async #takeTurn(): Promise<void> {
    if (this.#openFiles < maxOpenFiles) this.#openFiles++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Hands the turn to the next in line, so the count stays. */
  #endTurn(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#openFiles--
    else next()
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}
