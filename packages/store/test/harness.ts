import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Entry, Expectation, KeyRange, KeyValueBackend, StoreStats, Write } from '../src/index.ts'
import { openLmdb, openMemory } from '../src/index.ts'

/** A place that holds data while backends over it are opened and closed. */
export interface Harness extends AsyncDisposable {
  open(): Promise<KeyValueBackend>
}

export const harnesses: Record<string, () => Promise<Harness>> = {
  memory: async () => {
    const memory = openMemory()
    return {
      open: async () => new Wrapper(memory),
      [Symbol.asyncDispose]: () => memory.close(),
    }
  },
  lmdb: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bletchley-store.'))
    const opened: KeyValueBackend[] = []
    return {
      open: async () => {
        const backend = await openLmdb({ folder })
        opened.push(backend)
        return backend
      },
      async [Symbol.asyncDispose]() {
        await Promise.all(opened.map((backend) => backend.close()))
        await rm(folder, { recursive: true })
      },
    }
  },
}

/** Passes everything on; its `close` leaves the inner backend open. */
class Wrapper implements KeyValueBackend {
  protected readonly inner: KeyValueBackend
  #closed = false

  constructor(inner: KeyValueBackend) {
    this.inner = inner
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.assertOpen()
    return this.inner.get(key)
  }

  async first(range: KeyRange): Promise<Entry | undefined> {
    this.assertOpen()
    return this.inner.first(range)
  }

  async *entries(range: KeyRange): AsyncIterable<Entry[]> {
    this.assertOpen()
    yield* this.inner.entries(range)
  }

  async *keys(range: KeyRange): AsyncIterable<Uint8Array[]> {
    this.assertOpen()
    yield* this.inner.keys(range)
  }

  async commit(batch: Write[], expectations?: Expectation[]): Promise<void> {
    this.assertOpen()
    return this.inner.commit(batch, expectations)
  }

  stats(): StoreStats {
    return this.inner.stats()
  }

  assertInPlace(): void {
    this.inner.assertInPlace()
  }

  clearDeadReaders(): number | undefined {
    return this.inner.clearDeadReaders()
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  protected assertOpen(): void {
    if (this.#closed) throw new Error('the store is closed')
  }
}

/** A machine that loses power just before or just after its next commit reaches the disk. */
export class CrashingBackend extends Wrapper {
  crash: 'before' | 'after' | undefined
  commits = 0
  crashed = false

  override async commit(batch: Write[], expectations?: Expectation[]): Promise<void> {
    this.assertOpen()
    this.commits++
    if (this.crash !== 'before') await this.inner.commit(batch, expectations)
    if (this.crash !== undefined) {
      this.crashed = true
      throw new Error('power failure')
    }
  }

  protected override assertOpen(): void {
    super.assertOpen()
    if (this.crashed) throw new Error('power failure')
  }
}

/** Counts what is read. */
export class CountingBackend extends Wrapper {
  reads = 0

  override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.reads++
    return super.get(key)
  }

  override async first(range: KeyRange): Promise<Entry | undefined> {
    this.reads++
    return super.first(range)
  }

  override async *entries(range: KeyRange): AsyncIterable<Entry[]> {
    this.reads++
    for await (const chunk of super.entries(range)) {
      this.reads += chunk.length
      yield chunk
    }
  }

  override async *keys(range: KeyRange): AsyncIterable<Uint8Array[]> {
    this.reads++
    for await (const chunk of super.keys(range)) {
      this.reads += chunk.length
      yield chunk
    }
  }
}
