import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { hexToBytes } from '@bletchley/bytes'
import { randomBytes, type StateKey } from '@bletchley/crypto'
import { KeyFileError, readOrCreateSealed, type SealingKey } from '@bletchley/crypto/key-file'
import { stateKeyFolder, stateKeyPurpose } from './sealedFiles.ts'

const stateKeyLength = 32
const sealedName = /^([0-9a-f]{64})\.sealed$/
/** Each file that is being made holds a descriptor, of which a process commonly has about 1000. */
const maxOpenFiles = 16

/**
 * The state keys of all contracts: 32 random bytes each, made on first request, never changed.
 *
 * A key is on disk before anybody gets it, sealed in `state-keys/<address>.sealed` for this address alone.
 */
export class StateKeys {
  readonly #folder: string
  readonly #sealingKey: SealingKey
  /** By address, in hexadecimal. Promises, so that two first requests at once share one key. */
  readonly #keys = new Map<string, Promise<Uint8Array>>()
  readonly #waiting: (() => void)[] = []
  #openFiles = 0

  constructor(dataFolder: string, sealingKey: SealingKey) {
    this.#folder = join(dataFolder, stateKeyFolder)
    this.#sealingKey = sealingKey
  }

  /** @param addresses contract addresses, 64 lower-case digits each */
  async get(addresses: readonly string[]): Promise<StateKey[]> {
    return Promise.all(
      addresses.map(async (address) => ({ address: hexToBytes(address), key: await this.#key(address) })),
    )
  }

  /** How many of these contracts have no key yet. */
  async countMissing(addresses: readonly string[]): Promise<number> {
    let missing = 0
    for (const address of addresses) {
      if (!this.#keys.has(address) && !(await exists(this.#path(address)))) missing++
    }
    return missing
  }

  /** The addresses of all contracts that have a key, ascending. */
  async addresses(): Promise<string[]> {
    let names: string[]
    try {
      names = await readdir(this.#folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
    return names.flatMap((name) => sealedName.exec(name)?.[1] ?? []).sort()
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
      const key = await readOrCreateSealed(path, this.#sealingKey, stateKeyPurpose(address), () =>
        randomBytes(stateKeyLength),
      )
      if (key.length !== stateKeyLength) throw new KeyFileError('malformed', `${path} does not hold a state key`)
      return key
    } finally {
      this.#endTurn()
    }
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
