import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWorkerError } from '../errors.ts'
import { JsonWriter } from './jsonWriter.ts'

const decoder = new TextDecoder()
const strings = fc.oneof(fc.string({ unit: 'binary', maxLength: 900 }), fc.string({ unit: 'grapheme' }), fc.string())

function write(action: (writer: JsonWriter) => void): string {
  const writer = new JsonWriter(1_000_000)
  action(writer)
  return decoder.decode(writer.finish())
}

test('strings are those of JSON.stringify, lone surrogates and control characters included', () => {
  fc.assert(
    fc.property(strings, (text) => {
      expect(write((w) => w.string(text))).toBe(JSON.stringify(text))
    }),
  )
  expect(write((w) => w.string('\ud800"\\\u0000\u2028\u007f'))).toBe(JSON.stringify('\ud800"\\\u0000\u2028\u007f'))
})

test('byte arrays are those of JSON.stringify, for every byte and length', () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  expect(write((w) => w.byteArray(all))).toBe(JSON.stringify(Array.from(all)))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
      expect(write((w) => w.byteArray(bytes))).toBe(JSON.stringify(Array.from(bytes)))
      expect(write((w) => w.hex(bytes))).toBe(`"${Buffer.from(bytes).toString('hex')}"`)
    }),
  )
})

test('pieces follow each other across every growth of the buffer', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(strings, fc.uint8Array({ maxLength: 700 })), { maxLength: 30 }), (pieces) => {
      const text = write((w) => {
        w.raw('[')
        for (const [at, piece] of pieces.entries()) {
          if (at > 0) w.raw(',')
          if (typeof piece === 'string') w.string(piece)
          else w.byteArray(piece)
        }
        w.raw(']')
      })
      expect(text).toBe(JSON.stringify(pieces.map((piece) => (typeof piece === 'string' ? piece : Array.from(piece)))))
    }),
  )
})

test('the length limit holds at the byte', () => {
  const atLimit = new JsonWriter(6)
  atLimit.hex(Uint8Array.of(1, 2))
  expect(atLimit.finish()).toHaveLength(6)
  const over = new JsonWriter(6)
  over.hex(Uint8Array.of(1, 2))
  over.raw(',')
  expect(() => over.finish()).toThrow(
    expect.toSatisfy((error) => isWorkerError(error) && error.code === 'limit_exceeded'),
  )
})

test('texts that are written at the same time, or one after another, do not touch each other', () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, index) => index)
  const json = JSON.stringify(Array.from(bytes))
  const finished: Uint8Array[] = []
  for (let round = 0; round < 40; round++) {
    const [a, b] = [new JsonWriter(1_000_000), new JsonWriter(1_000_000)]
    a.byteArray(bytes)
    b.raw(`b${round}`)
    a.raw(`a${round}`)
    finished.push(b.finish(), a.finish())
  }
  const texts = finished.map((text) => decoder.decode(text))
  expect(texts).toEqual(Array.from({ length: 40 }, (_, round) => [`b${round}`, `${json}a${round}`]).flat())
})

test('lists of even and uneven items are written whole, in memory of about their size', () => {
  const sizes = fc.array(fc.oneof(fc.constantFrom(0, 1, 1000), fc.nat(40_000)), { maxLength: 60 })
  fc.assert(
    fc.property(sizes, (sizes) => {
      const items = sizes.map((size) => new Uint8Array(size).fill(size))
      expect(write((w) => w.items(items, (item) => w.byteArray(item)))).toBe(
        items.map((item) => JSON.stringify(Array.from(item))).join(','),
      )
    }),
    { numRuns: 30 },
  )
  const writer = new JsonWriter(100_000_000)
  writer.items(new Array<Uint8Array>(4000).fill(new Uint8Array(1000).fill(200)), (item) => writer.byteArray(item))
  const text = writer.finish()
  expect(text.buffer.byteLength).toBeLessThan(text.length * 1.1)
})
