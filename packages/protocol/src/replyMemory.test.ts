import { afterEach, expect, test, vi } from 'vitest'
import { encodeReply } from './reply.ts'
import { ReplyMemory } from './replyMemory.ts'

const address = new Uint8Array(32).fill(1)
const mebibyte = 1 << 20

/** Some megabytes, of bytes that begin with `first`. */
function largeReply(first: number, memory?: ReplyMemory): Uint8Array {
  const deltas = Array.from({ length: 400 }, (_, key) => {
    const data = Uint8Array.from({ length: 2048 }, (_, index) => first + index)
    return { address, key, data }
  })
  return encodeReply(
    { kind: 'result', id: '1', type: 'GetDeltas', input: undefined, result: { deltas } },
    'document',
    memory,
  )
}

/** Looked at here, since a failed `toBe` would print the megabytes. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.buffer === other.buffer
}

/** Which of these the memory is that is taken next. */
function nextOf(memory: ReplyMemory, mebibytes: number, among: readonly Uint8Array[]): number {
  const taken = memory.take(mebibytes * mebibyte)
  return among.findIndex((each) => isSame(each, taken))
}

afterEach(() => {
  vi.useRealTimers()
})

test('a reply that has not come back stays whole, whatever is written after it', () => {
  const memory = new ReplyMemory()
  const held = [largeReply(0, memory), largeReply(1, memory)]
  for (let first = 2; first < 6; first++) {
    const reply = largeReply(first, memory)
    expect(Buffer.compare(reply, largeReply(first))).toBe(0)
    memory.giveBack(reply)
  }
  for (const [first, reply] of held.entries()) expect(Buffer.compare(reply, largeReply(first)), `${first}`).toBe(0)
})

test('memory is used again when it has come back, and not twice', () => {
  const memory = new ReplyMemory()
  const first = largeReply(0, memory)
  memory.giveBack(first)
  memory.giveBack(first)
  const again = [largeReply(1, memory), largeReply(2, memory)]
  expect(again.map((reply) => isSame(reply, first))).toEqual([true, false])
})

test('what a reply has outgrown while it was written comes back at once', () => {
  const memory = new ReplyMemory()
  const reply = largeReply(0, memory)
  // It was too small for the reply, and is the memory of another.
  const taken = memory.take(mebibyte)
  expect(isSame(taken, reply)).toBe(false)
  taken.fill(0)
  expect(Buffer.compare(reply, largeReply(0))).toBe(0)
  expect(memory.take(mebibyte).every((byte) => byte === 0)).toBe(true)
})

test('memory that was not taken is left alone', () => {
  const memory = new ReplyMemory()
  const foreign = new Uint8Array(4 * mebibyte)
  memory.giveBack(foreign)
  memory.giveBack(memory.take(100))
  expect(nextOf(memory, 4, [foreign])).toBe(-1)
})

test('the smallest that is large enough is taken, and none that is much too large', () => {
  const memory = new ReplyMemory()
  const three = [40, 12, 20].map((mebibytes) => memory.take(mebibytes * mebibyte))
  for (const each of three) memory.giveBack(each)
  // A quarter more, and 1 MiB, is not too large.
  expect(nextOf(memory, 8, three)).toBe(-1)
  expect(nextOf(memory, 9, three)).toBe(1)
  expect(nextOf(memory, 20, three)).toBe(2)
  expect(nextOf(memory, 31, three)).toBe(-1)
  expect(nextOf(memory, 32, three)).toBe(0)
})

test('128 MiB are kept, and what came back first makes room', () => {
  const memory = new ReplyMemory()
  const four = [40, 44, 44, 4].map((mebibytes) => memory.take(mebibytes * mebibyte))
  for (const each of four.slice(0, 3)) memory.giveBack(each)
  expect(nextOf(memory, 40, four)).toBe(0)
  memory.giveBack(four[0]!)
  memory.giveBack(four[3]!)
  expect([nextOf(memory, 44, four), nextOf(memory, 44, four)]).toEqual([2, -1])
  expect([nextOf(memory, 40, four), nextOf(memory, 4, four)]).toEqual([0, 3])
  const [largest, beyond] = [memory.take(128 * mebibyte), memory.take(128 * mebibyte + 1)]
  memory.giveBack(largest)
  memory.giveBack(beyond)
  expect(nextOf(memory, 128, [largest, beyond])).toBe(0)
  expect(isSame(memory.take(128 * mebibyte + 1), beyond)).toBe(false)
})

test('what is taken is of whole pieces of 1 MiB, but for small replies, which have just their bytes', () => {
  const memory = new ReplyMemory()
  const sizes = [1, mebibyte - 1, mebibyte, 4 * mebibyte, 4 * mebibyte + 1]
  expect(sizes.map((bytes) => memory.take(bytes).buffer.byteLength)).toEqual([
    1,
    mebibyte - 1,
    mebibyte,
    4 * mebibyte,
    5 * mebibyte,
  ])
})

test('no process stays for the sake of memory that it does not need', () => {
  const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
  const before = timers()
  const memory = new ReplyMemory()
  memory.giveBack(memory.take(4 * mebibyte))
  expect(timers()).toBe(before)
})

test('a small reply is never written into what is left of the memory of a large one', () => {
  const memory = new ReplyMemory()
  const large = largeReply(0, memory)
  memory.giveBack(large)
  const small = encodeReply({ kind: 'error', id: '1', requestType: 'GetTip', message: 'no' }, 'document', memory)
  expect(isSame(small, large)).toBe(false)
  expect(small.buffer.byteLength).toBeLessThan(mebibyte)
})

test('memory that nobody needs for ten seconds is given up', () => {
  const memory = new ReplyMemory()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const taken = memory.take(2 * mebibyte)
  memory.giveBack(taken)
  vi.advanceTimersByTime(9_000)
  expect(nextOf(memory, 2, [taken])).toBe(0)
  // From here on it is on its way for nine seconds, and lies about for nine more.
  vi.advanceTimersByTime(9_000)
  memory.giveBack(taken)
  vi.advanceTimersByTime(9_000)
  expect(nextOf(memory, 2, [taken])).toBe(0)
  memory.giveBack(taken)
  vi.advanceTimersByTime(10_000)
  expect(nextOf(memory, 2, [taken])).toBe(-1)
})
