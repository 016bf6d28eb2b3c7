import { stat } from 'node:fs/promises'
import { equalBytes } from '@bletchley/bytes'
import { storeFolder } from '@bletchley/core/data-folder'
import { keccak256 } from '@bletchley/crypto'
import { lockFolder } from '@bletchley/crypto/folder-lock'
import { openFile } from '@bletchley/crypto/key-file'
import { type ContractStore, type DeltaRow, type Finding, KeyValueStore, openLmdb } from '@bletchley/store'
import {
  allRecord,
  type ContractInFile,
  deltaNumber,
  ExportFileError,
  type FileRecord,
  kinds,
  RecordReader,
  readContract,
} from './exportFormat.ts'
import type { LongRun } from './longRun.ts'

export interface ImportOptions extends LongRun {
  dataFolder: string
  file: string
}

export interface Imported {
  /** Contracts that were not there, or not to the end. */
  imported: number
  /** Contracts of which all was there, and maybe more. */
  equal: number
  /** Contracts that are another way here; nothing of them was touched. */
  conflicts: Finding[]
}

/** An encrypted blob has at least its tag and its IV. */
const minBlobBytes = 28
const batchBytes = 1 << 22

/**
 * Brings the contracts of an export into a worker's database, made if it is not there. The core must not run.
 *
 * A contract is written only when it has been read to its end and its digest fits. What is there is never overwritten: a
 * contract that is equal, or longer here, stays; one that is shorter here gets the rest; one that differs is reported. So
 * an import that was broken off goes on when it is run again.
 *
 * @throws ExportFileError if the file is damaged or cut off; the contracts before that place have been imported
 * @throws FolderLockedError
 */
export async function importContracts(options: ImportOptions): Promise<Imported> {
  const status = await stat(options.file)
  if (status.isDirectory()) throw new Error(`${options.file} is a folder, and no export`)
  if (!status.isFile()) {
    throw new Error(`${options.file} is no file; an export is read more than once, so write it to a file first`)
  }
  const file = await openFile(options.file)
  try {
    const reader = await RecordReader.open(file).catch((error: unknown) => {
      throw named(error, options.file)
    })
    const lock = await lockFolder(options.dataFolder, 'import')
    try {
      const store = await KeyValueStore.open(await openLmdb({ folder: storeFolder(options.dataFolder) }), {
        hash: keccak256,
      })
      try {
        return await importAll(reader, store, options)
      } finally {
        await store.close()
      }
    } catch (error) {
      throw named(error, options.file)
    } finally {
      lock.release()
    }
  } finally {
    await file.close()
  }
}

async function importAll(reader: RecordReader, store: ContractStore, options: ImportOptions): Promise<Imported> {
  const result: Imported = { imported: 0, equal: 0, conflicts: [] }
  const digests: Uint8Array[] = []
  for (;;) {
    options.signal?.throwIfAborted()
    const comparison = new Comparison(store)
    const contract = await readContract(reader, (record, address) => comparison.compare(record, address))
    if ('all' in contract) {
      if (!equalBytes(contract.all, allRecord(digests).payload))
        throw new ExportFileError('contracts of it are missing')
      options.onProgress?.(reader.size, reader.size)
      return result
    }
    digests.push(contract.digest)
    const { address } = contract
    const end = reader.position
    if (comparison.problem !== undefined) result.conflicts.push({ address, problem: comparison.problem })
    else if (!comparison.missing) result.equal += 1
    else {
      reader.seek(contract.from)
      await writeContract(reader, store, contract, options.signal)
      result.imported += 1
    }
    reader.seek(end)
    options.onProgress?.(end, reader.size)
  }
}

/** What a contract of the file is against the one that is here. */
class Comparison {
  readonly #store: ContractStore
  /** Whether a record is not here. */
  missing = false
  /** The first thing that is not as it is here. */
  problem: string | undefined

  constructor(store: ContractStore) {
    this.#store = store
  }

  async compare(record: FileRecord, address: Uint8Array): Promise<void> {
    if (record.kind === kinds.bytecode) {
      const stored = await this.#store.getBytecode(address)
      if (stored === undefined) this.missing = true
      else if (!equalBytes(stored, record.payload)) this.problem ??= 'its bytecode is not the one that is here'
      return
    }
    const key = deltaNumber(record)
    const data = record.payload.subarray(4)
    if (data.length < minBlobBytes)
      throw new ExportFileError(`delta ${key} of a contract has only ${data.length} bytes`)
    const stored = await this.#store.getDelta(address, key)
    if (stored === undefined) this.missing = true
    else if (!equalBytes(stored, data)) this.problem ??= `its delta ${key} is not the one that is here`
  }
}

/** In batches that are each a longer beginning of the chain: whoever is killed leaves one that can be gone on with. */
async function writeContract(
  reader: RecordReader,
  store: ContractStore,
  { address }: ContractInFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  let rows: DeltaRow[] = []
  let bytes = 0
  await readContract(reader, async (record) => {
    if (record.kind === kinds.bytecode) return store.putBytecode(address, record.payload)
    const data = record.payload.subarray(4)
    rows.push({ address, key: deltaNumber(record), data })
    bytes += data.length
    if (bytes < batchBytes) return
    await store.putDeltas(rows)
    rows = []
    bytes = 0
    signal?.throwIfAborted()
  })
  if (rows.length > 0) await store.putDeltas(rows)
}

function named(error: unknown, file: string): unknown {
  return error instanceof ExportFileError ? new ExportFileError(`${file}: ${error.message}`, { cause: error }) : error
}
