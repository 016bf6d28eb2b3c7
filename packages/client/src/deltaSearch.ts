import { equalBytes } from '@bletchley/bytes'
import { isWorkerError } from '@bletchley/protocol'
import type { CoreMethods } from './coreClient.ts'

/** One delta, as a core shows it. */
export interface ShownDelta {
  key: number
  data: Uint8Array
}

/** Most that is looked at for one task: whoever answers wrongly must not keep the user busy. */
const searchLimit = { keys: 4096, bytes: 16 * 1024 * 1024 }

/** Most that is asked for at once, as far as the sizes of the last ones tell. */
const pageLimit = { keys: 64, bytes: 1024 * 1024 }

/**
 * Tries the deltas that a task without a delta of its own may have run on besides the two tips, the newest first:
 *
 * - those between the tips, where other tasks came in between;
 * - those in front of a hole, since a core goes on from there, whatever lies behind;
 * - all, if the tip before the task is gone: a task in between has filled such a hole, which cannot be seen any more.
 *
 * @param before the newest delta before the task, absent if there was none
 * @param after  the newest delta after it, likewise
 * @param attempt returns what was looked for, undefined if it is not with this delta
 * @returns what was found; else whether all of them were tried
 */
export async function searchDeltas<T>(
  methods: CoreMethods,
  address: Uint8Array,
  { before, after }: { before: ShownDelta | undefined; after: ShownDelta | undefined },
  attempt: (delta: Uint8Array) => T | undefined,
): Promise<{ found: T } | { triedAll: boolean }> {
  const isKept = before === undefined || isSame(before, await readDelta(methods, address, before.key))
  // What is not there any more cannot be tried.
  if (after === undefined) return { triedAll: isKept }
  let top = (await endOfSomeRun(methods, address, after.key)) + 1
  let isHoleAbove = top < after.key
  let { keys, bytes } = searchLimit
  let count = 1
  while (top > 0 && keys > 0 && bytes > 0) {
    const from = Math.max(0, top - count)
    const page = await readPage(methods, address, from, top)
    if (page === undefined && count === 1) break
    if (page === undefined) {
      count = 1
      continue
    }
    let largest = 1
    for (let key = top - 1; key >= from; key--) {
      const data = page.get(key)
      if (data !== undefined) {
        const found = isHoleAbove || !isKept || key > (before?.key ?? -1) ? attempt(data) : undefined
        if (found !== undefined) return { found }
        bytes -= data.length
        largest = Math.max(largest, data.length)
      }
      isHoleAbove = data === undefined
    }
    keys -= top - from
    top = from
    count = Math.min(2 * count, pageLimit.keys, keys, Math.max(1, Math.floor(pageLimit.bytes / largest)))
  }
  return { triedAll: top <= 0 && isKept }
}

/**
 * A delta that no other follows; the one in front of the tip if no hole was met. Halving meets wide holes only, as in
 * front of a tip that a peer has put far away. The first hole is never above the one that was met.
 */
async function endOfSomeRun(methods: CoreMethods, address: Uint8Array, tip: number): Promise<number> {
  let low = -1
  let high = tip
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if ((await readDelta(methods, address, middle)) === undefined) high = middle
    else low = middle
  }
  return low
}

/** Deltas by index; nothing if the core gives none, since they would be too large or the contract is gone. */
async function readPage(
  methods: CoreMethods,
  address: Uint8Array,
  from: number,
  to: number,
): Promise<Map<number, Uint8Array> | undefined> {
  try {
    const { deltas } = await methods.getDeltas({ ranges: [{ address, from, to }] })
    return new Map(deltas.map(({ key, data }) => [key, data]))
  } catch (error) {
    if (isWorkerError(error) && (error.code === 'limit_exceeded' || error.code === 'not_found')) return undefined
    throw error
  }
}

export async function readTip({ getTip }: CoreMethods, address: Uint8Array): Promise<ShownDelta | undefined> {
  return absentIfNotFound(getTip({ address }))
}

export async function readDelta(
  { getDelta }: CoreMethods,
  address: Uint8Array,
  key: number,
): Promise<Uint8Array | undefined> {
  return key < 0 ? undefined : (await absentIfNotFound(getDelta({ address, key })))?.data
}

async function absentIfNotFound<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read
  } catch (error) {
    if (isWorkerError(error) && error.code === 'not_found') return undefined
    throw error
  }
}

function isSame({ data }: ShownDelta, other: Uint8Array | undefined): boolean {
  return other !== undefined && equalBytes(data, other)
}
