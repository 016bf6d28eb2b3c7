import { existsSync } from 'node:fs'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lockFolder } from '@bletchley/crypto/folder-lock'
import { expect, it } from 'vitest'
import { address, contentsOf, damage, deltas, recordKey, withStore, worker } from '../test/worker.ts'
import { compact, prune, verify } from './index.ts'

it('a database gives its room back and keeps all else', async () => {
  await using folder = await worker()
  await withStore(folder.data, async (store) => {
    await store.putDeltas(deltas(2, 0, 40, 60_000))
    await store.removeDeltas([{ address: address(2), from: 4, to: 40 }])
  })
  const before = await contentsOf(folder.data)
  // Left of one that was killed.
  await mkdir(join(folder.data, 'store', 'compacting'))
  await writeFile(join(folder.data, 'store', 'compacting', 'data.mdb'), 'half of it')
  const told: [number, number][] = []
  const sizes = await compact(folder.data, { onProgress: (...progress) => void told.push(progress) })
  expect(sizes.after).toBeLessThan(sizes.before / 4)
  expect((await stat(join(folder.data, 'store', 'data.mdb'))).size).toBe(sizes.after)
  expect(await contentsOf(folder.data)).toEqual(before)
  expect(existsSync(join(folder.data, 'store', 'compacting'))).toBe(false)
  for (const [done, total] of told) expect(done).toBeLessThanOrEqual(total)
  await expect(compact(folder.data, { signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped')
  expect(await contentsOf(folder.data)).toEqual(before)
  expect(existsSync(join(folder.data, 'store', 'compacting'))).toBe(false)
})

it('records without meaning go, and snapshots that are good only when asked', async () => {
  await using folder = await worker()
  await withStore(folder.data, async (store) => {
    await store.putDeltas([...deltas(2, 0, 4), ...deltas(3, 0, 2)])
    await store.putSnapshot(address(2), { key: 3, data: new Uint8Array(28) }, deltas(2, 3, 4)[0]!.data)
  })
  await damage(folder.data, [
    { key: recordKey(2, 5, 9), value: new Uint8Array(40) },
    { key: recordKey(3, 2), value: Uint8Array.of(0, 0, 0, 7, ...new Uint8Array(28)) },
  ])
  const told: [number, number][] = []
  const onProgress = (...progress: [number, number]) => void told.push(progress)
  expect(await prune(folder.data, { onProgress })).toEqual({ snapshots: 1, receipts: 1, bytes: 72 })
  expect(told).toEqual([1, 2, 3].map((done) => [done, 3]))
  expect(await verify({ dataFolder: folder.data })).toMatchObject({ contracts: 3, broken: 0, findings: 0 })
  expect(await prune(folder.data)).toEqual({ snapshots: 0, receipts: 0, bytes: 0 })
  expect(await prune(folder.data, { allSnapshots: true })).toMatchObject({ snapshots: 1, receipts: 0 })
  await expect(prune(folder.data, { signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped')
  expect(await prune(folder.data, { allSnapshots: true })).toEqual({ snapshots: 0, receipts: 0, bytes: 0 })
})

it('both need the folder for themselves, and let it go', async () => {
  await using folder = await worker()
  for (const tidy of [compact, prune]) {
    const lock = await lockFolder(folder.data, 'core')
    await expect(tidy(folder.data)).rejects.toThrow('is in use')
    lock.release()
    await tidy(folder.data)
    await expect(tidy(folder.base)).rejects.toThrow('is not the data folder of a worker')
  }
  ;(await lockFolder(folder.data, 'test')).release()
})
