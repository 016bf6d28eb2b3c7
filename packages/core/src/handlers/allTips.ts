import { maxReplyBytes } from '@bletchley/protocol'
import { type ContractStore, Pacer, type TipLength } from '@bletchley/store'
import { addressBytes, countBytes, leastBytes, mostBytes, rowBytes } from './replyRows.ts'
import type { Found } from './sharedReading.ts'

/** Rows of one reply; a peer may read more values than they have. */
const maxRows = 1_000_000

/** A row without its data, at least. */
const leastRowBytes = 96

/** One for all who ask: they share what is read. */
const allTipsLane = 'all tips'

/** Of the reply, left for what is no row. */
const envelopeBytes = 64 * 1024

/** What rows may take, with the addresses of those that are left out. */
const maxRowsBytes = maxReplyBytes - envelopeBytes

/** Tips up to this size are kept when they are met, as long as a message might have room for them; others are read when it is known to. */
const smallBytes = 64 * 1024
const keptBytes = maxReplyBytes / 2

type Row = TipLength & { readonly data: Uint8Array }

/** What GetAllTips answers. */
export interface AllTips {
  readonly tips: Row[]
  /** Of contracts whose tips are left out. */
  readonly omitted: Uint8Array[]
}

/**
 * In the order of creation; contracts without deltas are left out, and so are the largest tips if not all of them fit into
 * a message: otherwise a few contracts with large deltas would hide all the others.
 */
export async function readAllTips(store: ContractStore): Promise<Found<AllTips>> {
  const pacer = new Pacer(allTipsLane)
  const all: TipLength[] = []
  let kept = 0
  for await (const tip of store.tipLengths(smallBytes, pacer)) {
    kept += tip.data?.length ?? 0
    all.push(kept <= keptBytes ? tip : { ...tip, data: undefined })
  }

  // What cannot fit need not be read.
  const possible = withoutLargest(all, ({ length }) => leastRowBytes + leastBytes(length))
  const read: Row[] = []
  const gone = new Set<Uint8Array>()
  for (const tip of possible) {
    if (hasData(tip)) {
      read.push(tip)
      continue
    }
    const { address } = tip
    const now = await store.getTip(address, pacer)
    if (now === undefined) gone.add(address)
    else read.push({ address, key: now.key, length: now.data.length, data: now.data })
    await pacer.pause()
  }
  const tips = await fitting(read, all.length - possible.length, pacer)

  const omitted = tips.length + gone.size === all.length ? [] : without(all, [...tips.map(addressOf), ...gone])
  const bytes = Math.min(maxReplyBytes, sum(tips, mostRowBytes) + omitted.length * addressBytes)
  return { found: { tips, omitted }, bytes }
}

function addressOf({ address }: TipLength): Uint8Array {
  return address
}

/** The addresses of tips but for these. */
function without(tips: readonly TipLength[], addresses: readonly Uint8Array[]): Uint8Array[] {
  const others = new Set(addresses)
  return tips.map(addressOf).filter((address) => !others.has(address))
}

function hasData(tip: TipLength): tip is Row {
  return tip.data !== undefined
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
