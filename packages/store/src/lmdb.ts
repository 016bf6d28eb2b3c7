import { setImmediate } from 'node:timers/promises'
import { open, type RootDatabase } from 'lmdb'
import {
  assertWritable,
  ConflictError,
  type Entry,
  type Expectation,
  type KeyRange,
  type KeyValueBackend,
  StorageError,
  type Write,
} from './backend.ts'
import { equalBytes } from './bytes.ts'

export interface LmdbOptions {
  /** Created if it does not exist. */
  folder: string
  /** Bytes of address space to begin with; it grows by itself. */
  mapSize?: number
}

/**
 * An LMDB database in a folder of its own.
 *
 * Durability: `overlappingSync` is off, so LMDB flushes the data pages (fdatasync), then writes the meta page through a
 * descriptor opened for synchronous writing, and only then does a commit resolve. Commits that arrive while one is being
 * flushed go together into the next transaction and share its flush.
 *
 * Several processes on one host may open the same folder: LMDB has one writer at a time, and expectations are checked
 * inside the write transaction. Not for network file systems.
 */
export function openLmdb(options: LmdbOptions): KeyValueBackend {
  return new LmdbBackend(
    open<Uint8Array, Uint8Array>({
      path: options.folder,
      noSubdir: false, // otherwise a folder with a dot in its name would become a file
      encoding: 'binary',
      keyEncoding: 'binary',
      compression: false,
      cache: false,
      overlappingSync: false,
      // With it, a failed commit also rejects a promise of lmdb's own that nobody can catch, which ends the process.
      eventTurnBatching: false,
      ...(options.mapSize !== undefined && { mapSize: options.mapSize }),
    }),
  )
}

/** A chunk of a range ends at the first of the two. */
const maxChunkLength = 512
const maxChunkBytes = 1 << 20

interface PendingCommit {
  batch: Write[]
  expectations: Expectation[]
  resolve(): void
  reject(error: Error): void
}

class LmdbBackend implements KeyValueBackend {
  readonly #database: RootDatabase<Uint8Array, Uint8Array>
  #pending: PendingCommit[] = []
  #flushing: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(database: RootDatabase<Uint8Array, Uint8Array>) {
    this.#database = database
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#assertOpen()
    return plain(this.#database.get(key))
  }

  async first(range: KeyRange): Promise<Entry | undefined> {
    this.#assertOpen()
    for (const { key, value } of this.#database.getRange({ ...boundsOf(range), limit: 1 })) {
      return { key: plain(key), value: plain(value) }
    }
    return undefined
  }

  async *entries(range: KeyRange): AsyncIterable<Entry[]> {
    const read = (options: RangeOptions) => this.#database.getRange(options)
    for await (const chunk of this.#chunks(
      range,
      read,
      ({ key }) => key,
      ({ key, value }) => key.length + value.length,
    )) {
      yield chunk.map(({ key, value }) => ({ key: plain(key), value: plain(value) }))
    }
  }

  async *keys(range: KeyRange): AsyncIterable<Uint8Array[]> {
    const read = (options: RangeOptions) => this.#database.getKeys(options)
    for await (const chunk of this.#chunks(
      range,
      read,
      (key) => key,
      (key) => key.length,
    ))
      yield chunk.map((key) => plain(key))
  }

  commit(batch: Write[], expectations: Expectation[] = []): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#assertOpen()
      assertWritable(batch)
      this.#pending.push({ batch, expectations, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#flushing
    await this.#database.close()
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      let group: PendingCommit[] = []
      const takeGroup = () => {
        group = this.#pending
        this.#pending = []
        return group
      }
      try {
        // The group is taken when the transaction begins, so all that came until then share it. A child transaction is
        // rolled back as a whole if anything throws; a plain one would keep the first half.
        const conflicts = await this.#database.childTransaction(() => takeGroup().map((commit) => this.#apply(commit)))
        group.forEach((commit, index) => {
          const conflict = conflicts[index]
          if (conflict) commit.reject(conflict)
          else commit.resolve()
        })
      } catch (error) {
        if (group.length === 0) takeGroup()
        const cause = await causeOf(error)
        for (const commit of group) commit.reject(new StorageError('the database could not write', { cause }))
      }
    }
    this.#flushing = undefined
  }

  /** Inside the write transaction, where reads see the earlier commits of the group. */
  #apply({ batch, expectations }: PendingCommit): ConflictError | undefined {
    for (const { key, value } of expectations) {
      const stored = this.#database.get(key)
      const holds = value === undefined || stored === undefined ? value === stored : equalBytes(value, stored)
      if (!holds) return new ConflictError('the stored value is not the expected one')
    }
    for (const { key, value } of batch) {
      if (value === undefined) this.#database.removeSync(key)
      else this.#database.putSync(key, value)
    }
    return undefined
  }

  /** Reads chunk by chunk, each in a transaction of its own, so that a slow reader does not pin old pages. */
  async *#chunks<T>(
    range: KeyRange,
    read: (options: RangeOptions) => Iterable<T>,
    keyOf: (item: T) => Uint8Array,
    sizeOf: (item: T) => number,
  ): AsyncIterable<T[]> {
    let last: Uint8Array | undefined
    for (let left = range.limit ?? Number.POSITIVE_INFINITY; left > 0; ) {
      this.#assertOpen()
      const options = boundsOf(range, last)
      const chunk: T[] = []
      const length = Math.min(left, maxChunkLength)
      let bytes = 0
      for (const item of read({ ...options, limit: length })) {
        chunk.push(item)
        bytes += sizeOf(item)
        if (bytes >= maxChunkBytes) break
      }
      if (chunk.length === 0) return
      yield chunk
      if (chunk.length < length && bytes < maxChunkBytes) return
      left -= chunk.length
      last = keyOf(chunk.at(-1)!)
      if (left > 0) await setImmediate()
    }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new Error('the store is closed')
  }
}

/** A range in lmdb's terms, from its beginning or from behind `last`. */
function boundsOf({ gte, lt, reverse = false }: KeyRange, last?: Uint8Array): Omit<RangeOptions, 'limit'> {
  return reverse
    ? { start: last ?? lt, exclusiveStart: true, end: gte, inclusiveEnd: true, reverse }
    : { start: last ?? gte, exclusiveStart: last !== undefined, end: lt }
}

interface RangeOptions {
  start: Uint8Array
  end: Uint8Array
  limit: number
  exclusiveStart?: boolean
  inclusiveEnd?: boolean
  reverse?: boolean
}

/** lmdb returns Buffers, whose `slice` shares memory. */
function plain(bytes: Uint8Array): Uint8Array
function plain(bytes: Uint8Array | undefined): Uint8Array | undefined
function plain(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** lmdb puts the reason of a failed commit into a promise on the error; left alone, it ends the process as unhandled. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && 'commitError' in error)) return error
  let cause: unknown = error
  Promise.resolve(error.commitError).catch((reason: unknown) => {
    cause = reason
  })
  await setImmediate()
  return cause
}
