import { expect, test } from 'vitest'
import { backendConformance } from '../../test/backendConformance.ts'
import { harnesses } from '../../test/harness.ts'
import { openMemory } from '../index.ts'
import { wholeSpan } from './keys.ts'

for (const [name, createHarness] of Object.entries(harnesses)) backendConformance(name, createHarness)

// The harness of the suite above keeps it open.
test('what is in memory alone is closed, too', async () => {
  const backend = openMemory()
  await backend.close()
  await expect(backend.get(Uint8Array.of(1))).rejects.toThrow('closed')
  await expect(backend.first(wholeSpan)).rejects.toThrow('closed')
  await expect(backend.commit([])).rejects.toThrow('closed')
  await expect(backend.keys(wholeSpan)[Symbol.asyncIterator]().next()).rejects.toThrow('closed')
})
