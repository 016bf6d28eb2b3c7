import { keccak256 } from '@bletchley/crypto'
import { expect, it } from 'vitest'
import { copyWithPauses, hashWithPauses } from './largeBytes.ts'

const large = Uint8Array.from({ length: 20_000_000 }, (_, index) => (index * 7) & 0xff)

async function turnsDuring(job: () => Promise<void>): Promise<number> {
  let turns = 0
  let running = true
  const others = (): void => {
    turns++
    if (running) setImmediate(others)
  }
  setImmediate(others)
  await job()
  running = false
  return turns
}

it.each([0, 10, 300_000, large.length])('hashes %i bytes as keccak256 does, and copies them', async (length) => {
  const bytes = large.subarray(1, length)
  expect(await hashWithPauses(bytes, bytes)).toEqual(keccak256(bytes, bytes))
  const copy = await copyWithPauses(bytes)
  expect(copy.buffer.byteLength).toBe(bytes.length)
  expect(Buffer.compare(copy, bytes)).toBe(0)
})

it('lets others have their turn while it hashes', async () => {
  // Some hundred milliseconds, of which each turn has three.
  const turns = await turnsDuring(async () => {
    await Promise.all([hashWithPauses(large), hashWithPauses(large.subarray(1))])
  })
  expect(turns).toBeGreaterThan(5)
})
