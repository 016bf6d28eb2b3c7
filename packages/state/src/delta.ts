import { equalBytes } from '@bletchley/bytes'
import { encrypt, keccak256, type MsgPackReader, MsgPackWriter } from '@bletchley/crypto'
import { type ContractState, nextDeltaIndex } from './contractState.ts'
import { StateError } from './errors.ts'
import { grow } from './extent.ts'
import type { JsonValue } from './json.ts'
import { readJson, writeJson } from './jsonMsgPack.ts'
import { decodeMessage, malformed, readHash, readStruct } from './msgPackStruct.ts'
import { applyOwnedPatch, type Operation, type Patch } from './patch.ts'
import { openBlob } from './sealed.ts'

export interface Delta {
  patch: Patch
  /** 32 bytes: keccak256 of the previous delta's blob; zeros in delta 0 */
  previousHash: Uint8Array
}

/**
 * The plaintext of a delta: MessagePack `[patch, previous_hash]`, an operation being `["add", path, value]`,
 * `["replace", path, value]` or `["remove", path]`.
 *
 * @see spec/crypto.md 9.2 · vectors/README.md
 */
export function encodeDelta(delta: Delta): Uint8Array {
  const writer = new MsgPackWriter()
  writer.arrayHeader(2)
  writer.arrayHeader(delta.patch.length)
  for (const operation of delta.patch) writeOperation(writer, operation)
  writer.byteArray(delta.previousHash)
  return writer.bytes()
}

/** @throws StateError `malformed` */
export function decodeDelta(bytes: Uint8Array): Delta {
  const { patch, previousHash } = readDelta(bytes)
  return { patch: [...patch], previousHash }
}

function readDelta(bytes: Uint8Array): { patch: Iterable<Operation>; previousHash: Uint8Array } {
  return decodeMessage(bytes, (reader) => {
    const delta: ReturnType<typeof readDelta> = { patch: [], previousHash: new Uint8Array(32) }
    readStruct(reader, ['patch', 'previous_hash'], (name) => {
      if (name === 'patch') delta.patch = readPatch(reader)
      else delta.previousHash = readHash(reader)
    })
    return delta
  })
}

/**
 * Encrypts a delta.
 *
 * @param stateKey 32 bytes, secret
 * @param iv       12 bytes; random unless given
 */
export function sealDelta(stateKey: Uint8Array, delta: Delta, iv?: Uint8Array): Uint8Array {
  return encrypt(stateKey, encodeDelta(delta), iv)
}

/** @throws StateError `undecryptable` or `malformed` */
export function openDelta(stateKey: Uint8Array, blob: Uint8Array): Delta {
  return decodeDelta(openBlob(stateKey, blob))
}

/**
 * Takes the state one delta further, in place. A delta that does not fit leaves the state untouched.
 *
 * @param index the key under which the delta is stored; must be the one after the state's, or 0 for an initial state
 * @throws StateError with any of its codes
 * @see spec/crypto.md 9.3
 */
export function applyDelta(state: ContractState, index: number, stateKey: Uint8Array, blob: Uint8Array): void {
  const expected = nextDeltaIndex(state)
  if (index !== expected) throw new StateError('index_gap', `delta ${index} where delta ${expected} should follow`)
  const delta = readDelta(openBlob(stateKey, blob))
  if (!equalBytes(delta.previousHash, state.deltaHash)) {
    throw new StateError('hash_mismatch', `delta ${index} belongs to another predecessor`)
  }
  grow(state, applyOwnedPatch(state.json, delta.patch))
  state.deltaHash = keccak256(blob)
  state.deltaIndex = index
}

/** A patch of more operations is not held as a whole: each takes some hundred bytes, and a delta may have millions. */
const heldOperations = 10_000

/** The members of each operation behind its name, in the order in which they are written. */
const operationMembers = {
  add: ['path', 'value'],
  replace: ['path', 'value'],
  test: ['path', 'value'],
  remove: ['path'],
  move: ['from', 'path'],
  copy: ['from', 'path'],
} as const

function writeOperation(writer: MsgPackWriter, operation: Operation): void {
  writer.arrayHeader(1 + operationMembers[operation.op].length)
  writer.str(operation.op)
  if ('from' in operation) writer.str(operation.from)
  writer.str(operation.path)
  if ('value' in operation) writeJson(writer, operation.value)
}

/** All operations of a short patch; those of a long one are looked at here, and made again one by one as they are asked for. */
function readPatch(reader: MsgPackReader): Iterable<Operation> {
  const count = reader.arrayHeader()
  if (count <= heldOperations) return [...readOperations(reader, count)]
  const again = reader.clone()
  for (const _ of readOperations(reader, count));
  return { [Symbol.iterator]: () => readOperations(again.clone(), count) }
}

function* readOperations(reader: MsgPackReader, count: number): Generator<Operation> {
  for (let left = count; left > 0; left--) yield readOperation(reader)
}

interface Members {
  op?: string
  path?: string
  from?: string
  value?: JsonValue
}

function readOperation(reader: MsgPackReader): Operation {
  const members: Members = {}
  if (reader.peekType() === 'map') {
    for (let left = reader.mapHeader(); left > 0; left--) readMember(reader, reader.str(), members)
  } else {
    const length = reader.arrayHeader()
    if (length === 0) throw malformed()
    members.op = reader.str()
    if (!isOperationName(members.op)) throw malformed()
    const names = operationMembers[members.op]
    if (length !== 1 + names.length) throw malformed()
    for (const name of names) readMember(reader, name, members)
  }
  return toOperation(members)
}

function readMember(reader: MsgPackReader, name: string, members: Members): void {
  if (name === 'value') members.value = readJson(reader)
  else if (name === 'op' || name === 'path' || name === 'from') members[name] = reader.str()
  else reader.skip()
}

function toOperation({ op, path, from, value }: Members): Operation {
  if (op !== undefined && isOperationName(op) && path !== undefined) {
    if (op === 'remove') return { op, path }
    if (op === 'move' || op === 'copy') {
      if (from !== undefined) return { op, from, path }
    } else if (value !== undefined) return { op, path, value }
  }
  throw malformed()
}

function isOperationName(name: string): name is Operation['op'] {
  return Object.hasOwn(operationMembers, name)
}
