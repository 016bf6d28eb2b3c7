import { maxReplyBytes, numbersLength, WorkerError } from '@bletchley/protocol'
import { Pacer } from '@bletchley/store'
import { largeBytes, type ReplyRoom } from '../server/replyRoom.ts'

/** Rows of one reply. */
const maxRows = 100_000

/** A row without its data, at most: `{"address":"…","key":4294967295,"data":[]},`. */
export const rowBytes = 106

/** An address in a list, with its quotes and a comma. */
export const addressBytes = 67

/** How much is counted between two looks at the time. */
const countedBytes = 64 * 1024

/** What so many bytes take in a reply at most: three digits and a comma each. */
export function mostBytes(length: number): number {
  return length * 4
}

/** And at least: a digit and a comma each. */
export function leastBytes(length: number): number {
  return length * 2
}

/** What the outputs of a task take in a reply, at most: its delta as numbers, the others as hex. */
export function mostTaskBytes(result: {
  output: Uint8Array
  ethereumPayload?: Uint8Array
  delta?: { data?: Uint8Array | undefined }
}): number {
  const { output, ethereumPayload, delta } = result
  return 2 * output.length + 2 * (ethereumPayload?.length ?? 0) + (delta?.data ? mostBytes(delta.data.length) : 0)
}

/** What bytes take in a reply, counted with pauses for others. */
export async function countBytes(data: Uint8Array, pacer: Pacer): Promise<number> {
  let bytes = 0
  for (let start = 0; start < data.length; start += countedBytes) {
    bytes += numbersLength(data, start, Math.min(start + countedBytes, data.length))
    await pacer.pause()
  }
  return bytes
}

/**
 * Reads the one thing that a reply is made of. If it has to wait for room it is let go of meanwhile, and read once more: it may
 * be a larger one by then.
 *
 * @throws WorkerError `busy` if the peer does not read
 */
export async function readInRoom<T>(
  room: ReplyRoom,
  read: () => Promise<T | undefined>,
  dataOf: (found: T) => Uint8Array,
): Promise<T | undefined> {
  for (;;) {
    const { found, bytes } = await readWithin(room, read, dataOf)
    if (bytes === 0) return found
    await waitForRoom(room, bytes)
  }
}

/**
 * What was found, or how much room it needs that is not there. In a function of its own: the caller would hold on to it while
 * it waits.
 */
async function readWithin<T>(
  room: ReplyRoom,
  read: () => Promise<T | undefined>,
  dataOf: (found: T) => Uint8Array,
): Promise<{ found?: T | undefined; bytes: number }> {
  const found = await read()
  if (found === undefined) return { bytes: 0 }
  const bytes = mostBytes(dataOf(found).length)
  return bytes <= room.bytes || room.tryTake(bytes - room.bytes) ? { found, bytes: 0 } : { bytes }
}

/**
 * Reads all that a reply is made of, however much it is, and takes room for it meanwhile; no more than a message has. Where there
 * is none at once, what was read is let go of, and read once more when there is.
 *
 * @param sizeOf what an item takes in a reply, at most
 * @throws WorkerError `busy` if the peer does not read
 */
export async function allInRoom<T>(
  room: ReplyRoom,
  read: () => AsyncIterable<T>,
  sizeOf: (item: T) => number,
): Promise<T[]> {
  const growth = new Growth(room)
  const all = await gather(read(), (item) => growth.add(sizeOf(item)))
  if (all !== undefined) {
    growth.end()
    return all
  }
  room.shrink(0)
  for (;;) {
    const bytes = Math.min(await total(read(), sizeOf), maxReplyBytes)
    await waitForRoom(room, bytes)
    let most = 0
    const again = await gather(read(), (item) => {
      most += sizeOf(item)
      // There may be more by now.
      return most <= bytes || bytes === maxReplyBytes
    })
    if (again !== undefined) return again
  }
}

/** In a function of its own: the caller would hold on to the last item. */
async function total<T>(source: AsyncIterable<T>, sizeOf: (item: T) => number): Promise<number> {
  let bytes = 0
  for await (const item of source) bytes += sizeOf(item)
  return bytes
}

/** Undefined, and nothing in memory, as soon as one does not fit. */
async function gather<T>(
  source: AsyncIterable<T>,
  fits: (item: T) => boolean | Promise<boolean>,
): Promise<T[] | undefined> {
  const items: T[] = []
  for await (const item of source) {
    const answer = fits(item)
    if (!(answer === true || (await answer))) return undefined
    items.push(item)
  }
  return items
}

/**
 * Reads the rows that a reply is made of, and takes room for them meanwhile. Where there is none at once they are let go of,
 * and read once more when there is.
 *
 * @throws WorkerError `limit_exceeded` if the reply would be too large, `busy` if its peer does not read
 */
export async function rowsInRoom<T extends { data: Uint8Array }>(
  room: ReplyRoom,
  read: () => AsyncIterable<T>,
): Promise<T[]> {
  const growth = new Growth(room)
  let count = 0
  // Undefined if there is no room for them at once, or if it takes counting to know whether they fit into a message.
  const rows = await gather(read(), ({ data }) => {
    assertRows(++count)
    return growth.add(rowBytes + mostBytes(data.length))
  })
  if (rows !== undefined) {
    growth.end()
    return rows
  }
  room.shrink(0)
  for (;;) {
    await waitForRoom(room, await countRows(room, read()))
    count = 0
    let least = 0
    const again = await gather(read(), ({ data }) => {
      assertRows(++count)
      least += leastBytes(data.length)
      // There may be more by now.
      return least <= Math.max(room.bytes, largeBytes)
    })
    if (again !== undefined) return again
  }
}

/**
 * Gives back what is taken, and waits until there is as much as is needed.
 *
 * @throws WorkerError `busy` if the peer does not read
 */
export async function waitForRoom(room: ReplyRoom, bytes: number): Promise<void> {
  room.shrink(0)
  await room.take(bytes)
  // Room comes for many at once.
  const pacer = new Pacer(room.peer)
  while (pacer.due) await pacer.pause()
}

/** Room that is taken at once, while what needs it is read. */
class Growth {
  readonly #room: ReplyRoom
  #most = 0
  #taken = 0

  constructor(room: ReplyRoom) {
    this.#room = room
  }

  /** Whether there is room for so much more. */
  add(bytes: number): boolean | Promise<boolean> {
    this.#most += bytes
    if (this.#most <= this.#taken || this.#most < largeBytes) return true
    if (this.#most > maxReplyBytes) return false
    // More than is needed, so that it is not asked for at each row; the surplus is given back.
    const more = Math.max(this.#most - this.#taken, this.#taken >> 2)
    this.#taken += more
    return this.#room.tryTake(more) || this.#room.tryTakeLooked(more)
  }

  /** Gives back what was not needed. */
  end(): void {
    this.#room.shrink(this.#most)
  }
}

/** What rows take in a reply: counted, since a bound is not enough. */
async function countRows<T extends { data: Uint8Array }>(room: ReplyRoom, source: AsyncIterable<T>): Promise<number> {
  const pacer = new Pacer(room.peer)
  let [count, bytes] = [0, 0]
  for await (const { data } of source) {
    assertRows(++count)
    bytes += rowBytes + (await countBytes(data, pacer))
    if (bytes > maxReplyBytes) {
      throw new WorkerError('limit_exceeded', { limit: 'bytes in a message', maximum: maxReplyBytes })
    }
  }
  return bytes
}

function assertRows(count: number): void {
  if (count > maxRows) throw new WorkerError('limit_exceeded', { limit: 'deltas in a reply', maximum: maxRows })
}
