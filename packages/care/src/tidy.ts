import { assertWorker, storeFolder, withReader } from '@bletchley/core/data-folder'
import { lockFolder } from '@bletchley/crypto/folder-lock'
import { compactLmdb, contractAddresses, openLmdb, type Pruned, pruneRecords } from '@bletchley/store'
import type { LongRun } from './longRun.ts'

/**
 * Rewrites the database without its free pages. The core must not run.
 *
 * @returns bytes of the file before and after
 * @throws FolderLockedError
 */
export async function compact(dataFolder: string, run: LongRun = {}): Promise<{ before: number; after: number }> {
  return withLock(dataFolder, 'compact', async () => {
    const { usedBytes } = await withReader(dataFolder, async (_, backend) => backend.stats())
    return compactLmdb(storeFolder(dataFolder), {
      signal: run.signal,
      onBytes: (bytes) => run.onProgress?.(Math.min(bytes, usedBytes), usedBytes),
    })
  })
}

/**
 * Removes records without meaning: receipts and snapshots of deltas that are not there or not kept. The core must not
 * run. The file keeps its size, and the core uses the room; `compact` gives it back.
 *
 * @param options.allSnapshots also the good ones: tasks make them again
 * @throws FolderLockedError
 */
export async function prune(dataFolder: string, options: LongRun & { allSnapshots?: boolean } = {}): Promise<Pruned> {
  return withLock(dataFolder, 'prune', async () => {
    const backend = await openLmdb({ folder: storeFolder(dataFolder) })
    try {
      let total = 0
      for await (const _ of contractAddresses(backend)) total++
      let done = 0
      return await pruneRecords(backend, {
        ...(options.allSnapshots && { allSnapshots: true }),
        ...(options.signal && { signal: options.signal }),
        onContract: () => options.onProgress?.(++done, total),
      })
    } finally {
      await backend.close()
    }
  })
}

async function withLock<T>(dataFolder: string, use: string, work: () => Promise<T>): Promise<T> {
  assertWorker(dataFolder)
  const lock = await lockFolder(dataFolder, use)
  try {
    return await work()
  } finally {
    lock.release()
  }
}
