import { bytesToHex, equalBytes, keccak256 } from '@bletchley/crypto'
import {
  applyDelta,
  type ContractState,
  initialState,
  isInitial,
  openState,
  StateError,
  type StateErrorCode,
} from '@bletchley/state'
import { BoundedMap } from '../boundedMap.ts'

/** One stored delta. */
export interface StoredDelta {
  /** Delta number, u32. */
  key: number
  data: Uint8Array
}

/** Where a home thread gets a contract's records from. */
export interface ContractRecords {
  bytecode(address: Uint8Array): Promise<Uint8Array>
  /** The encrypted snapshot, if there is one. */
  snapshot(address: Uint8Array): Promise<Uint8Array | undefined>
  /** The next deltas from a number on, ascending; as many as fit a message. Empty at the end. */
  deltas(address: Uint8Array, from: number): Promise<StoredDelta[]>
}

/** A contract's state, as far as its stored deltas lead. */
export interface OpenedState {
  state: ContractState
  /** Why the state ends before the newest delta: a number is missing, or a delta cannot be opened or applied. */
  broken?: 'gap' | StateErrorCode
}

interface CachedState {
  state: ContractState
  stateKey: Uint8Array
  /** The newest delta in the state; absent for the initial one. */
  newest: Uint8Array | undefined
}

/** Contracts whose decrypted state stays on a thread. */
const cachedContracts = 256

/**
 * The decrypted states of the contracts that live on a thread.
 *
 * Deltas are the truth and a state is a cache of them: it is used only if the newest stored delta is the one it was
 * built from, so it can be thrown away, and a change behind its back is noticed, at any time.
 */
export class ContractStates {
  readonly #records: ContractRecords
  readonly #cache = new BoundedMap<CachedState>({ entries: cachedContracts })

  constructor(records: ContractRecords) {
    this.#records = records
  }

  /**
   * Brings a contract's state up to its newest delta, from the cache, else from the snapshot, else from the first delta.
   * It stops in front of the first delta that is missing or cannot be applied (storage.md, section 7).
   *
   * @param stateKey 32 bytes, secret
   * @param tip the newest stored delta, absent if there is none
   */
  async open(address: Uint8Array, stateKey: Uint8Array, tip: StoredDelta | undefined): Promise<OpenedState> {
    const cached = this.#cache.get(bytesToHex(address))
    if (tip === undefined) return { state: initialState() }
    if (cached !== undefined && equalBytes(cached.stateKey, stateKey)) {
      const { state, newest } = cached
      if (newest !== undefined && state.deltaIndex === tip.key && equalBytes(newest, tip.data)) return { state }
      const opened = await this.#extend(address, stateKey, tip, state)
      if (opened !== undefined) return opened
    }
    const snapshot = await this.#openSnapshot(address, stateKey)
    const opened = snapshot && (await this.#extend(address, stateKey, tip, snapshot))
    return opened ?? (await this.#extend(address, stateKey, tip, initialState()))!
  }

  /** Drops a contract's state: its stored chain has been changed from outside. */
  forget(address: Uint8Array): void {
    this.#cache.delete(bytesToHex(address))
  }

  /** Keeps a state that a task has moved on. */
  keep(address: Uint8Array, stateKey: Uint8Array, state: ContractState, newest: Uint8Array | undefined): void {
    this.#cache.set(bytesToHex(address), { state, stateKey, newest })
  }

  async #openSnapshot(address: Uint8Array, stateKey: Uint8Array): Promise<ContractState | undefined> {
    const blob = await this.#records.snapshot(address)
    if (blob === undefined) return undefined
    try {
      return openState(stateKey, blob)
    } catch (error) {
      // A snapshot is a short cut; the deltas say whether the contract is sound.
      if (error instanceof StateError) return undefined
      throw error
    }
  }

  /** Applies the deltas behind `state`; nothing if the stored chain is not the one that `state` was built from. */
  async #extend(
    address: Uint8Array,
    stateKey: Uint8Array,
    tip: StoredDelta,
    state: ContractState,
  ): Promise<OpenedState | undefined> {
    let next = 0
    let newest: Uint8Array | undefined
    if (!isInitial(state)) {
      if (state.deltaIndex > tip.key) return undefined
      const [own] = await this.#records.deltas(address, state.deltaIndex)
      if (own?.key !== state.deltaIndex || !equalBytes(keccak256(own.data), state.deltaHash)) return undefined
      next = state.deltaIndex + 1
      newest = own.data
    }
    let broken: OpenedState['broken']
    while (broken === undefined && next <= tip.key) {
      const deltas = await this.#records.deltas(address, next)
      if (deltas.length === 0) broken = 'gap'
      for (const { key, data } of deltas) {
        if (key !== next) broken = 'gap'
        else broken = apply(state, key, stateKey, data)
        if (broken !== undefined) break
        newest = data
        next += 1
      }
    }
    this.keep(address, stateKey, state, newest)
    return broken === undefined ? { state } : { state, broken }
  }
}

function apply(
  state: ContractState,
  index: number,
  stateKey: Uint8Array,
  data: Uint8Array,
): StateErrorCode | undefined {
  try {
    applyDelta(state, index, stateKey, data)
    return undefined
  } catch (error) {
    if (error instanceof StateError) return error.code
    throw error
  }
}
