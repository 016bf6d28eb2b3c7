import { compareBytes, equalBytes } from '@bletchley/bytes'
import { ConflictError } from '../errors.ts'
import {
  assertWritable,
  type Entry,
  type Expectation,
  type KeyRange,
  type KeyValueBackend,
  type StoreStats,
  type Write,
} from './backend.ts'

/** A backend that forgets everything at the end of the process: for tests and throw-away networks. */
export function openMemory(): KeyValueBackend {
  return new MemoryBackend()
}

const chunkLength = 512

class MemoryBackend implements KeyValueBackend {
  /** Sorted by key. */
  readonly #entries: Entry[] = []
  #closed = false

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#assertOpen()
    return this.#find(key)?.value.slice()
  }

  async first({ gte, lt, reverse = false }: KeyRange): Promise<Entry | undefined> {
    this.#assertOpen()
    const entry = this.#entries[reverse ? this.#position(lt) - 1 : this.#position(gte)]
    if (entry === undefined || compareBytes(entry.key, gte) < 0 || compareBytes(entry.key, lt) >= 0) return undefined
    return { key: entry.key.slice(), value: entry.value.slice() }
  }

  async *entries(range: KeyRange): AsyncIterable<Entry[]> {
    for (const chunk of this.#chunks(range))
      yield chunk.map(({ key, value }) => ({ key: key.slice(), value: value.slice() }))
  }

  async *keys(range: KeyRange): AsyncIterable<Uint8Array[]> {
    for (const chunk of this.#chunks(range)) yield chunk.map(({ key }) => key.slice())
  }

  async commit(batch: Write[], expectations: Expectation[] = []): Promise<void> {
    this.#assertOpen()
    assertWritable(batch)
    for (const { key, value } of expectations) {
      const stored = this.#find(key)?.value
      const holds = value === undefined || stored === undefined ? value === stored : equalBytes(value, stored)
      if (!holds) throw new ConflictError('the stored value is not the expected one')
    }
    for (const write of batch) this.#apply(write)
  }

  assertInPlace(): void {}

  clearDeadReaders(): undefined {}

  stats(): StoreStats {
    return { fileBytes: 0, usedBytes: 0, records: this.#entries.length }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  *#chunks({ gte, lt, reverse = false, limit = Number.POSITIVE_INFINITY }: KeyRange): Iterable<Entry[]> {
    this.#assertOpen()
    const entries = this.#entries.slice(this.#position(gte), this.#position(lt))
    if (reverse) entries.reverse()
    const end = Math.min(entries.length, limit)
    for (let start = 0; start < end; start += chunkLength)
      yield entries.slice(start, Math.min(start + chunkLength, end))
  }

  #apply({ key, value }: Write): void {
    const position = this.#position(key)
    const replaced = this.#find(key) ? 1 : 0
    if (value === undefined) this.#entries.splice(position, replaced)
    else this.#entries.splice(position, replaced, { key: key.slice(), value: value.slice() })
  }

  #find(key: Uint8Array): Entry | undefined {
    const entry = this.#entries[this.#position(key)]
    return entry && equalBytes(entry.key, key) ? entry : undefined
  }

  /** Where the first entry stands whose key is not smaller than `key`. */
  #position(key: Uint8Array): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(this.#entries[middle]!.key, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('the store is closed')
  }
}
