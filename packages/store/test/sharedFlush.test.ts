import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { u32be } from '@bletchley/bytes'
import { open } from 'lmdb'
import { expect, it } from 'vitest'
import { KeyValueStore, openLmdb } from '../src/index.ts'
import { bytes32, hash, versionOf } from './model.ts'

// LMDB flushes once per transaction, so the number of its last transaction tells how often it did.
async function transactions(folder: string): Promise<number> {
  const database = open({ path: folder, noSubdir: false, readOnly: true })
  const { lastTxnId } = database.getStats() as { lastTxnId: number }
  await database.close()
  return lastTxnId
}

it('tasks of 8 contracts that commit at once share flushes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bletchley-store.'))
  try {
    const store = await KeyValueStore.open(await openLmdb({ folder }), { hash })
    const addresses = [1, 2, 3, 4, 5, 6, 7, 8].map(bytes32)
    await store.putDeltas(addresses.map((address) => ({ address, key: 0, data: Uint8Array.of(0) })))
    const before = await transactions(folder)
    const rounds = 5
    for (let key = 1; key <= rounds; key++) {
      const data = Uint8Array.of(key)
      const versions = await Promise.all(addresses.map((address) => versionOf(store, address)))
      await Promise.all(
        addresses.map((address, index) =>
          store.commitTask({ address, version: versions[index], delta: { key, data }, deltaHash: hash(data) }),
        ),
      )
    }
    // One flush for all, or two if the first task was so early that it went alone.
    expect((await transactions(folder)) - before).toBeLessThanOrEqual(2 * rounds)
    for (const address of addresses) expect((await store.getTip(address))?.key, `${address[0]}`).toBe(rounds)
    await store.close()
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('writes of many records do not share a transaction: nobody else has a turn while one is applied', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bletchley-store.'))
  try {
    const backend = await openLmdb({ folder })
    const batch = (first: number, count: number) =>
      Array.from({ length: count }, (_, index) => ({ key: u32be(first + index), value: Uint8Array.of(1) }))
    const before = await transactions(folder)
    const order: string[] = []
    const commit = (name: string, first: number, count: number) =>
      backend.commit(batch(first, count)).then(() => order.push(name))
    await Promise.all([
      commit('large', 0, 4000),
      commit('larger', 10_000, 9000),
      commit('small', 20_000, 10),
      commit('last', 30_000, 10),
    ])
    expect(order).toEqual(['large', 'larger', 'small', 'last'])
    expect((await transactions(folder)) - before).toBe(3)
    await backend.close()
  } finally {
    await rm(folder, { recursive: true })
  }
})
