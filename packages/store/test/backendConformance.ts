import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ConflictError, type Entry, type KeyRange, type KeyValueBackend, type Write } from '../src/index.ts'
import type { Harness } from './harness.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)
const everything: KeyRange = { gte: bytes(0), lt: bytes(0xff, 0xff, 0xff, 0xff) }
const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 })
const value = fc.uint8Array({ maxLength: 3 })

async function entriesOf(backend: KeyValueBackend, range: KeyRange): Promise<Entry[]> {
  const all: Entry[] = []
  for await (const chunk of backend.entries(range)) {
    expect(chunk).not.toHaveLength(0)
    all.push(...chunk)
  }
  return all
}

async function keysOf(backend: KeyValueBackend, range: KeyRange): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for await (const chunk of backend.keys(range)) {
    expect(chunk).not.toHaveLength(0)
    all.push(...chunk)
  }
  return all
}

/** Entries as text, since comparing megabytes byte by byte with `expect` takes seconds. */
const textOf = (entries: Entry[]) =>
  entries.map(({ key, value }) => `${Buffer.from(key).toString('hex')}: ${Buffer.from(value).toString('base64')}`)

/** What every KeyValueBackend must do. */
export function backendConformance(name: string, createHarness: () => Promise<Harness>): void {
  describe(`backend: ${name}`, () => {
    test('behaves like a sorted map, also after it was opened again', async () => {
      const hex = (array: Uint8Array) => Buffer.from(array).toString('hex')
      const write: fc.Arbitrary<Write> = fc.record({ key, value: fc.option(value, { nil: undefined }) })
      const range: fc.Arbitrary<KeyRange> = fc.record(
        { gte: key, lt: key, reverse: fc.boolean(), limit: fc.nat(5) },
        { requiredKeys: ['gte', 'lt'] },
      )
      const property = fc.asyncProperty(
        fc.array(fc.array(write, { maxLength: 8 }), { maxLength: 5 }),
        fc.array(range, { maxLength: 10 }),
        async (batches, ranges) => {
          await using harness = await createHarness()
          const first = await harness.open()
          const model = new Map<string, Uint8Array>()
          for (const batch of batches) {
            await first.commit(batch)
            for (const { key, value } of batch) {
              if (value) model.set(hex(key), value)
              else model.delete(hex(key))
            }
          }
          await first.close()
          const backend = await harness.open()
          const sorted = [...model]
            .map(([key, value]) => ({ key: new Uint8Array(Buffer.from(key, 'hex')), value }))
            .sort((a, b) => Buffer.compare(a.key, b.key))
          expect(await entriesOf(backend, everything)).toStrictEqual(sorted)
          for (const { key, value } of sorted) expect(await backend.get(key)).toStrictEqual(value)
          for (const range of ranges) {
            const inside = sorted.filter(
              ({ key }) => Buffer.compare(key, range.gte) >= 0 && Buffer.compare(key, range.lt) < 0,
            )
            if (range.reverse) inside.reverse()
            const expected = inside.slice(0, range.limit)
            expect(await backend.first(range)).toStrictEqual(inside[0])
            expect(await entriesOf(backend, range)).toStrictEqual(expected)
            expect(await keysOf(backend, range)).toStrictEqual(expected.map(({ key }) => key))
          }
        },
      )
      await fc.assert(property, { numRuns: 25 })
    })

    test('a long range comes in chunks, complete and in order, both ways', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      const batch = Array.from({ length: 3000 }, (_, index) => ({
        key: bytes(7, index >> 8, index & 255),
        value: new Uint8Array(index % 100 === 0 ? 100_000 : 10).fill(index),
      }))
      await backend.commit(batch)
      const range = { gte: bytes(7), lt: bytes(8) }
      let largest = 0
      const seen: Entry[] = []
      for await (const chunk of backend.entries(range)) {
        largest = Math.max(largest, chunk.length)
        seen.push(...chunk)
      }
      expect(largest).toBeLessThanOrEqual(1000)
      expect(textOf(seen)).toStrictEqual(textOf(batch))
      expect(textOf(await entriesOf(backend, { ...range, reverse: true, limit: 2000 }))).toStrictEqual(
        textOf(batch.toReversed().slice(0, 2000)),
      )
      expect(await keysOf(backend, { ...range, reverse: true })).toStrictEqual(batch.toReversed().map(({ key }) => key))
    })

    test('a reader may stop early, and writes meanwhile do not disturb it', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      const keyOf = (index: number) => bytes(7, index >> 8, index & 255)
      await backend.commit(Array.from({ length: 2000 }, (_, index) => ({ key: keyOf(index), value: bytes() })))
      const seen = new Set<number>()
      for await (const chunk of backend.keys({ gte: bytes(7), lt: bytes(8) })) {
        for (const key of chunk) seen.add(key[1]! * 256 + key[2]!)
        await backend.commit(Array.from({ length: 600 }, (_, index) => ({ key: keyOf(index), value: undefined })))
      }
      for (let index = 600; index < 2000; index++) expect(seen.has(index), `key ${index}`).toBe(true)
      for await (const chunk of backend.keys({ gte: bytes(7), lt: bytes(8) })) {
        expect(chunk.length).toBeGreaterThan(0)
        break
      }
      expect(await backend.get(keyOf(600))).toStrictEqual(bytes())
    })

    test('a batch with a failed expectation writes nothing', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      await backend.commit([{ key: bytes(1), value: bytes(1) }])
      const writes = [
        { key: bytes(1), value: undefined },
        { key: bytes(2), value: bytes(2) },
      ]
      for (const expected of [undefined, bytes(), bytes(2), bytes(1, 0)]) {
        const attempt = backend.commit(writes, [{ key: bytes(1), value: expected }])
        await expect(attempt).rejects.toBeInstanceOf(ConflictError)
      }
      await expect(backend.commit(writes, [{ key: bytes(3), value: bytes() }])).rejects.toBeInstanceOf(ConflictError)
      expect(await entriesOf(backend, everything)).toStrictEqual([{ key: bytes(1), value: bytes(1) }])
      await backend.commit(writes, [
        { key: bytes(1), value: bytes(1) },
        { key: bytes(3), value: undefined },
      ])
      expect(await entriesOf(backend, everything)).toStrictEqual([{ key: bytes(2), value: bytes(2) }])
    })

    test('of concurrent commits with one expectation exactly one wins, the others do not suffer', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      const attempts = Array.from({ length: 20 }, (_, index) =>
        index % 2
          ? backend.commit([{ key: bytes(9, index), value: bytes(index) }])
          : backend.commit([{ key: bytes(1), value: bytes(index) }], [{ key: bytes(1), value: undefined }]),
      )
      const results = await Promise.allSettled(attempts)
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(11)
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(ConflictError)
      }
      expect(await backend.get(bytes(1))).toStrictEqual(bytes(0))
      expect(await keysOf(backend, { gte: bytes(9), lt: bytes(10) })).toHaveLength(10)
    })

    test('commits take effect in the order of the calls, each seeing the ones before', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      await backend.commit([{ key: bytes(1), value: bytes(0) }])
      await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          backend.commit([{ key: bytes(1), value: bytes(index + 1) }], [{ key: bytes(1), value: bytes(index) }]),
        ),
      )
      expect(await backend.get(bytes(1))).toStrictEqual(bytes(50))
    })

    test('a batch that cannot be written is refused as a whole and harms no other', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      const good = backend.commit([{ key: bytes(1), value: bytes(1) }])
      for (const badKey of [bytes(), new Uint8Array(81)]) {
        const bad = backend.commit([
          { key: bytes(2), value: bytes(2) },
          { key: badKey, value: bytes(3) },
        ])
        await expect(bad).rejects.toBeInstanceOf(RangeError)
      }
      await good
      expect(await keysOf(backend, everything)).toStrictEqual([bytes(1)])
      await backend.commit([{ key: new Uint8Array(80).fill(1), value: bytes(1) }])
      expect(await backend.get(new Uint8Array(80).fill(1))).toStrictEqual(bytes(1))
    })

    test('what comes out is independent of what went in', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      const stored = bytes(1, 2, 3)
      await backend.commit([{ key: bytes(1), value: stored }])
      stored[0] = 9
      const read = (await backend.get(bytes(1)))!
      expect(read).toStrictEqual(bytes(1, 2, 3))
      read[0] = 8
      expect(await backend.get(bytes(1))).toStrictEqual(bytes(1, 2, 3))
    })

    test('a batch of ten thousand values and one of ten megabytes', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      const many = Array.from({ length: 10_000 }, (_, index) => ({
        key: bytes(1, index >> 8, index & 255),
        value: new Uint8Array(100).fill(index),
      }))
      const large = new Uint8Array(10_000_000).map((_, index) => index >> 8)
      await backend.commit([...many, { key: bytes(2), value: large }])
      expect(await keysOf(backend, everything)).toHaveLength(10_001)
      expect(Buffer.compare((await backend.get(bytes(2)))!, large)).toBe(0)
    })

    test('after close, calls are rejected and commits under way are finished', async () => {
      await using harness = await createHarness()
      const backend = await harness.open()
      const last = backend.commit([{ key: bytes(1), value: bytes(1) }])
      await backend.close()
      await last
      await backend.close()
      await expect(backend.get(bytes(1))).rejects.toThrow('closed')
      await expect(backend.commit([])).rejects.toThrow('closed')
      await expect(entriesOf(backend, everything)).rejects.toThrow('closed')
      await expect(keysOf(backend, everything)).rejects.toThrow('closed')
      const again = await harness.open()
      expect(await again.get(bytes(1))).toStrictEqual(bytes(1))
    })
  })
}
