/** The greatest number of a delta: numbers are u32. */
export const maxDeltaIndex = 0xffff_ffff
/** Behind all of them. */
export const indexEnd = maxDeltaIndex + 1

/** Delta numbers `[from, to)`; both 0 .. 2^32. */
export interface Range {
  from: number
  to: number
}

export interface DeltaRange extends Range {
  /** 32 bytes */
  address: Uint8Array
}

/** The same numbers in ascending ranges that neither overlap nor touch; empty ones are dropped. */
export function mergeRanges(ranges: Range[]): Range[] {
  const merged: Range[] = []
  for (const { from, to } of ranges.filter(({ from, to }) => from < to).sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last && from <= last.to) last.to = Math.max(last.to, to)
    else merged.push({ from, to })
  }
  return merged
}

/** All numbers outside of merged ranges. */
export function rangesBetween(merged: Range[]): Range[] {
  const starts = [0, ...merged.map(({ to }) => to)]
  const ends = [...merged.map(({ from }) => from), indexEnd]
  return starts.map((from, index) => ({ from, to: ends[index]! })).filter(({ from, to }) => from < to)
}
