import type { Pacer } from './pacer.ts'
import type { DeltaRange } from './ranges.ts'

/** A contract's last deltas whose task receipts are kept. */
export const keptReceipts = 64

/** One encrypted delta under its number. */
export interface Delta {
  /** u32, 0 = deployment */
  key: number
  data: Uint8Array
}

/** A delta together with the contract it belongs to. */
export interface DeltaRow extends Delta {
  /** 32 bytes */
  address: Uint8Array
}

/** A tip's number and the bytes of its data, which may stand beside them. */
export interface TipLength {
  /** 32 bytes */
  address: Uint8Array
  key: number
  length: number
  data?: Uint8Array | undefined
}

/** An encrypted state and the index of the last delta in it. */
export interface Snapshot {
  key: number
  data: Uint8Array
}

/** What a task answered, so that its retry can be answered the same. */
export interface Receipt {
  /** 32 bytes */
  taskId: Uint8Array
  reply: Uint8Array
}

/** Names one state of a contract's records: each write makes another, and so does a removal with what comes after it. */
export interface ContractVersion {
  sequence: bigint
  revision: bigint
}

/** What a task needs to know of a contract, as of one moment. */
export interface LoadedContract {
  version: ContractVersion
  /** Number and hash of the newest delta, if there is one. */
  tip: { key: number; hash: Uint8Array } | undefined
  hasBytecode: boolean
  /** Hash of the bytecode, where the store keeps it: others have it hashed. */
  codeHash: Uint8Array | undefined
  /** Whether the task made one of the contract's last {@link keptReceipts} deltas. */
  hasReceipt: boolean
}

/** Names one exchange of keys with a user. */
export interface UserKeyName {
  /** 64 bytes: the user's public key. */
  userKey: Uint8Array
  /** 8 bytes, random. */
  id: Uint8Array
}

/** What a user's next task is to be opened with, as it is kept. */
export interface SealedUserKey extends UserKeyName {
  sealed: Uint8Array
}

/** What a task finds, as of one moment. */
export interface Loaded {
  /** `undefined` if there is neither bytecode nor a delta. */
  contract: LoadedContract | undefined
  /** Of the user's last exchange, unless it is used or too old; always absent where keys are not kept in the database. */
  userKey: SealedUserKey | undefined
}

/** All that one successful task leaves behind. */
export interface TaskCommit {
  /** 32 bytes */
  address: Uint8Array
  /** The contract as it was loaded for the task. A deployment has none: it makes the contract. */
  version: ContractVersion | undefined
  /**
   * The new delta, of a number that is not taken. Those of higher numbers cannot follow it and go, with their receipts and the
   * snapshot. A deployment makes number 0.
   */
  delta: Delta
  /** Of its data, as `hash` makes it. */
  deltaHash: Uint8Array
  /** Given by a deployment only: the bytecode and its hash. */
  code?: { bytecode: Uint8Array; hash: Uint8Array } | undefined
  receipt?: Receipt | undefined
  /** The one-time key that the task used up, where it is kept in the database: it goes with the commit. */
  burnt?: UserKeyName | undefined
}

export interface ContractStoreOptions {
  /** How the hash of a delta, or of bytecode, is made from its bytes: keccak256 in the worker. */
  hash(data: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** Is told of each contract that a write of this store has changed, once that is on disk. It may not throw. */
  onChange?(change: ContractChange): void
}

/** What a write did to a contract. */
export interface ContractChange {
  /** 32 bytes. */
  address: Uint8Array
  kind: 'created' | 'changed' | 'removed'
  /** The lowest number of the deltas that it stored or removed, if there were any. */
  firstDelta: number | undefined
  /** Whether it stored or removed the bytecode, and the snapshot. */
  bytecode: boolean
  snapshot: boolean
}

/**
 * What can be asked about stored contracts. Addresses are 32 bytes, ranges are `[from, to)`, absent things are
 * `undefined`. Arrays that come out belong to the caller.
 *
 * @throws RangeError (as a rejection) for an address, index or range of the wrong shape; StorageError
 */
export interface ContractReader {
  /** The delta with the highest number. */
  getTip(address: Uint8Array, pacer?: Pacer): Promise<Delta | undefined>

  /** The number of that delta, without reading it. */
  getTipKey(address: Uint8Array): Promise<number | undefined>

  /** The tips of contracts, one answer per address in their order; other work of the process gets its turn in between. */
  tips(addresses: Iterable<Uint8Array>, pacer?: Pacer): AsyncIterable<Delta | undefined>

  /**
   * The tips of all contracts that have one, with the bytes of their data, in the order of {@link allAddresses}; the data
   * itself only up to a size.
   */
  tipLengths(mostBytes: number, pacer?: Pacer): AsyncIterable<TipLength>

