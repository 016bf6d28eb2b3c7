import type { Pacer } from '../pacer.ts'

/**
 * What the store needs of a database: an ordered map of byte strings with atomic, durable, conditional batches.
 *
 * Keys are compared byte by byte, a prefix before what it begins; 1 to 80 bytes. Values may be empty. An array that goes
 * in must not change until the promise settles; one that comes out belongs to the caller. A failing disk rejects the
 * promise; it never ends the process.
 */
export interface KeyValueBackend {
  /** @param pacer whose turn it must be for a value that may be large: what is read is copied in one go */
  get(key: Uint8Array, pacer?: Pacer): Promise<Uint8Array | undefined>

  /** The first entry of a range (the last one if `reverse`), found by one seek; `limit` does not matter. */
  first(range: KeyRange): Promise<Entry | undefined>

  /**
   * The entries of a range in chunks of moderate size; other work gets its turn between two chunks. Each chunk is
   * consistent in itself; what is written meanwhile may or may not appear in later ones.
   *
   * @param pacer whose turn it must be for each chunk; without one, the first is read at once
   */
  entries(range: KeyRange, pacer?: Pacer): AsyncIterable<Entry[]>

  /** As `entries`, without reading the values. */
  keys(range: KeyRange): AsyncIterable<Uint8Array[]>

  /**
   * Writes a batch wholly or not at all. When the promise resolves, the batch is on disk.
   *
   * The writes are applied in order, and only if every expectation holds at that moment. Calls take effect in the order
   * in which they were made; concurrent ones may share one disk flush.
   *
   * @throws ConflictError if an expectation fails
   */
  commit(batch: Write[], expectations?: Expectation[]): Promise<void>

  /** What the database takes, at the cost of a look-up. */
  stats(): StoreStats

  /**
   * Looks whether what is open is what the next start would open: files that were removed or replaced meanwhile can be
   * written to like any others.
   *
   * @throws StorageError if it is not; then commits fail, until a look finds it in its place
   */
  assertInPlace(): void

  /**
   * Gives back what readers hold whose process has ended: pages that they might read are not used again.
   *
   * @returns the transaction that the oldest living reader sees, of whichever process; undefined if nobody reads
   */
  clearDeadReaders(): number | undefined

  /** Waits for the commits under way. Whatever is called afterwards is rejected. */
  close(): Promise<void>
}

/** Bytes on disk, without what the file system adds. Zeros in memory. */
export interface StoreStats {
  /** Of the database's file: it never shrinks by itself. */
  fileBytes: number
  /** Of them, in pages that hold records. */
  usedBytes: number
  /** Records of any kind. */
  records: number
}

/** `[gte, lt)`, ascending unless `reverse`. */
export interface KeyRange {
  gte: Uint8Array
  lt: Uint8Array
  reverse?: boolean
  limit?: number
}

export interface Entry {
  key: Uint8Array
  value: Uint8Array
}

/** `undefined` deletes; deleting what is not there is fine. */
export interface Write {
  key: Uint8Array
  value: Uint8Array | undefined
}

/** The value that must be stored under `key`; `undefined` if none may be. */
export interface Expectation {
  key: Uint8Array
  value: Uint8Array | undefined
}

export function assertWritable(batch: Write[]): void {
  for (const { key } of batch) {
    if (key.length === 0 || key.length > maxKeyBytes) throw new RangeError(`a key of ${key.length} bytes`)
  }
}

const maxKeyBytes = 80
