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
  read: (pacer: Pacer) => Promise<T | undefined>,
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
  read: (pacer: Pacer) => Promise<T | undefined>,
  dataOf: (found: T) => Uint8Array,
): Promise<{ found?: T | undefined; bytes: number }> {
  const found = await read(new Pacer(room.peer))
  if (found === undefined) return { bytes: 0 }
  const bytes = mostBytes(dataOf(found).length)
  return bytes <= room.bytes || room.tryTake(bytes - room.bytes) ? { found, bytes: 0 } : { bytes }
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
  const first = await gatherOrCount(room, read(), ({ data }) => growth.add(rowBytes + mostBytes(data.length)))
  if (first.rows !== undefined) {
    growth.end()
    return first.rows
  }
  for (let { bytes } = first; ; ) {
    await waitForRoom(room, bytes)
    let least = 0
    const again = await gatherOrCount(room, read(), ({ data }) => {
      least += leastBytes(data.length)
      // There may be more by now.
      return least <= Math.max(room.bytes, largeBytes)
    })
    if (again.rows !== undefined) return again.rows
    bytes = again.bytes
  }
}

/** Rows as long as they fit. As soon as one does not, none are kept, and it is counted what all of them take in a reply. */
async function gatherOrCount<T extends { data: Uint8Array }>(
  room: ReplyRoom,
  source: AsyncIterable<T>,
  fits: (row: T) => boolean,
): Promise<{ rows?: T[]; bytes: number }> {
  const pacer = new Pacer(room.peer)
  let rows: T[] | undefined = []
  let [count, bytes] = [0, 0]
  const add = async ({ data }: T) => {
    bytes += rowBytes + (await countBytes(data, pacer))
    if (bytes > maxReplyBytes) {
      throw new WorkerError('limit_exceeded', { limit: 'bytes in a message', maximum: maxReplyBytes })
    }
  }
  for await (const row of source) {
    if (++count > maxRows) throw new WorkerError('limit_exceeded', { limit: 'deltas in a reply', maximum: maxRows })
    if (rows !== undefined) {
      if (fits(row)) {
        rows.push(row)
        continue
      }
      for (const each of rows) await add(each)
      rows = undefined
      room.shrink(0)
    }
    await add(row)
  }
  return rows === undefined ? { bytes } : { rows, bytes }
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
  add(bytes: number): boolean {
    this.#most += bytes
    if (this.#most <= this.#taken || this.#most < largeBytes) return true
    if (this.#most > maxReplyBytes) return false
    // More than is needed, so that it is not asked for at each row; the surplus is given back.
    const more = Math.max(this.#most - this.#taken, this.#taken >> 2)
    this.#taken += more
    return this.#room.tryTake(more)
  }

  /** Gives back what was not needed. */
  end(): void {
    this.#room.shrink(this.#most)
  }
}
