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
 * Reads the one thing that a reply is made of: once more, if it has to wait for room, since it is let go of meanwhile.
 *
 * @throws WorkerError `busy` if the peer does not read
 */
export async function readInRoom<T>(
  room: ReplyRoom,
  read: () => Promise<T | undefined>,
  dataOf: (found: T) => Uint8Array,
): Promise<T | undefined> {
  let found = await read()
  const bytes = found === undefined ? 0 : mostBytes(dataOf(found).length)
  if (room.tryTake(bytes)) return found
  found = undefined
  await room.take(bytes)
  // Room comes for many at once.
  const pacer = new Pacer(room.peer)
  while (pacer.due) await pacer.pause()
  return read()
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
  const rows = await readAtOnce(room, read())
  if (rows !== undefined) return rows
  await room.take(await countRows(room, read()))
  const kept: T[] = []
  for await (const row of read()) {
    assertRows(kept.length + 1)
    kept.push(row)
  }
  return kept
}

/** Undefined if there is no room for the rows at once, or if it takes counting to know whether they fit into a message. */
async function readAtOnce<T extends { data: Uint8Array }>(
  room: ReplyRoom,
  source: AsyncIterable<T>,
): Promise<T[] | undefined> {
  const rows: T[] = []
  let [most, taken] = [0, 0]
  for await (const row of source) {
    assertRows(rows.length + 1)
    most += rowBytes + mostBytes(row.data.length)
    if (most > taken && most >= largeBytes) {
      // More than is needed, so that it is not asked for at each row; the surplus is given back.
      const more = Math.max(most - taken, taken >> 2)
      if (most > maxReplyBytes || !(room.tryTake(more) || (await room.tryTakeLooked(more)))) {
        room.shrink(0)
        return undefined
      }
      taken += more
    }
    rows.push(row)
  }
  room.shrink(most)
  return rows
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
