import { exampleAddress } from '../internal/exampleBytes.ts'
import { maxRanges } from '../limits.ts'
import { defineMessage, inputMember, named } from '../message.ts'
import { list } from '../wire.ts'
import { atomicNote, deltaWriteResult, p2pMirrorNote, range, rangeNote, statusNote } from './shared.ts'

/** Removes ranges of deltas. */
export const RemoveDeltas = defineMessage({
  type: 'RemoveDeltas',
  doc: {
    summary: 'Removes ranges of deltas of one or more contracts, and the state that was built on them.',
    sender: 'the p2p node, when a task was reverted on the chain or deltas are ahead of it',
    access: 'writes',
    notes: [
      atomicNote,
      rangeNote,
      'What is not stored is no error.',
      `At most ${maxRanges} ranges; a single range may stand without a list.`,
      '`errors` has only failures; a `key` of -1 stands for the state.',
      statusNote,
      p2pMirrorNote,
    ],
    errors: {},
    cost: 'follows the stored deltas that fall in the ranges, not the width of the ranges',
  },
  input: inputMember(named('ranges', list(range, maxRanges))),
  result: deltaWriteResult,
  p2pMirror: deltaWriteResult,
  example: { input: { ranges: [{ address: exampleAddress, from: 2, to: 5 }] }, result: { status: 0, errors: [] } },
})
