export {
  ConflictError,
  type Entry,
  type Expectation,
  type KeyRange,
  type KeyValueBackend,
  StorageError,
  type StoreStats,
  type Write,
} from './backend.ts'
export { contractAddresses } from './contractAddresses.ts'
export { ContractReader, type Delta, type DeltaRow, type TipLength } from './contractReader.ts'
export { type ContractChange, ContractStore, type ContractStoreOptions, type TaskCommit } from './contractStore.ts'
export { KeyedQueue } from './keyedQueue.ts'
export { type LmdbOptions, openLmdb } from './lmdb.ts'
export { compactLmdb, copyLmdb } from './lmdbCopy.ts'
export { canNoteReaders } from './lmdbFile.ts'
export { openMemory } from './memory.ts'
export { forEachPaced, Pacer, paced } from './pacer.ts'
export { type Pruned, pruneRecords } from './pruneRecords.ts'
export type { DeltaRange } from './ranges.ts'
export type { Receipt, Snapshot } from './records.ts'
export { type Finding, verifyAround, verifyRecords } from './verifyRecords.ts'
