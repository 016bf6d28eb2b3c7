import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openLmdb } from '../src/index.ts'
import { bytes32, openStore } from './model.ts'

const writer = fileURLToPath(new URL('crashWriter.mjs', import.meta.url))
const kills = 8

/** Kills the writer when it has acknowledged `count` writes. */
async function writeUntilKilled(folder: string, count: number): Promise<number> {
  const child = spawn(process.execPath, [writer, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  let acknowledged = -1
  let lines = 0
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = Number(line)
    if (++lines === count) child.kill('SIGKILL')
  }
  expect((await exited)[1]).toBe('SIGKILL')
  return acknowledged
}

test('a writer killed at any moment loses nothing that it acknowledged and leaves nothing half-done', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bletchley-crash.'))
  try {
    for (let round = 0; round < kills; round++) {
      const acknowledged = await writeUntilKilled(folder, 1 + Math.floor(Math.random() * 40))
      const store = await openStore(await openLmdb({ folder }))
      const address = bytes32(1)
      const tip = await store.getTip(address)
      const key = tip?.key ?? -1
      expect(key).toBeGreaterThanOrEqual(acknowledged)
      const data = new Uint8Array(3000).fill(key)
      expect(tip).toStrictEqual({ key, data })
      expect((await store.getDeltas(address, 0, 2 ** 32)).map((delta) => delta.key)).toStrictEqual([
        ...Array(key + 1).keys(),
      ])
      expect(await store.getBytecode(address)).toStrictEqual(new Uint8Array(3000))
      const snapshot = await store.getSnapshot(address)
      expect(snapshot?.key ?? -1).toBeGreaterThanOrEqual(acknowledged)
      if (snapshot) expect(snapshot.data).toStrictEqual(new Uint8Array(3000).fill(snapshot.key))
      expect((await store.getReceipt(address, bytes32(key & 255)))?.reply).toStrictEqual(data)
      expect(await store.allAddresses()).toStrictEqual([address])
      await store.close()
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
