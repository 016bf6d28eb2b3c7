import { keccak256, randomBytes } from '@bletchley/crypto'
import { KeyValueStore, openMemory } from '@bletchley/store'
import { expect, it } from 'vitest'
import { copy, storedRecords } from './storedRecords.ts'

const address = randomBytes(32)

async function open() {
  const store = await KeyValueStore.open(openMemory(), { hash: keccak256 })
  return { store, records: storedRecords(store) }
}

it('are those of the store, and each array has memory that holds nothing else', async () => {
  const { store, records } = await open()
  const bytecode = randomBytes(100)
  const rows = [3, 0, 700].map((length, key) => ({ address, key, data: randomBytes(length) }))
  await store.putBytecode(address, bytecode)
  await store.putDeltas(rows)
  expect(await records.bytecode(address)).toEqual(bytecode)
  expect(await records.snapshot(address)).toBeUndefined()
  const data = randomBytes(40)
  await store.putSnapshot(address, { key: 2, data }, keccak256(rows[2]!.data))
  const snapshot = (await records.snapshot(address))!
  expect(snapshot).toEqual(data)
  expect(snapshot.buffer.byteLength).toBe(40)

  const deltas = await records.deltas(address, 0)
  expect(deltas).toEqual(rows.map(({ key, data }) => ({ key, data })))
  expect(deltas.map(({ data: { buffer } }) => buffer.byteLength)).toEqual([703, 703, 703])
  expect(new Set(deltas.map(({ data: { buffer } }) => buffer)).size).toBe(1)
  expect((await records.deltas(address, 1)).map(({ key }) => key)).toEqual([1, 2])
  expect(await records.deltas(address, 3)).toEqual([])
})

it('of an unknown contract are none', async () => {
  const { records } = await open()
  expect([await records.snapshot(address), await records.deltas(address, 0)]).toEqual([undefined, []])
  expect(await records.bytecode(address)).toBeUndefined()
})

it('bytes are copied only if their memory holds more', () => {
  const whole = randomBytes(16)
  const own = new Uint8Array(whole)
  expect(copy(own)).toBe(own)
  const part = copy(own.subarray(2, 5))
  expect([part, part.buffer.byteLength]).toEqual([own.slice(2, 5), 3])
})
