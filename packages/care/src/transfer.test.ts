import { open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { concatBytes, u32be } from '@bletchley/bytes'
import { openFilesOf, syncsOf } from '@bletchley/testkit/files'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { address, contentsOf, damage, deltas, recordKey, withStore, worker } from '../test/worker.ts'
import { allRecord, encodeRecord, type FileRecord, header, kinds, newDigest } from './exportFormat.ts'
import { exportContracts, importContracts } from './index.ts'

/** A worker with contracts of all shapes: bytecode, deltas, and both, one longer than what is written at once. */
async function source() {
  const folder = await worker()
  await withStore(folder.data, async (store) => {
    await store.putDeltas(deltas(2, 0, 3))
    await store.putContract(address(3), Uint8Array.of(7), deltas(3, 0, 1)[0]!)
    await store.putDeltas(deltas(3, 1, 30, 60_000))
  })
  return { ...folder, file: join(folder.base, 'contracts'), other: join(folder.base, 'other') }
}

describe('an export', () => {
  it('is imported as it was, once', async () => {
    await using folder = await source()
    const { data, file, other } = folder
    const told: [number, number][] = []
    const onProgress = (...progress: [number, number]) => void told.push(progress)
    const exported = await exportContracts({ dataFolder: data, file, onProgress })
    const { size, mode } = await stat(file)
    expect(exported).toEqual({ contracts: 3, resumed: 0, bytes: size, leftOut: [] })
    expect(mode & 0o7777).toBe(0o600)
    expect(told).toEqual([1, 2, 3].map((done) => [done, 3]))
    told.length = 0
    expect(await importContracts({ dataFolder: other, file, onProgress })).toEqual({
      imported: 3,
      equal: 0,
      conflicts: [],
    })
    expect(told.map(([, total]) => total)).toEqual([size, size, size, size])
    expect(told.map(([done]) => done)).toEqual(told.map(([done]) => done).toSorted((a, b) => a - b))
    expect(told.at(-1)![0]).toBe(size)
    expect(await contentsOf(other)).toEqual(await contentsOf(data))
    expect(await importContracts({ dataFolder: other, file })).toEqual({ imported: 0, equal: 3, conflicts: [] })
    expect(await contentsOf(other)).toEqual(await contentsOf(data))
  })

  it('has the contracts that are asked for, and leaves out those that are not whole', async () => {
    await using folder = await source()
    const { data, file, other } = folder
    const addresses = [address(3), address(9), address(2)]
    const some = await exportContracts({ dataFolder: data, file, addresses })
    expect(some).toMatchObject({
      contracts: 2,
      leftOut: [{ address: address(9), problem: 'there is no such contract' }],
    })
    await importContracts({ dataFolder: other, file })
    expect(await contentsOf(other)).toMatchObject([{ contract: 3 }, { contract: 2 }])

    const whole = await exportContracts({ dataFolder: data, file, addresses: [address(1), address(2)] })
    const expected = await readFile(file)
    // Behind more than a megabyte that has been written already.
    await damage(data, [{ key: recordKey(3, 1, 25), value: undefined }])
    for (const order of [
      [1, 3, 2],
      [3, 1, 2],
      [1, 2, 3],
    ]) {
      const left = await exportContracts({ dataFolder: data, file, addresses: order.map(address) })
      expect(left, String(order)).toEqual({
        ...whole,
        leftOut: [{ address: address(3), problem: 'delta 25 is missing' }],
      })
      expect((await readFile(file)).equals(expected), String(order)).toBe(true)
    }
  })

  it.skipIf(process.platform !== 'linux')('outlives a power failure', async () => {
    await using folder = await source()
    const { base, data, file } = folder
    const synced = await syncsOf(base, () => exportContracts({ dataFolder: data, file }), file)
    expect(synced).toEqual(['contracts.partial', '. (done)'])
  })

  it.skipIf(process.platform !== 'linux')(
    'is written by the megabyte, whatever a write takes, and closed',
    async () => {
      await using folder = await source()
      const { base, data, file } = folder
      await exportContracts({ dataFolder: data, file })
      const expected = await readFile(file)
      await using handle = await open(file)
      const shared = Object.getPrototypeOf(handle) as typeof handle
      const write = shared.write as (...args: unknown[]) => unknown
      for (const most of [Number.POSITIVE_INFINITY, 100_000]) {
        const lengths: number[] = []
        const writing = vi.spyOn(shared, 'write').mockImplementation(function (this: unknown, ...args: unknown[]) {
          const [bytes, offset, length, position] = args as [Uint8Array, number, number, number]
          lengths.push(length)
          return write.call(this, bytes, offset, Math.min(length, most), position) as never
        })
        await exportContracts({ dataFolder: data, file }).finally(() => writing.mockRestore())
        expect((await readFile(file)).equals(expected)).toBe(true)
        if (most > 2 ** 20) {
          // The header, two small contracts, the third in two pieces, and the end.
          expect(lengths).toHaveLength(6)
          expect(lengths[3]).toBeGreaterThanOrEqual(2 ** 20)
          expect(lengths[3]).toBeLessThan(2 ** 20 + 60_100)
        }
      }
      // That of this test, which has been replaced since.
      expect(await openFilesOf(base)).toEqual([`${relative(base, file)} (deleted)`])
    },
  )

  it('that was broken off goes on behind the last contract that is whole, wherever it was', async () => {
    await using folder = await source()
    const { data, file } = folder
    const { bytes } = await exportContracts({ dataFolder: data, file })
    const expected = await readFile(file)
    const endOf = (contract: number) =>
      expected.indexOf(Buffer.from([kinds.contract, 0, 0, 0, 32, ...address(contract)]))
    const [second, third] = [endOf(2), endOf(3)]
    for (const [length, resumed] of [
      [0, 0],
      [5, 0],
      [header.length - 1, 0],
      [header.length, 0],
      [second - 1, 0],
      [second, 1],
      [third - 1, 1],
      [third + 1_500_000, 2],
      [bytes - 42, 2],
      [bytes - 41, 3],
      [bytes, 3],
    ] as const) {
      await writeFile(`${file}.partial`, expected.subarray(0, length))
      expect(await exportContracts({ dataFolder: data, file }), `${length} bytes`).toEqual({
        contracts: 3,
        resumed,
        bytes,
        leftOut: [],
      })
      expect((await readFile(file)).equals(expected), `${length} bytes`).toBe(true)
    }
    // With another header nothing of it is kept.
    await writeFile(
      `${file}.partial`,
      expected.map((byte, index) => (index === header.length - 1 ? 2 : byte)),
    )
    expect(await exportContracts({ dataFolder: data, file })).toMatchObject({ contracts: 3, resumed: 0, bytes })
    expect((await readFile(file)).equals(expected)).toBe(true)
    // Of another selection: what is not asked for is not kept, nor anything behind it.
    await writeFile(`${file}.partial`, expected)
    const some = await exportContracts({ dataFolder: data, file, addresses: [address(1), address(3)] })
    expect(some).toMatchObject({ contracts: 2, resumed: 1 })
    await writeFile(`${file}.partial`, concatBytes(expected.subarray(0, second), expected.subarray(header.length)))
    expect(await exportContracts({ dataFolder: data, file })).toMatchObject({ contracts: 3, resumed: 1, bytes })
    expect((await readFile(file)).equals(expected)).toBe(true)
  })

  it('is stopped between two contracts, and its import as well', async () => {
    await using folder = await source()
    const { data, file, other } = folder
    const once = () => {
      const stop = new AbortController()
      return { signal: stop.signal, onProgress: () => stop.abort(new Error('stopped')) }
    }
    await expect(exportContracts({ dataFolder: data, file, ...once() })).rejects.toThrow('stopped')
    expect(await exportContracts({ dataFolder: data, file })).toMatchObject({ contracts: 3, resumed: 1 })
    await expect(importContracts({ dataFolder: other, file, ...once() })).rejects.toThrow('stopped')
    expect(await contentsOf(other)).toHaveLength(1)
    expect(await importContracts({ dataFolder: other, file })).toEqual({ imported: 2, equal: 1, conflicts: [] })
  })
})

describe('an import', () => {
  it('brings what is missing, and touches nothing that is another way', async () => {
    await using folder = await source()
    const { data, file, other } = folder
    await exportContracts({ dataFolder: data, file })
    await withStore(other, async (store) => {
      // Longer, another delta, and shorter with other bytecode.
      await store.putContract(address(1), Uint8Array.of(1, 2, 3), deltas(1, 0, 1)[0]!)
      await store.putDeltas([...deltas(2, 0, 1), { ...deltas(2, 1, 2)[0]!, data: new Uint8Array(28) }])
      await store.putBytecode(address(3), Uint8Array.of(8))
    })
    const before = await contentsOf(other)
    expect(await importContracts({ dataFolder: other, file })).toEqual({
      imported: 0,
      equal: 1,
      conflicts: [
        { address: address(2), problem: 'its delta 1 is not the one that is here' },
        { address: address(3), problem: 'its bytecode is not the one that is here' },
      ],
    })
    expect(await contentsOf(other)).toEqual(before)
    await withStore(other, async (store) => {
      await store.removeContract(address(2))
      await store.putDeltas(deltas(2, 0, 1))
      await store.putBytecode(address(3), Uint8Array.of(7))
    })
    expect(await importContracts({ dataFolder: other, file })).toMatchObject({ imported: 2, equal: 1, conflicts: [] })
    expect(await contentsOf(other)).toMatchObject([
      { deltas: { length: 1 } },
      { deltas: { length: 30 } },
      { deltas: { length: 3 } },
    ])
  })

  it('writes a long contract piece by piece, and goes on with it where it was stopped', async () => {
    await using folder = await source()
    const { data, file, other } = folder
    const mega = 2 ** 20
    const sizes = [mega, mega, mega, mega - 1, mega, mega, mega, mega, mega - 1, mega, mega]
    const rows = sizes.map((bytes, key) => deltas(4, key, key + 1, bytes)[0]!)
    await withStore(data, (store) => store.putDeltas(rows))
    await exportContracts({ dataFolder: data, file, addresses: [address(4)] })
    /** Stops at the `left`th look at it: the first is in front of the contract. */
    const stopping = (left: number) => {
      const { signal } = new AbortController()
      signal.throwIfAborted = () => {
        if (--left === 0) throw new Error('stopped')
      }
      return signal
    }
    for (const [looks, there] of [
      [2, 5],
      [3, 10],
    ] as const) {
      await expect(importContracts({ dataFolder: other, file, signal: stopping(looks) })).rejects.toThrow('stopped')
      expect(await contentsOf(other), `${looks} looks`).toMatchObject([{ contract: 4, deltas: { length: there } }])
    }
    expect(await importContracts({ dataFolder: other, file })).toEqual({ imported: 1, equal: 0, conflicts: [] })
    const [, , , whole] = await contentsOf(data)
    expect(await contentsOf(other)).toEqual([whole])
  })

  it('of a folder, or of nothing, makes no data folder', async () => {
    await using folder = await source()
    const { base, data, file, other } = folder
    await expect(importContracts({ dataFolder: other, file: data })).rejects.toThrow(
      `${data} is a folder, and no export`,
    )
    await expect(importContracts({ dataFolder: other, file })).rejects.toThrow('ENOENT')
    expect(await readdir(base)).toEqual(['data'])
  })

  let scene: Awaited<ReturnType<typeof worker>>
  beforeAll(async () => {
    scene = await worker()
    return () => scene[Symbol.asyncDispose]()
  })

  const start: FileRecord = { kind: kinds.contract, payload: address(2) }
  const bytecode: FileRecord = { kind: kinds.bytecode, payload: Uint8Array.of(7) }
  const delta = (key: number, length = 28): FileRecord => ({
    kind: kinds.delta,
    payload: Uint8Array.of(0, 0, 0, key, ...new Uint8Array(length)),
  })
  /** A file with a sound contract, and then one of these records with an honest digest. */
  function fileOf(...records: FileRecord[]): Uint8Array {
    const digests: Uint8Array[] = []
    const contracts = [[{ ...start, payload: address(1) }, bytecode], records].map((all) => {
      const bytes = concatBytes(...all.map(encodeRecord))
      const digest = newDigest().update(bytes).digest()
      digests.push(digest)
      return concatBytes(bytes, encodeRecord({ kind: kinds.end, payload: digest }))
    })
    return concatBytes(header, ...contracts, encodeRecord(allRecord(digests)))
  }
  const sound = fileOf(start, bytecode, delta(0), delta(1))
  const changed = (at: number, value: number) =>
    sound.map((byte, index) => (index === (at + sound.length) % sound.length ? value : byte))

  const withLength = (bytes: number) => concatBytes(header, Uint8Array.of(kinds.contract), u32be(bytes))

  it.each<[string, Uint8Array, string | RegExp]>([
    ['of nothing', new Uint8Array(), 'is not an export'],
    ['of something else', changed(0, 1), 'is not an export'],
    ['of something that begins alike', changed(header.length - 2, 1), 'is not an export'],
    ['without a version', sound.subarray(0, header.length - 1), 'it has version none'],
    ['of another version', changed(header.length - 1, 2), /it has version 2; this program knows 1$/],
    ['with nothing in it', header, 'ends too early'],
    ['with a record of another kind', changed(header.length, 6), `it is damaged at byte ${header.length}`],
    ['with a record that is too long', changed(header.length + 1, 17), `it is damaged at byte ${header.length}`],
    ['with a record of as much as may be', withLength(2 ** 28), 'ends too early'],
    ['with a record of a byte more', withLength(2 ** 28 + 1), `it is damaged at byte ${header.length}`],
    ['with a record that is longer than the file', changed(header.length + 2, 16), 'ends too early'],
    ['that begins with a delta', fileOf(delta(0)), 'is damaged behind byte'],
    ['with an address of 31 bytes', fileOf({ ...start, payload: new Uint8Array(31) }, bytecode), 'is damaged behind'],
    ['with bytecode behind a delta', fileOf(start, delta(0), bytecode), 'is damaged behind'],
    ['with bytecode twice', fileOf(start, bytecode, bytecode), 'is damaged behind'],
    ['with a contract in a contract', fileOf(start, start), 'is damaged behind'],
    ['without the first delta', fileOf(start, delta(1)), 'is damaged behind'],
    ['with a hole', fileOf(start, delta(0), delta(2)), 'is damaged behind'],
    ['with a delta twice', fileOf(start, delta(0), delta(0)), 'is damaged behind'],
    [
      'with a delta that has no number',
      fileOf(start, { ...delta(0), payload: new Uint8Array(3) }),
      'is damaged behind',
    ],
    ['with an empty delta', fileOf(start, delta(0, 0)), 'delta 0 of a contract has only 0 bytes'],
    [
      'with a delta that is too short',
      fileOf(start, delta(0), delta(1, 27)),
      'delta 1 of a contract has only 27 bytes',
    ],
    ['with another byte in a blob', changed(-90, 9), 'is damaged behind'],
    ['with another digest', changed(-50, 9), 'is damaged behind'],
    ['with another number of contracts', changed(-33, 3), 'contracts of it are missing'],
    ['with another digest of all', changed(-1, 9), 'contracts of it are missing'],
    ['without its end', sound.subarray(0, sound.length - 41), 'ends too early'],
    ['cut off by a byte', sound.subarray(0, sound.length - 1), 'ends too early'],
  ])('refuses a file %s, and has what came before', async (name, bytes, message) => {
    const file = join(scene.base, 'export')
    const dataFolder = join(scene.base, name)
    await writeFile(file, bytes)
    await expect(importContracts({ dataFolder, file })).rejects.toThrow(`${file}: `)
    await expect(importContracts({ dataFolder, file })).rejects.toThrow(message)
    if (!(await readdir(scene.base)).includes(name)) return
    const sound = [{ contract: 1, bytecode: bytecode.payload, deltas: [] }]
    const there = await contentsOf(dataFolder)
    expect(there.slice(0, 1)).toEqual(sound.slice(0, there.length))
    // The second one only where it was whole, and just the end of the file was not.
    if (!/missing|without its end|by a byte/.test(`${message} ${name}`)) expect(there.length).toBeLessThan(2)
  })

  it('ends where the file does, also when that becomes shorter meanwhile', async () => {
    await using folder = await source()
    const { data, file, other } = folder
    await exportContracts({ dataFolder: data, file })
    let cut = false
    const onProgress = () => {
      if (cut) return
      cut = true
      return truncate(file, 1_500_000)
    }
    await expect(importContracts({ dataFolder: other, file, onProgress })).rejects.toThrow('ends too early')
    expect(await contentsOf(other)).toHaveLength(2)
  })
})
