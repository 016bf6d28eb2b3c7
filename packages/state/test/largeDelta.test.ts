import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'

/** The heap of a thread, in MiB: with the operations, and a function for the reverse of each, it took 210 to 240. */
const heap = 120

it.each([
  ['members', { code: undefined, length: 12_891 }],
  ['items', { code: undefined, length: 6_888_895 }],
  ['refused', { code: 'invalid_patch', length: 2 }],
])('a delta of a million operations is applied without all of them in memory: %s', async (kind, end) => {
  const thread = new Worker(new URL('./largeDelta.mjs', import.meta.url), {
    workerData: kind,
    resourceLimits: { maxOldGenerationSizeMb: heap, maxYoungGenerationSizeMb: 16 },
  })
  const [result] = (await once(thread, 'message')) as [object]
  expect(result).toEqual(end)
  await thread.terminate()
})