  /**
   * Every contract that has bytecode or a delta, in order of first appearance. One that was removed and comes again is
   * the last.
   */
  allAddresses(): Promise<Uint8Array[]>

  /** As `allAddresses`, some hundred at a time. */
  addressChunks(): AsyncIterable<Uint8Array[]>

  /** Whether the contract has bytecode or a delta. */
  hasContract(address: Uint8Array): Promise<boolean>

  getDelta(address: Uint8Array, index: number, pacer?: Pacer): Promise<Uint8Array | undefined>

  /** The stored deltas `[from, to)`, ascending; holes are simply absent. */
  getDeltas(address: Uint8Array, from: number, to: number): Promise<Delta[]>

  /**
   * As `getDeltas`, from the first to the last by default, some hundred rows or about a megabyte at a time: for a rebuild, or
   * more than memory should hold.
   */
  deltaChunks(address: Uint8Array, from?: number, to?: number, pacer?: Pacer): AsyncIterable<Delta[]>

  /** The numbers of at most `limit` stored deltas below `before`, the newest first, in chunks as {@link deltaChunks}. */
  deltaKeysBefore(address: Uint8Array, before: number, limit: number): AsyncIterable<number[]>

  /** Whether there is bytecode, without reading it. */
  hasBytecode(address: Uint8Array): Promise<boolean>

  getBytecode(address: Uint8Array, pacer?: Pacer): Promise<Uint8Array | undefined>

  getSnapshot(address: Uint8Array): Promise<Snapshot | undefined>

  /**
   * The reply of a task that made one of the contract's last {@link keptReceipts} deltas.
   *
   * @param taskId 32 bytes
   */
  getReceipt(address: Uint8Array, taskId: Uint8Array): Promise<{ key: number; reply: Uint8Array } | undefined>

  /** The receipt of the task that made this delta, if it is still there. */
  receiptOf(address: Uint8Array, index: number): Promise<Receipt | undefined>

  /** The tasks whose receipts {@link getReceipt} finds, the newest first. */
  receiptTasks(address: Uint8Array): Promise<Uint8Array[]>
}

/**
 * The contracts of a worker.
 *
 * Every write is on disk when its promise resolves, and leaves of each contract all of it or nothing. It holds only if the
 * contract is as it was when the write was prepared, so several stores over one database, in one process or many, cannot
 * overwrite each other. What can be prepared anew is; a task cannot.
 *
 * Arrays that are passed in must not change until the promise settles.
 */
export interface ContractStore extends ContractReader {
  /**
   * Another number whenever a reading might give something else than before: while it is the same, nobody has written to the
   * database.
   */
  readonly revision: number

  /**
   * A contract as a task finds it.
   *
   * @param taskId  of the task that may have a receipt, 32 bytes
   * @param userKey of the user whose one-time key is wanted, 64 bytes
   */
  load(address: Uint8Array, taskId?: Uint8Array, userKey?: Uint8Array): Promise<Loaded>

  /**
   * Stores what a task produced, if the contract still is what was loaded for it, and its one-time key is there.
   *
   * @returns `moved` if not: somebody else has written the contract or used the key, and nothing is stored
   * @throws RangeError for a delta whose number is taken, and for what is neither a deployment nor a computation
   */
  commitTask(task: TaskCommit): Promise<'committed' | 'moved'>

  /** Creates or replaces the bytecode and leaves all else. */
  putBytecode(address: Uint8Array, bytecode: Uint8Array): Promise<void>

  /** Creates or replaces the bytecode and one delta. */
  putContract(address: Uint8Array, bytecode: Uint8Array, delta: Delta): Promise<void>

  /**
   * Creates or replaces deltas of any contracts. Of rows with the same address and key the last counts. A snapshot that
   * contains a delta which is now another goes; so do the receipts of such deltas.
   */
  putDeltas(rows: DeltaRow[]): Promise<void>

  /** Removes all that is stored of a contract. One that is unknown is fine. */
  removeContract(address: Uint8Array): Promise<void>

  /**
   * Removes the stored deltas of the ranges, with their receipts and with the snapshots of the contracts that lose any.
   * A contract without deltas and bytecode disappears. The cost depends on what is stored, not on the width of a range.
   */
  removeDeltas(ranges: DeltaRange[]): Promise<void>

  /**
   * Stores a snapshot that was made from the stored deltas, in place of an older one. Nothing is stored if its last delta
   * is not that of `deltaHash` any more.
   */
  putSnapshot(address: Uint8Array, snapshot: Snapshot, deltaHash: Uint8Array): Promise<void>

  /** Resolves if the database takes writes, and throws StorageError if not. */
  probe(): Promise<void>

  /** Waits for the writes under way. Whatever is called afterwards is rejected. */
  close(): Promise<void>
}
