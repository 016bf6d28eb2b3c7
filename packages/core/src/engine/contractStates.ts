import { bytesToHex, equalBytes } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import {
  applyDelta,
  type ContractState,
  initialState,
  isInitial,
  nextDeltaIndex,
  openState,
  StateError,
  type StateErrorCode,
  sealState,
} from '@bletchley/state'
// Not all of the store: this runs on compute threads, and native code that is being loaded in a thread that is ended ends the process.
import { BoundedMap, type CacheSize } from '@bletchley/store/bounded-map'

/** One stored delta. */
export interface StoredDelta {
  /** Delta number, u32. */
  key: number
  data: Uint8Array
}

/** What tells which delta is the newest one. */
export interface StoredTip {
  /** Delta number, u32. */
  key: number
  /** keccak256 of the delta, 32 bytes. */
  hash: Uint8Array
}

/** Where a home thread gets a contract's records from. */
export interface ContractRecords {
  bytecode(address: Uint8Array): Promise<Uint8Array | undefined>
  /** The encrypted snapshot, if there is one. */
  snapshot(address: Uint8Array): Promise<Uint8Array | undefined>
  /** The next deltas from a number on, ascending; as many as fit a message. Empty at the end. */
  deltas(address: Uint8Array, from: number): Promise<StoredDelta[]>
}

/** A contract's state in memory, and what a rebuild of it would cost. */
export interface LiveState {
  /** 32 bytes, secret. */
  readonly stateKey: Uint8Array
  readonly state: ContractState
  /** Bytes of the stored snapshot; 0 if there is none. */
  snapshotBytes: number
  /** The deltas behind the snapshot: how many, and how many bytes of them. */
  replayDeltas: number
  replayBytes: number
}

/** A contract's state, as far as its stored deltas lead. */
export interface OpenedState {
  live: LiveState
  /** Why the state ends before the newest delta: a number is missing, or a delta cannot be opened or applied. */
  broken?: 'gap' | StateErrorCode
}

/** An encrypted state to store as a snapshot. */
export interface NewSnapshot {
  /** Number of the last delta in it, and its hash. */
  key: number
  deltaHash: Uint8Array
  data: Uint8Array
}

/** Memory for the states of one thread, in bytes: half of what its heap may take. */
const stateMemory = 512 * 1024 * 1024

/** What is kept of a contract besides what is in its state. */
const memoryPerState = 2048

/** What is kept is weighed: how it came about, by how many deltas, does not tell its size. */
function weightOf({ state }: LiveState): number {
  return memoryPerState + state.memory
}

/** Fewest deltas between two snapshots. */
const snapshotInterval = 64

/**
 * The decrypted states of the contracts that live on a thread.
 *
 * Deltas are the truth and a state is a cache of them: it is used only if the newest stored delta is the one it was
 * built from, so it can be thrown away, and a change behind its back is noticed, at any time.
 */
export class ContractStates {
  readonly #records: ContractRecords
  readonly #cache: BoundedMap<LiveState>

  /** @param memory bytes that the states may take at the most */
  constructor(records: ContractRecords, memory = stateMemory) {
    this.#records = records
    this.#cache = new BoundedMap({ weight: { most: memory, of: weightOf } })
  }

