import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConflictError, openMemory, StorageError } from '@bletchley/store'
import { expect, it, vi } from 'vitest'
import { StoreWatch } from './storeWatch.ts'

it('counts and times commits, and knows whether the last one failed', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const backend = openMemory()
    const inner = backend.commit.bind(backend)
    const commit = vi.spyOn(backend, 'commit')
    const seconds: number[] = []
    const watch = new StoreWatch('nowhere', (each) => void seconds.push(each))
    expect(watch).toMatchObject({ committed: 0, failed: 0, broken: false, bytes: 0, freeBytes: undefined })
    expect(watch.watch(backend)).toBe(backend)
    const write = [{ key: Uint8Array.of(1), value: Uint8Array.of(2) }]
    const attempt = (error?: Error) => {
      commit.mockImplementationOnce(async (...args) => {
        vi.advanceTimersByTime(250)
        if (error) throw error
        await inner(...args)
      })
      return backend.commit(write, [{ key: Uint8Array.of(9), value: undefined }])
    }
    await attempt()
    expect([watch, seconds]).toMatchObject([{ committed: 1, failed: 0, broken: false }, [0.25]])
    expect(commit.mock.calls).toEqual([[write, [{ key: Uint8Array.of(9), value: undefined }]]])
    expect(await backend.get(Uint8Array.of(1))).toEqual(Uint8Array.of(2))
    // Somebody else was quicker.
    const conflict = new ConflictError('conflict')
    await expect(attempt(conflict)).rejects.toBe(conflict)
    expect(watch).toMatchObject({ committed: 1, failed: 0, broken: false })
    const failure = new StorageError('no space')
    await expect(attempt(failure)).rejects.toBe(failure)
    await expect(attempt(failure)).rejects.toBe(failure)
    expect([watch, seconds]).toMatchObject([{ committed: 1, failed: 2, broken: true }, [0.25]])
    await expect(attempt(conflict)).rejects.toBe(conflict)
    expect(watch.broken).toBe(true)
    await attempt()
    expect([watch, seconds]).toMatchObject([{ committed: 2, failed: 2, broken: false }, [0.25, 0.25]])
  } finally {
    vi.useRealTimers()
  }
})

it('looks at the database’s file, and at the room beside it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'store-watch.'))
  const watch = new StoreWatch(folder, () => {})
  await watch.look()
  expect(watch.bytes).toBe(0)
  await writeFile(join(folder, 'data.mdb'), new Uint8Array(1234))
  await watch.look()
  const { bavail, bsize } = await statfs(folder)
  expect(watch.bytes).toBe(1234)
  // Others write to the disk as well.
  expect(watch.freeBytes! / (bavail * bsize)).toBeGreaterThan(0.5)
  expect(watch.freeBytes! / (bavail * bsize)).toBeLessThan(2)
  await rm(folder, { recursive: true })
  await watch.look()
  expect([watch.bytes, watch.freeBytes]).toEqual([0, undefined])
})
