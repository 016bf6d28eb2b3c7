import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { openLmdb } from '../src/index.ts'
import { bytes32, openStore } from './model.ts'

const writer = fileURLToPath(new URL('diskFullWriter.mjs', import.meta.url))

test('a full disk rejects the writes that find no room, and only them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bletchley-full.'))
  try {
    // A limit on the size of files stands in for the full disk; with the signal ignored, writes beyond it fail.
    const script = 'trap "" XFSZ; ulimit -f 6000; exec "$0" "$1" "$2"'
    const { stdout } = await promisify(execFile)('sh', ['-c', script, process.execPath, writer, folder])
    const seen = JSON.parse(stdout)
    expect(seen.lastStored).toBeGreaterThan(3)
    expect(seen).toStrictEqual({
      lastStored: seen.lastStored,
      outcomes: ['refused', 'refused'],
      tip: seen.lastStored,
      later: seen.lastStored - 1,
      // They shared a transaction.
      together: ['stored', 'refused', 'stored'],
    })
    const store = await openStore(await openLmdb({ folder }))
    const key = seen.lastStored
    expect((await store.getTip(bytes32(1)))?.key).toBe(key - 1)
    expect((await store.getTip(bytes32(2)))?.key).toBe(1)
    await store.putDeltas([{ address: bytes32(1), key, data: new Uint8Array(200_000) }])
    expect((await store.getTip(bytes32(1)))?.key).toBe(key)
    await store.close()
  } finally {
    await rm(folder, { recursive: true })
  }
})
