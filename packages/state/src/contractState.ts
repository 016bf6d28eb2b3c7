import { encrypt, type MsgPackReader, MsgPackWriter } from '@bletchley/crypto'
import { type Extent, grow, stateExtent } from './extent.ts'
import type { JsonObject } from './json.ts'
import { readJson, writeJson } from './jsonMsgPack.ts'
import { decodeMessage, malformed, readHash, readStruct } from './msgPackStruct.ts'
import { openBlob } from './sealed.ts'

/** What a snapshot holds. */
export interface StateRecord {
  json: JsonObject
  /** 32 bytes: keccak256 of the last applied delta's blob, or zeros before the first */
  deltaHash: Uint8Array
  /** u32; means something only if `deltaHash` is not zero */
  deltaIndex: number
}

/** Its extent is `stateExtent(json)`, kept up to date by whoever changes `json`. */
export interface ContractState extends StateRecord, Extent {}

/** The state before delta 0. */
export function initialState(): ContractState {
  return { json: new Map(), deltaHash: new Uint8Array(32), deltaIndex: 0, size: 0, memory: 0 }
}

/** No delta has been applied: whatever else it says, the next delta is number 0. spec/storage.md 5, 6 (D2) */
export function isInitial(state: ContractState): boolean {
  return state.deltaHash.every((byte) => byte === 0)
}

/** The index of the delta that follows this state. */
export function nextDeltaIndex(state: ContractState): number {
  return isInitial(state) ? 0 : state.deltaIndex + 1
}

/**
 * The plaintext of a snapshot: MessagePack `[json, delta_hash, delta_index]`.
 *
 * @see spec/crypto.md 9.1 · vectors/README.md
 */
export function encodeState(state: StateRecord): Uint8Array {
  const writer = new MsgPackWriter()
  writer.arrayHeader(3)
  writeJson(writer, state.json)
  writer.byteArray(state.deltaHash)
  writer.int(state.deltaIndex)
  return writer.bytes()
}

/** @throws StateError `malformed` */
export function decodeState(bytes: Uint8Array): ContractState {
  return decodeMessage(bytes, (reader) => {
    const state = initialState()
    readStruct(reader, ['json', 'delta_hash', 'delta_index'], (name) => {
      if (name === 'json') state.json = readRoot(reader)
      else if (name === 'delta_hash') state.deltaHash = readHash(reader)
      else state.deltaIndex = readIndex(reader)
    })
    grow(state, stateExtent(state.json))
    return state
  })
}

/**
 * Encrypts a snapshot.
 *
 * @param stateKey 32 bytes, secret
 * @param iv       12 bytes; random unless given
 */
export function sealState(stateKey: Uint8Array, state: StateRecord, iv?: Uint8Array): Uint8Array {
  return encrypt(stateKey, encodeState(state), iv)
}

/**
 * Opens a stored snapshot. One without a delta hash is worth nothing and gives the initial state (D2).
 *
 * @throws StateError `undecryptable` or `malformed`
 */
export function openState(stateKey: Uint8Array, blob: Uint8Array): ContractState {
  const state = decodeState(openBlob(stateKey, blob))
  return isInitial(state) ? initialState() : state
}

function readRoot(reader: MsgPackReader): JsonObject {
  const json = readJson(reader)
  if (!(json instanceof Map)) throw malformed()
  return json
}

function readIndex(reader: MsgPackReader): number {
  const index = reader.int()
  if (typeof index === 'bigint' || index < 0 || index > 0xffff_ffff) throw malformed()
  return index
}
