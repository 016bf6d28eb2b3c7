import { type BigIntStats, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { equalBytes } from '@bletchley/bytes'
import { open, type RootDatabase } from 'lmdb'
import { ConflictError, StorageError } from '../errors.ts'
import { Pacer } from '../pacer.ts'
import {
  assertWritable,
  type Entry,
  type Expectation,
  type KeyRange,
  type KeyValueBackend,
  type StoreStats,
  type Write,
} from './backend.ts'
import { dataFile, holdsDatabase, lockFile, makeRoom, ownerOnly } from './lmdbFile.ts'
import { LmdbGate } from './lmdbGate.ts'

export interface LmdbOptions {
  /** Created if it does not exist. */
  folder: string
  /** Bytes of address space to begin with; it grows by itself. */
  mapSize?: number
  /**
   * Opens a database that is there, beside whoever writes to it. Commits are rejected, and no record or file is changed
   * but for `lock.mdb`, LMDB's table of who is reading. Where that cannot be written (`canNoteReaders`), LMDB does without
   * a word: then nobody may write meanwhile, since pages that are being read would be used again.
   */
  readOnly?: boolean
}

/**
 * An LMDB database in a folder of its own.
 *
 * Durability: `overlappingSync` is off, so LMDB flushes the data pages (fdatasync), then writes the meta page through a
 * descriptor opened for synchronous writing, and only then does a commit resolve. Commits that arrive while one is being
 * flushed go together into the next transaction and share its flush; if it fails, each is tried alone.
 *
 * Several processes on one host may open the same folder: LMDB has one writer at a time, and expectations are checked
 * inside the write transaction. Not for network file systems.
 */
export async function openLmdb(options: LmdbOptions): Promise<KeyValueBackend> {
  const { readOnly = false } = options
  // LMDB would make the folder and its files, and then find out that there is nothing to read.
  if (!holdsDatabase(options.folder) && readOnly) throw new StorageError(`${options.folder} holds no database`)
  makeRoom(options.folder, readOnly)
  const gate = new LmdbGate(options.folder, readOnly)
  try {
    const database = await gate.pass(async () =>
      open<Uint8Array, Uint8Array>({
        path: options.folder,
        noSubdir: false, // otherwise a folder with a dot in its name would become a file
        encoder: { encode: placeValue, decode: copyValue },
        keyEncoder: { writeKey, readKey },
        overlappingSync: false,
        // With it, a failed commit also rejects a promise of lmdb's own that nobody can catch, which ends the process.
        eventTurnBatching: false,
        readOnly,
        ...ownerOnly,
        ...(options.mapSize !== undefined && { mapSize: options.mapSize }),
      }),
    )
    return new LmdbBackend(
      database,
      [dataFile, lockFile].map((name) => join(options.folder, name)),
      gate,
    )
  } catch (error) {
    gate.close()
    throw error
  }
}

/** A chunk of a range ends at the first of the two. */
const maxChunkLength = 512
const maxChunkBytes = 1 << 20

/** Commits share a transaction, and its flush, until they have so many writes together: they are applied without a pause. */
const maxSharedWrites = 4096

interface PendingCommit {
  batch: Write[]
  expectations: Expectation[]
  resolve(): void
  reject(error: Error): void
}

class LmdbBackend implements KeyValueBackend {
  readonly #database: RootDatabase<Uint8Array, Uint8Array>
  readonly #gate: LmdbGate
  #pending: PendingCommit[] = []
  #flushing: Promise<void> | undefined
  #closing: Promise<void> | undefined
  readonly #files: readonly FileIdentity[]
  /** The last transaction that was seen; there is never an earlier one, whoever writes. */
  #transaction: number
  /** Why what is written would not be found at the next start, as of the last look. */
  #displaced: StorageError | undefined

  constructor(database: RootDatabase<Uint8Array, Uint8Array>, paths: readonly string[], gate: LmdbGate) {
    this.#database = database
    this.#gate = gate
    this.#files = paths.flatMap((path) => identityOf(path) ?? [])
    this.#transaction = this.#lastTransaction()
  }

  async get(key: Uint8Array, pacer?: Pacer): Promise<Uint8Array | undefined> {
    while (pacer?.tryStep() === false) await pacer.pause()
    this.#assertOpen()
    return this.#database.get(key)
  }

  async first(range: KeyRange): Promise<Entry | undefined> {
    this.#assertOpen()
    for (const entry of this.#database.getRange({ ...boundsOf(range), limit: 1 })) return entry
    return undefined
  }

  entries(range: KeyRange, pacer?: Pacer): AsyncIterable<Entry[]> {
    return this.#chunks(
      range,
      pacer,
      (options) => this.#database.getRange(options),
      ({ key }) => key,
      ({ key, value }) => key.length + value.length,
    )
  }

  keys(range: KeyRange): AsyncIterable<Uint8Array[]> {
    return this.#chunks(
      range,
      undefined,
      (options) => this.#database.getKeys(options),
      (key) => key,
      (key) => key.length,
    )
  }

  commit(batch: Write[], expectations: Expectation[] = []): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#assertOpen()
      assertWritable(batch)
      this.#pending.push({ batch, expectations, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  stats(): StoreStats {
    this.#assertOpen()
    const stats = this.#database.getStats() as LmdbStats
    const pages = stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages
    return {
      fileBytes: (stats.lastPageNumber + 1) * stats.pageSize,
      usedBytes: pages * stats.pageSize,
      records: stats.entryCount,
    }
  }

  assertInPlace(): void {
    this.#displaced = undefined
    for (const opened of this.#files) {
      const now = identityOf(opened.path)
      if (now?.inode === opened.inode && now.device === opened.device) continue
      const what = now === undefined ? 'removed' : 'replaced'
      this.#displaced = new StorageError(`${opened.path} was ${what} while it was open`)
      throw this.#displaced
    }
    this.#assertNotSetBack()
    // The look was a read; let go of now, it is not taken for the oldest reader.
    this.#database.resetReadTxn()
  }

  /** An older copy that was written into the file leaves it where it is. */
  #assertNotSetBack(): void {
    const now = this.#lastTransaction()
    if (now < this.#transaction) {
      this.#displaced = new StorageError(`${this.#files[0]!.path} was set back to an earlier state while it was open`)
      throw this.#displaced
    }
    this.#transaction = now
  }

  /** A program that does not pass the gate may have opened the database: see `LmdbGate`. */
  #assertNext(transaction: number): void {
    if (transaction === this.#transaction + 1) return
    const what = 'was opened by another program while a commit was made, and must be opened anew before the next one'
    throw new StorageError(`${this.#files[0]!.path} ${what}`)
  }

  #lastTransaction(): number {
    return (this.#database.getStats() as LmdbStats).lastTxnId
  }

  clearDeadReaders(): number | undefined {
    this.#assertOpen()
    this.#database.readerCheck()
    // A line for each: process, thread, and the transaction, or `-` for one that is not reading.
    const transactions = [...this.#database.readerList().matchAll(/^\s*\d+ [0-9a-f]+ (\d+)$/gm)].map(([, id]) =>
      Number(id),
    )
    return transactions.length === 0 ? undefined : Math.min(...transactions)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#flushing
    await this.#gate.pass(() => this.#database.close())
    this.#gate.close()
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) await this.#transact(() => this.#nextGroup())
    this.#flushing = undefined
  }

  /** Those that came first; at least one. */
  #nextGroup(): PendingCommit[] {
    let [length, writes] = [0, 0]
    for (const { batch } of this.#pending) {
      writes += batch.length
      if (length > 0 && writes > maxSharedWrites) break
      length++
    }
    return this.#pending.splice(0, length)
  }

  /** @param take is called when the transaction begins, so that all commits that came until then share it */
  async #transact(take: () => PendingCommit[]): Promise<void> {
    let group: PendingCommit[] = []
    let transaction = 0
    try {
      if (this.#displaced !== undefined) throw this.#displaced
      // A child transaction is rolled back as a whole if anything throws; a plain one would keep the first half.
      const conflicts = await this.#gate.pass(() =>
        this.#database.childTransaction(() => {
          // Behind the next commit nobody could tell: it goes on counting where the last one was.
          this.#assertNotSetBack()
          transaction = this.#database.getWriteTxnId()
          this.#assertNext(transaction)
          group = take()
          return group.map((commit) => this.#apply(commit))
        }),
      )
      const hasPut = group.some(
        ({ batch }, index) => !conflicts[index] && batch.some(({ value }) => value !== undefined),
      )
      // A removal makes a new transaction only if the record was there. To ask costs a tenth of a commit.
      this.#transaction = Math.max(this.#transaction, hasPut ? transaction : this.#lastTransaction())
      group.forEach((commit, index) => {
        const conflict = conflicts[index]
        if (conflict) commit.reject(conflict)
        else commit.resolve()
      })
    } catch (error) {
      if (group.length === 0) group = take()
      const cause = await causeOf(error)
      const [first, ...others] = group
      if (others.length === 0) first?.reject(new StorageError('the database could not write', { cause }))
      // One that finds no room takes the others down with it.
      else for (const commit of group) await this.#transact(() => [commit])
    }
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
    pacer: Pacer | undefined,
    read: (options: RangeOptions) => Iterable<T>,
    keyOf: (item: T) => Uint8Array,
    sizeOf: (item: T) => number,
  ): AsyncIterable<T[]> {
    let turns = pacer
    let last: Uint8Array | undefined
    for (let left = range.limit ?? Number.POSITIVE_INFINITY; left > 0; ) {
      while (turns?.tryStep() === false) await turns.pause()
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
      turns ??= new Pacer()
    }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new Error('the store is closed')
  }
}

