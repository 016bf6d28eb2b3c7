import { withReader } from '@bletchley/core/data-folder'
import { keccak256 } from '@bletchley/crypto'
import { applyDelta, type ContractState, initialState, sealDelta, sealState } from '@bletchley/state'
import { expect, it } from 'vitest'
import { address, damage, recordKey, withStore, worker } from '../test/worker.ts'
import { chainProblems } from './chain.ts'

const key = new Uint8Array(32).fill(9)

/** The deltas of a contract that counts, and its states behind each. */
function counting(length: number) {
  const deltas: Uint8Array[] = []
  const states: ContractState[] = []
  const state = initialState()
  for (let index = 0; index < length; index++) {
    const previousHash = index === 0 ? new Uint8Array(32) : keccak256(deltas[index - 1]!)
    const delta = sealDelta(key, { patch: [{ op: 'add', path: '/count', value: index }], previousHash })
    applyDelta(state, index, key, delta)
    deltas.push(delta)
    states.push({ ...state, json: new Map(state.json) })
  }
  return { deltas, states }
}
const { deltas, states } = counting(5)
const snapshot = (index: number, content = sealState(key, states[index]!)) => ({
  key: recordKey(2, 2),
  value: Uint8Array.of(0, 0, 0, index, ...content),
})
const flipped = (blob: Uint8Array) => blob.map((byte, index) => (index === 3 ? byte ^ 1 : byte))
const delta = (index: number, value: Uint8Array | undefined) => ({ key: recordKey(2, 1, index), value })

const undecryptable = /^delta 3: undecryptable, /
it.each<[string, Parameters<typeof damage>[1], ...(string | RegExp)[]]>([
  ['is sound', []],
  ['is sound up to its snapshot', [snapshot(4)]],
  ['has a snapshot of its first delta', [snapshot(0)]],
  ['has a damaged delta', [delta(3, flipped(deltas[3]!))], undecryptable],
  ['has a damaged one and a snapshot behind it', [delta(3, flipped(deltas[3]!)), snapshot(4)], undecryptable],
  ['has another delta', [delta(3, deltas[2]!)], 'delta 3: hash_mismatch, delta 3 belongs to another predecessor'],
  ['has a hole, which is told of elsewhere', [delta(3, undefined), delta(4, flipped(deltas[4]!))]],
  ['has no beginning', [delta(0, undefined)]],
  ['has another snapshot', [snapshot(3, sealState(key, states[2]!))], 'the snapshot is not the state at delta 3'],
  ['has a damaged snapshot', [snapshot(2, flipped(sealState(key, states[2]!)))], /^the snapshot of delta 2: undecrypt/],
  [
    'has both',
    [snapshot(2, sealState(key, states[1]!)), delta(3, flipped(deltas[3]!))],
    'the snapshot is not the state at delta 2',
    undecryptable,
  ],
])('a chain that %s', async (_, changes, ...expected) => {
  await using folder = await worker()
  await withStore(folder.data, (store) =>
    store.putDeltas(deltas.map((data, index) => ({ address: address(2), key: index, data }))),
  )
  await damage(folder.data, changes)
  const problems = await withReader(folder.data, (reader) => chainProblems(reader, address(2), key, undefined))
  expect(problems).toEqual(
    expected.map((each) => (typeof each === 'string' ? each : (expect.stringMatching(each) as unknown))),
  )
})

it('a walk is stopped', async () => {
  await using folder = await worker()
  await withStore(folder.data, (store) => store.putDeltas([{ address: address(2), key: 0, data: deltas[0]! }]))
  const signal = AbortSignal.abort(new Error('stopped'))
  const walk = withReader(folder.data, (reader) => chainProblems(reader, address(2), key, signal))
  await expect(walk).rejects.toThrow('stopped')
})
