import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { ConflictError, type KeyValueBackend } from '@bletchley/store'

/** How commits went, and what the database takes on the disk. */
export class StoreWatch {
  readonly #folder: string
  readonly #observe: (seconds: number) => void
  committed = 0
  failed = 0
  /** Whether the last commit failed. */
  broken = false
  /** Bytes of the database's file and, where the system tells it, of room beside it; of the last look. */
  bytes = 0
  freeBytes: number | undefined

  /** @param observe is told how long each commit took that went well */
  constructor(folder: string, observe: (seconds: number) => void) {
    this.#folder = folder
    this.#observe = observe
  }

  /** Has the backend's commits counted and timed, from the call until they are on disk. Returns the backend. */
  watch(backend: KeyValueBackend): KeyValueBackend {
    const commit = backend.commit.bind(backend)
    backend.commit = async (batch, expectations) => {
      const start = performance.now()
      try {
        await commit(batch, expectations)
        this.committed += 1
        this.broken = false
        this.#observe((performance.now() - start) / 1000)
      } catch (error) {
        // Somebody was quicker: the database is well.
        if (!(error instanceof ConflictError)) {
          this.failed += 1
          this.broken = true
        }
        throw error
      }
    }
    return backend
  }

  /** Looks at the disk. */
  async look(): Promise<void> {
    const file = await stat(join(this.#folder, 'data.mdb')).catch(() => undefined)
    this.bytes = file?.size ?? 0
    const disk = await statfs(this.#folder).catch(() => undefined)
    this.freeBytes = disk && disk.bavail * disk.bsize
  }
}
