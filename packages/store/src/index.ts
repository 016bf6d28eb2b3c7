export {
  ConflictError,
  type Entry,
  type Expectation,
  type KeyRange,
  type KeyValueBackend,
  StorageError,
  type Write,
} from './backend.ts'
export { ContractReader, type Delta, type DeltaRow } from './contractReader.ts'
export { ContractStore, type ContractStoreOptions, type TaskCommit } from './contractStore.ts'
export { KeyedQueue } from './keyedQueue.ts'
export { type LmdbOptions, openLmdb } from './lmdb.ts'
export { openMemory } from './memory.ts'
export type { DeltaRange } from './ranges.ts'
export type { Receipt, Snapshot } from './records.ts'