/** A file that was opened by a path. */
interface FileIdentity {
  path: string
  device: bigint
  inode: bigint
}

function identityOf(path: string): FileIdentity | undefined {
  const status = statSync(path, { bigint: true, throwIfNoEntry: false }) as BigIntStats | undefined
  return status && { path, device: status.dev, inode: status.ino }
}

/** What lmdb tells of the database of records. */
interface LmdbStats {
  pageSize: number
  treeBranchPageCount: number
  treeLeafPageCount: number
  overflowPages: number
  entryCount: number
  lastPageNumber: number
  lastTxnId: number
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

// lmdb reads every key and value into one buffer of its own. They are copied from there as plain arrays (a Buffer's
// `slice` shares memory), and values side by side into larger pieces: an allocation for each costs more than its bytes.

const pieceBytes = 128 * 1024
let piece = new Uint8Array(pieceBytes)
let pieceUsed = 0

/** @param bytes lmdb's buffer, whose property `length` is that of the value; its real length is another */
function copyValue(bytes: Uint8Array): Uint8Array {
  const { length } = bytes
  const source = bytes.subarray(0, length)
  if (length > pieceBytes / 4) return new Uint8Array(source)
  if (pieceUsed + length > pieceBytes) {
    piece = new Uint8Array(pieceBytes)
    pieceUsed = 0
  }
  const value = piece.subarray(pieceUsed, pieceUsed + length)
  value.set(source)
  pieceUsed += length
  return value
}

// And it takes values by their address, which it has to ask the engine for once for each piece of memory: a third of what a
// write takes. So small ones are placed in one piece, from where they go into the transaction at once: all of them are written
// in one (`#apply`).

/** As lmdb wants it: a value's place in a larger piece. */
const place = Object.assign(new Uint8Array(4096), { start: 0, end: 0 })

function placeValue(value: Uint8Array): Uint8Array {
  if (value.length > place.length) return value
  place.set(value)
  place.end = value.length
  return place
}

function writeKey(key: Uint8Array, target: Uint8Array, start: number): number {
  target.set(key, start)
  return start + key.length
}

function readKey(source: Uint8Array, start: number, end: number): Uint8Array {
  const key = new Uint8Array(end - start)
  for (let index = 0; index < key.length; index++) key[index] = source[start + index]!
  return key
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
