import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ContractReader, type KeyValueBackend, openLmdb } from '@bletchley/store'

export function storeFolder(dataFolder: string): string {
  return join(dataFolder, 'store')
}

/** @throws Error if the folder holds no worker's database */
export function assertWorker(dataFolder: string): void {
  if (existsSync(join(storeFolder(dataFolder), 'data.mdb'))) return
  throw new Error(`${dataFolder} is not the data folder of a worker: it has no store/data.mdb`)
}

/** Reads a worker's database, also beside its core. */
export async function withReader<T>(
  dataFolder: string,
  read: (reader: ContractReader, backend: KeyValueBackend) => Promise<T>,
): Promise<T> {
  assertWorker(dataFolder)
  const backend = openLmdb({ folder: storeFolder(dataFolder), readOnly: true })
  try {
    return await read(await ContractReader.openExisting(backend), backend)
  } finally {
    await backend.close()
  }
}
