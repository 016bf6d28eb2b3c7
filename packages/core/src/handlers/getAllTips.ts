import { maxReplyBytes } from '@bletchley/protocol'
import { Pacer, type TipLength } from '@bletchley/store'
import type { Handler } from './handler.ts'
import { addressBytes, allInRoom, countBytes, leastBytes, mostBytes, rowBytes } from './replyRows.ts'

/** Rows of one reply; a peer may read more values than they have. */
const maxRows = 1_000_000

/** A row without its data, at least. */
const leastRowBytes = 96

/** Of the reply, left for what is no row. */
const envelopeBytes = 64 * 1024

/** What rows may take, with the addresses of those that are left out. */
const maxRowsBytes = maxReplyBytes - envelopeBytes

/** Tips up to this size are kept at the first reading, as long as they all have no more than that. */
const smallBytes = 64 * 1024
const keptBytes = 16 * 1024 * 1024

type Row = TipLength & { readonly data: Uint8Array }

/**
 * In the order of creation; contracts without deltas are left out, and so are the largest tips if not all of them fit into
 * a message: otherwise a few contracts with large deltas would hide all the others.
 */
export const getAllTips: Handler<'GetAllTips'> = async (_, { store, room, omissions }) => {
  const pacer = new Pacer(room.peer)
  async function* walk() {
    let kept = 0
    for await (const tip of store.tipLengths(smallBytes, pacer)) {
      kept += tip.data?.length ?? 0
      yield kept <= keptBytes ? tip : { ...tip, data: undefined }
    }
  }
  const tips: TipLength[] = await allInRoom(room, walk, mostRowBytes)

  // What cannot fit need not be read.
  const possible = withoutLargest(tips, ({ length }) => leastRowBytes + leastBytes(length))
  room.shrink(sum(possible, mostRowBytes))
  const read: Row[] = []
  const gone = new Set<Uint8Array>()
  for (const { address, key, data } of possible) {
    if (data !== undefined) {
      read.push({ address, key, length: data.length, data })
      continue
    }
    const tip = await store.getTip(address)
    if (tip === undefined) gone.add(address)
    else read.push({ address, key: tip.key, length: tip.data.length, data: tip.data })
    await pacer.pause()
  }
  const rows = await fitting(read, tips.length - possible.length, pacer)

  const listed = new Set(rows.map(({ address }) => address))
  const omitted = tips.map(({ address }) => address).filter((address) => !listed.has(address) && !gone.has(address))
  omissions.count(omitted)
  return { tips: rows, omitted: omitted.length > 0 ? omitted : undefined }
}

/** The rows that fit into a message; counted only if that is needed. */
async function fitting(rows: Row[], omitted: number, pacer: Pacer): Promise<Row[]> {
  if (sum(rows, mostRowBytes) + omitted * addressBytes <= maxRowsBytes) return rows
  const sizes = new Map<Row, number>()
  for (const row of rows) sizes.set(row, rowBytes + (await countBytes(row.data, pacer)))
  return withoutLargest(rows, (row) => sizes.get(row)!, omitted)
}

/**
 * Leaves the largest out, until the others fit into a message; of those that are equally large, the youngest.
 *
 * @param omitted so many are left out already
 */
function withoutLargest<T extends TipLength>(tips: T[], sizeOf: (tip: T) => number, omitted = 0): T[] {
  let bytes = sum(tips, sizeOf) + omitted * addressBytes
  if (bytes <= maxRowsBytes && tips.length <= maxRows) return tips
  const ascending = tips.toSorted((a, b) => a.length - b.length)
  const left = new Set(tips)
  while (bytes > maxRowsBytes || left.size > maxRows) {
    const largest = ascending.pop()!
    left.delete(largest)
    bytes += addressBytes - sizeOf(largest)
  }
  return [...left]
}

function mostRowBytes({ length }: TipLength): number {
  return rowBytes + mostBytes(length)
}

function sum<T>(items: readonly T[], sizeOf: (item: T) => number): number {
  let total = 0
  for (const item of items) total += sizeOf(item)
  return total
}
