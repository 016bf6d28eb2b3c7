import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { u32be } from '@bletchley/bytes'
import { Turns } from '@bletchley/testkit/turns'
import { expect, it } from 'vitest'
import { openLmdb } from '../src/index.ts'

it('however many read ranges at once, others have their turn again and again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bletchley-store.'))
  try {
    const backend = await openLmdb({ folder })
    const records = Array.from({ length: 5000 }, (_, index) => ({ key: u32be(index), value: Uint8Array.of(1) }))
    await backend.commit(records)
    const turns = new Turns()
    let [chunks, entries] = [0, 0]
    const readers = Array.from({ length: 100 }, async () => {
      for await (const chunk of backend.entries({ gte: u32be(0), lt: u32be(5000) })) {
        chunks++
        entries += chunk.length
      }
    })
    await Promise.all(readers)
    turns.stop()
    expect(entries).toBe(readers.length * records.length)
    // All of them in step would be as many turns as one has chunks.
    expect(turns.count).toBeGreaterThan((3 * chunks) / readers.length)
    await backend.close()
  } finally {
    await rm(folder, { recursive: true })
  }
})
