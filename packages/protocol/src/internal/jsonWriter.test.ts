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

test('whatever is written has room, wherever in its memory it begins', () => {
  const bytes = Uint8Array.from({ length: 101 }, (_, index) => 255 - index)
  const texts: [string, (writer: JsonWriter) => void][] = [
    ['"plain"', (w) => w.string('plain')],
    [`"${'\u20ac'.repeat(99)}"`, (w) => w.string('\u20ac'.repeat(99))],
    [`"${'\\n'.repeat(99)}"`, (w) => w.string('\n'.repeat(99))],
    [`"${Buffer.from(bytes).toString('hex')}"`, (w) => w.hex(bytes)],
    [JSON.stringify(Array.from(bytes)), (w) => w.byteArray(bytes)],
    ['[]', (w) => w.byteArray(new Uint8Array(0))],
    [`"${Buffer.from(bytes).toString('hex')}"`, (w) => void [...w.hexInPieces(bytes)]],
    [JSON.stringify(Array.from(bytes)), (w) => void [...w.byteArrayInPieces(bytes)]],
    ['[]', (w) => void [...w.byteArrayInPieces(new Uint8Array(0))]],
  ]
  for (const [index, [wanted, action]] of texts.entries()) {
    // What others left of the memory that short texts share is less than 8 KiB, and this is more than is left.
    for (let before = 8192 - 420; before <= 8192; before++) {
      const text = write((w) => {
        w.raw('x'.repeat(8192))
        w.raw('x'.repeat(before))
        action(w)
      })
      if (text.slice(8192 + before) !== wanted)
        expect.fail(`text ${index} behind ${before} bytes: ${text.slice(8192 + before)}`)
    }
  }
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

test('short texts share a piece of 8 KiB as long as one more has room, and none is longer than that', () => {
  const texts = Array.from({ length: 100 }, () => {
    const writer = new JsonWriter(1000)
    writer.raw('x'.repeat(200))
    return writer.finish()
  })
  const buffers = new Set(texts.map(({ buffer }) => buffer))
  for (const { byteLength } of buffers) expect(byteLength).toBe(8192)
  // 38 of them leave less than 512 bytes in a piece.
  expect(buffers.size).toBeLessThanOrEqual(Math.ceil(100 / 38) + 1)
  for (const [index, text] of texts.entries()) {
    const before = texts[index - 1]
    if (text.buffer === before?.buffer) expect(text.byteOffset, `text ${index}`).toBe(before.byteOffset + 200)
  }
})

test('what a text leaves of its piece is not counted as its own', () => {
  const small = new JsonWriter(1000)
  small.raw('x'.repeat(100))
  small.finish()
  const writer = new JsonWriter(20_000)
  writer.raw('y'.repeat(20_000))
  expect(writer.length).toBe(20_000)
  expect(decoder.decode(writer.finish())).toBe('y'.repeat(20_000))
})

test('a text that is refused at its limit is refused before it is copied to more memory', () => {
  const writer = new JsonWriter(10_000)
  writer.raw('x'.repeat(10_001))
  expect(() => writer.raw('x'.repeat(10_000))).toThrow('Limit exceeded: bytes in a message, at most 10000')
})

test('a text whose length is known gets its memory at once, within its limit', () => {
  const text = (expected: number) => {
    const writer = new JsonWriter(1_000_000, undefined, expected)
    writer.raw('x')
    return writer.finish().buffer.byteLength
  }
  const room = 4 * 65_536 + 512
  expect([1, 300_000, 1_000_000, 5_000_000].map(text)).toEqual([
    1 + room,
    300_000 + room,
    1_000_000 + room,
    1_000_000 + room,
  ])
})

test('a text that grows is copied as often as it doubles, and has no more than twice its memory', () => {
  const writer = new JsonWriter(100_000_000)
  const sizes = new Set<number>()
  for (let length = 5000; length <= 1_000_000; length += 5000) {
    writer.raw('x'.repeat(5000))
    const { byteLength } = writer.finish().buffer
    expect(byteLength, `${length}`).toBeLessThanOrEqual(Math.max(8192, 2 * length))
    sizes.add(byteLength)
  }
  expect(sizes.size).toBeLessThanOrEqual(9)
})

test('a list that begins with its largest item is taken for one of such items, up to 128 times what is written', () => {
  const writer = new JsonWriter(2 ** 32)
  const items = [20_000, 30_000, ...new Array<number>(100_000).fill(1)]
  writer.items(items, (length) => writer.raw('x'.repeat(length)))
  // When the second one needs more room, the first and a comma are written.
  expect(writer.finish().buffer.byteLength).toBe(128 * 20_001)
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
  // What stands before a list says nothing of its items.
  writer.raw('x'.repeat(2_000_000))
  writer.items(new Array<Uint8Array>(4000).fill(new Uint8Array(1000).fill(200)), (item) => writer.byteArray(item))
  const text = writer.finish()
  expect(text.buffer.byteLength).toBeLessThan(text.length * 1.1)
})
