import { concatBytes } from '@bletchley/bytes'
import { describe, expect, test, vi } from 'vitest'
import { bytes32, hash, openStore } from '../../test/model.ts'
import { keptReceipts } from '../contractStore.ts'
import { ConflictError, openMemory, pruneRecords } from '../index.ts'
import { deltaKey, receiptKey, snapshotKey } from './keys.ts'
import { encodeSnapshot } from './records.ts'

const address = bytes32(1)
const delta = (key: number) => Uint8Array.of(key)
const receipt = concatBytes(bytes32(9), Uint8Array.of(1))

/** A contract with deltas up to `tip`, and a receipt for each of them, also those that a store would not keep. */
async function storedContract(tip: number) {
  const backend = openMemory()
  const store = await openStore(backend)
  await store.putDeltas(Array.from({ length: tip + 1 }, (_, key) => ({ address, key, data: delta(key) })))
  await backend.commit(
    Array.from({ length: tip + 1 }, (_, key) => ({ key: receiptKey(address, key), value: receipt })),
    [],
  )
  const kept = async () => {
    const keys: number[] = []
    for (let key = 0; key <= tip + 1; key++) {
      if ((await backend.get(receiptKey(address, key))) !== undefined) keys.push(key)
    }
    return keys
  }
  return { backend, store, kept }
}

describe('pruneRecords', () => {
  test('keeps the receipts of the last deltas, as many as the store does', async () => {
    const tip = keptReceipts + 5
    const { backend, kept } = await storedContract(tip)
    expect(await pruneRecords(backend)).toEqual({ snapshots: 0, receipts: 6, bytes: 6 * receipt.length })
    expect(await kept()).toEqual(Array.from({ length: keptReceipts }, (_, i) => i + 6))
  })

  test('removes receipts of deltas that are not there', async () => {
    const { backend, kept } = await storedContract(3)
    await backend.commit(
      [
        { key: deltaKey(address, 1), value: undefined },
        { key: receiptKey(address, 4), value: receipt },
        ...[2, 5].map((key) => ({ key: receiptKey(address, key, bytes32(8)), value: new Uint8Array() })),
      ],
      [],
    )
    expect(await pruneRecords(backend)).toMatchObject({ receipts: 3 })
    expect(await kept()).toEqual([0, 2, 3])
    expect(await backend.get(receiptKey(address, 2, bytes32(8)))).toBeDefined()
    expect(await backend.get(receiptKey(address, 5, bytes32(8)))).toBeUndefined()
  })

  test('removes a snapshot whose last delta is not there, and keeps the others', async () => {
    const { backend, store } = await storedContract(3)
    await store.putSnapshot(address, { key: 2, data: bytes32(7) }, hash(delta(2)))
    expect(await pruneRecords(backend)).toMatchObject({ snapshots: 0 })
    await backend.commit([{ key: deltaKey(address, 2), value: undefined }], [])
    expect(await pruneRecords(backend)).toMatchObject({ snapshots: 1, bytes: receipt.length + 4 + 32 })
    expect(await backend.get(snapshotKey(address))).toBeUndefined()
  })

  test('removes good snapshots only if told to, and tells of each contract', async () => {
    const { backend, store } = await storedContract(0)
    await store.putSnapshot(address, { key: 0, data: bytes32(7) }, hash(delta(0)))
    await store.putBytecode(bytes32(2), delta(1))
    let contracts = 0
    const options = { onContract: () => void contracts++ }
    expect(await pruneRecords(backend, options)).toEqual({ snapshots: 0, receipts: 0, bytes: 0 })
    expect(contracts).toBe(2)
    expect(await pruneRecords(backend, { ...options, allSnapshots: true })).toEqual({
      snapshots: 1,
      receipts: 0,
      bytes: 36,
    })
    expect(contracts).toBe(4)
    expect(await store.getSnapshot(address)).toBeUndefined()
    const signal = AbortSignal.abort(new Error('stopped'))
    await expect(pruneRecords(backend, { ...options, signal })).rejects.toThrow('stopped')
    expect(contracts).toBe(4)
  })

  test('removes nothing of a contract that changes meanwhile', async () => {
    const { backend, store } = await storedContract(1)
    await store.putSnapshot(address, { key: 1, data: bytes32(7) }, hash(delta(1)))
    const entries = vi.spyOn(backend, 'entries')
    entries.mockImplementationOnce(async function* (range) {
      await store.putDeltas([{ address, key: 2, data: delta(2) }])
      yield* backend.entries(range)
    })
    await expect(pruneRecords(backend, { allSnapshots: true })).rejects.toThrow(ConflictError)
    expect(await store.getSnapshot(address)).toBeDefined()
  })

  test('removes a snapshot of a delta beyond the tip', async () => {
    const { backend } = await storedContract(3)
    await backend.commit(
      [
        { key: deltaKey(address, 4), value: delta(4) },
        { key: snapshotKey(address), value: encodeSnapshot({ key: 4, data: bytes32(7) }) },
      ],
      [],
    )
    expect(await pruneRecords(backend)).toMatchObject({ snapshots: 1 })
  })
})
