import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, expect, test, vi } from 'vitest'
import { encodeReply } from './reply.ts'
import { ReplyMemory } from './replyMemory.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Behind it, arrays that nobody has any more are gone, and that has been told. */
async function collectGarbage(): Promise<void> {
  await setImmediate()
  collect()
  // Each registry is told of its arrays in a turn of its own, and the test's tools may have some.
  for (let turn = 0; turn < 20; turn++) await setImmediate()
}

const address = new Uint8Array(32).fill(1)

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
function isSame(one: ArrayBufferLike, other: ArrayBufferLike): boolean {
  return one === other
}

afterEach(() => {
  vi.useRealTimers()
})

test('a reply whose array is held stays whole, whatever is written after it', async () => {
  const memory = new ReplyMemory()
  const held = [largeReply(0, memory), largeReply(1, memory)]
  for (let first = 2; first < 6; first++) {
    await collectGarbage()
    expect(Buffer.compare(largeReply(first, memory), largeReply(first))).toBe(0)
  }
  for (const [first, reply] of held.entries()) expect(Buffer.compare(reply, largeReply(first)), `${first}`).toBe(0)
})

test('memory is used again when the array is gone, also that of a reply that was not finished', async () => {
  const memory = new ReplyMemory()
  const { buffer } = largeReply(0, memory)
  await collectGarbage()
  expect(isSame(largeReply(1, memory).buffer, buffer)).toBe(true)
  const { buffer: other } = memory.take(5 << 20)
  await collectGarbage()
  expect(isSame(memory.take((5 << 20) + 1).buffer, other)).toBe(true)
  await collectGarbage()
  expect(isSame(memory.take(6 << 20).buffer, other)).toBe(true)
})

test('memory that waits is kept as long as other memory is taken', async () => {
  const memory = new ReplyMemory()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const [small, large] = [memory.take(4 << 20).buffer, memory.take(8 << 20).buffer]
  await collectGarbage()
  vi.advanceTimersByTime(9_000)
  const held = memory.take(4 << 20)
  expect([small, large].some((buffer) => isSame(held.buffer, buffer))).toBe(true)
  vi.advanceTimersByTime(9_000)
  const other = memory.take(4 << 20)
  expect([small, large].some((buffer) => isSame(other.buffer, buffer))).toBe(true)
  expect(isSame(held.buffer, other.buffer)).toBe(false)
})

test('memory that is too small makes room, and what goes beyond 128 MiB is not kept', async () => {
  const memory = new ReplyMemory()
  const take = (mebibytes: number): ArrayBuffer => memory.take(mebibytes << 20).buffer
  const small = take(40)
  await collectGarbage()
  const large = take(100)
  const beyond = take(40)
  expect(isSame(beyond, small)).toBe(false)
  await collectGarbage()
  const again = [take(40), take(100)]
  expect(again.map((buffer) => [small, large, beyond].indexOf(buffer))).toEqual([1, -1])
})

test('up to 128 MiB are kept as often as they come back, more are not, also if a part of them was given out', async () => {
  const memory = new ReplyMemory()
  const { buffer } = memory.take(128 << 20)
  for (let round = 0; round < 3; round++) {
    await collectGarbage()
    expect(isSame(memory.take(128 << 20).buffer, buffer), `${round}`).toBe(true)
  }
  const other = new ReplyMemory()
  const takePart = (): ArrayBufferLike => {
    const part = other.take((128 << 20) + 1).subarray(0, 1)
    other.lend(part)
    return part.buffer
  }
  const beyond = takePart()
  await collectGarbage()
  expect(isSame(takePart(), beyond)).toBe(false)
})

test('what is taken is of whole pieces of 4 MiB, but for small replies, which have just their bytes', () => {
  const memory = new ReplyMemory()
  const mebibyte = 2 ** 20
  const sizes = [1, mebibyte - 1, mebibyte, 4 * mebibyte, 4 * mebibyte + 1]
  expect(sizes.map((bytes) => memory.take(bytes).buffer.byteLength)).toEqual([
    1,
    mebibyte - 1,
    4 * mebibyte,
    4 * mebibyte,
    8 * mebibyte,
  ])
})

test('each piece of memory that came back is used again', async () => {
  const memory = new ReplyMemory()
  const take = (): ArrayBuffer => memory.take(4 << 20).buffer
  const three = [take(), take(), take()]
  await collectGarbage()
  const again = [take(), take(), take()]
  expect(again.filter((buffer) => three.includes(buffer))).toHaveLength(3)
})

test('no process stays for the sake of memory that it does not need', () => {
  const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
  const before = timers()
  new ReplyMemory().take(4 << 20)
  expect(timers()).toBe(before)
})

test('a small reply is never written into what is left of the memory of a large one', () => {
  const memory = new ReplyMemory()
  const large = largeReply(0, memory)
  const small = encodeReply({ kind: 'error', id: '1', requestType: 'GetTip', message: 'no' }, 'document', memory)
  expect(isSame(small.buffer, large.buffer)).toBe(false)
  expect(small.buffer.byteLength).toBeLessThan(1 << 20)
})

test('memory that nobody needs for ten seconds is given up', async () => {
  const memory = new ReplyMemory()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { buffer } = memory.take(2 << 20)
  await collectGarbage()
  vi.advanceTimersByTime(9_000)
  expect(isSame(memory.take(2 << 20).buffer, buffer)).toBe(true)
  // From here on it is on its way for nine seconds, and lies about for nine more.
  vi.advanceTimersByTime(9_000)
  await collectGarbage()
  vi.advanceTimersByTime(9_000)
  expect(isSame(memory.take(2 << 20).buffer, buffer)).toBe(true)
  await collectGarbage()
  vi.advanceTimersByTime(10_000)
  expect(isSame(memory.take(2 << 20).buffer, buffer)).toBe(false)
})
