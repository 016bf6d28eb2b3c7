import { maxReplyBytes, numbersLength, WorkerError } from '@bletchley/protocol'
import { Pacer } from '@bletchley/store'
import type { ReplyRoom } from '../server/replyRoom.ts'

/** Rows of one reply. */
const maxRows = 100_000

/** A row without its data, at most: `{"address":"…","key":4294967295,"data":[]},`. */
export const rowBytes = 106

/** An address in a list, with its quotes and a comma. */
export const addressBytes = 67

/** Up to this size what a reply will hold is kept at the first reading. */
const keptBytes = 256 * 1024

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
  return read()
}

/**
 * Reads the rows that a reply is made of: once more, if they are many bytes, since room is taken for them first.
 *
 * @throws WorkerError `limit_exceeded` if the reply would be too large, `busy` if its peer does not read
 */
export async function rowsInRoom<T extends { data: Uint8Array }>(
  room: ReplyRoom,
  read: () => AsyncIterable<T>,
): Promise<T[]> {
  const { rows, bytes } = await gather(read(), keptBytes)
  await room.take(bytes)
  return rows ?? (await gather(read(), maxReplyBytes)).rows!
}

/** Counts what rows take in a reply, and keeps them if their data has at most so many bytes. */
async function gather<T extends { data: Uint8Array }>(
  source: AsyncIterable<T>,
  mostKept: number,
): Promise<{ rows: T[] | undefined; bytes: number }> {
  const pacer = new Pacer()
  let rows: T[] | undefined = []
  let [count, held, bytes] = [0, 0, 0]
  for await (const row of source) {
    if (++count > maxRows) throw new WorkerError('limit_exceeded', { limit: 'deltas in a reply', maximum: maxRows })
    bytes += rowBytes
    bytes += row.data.length <= countedBytes ? numbersLength(row.data) : await countBytes(row.data, pacer)
    if (bytes > maxReplyBytes) {
      throw new WorkerError('limit_exceeded', { limit: 'bytes in a message', maximum: maxReplyBytes })
    }
    held += row.data.length
    if (held > mostKept) rows = undefined
    rows?.push(row)
  }
  return { rows, bytes }
}