  get size(): CacheSize {
    return { entries: this.#cache.size, bytes: this.#cache.weight }
  }

  /**
   * Brings a contract's state up to its newest delta, from the cache, else from the snapshot, else from the first delta.
   * It stops in front of the first delta that is missing or cannot be applied (storage.md, section 7).
   *
   * @param stateKey 32 bytes, secret
   * @param tip the newest stored delta, absent if there is none
   */
  async open(address: Uint8Array, stateKey: Uint8Array, tip: StoredTip | undefined): Promise<OpenedState> {
    const cached = this.#cache.use(bytesToHex(address))
    if (tip === undefined) return { live: emptyState(stateKey) }
    if (cached !== undefined && equalBytes(cached.stateKey, stateKey)) {
      if (endsWith(cached.state, tip)) return { live: cached }
      const opened = await this.#extend(address, tip, cached)
      if (opened !== undefined) return opened
    }
    const snapshot = await this.#openSnapshot(address, stateKey)
    const opened = snapshot && (await this.#extend(address, tip, snapshot))
    return opened ?? (await this.#extend(address, tip, emptyState(stateKey)))!
  }

  /**
   * Drops a contract's state: its stored chain has been changed from outside.
   *
   * @param name the address in hex
   */
  forget(name: string): void {
    this.#cache.delete(name)
  }

  /** Keeps a state that a task has moved on by one delta. */
  advance(address: Uint8Array, live: LiveState, delta: Uint8Array): void {
    addDelta(live, delta)
    this.#keep(address, live)
  }

  #keep(address: Uint8Array, live: LiveState): void {
    this.#cache.set(bytesToHex(address), live)
  }

  async #openSnapshot(address: Uint8Array, stateKey: Uint8Array): Promise<LiveState | undefined> {
    const blob = await this.#records.snapshot(address)
    if (blob === undefined) return undefined
    try {
      const live: LiveState = { ...emptyState(stateKey), state: openState(stateKey, blob) }
      resetReplay(live, blob.length)
      return live
    } catch (error) {
      // A snapshot is a short cut; the deltas say whether the contract is sound.
      if (error instanceof StateError) return undefined
      throw error
    }
  }

  /** Applies the deltas behind a state; nothing if the stored chain is not the one that it was built from. */
  async #extend(address: Uint8Array, tip: StoredTip, live: LiveState): Promise<OpenedState | undefined> {
    const { state } = live
    let next = isInitial(state) ? 0 : state.deltaIndex
    if (next > tip.key) return undefined
    let deltas = await this.#records.deltas(address, next)
    if (!isInitial(state)) {
      const [own, ...others] = deltas
      if (own?.key !== next || !equalBytes(keccak256(own.data), state.deltaHash)) return undefined
      deltas = others
      next += 1
    }
    let broken: OpenedState['broken']
    while (broken === undefined && next <= tip.key) {
      if (deltas.length === 0) deltas = await this.#records.deltas(address, next)
      const last = deltas.at(-1)
      // The next ones are on their way while these are applied.
      const coming = last !== undefined && last.key < tip.key ? this.#records.deltas(address, last.key + 1) : []
      try {
        broken = last === undefined ? 'gap' : applyAll(live, next, deltas)
      } finally {
        deltas = await coming
      }
      next = nextDeltaIndex(state)
    }
    this.#keep(address, live)
    return broken === undefined ? { live } : { live, broken }
  }
}

/**
 * Whether it is time for a snapshot: a rebuild is bounded by the bytes of the snapshot before, and all snapshots together
 * cost about as much as the deltas.
 */
export function isSnapshotDue({ replayDeltas, replayBytes, snapshotBytes }: LiveState): boolean {
  return replayDeltas >= snapshotInterval && replayBytes >= snapshotBytes
}

/** A snapshot of a state, if it is time for one. The caller has it stored. */
export function snapshotIfDue(live: LiveState): NewSnapshot | undefined {
  if (!isSnapshotDue(live)) return undefined
  const { state, stateKey } = live
  const data = sealState(stateKey, state)
  resetReplay(live, data.length)
  return { key: state.deltaIndex, deltaHash: state.deltaHash, data }
}

/** Whether the deltas lead elsewhere than to the tip that was told: somebody has changed them meanwhile. */
export function hasMoved({ live, broken }: OpenedState, tip: StoredTip | undefined): boolean {
  return tip !== undefined && broken === undefined && !endsWith(live.state, tip)
}

/** Whether a state ends with this delta. */
function endsWith(state: ContractState, tip: StoredTip): boolean {
  return !isInitial(state) && state.deltaIndex === tip.key && equalBytes(state.deltaHash, tip.hash)
}

/** The state of a contract without deltas. */
export function emptyState(stateKey: Uint8Array): LiveState {
  const state = initialState()
  return { stateKey, state, snapshotBytes: 0, replayDeltas: 0, replayBytes: 0 }
}

function addDelta(live: LiveState, { length }: Uint8Array): void {
  live.replayDeltas += 1
  live.replayBytes += length
}

function resetReplay(live: LiveState, snapshotBytes: number): void {
  live.snapshotBytes = snapshotBytes
  live.replayDeltas = 0
  live.replayBytes = 0
}

/** Applies deltas as far as they fit, and says why it stopped if it did. */
function applyAll(live: LiveState, first: number, deltas: readonly StoredDelta[]): OpenedState['broken'] {
  for (const [index, { key, data }] of deltas.entries()) {
    const broken = key === first + index ? apply(live, key, data) : 'gap'
    if (broken !== undefined) return broken
  }
  return undefined
}

function apply(live: LiveState, index: number, data: Uint8Array): StateErrorCode | undefined {
  try {
    applyDelta(live.state, index, live.stateKey, data)
    addDelta(live, data)
    return undefined
  } catch (error) {
    if (error instanceof StateError) return error.code
    throw error
  }
}
