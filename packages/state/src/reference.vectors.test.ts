import { bytesToHex, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { decrypt, keccak256, MsgPackReader, sha256 } from '@bletchley/crypto'
import { describe, expect, test } from 'vitest'
import reference from '../vectors/reference.json' with { type: 'json' }
import { stateExtent } from './extent.ts'
import {
  applyDelta,
  decodeState,
  diff,
  encodeDelta,
  encodeState,
  initialState,
  type JsonObject,
  openDelta,
  openState,
  type Patch,
  parseJson,
  readJson,
  sealDelta,
  sealState,
} from './index.ts'

interface Vector {
  inputs: Record<string, unknown>
  derived: Record<string, unknown>
  expected: string
}

function vector(name: string): Vector {
  const found = reference.vectors.find((candidate) => candidate.name === name)
  if (!found) throw new Error(`no vector ${name}`)
  return { inputs: found.inputs, derived: found.derived, expected: found.expected }
}

const bytes = (hex: unknown) => hexToBytes(String(hex))
/** The vector file holds JSON as JSON; no number in it needs more than a double. */
const json = (value: unknown) => parseJson(utf8ToBytes(JSON.stringify(value))) as JsonObject

test('state_encrypted', () => {
  const { inputs, derived, expected } = vector('state_encrypted')
  const state = {
    json: json(inputs.json),
    deltaHash: bytes(inputs.delta_hash),
    deltaIndex: Number(inputs.delta_index),
  }
  expect(bytesToHex(encodeState(state))).toBe(derived.plaintext_msgpack)
  expect(bytesToHex(sealState(bytes(inputs.key), state, bytes(inputs.iv)))).toBe(expected)
  expect(decodeState(bytes(derived.plaintext_msgpack))).toStrictEqual({ ...state, ...stateExtent(state.json) })
})

test('delta_encrypted', () => {
  const { inputs, derived, expected } = vector('delta_encrypted')
  const delta = { patch: inputs.patch as Patch, previousHash: bytes(inputs.previous_hash) }
  expect(bytesToHex(encodeDelta(delta))).toBe(derived.plaintext_msgpack)
  expect(bytesToHex(sealDelta(bytes(inputs.key), delta, bytes(inputs.iv)))).toBe(expected)
  expect(openDelta(bytes(inputs.key), bytes(expected))).toStrictEqual(delta)
  expect(bytesToHex(keccak256(bytes(expected)))).toBe(derived.delta_hash)
})

test('the patch of delta_encrypted is what diff makes of the documents in spec/runtime.md 8.2', () => {
  const before = json({ title: 'Goodbye!', author: { name1: 'John', name2: 'Doe' }, tags: ['first', 'second'] })
  const after = json({ author: { name1: 'John', name2: 'Lennon' }, tags: ['first', 'second', 'third'] })
  expect(diff(before, after)).toStrictEqual(vector('delta_encrypted').inputs.patch)
})

describe('delta_chain_1', () => {
  const { inputs, derived } = vector('delta_chain_1')
  const key = bytes(inputs.key)
  const blobs = (inputs.deltas as string[]).map(bytes)
  const hashes = derived.delta_hashes as string[]

  test('30 deltas rebuild the recorded states', () => {
    expect(blobs).toHaveLength(30)
    const state = initialState()
    blobs.forEach((blob, index) => {
      applyDelta(state, index, key, blob)
      expect(bytesToHex(state.deltaHash), `delta ${index}`).toBe(hashes[index])
      if (index === 0) expect(bytesToHex(encodeState(state))).toBe(inputs.state0_plain)
    })
    expect(bytesToHex(encodeState(state))).toBe(derived.final_state_msgpack)
    expect(state.deltaIndex).toBe(29)
  })

  test('diff between the states writes every recorded delta again, byte for byte', () => {
    const state = initialState()
    blobs.forEach((blob, index) => {
      const before = decodeState(encodeState(state))
      applyDelta(state, index, key, blob)
      const delta = { patch: diff(before.json, state.json), previousHash: before.deltaHash }
      expect(encodeDelta(delta), `delta ${index}`).toStrictEqual(decrypt(key, blob))
      expect(sealDelta(key, delta, blob.subarray(-12)), `delta ${index}`).toStrictEqual(blob)
    })
  })
})

test('ocalls_state_blob: a bare JSON value, which is no state', () => {
  const { inputs, derived } = vector('ocalls_state_blob')
  const key = sha256(utf8ToBytes('EnigmaMPC'))
  const plain = decrypt(key, bytes(inputs.blob))
  expect(bytesToHex(plain)).toBe(derived.plain)
  expect(readJson(new MsgPackReader(plain))).toStrictEqual(json(vector('state_encrypted').inputs.json))
  expect(() => openState(key, bytes(inputs.blob))).toThrow(expect.objectContaining({ code: 'malformed' }))
})
