import { bytesOf, exampleAddress } from '../internal/exampleBytes.ts'
import { maxRanges } from '../limits.ts'
import { defineMessage, inputMember, named } from '../message.ts'
import { type Codec, list, struct } from '../wire.ts'
import { deltaRow, range, rangeNote } from './shared.ts'

const rows = list(deltaRow)

/** The archived core writes `{"key":0}` for a range that has nothing. That is no delta. */
const shownRows: Codec<ReturnType<typeof rows.decode>, Parameters<typeof rows.encode>[1]> = {
  ...rows,
  decode: (value) => rows.decode(Array.isArray(value) ? value.filter((row) => !isPlaceholder(row)) : value),
}

function isPlaceholder(row: unknown): boolean {
  return row instanceof Map && row.size === 1 && row.has('key')
}

/** Ranges of deltas of one or more contracts. */
export const GetDeltas = defineMessage({
  type: 'GetDeltas',
  doc: {
    summary: 'Gives ranges of deltas of one or more contracts.',
    sender: 'the p2p node, to serve a peer that synchronises (at most 10 deltas at a time)',
    access: 'reads',
    notes: [
      rangeNote,
      'Rows are grouped by range, in the order of the request, ascending inside a range. A hole or an empty range has no row.',
      `At most ${maxRanges} ranges; a single range may stand without a list.`,
    ],
    errors: {
      not_found: 'any of the contracts is unknown (`get_deltas`)',
      limit_exceeded: 'the reply would be too large',
    },
    cost: 'follows the stored deltas that fall in the ranges, not the width of the ranges',
  },
  input: inputMember(named('ranges', list(range, maxRanges))),
  result: struct({ deltas: shownRows }),
  example: {
    input: { ranges: [{ address: exampleAddress, from: 0, to: 2 }] },
    result: {
      deltas: [
        { address: exampleAddress, key: 0, data: bytesOf(1, 2) },
        { address: exampleAddress, key: 1, data: bytesOf(9, 10, 255) },
      ],
    },
  },
})
