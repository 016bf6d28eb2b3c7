export { BoundedMap, type CacheSize } from './boundedMap.ts'
export type {
  ContractChange,
  ContractReader,
  ContractStore,
  ContractStoreOptions,
  ContractVersion,
  Delta,
  DeltaRow,
  Loaded,
  LoadedContract,
  Receipt,
  SealedUserKey,
  Snapshot,
  TaskCommit,
  TipLength,
  UserKeyName,
} from './contractStore.ts'
export { ConflictError, OutcomeUnknown, StorageError } from './errors.ts'
export { KeyedQueue } from './keyedQueue.ts'
export type {
  Entry,
  Expectation,
  KeyRange,
  KeyValueBackend,
  StoreStats,
  Write,
} from './keyValue/backend.ts'
export { contractAddresses } from './keyValue/contractAddresses.ts'
export { KeyValueReader } from './keyValue/keyValueReader.ts'
export { KeyValueStore } from './keyValue/keyValueStore.ts'
export { type LmdbOptions, openLmdb } from './keyValue/lmdb.ts'
export { compactLmdb, copyLmdb } from './keyValue/lmdbCopy.ts'
export { canNoteReaders } from './keyValue/lmdbFile.ts'
export { openMemory } from './keyValue/memory.ts'
export { type Pruned, pruneRecords } from './keyValue/pruneRecords.ts'
export { type Finding, verifyAround, verifyRecords } from './keyValue/verifyRecords.ts'
export { forEachPaced, Pacer, paced } from './pacer.ts'
export type { DeltaRange } from './ranges.ts'
