import { bytesOf, exampleAddress } from '../internal/exampleBytes.ts'
import { maxDeltas } from '../limits.ts'
import { defineMessage, topLevel } from '../message.ts'
import { address, byteArray, index, list, required, struct } from '../wire.ts'
import { atomicNote, deltaWriteResult, overwriteNote, p2pMirrorNote, statusNote } from './shared.ts'

const row = struct({
  address: required(address, 'Address Missing'),
  key: index,
  data: required(byteArray, 'Delta Data Missing'),
})

/** Stores deltas. */
export const UpdateDeltas = defineMessage({
  type: 'UpdateDeltas',
  doc: {
    summary: 'Stores deltas that a peer has sent or another worker has computed.',
    sender: 'the p2p node, during synchronisation and after each verified task',
    access: 'writes',
    notes: [
      `${atomicNote} One bad row refuses the whole request.`,
      overwriteNote,
      `At most ${maxDeltas} rows; a single row may stand without a list.`,
      '`errors` has one row for each row of the request, in its order, also for those that were stored.',
      `${statusNote} The outer one is -1 if any row is.`,
      p2pMirrorNote,
    ],
    errors: { malformed_field: 'a row without an address or data: `Address Missing`, `Delta Data Missing`' },
    cost: 'one durable write of all rows',
  },
  input: topLevel(struct({ deltas: list(row, maxDeltas) })),
  result: deltaWriteResult,
  p2pMirror: deltaWriteResult,
  example: {
    input: { deltas: [{ address: exampleAddress, key: 1, data: bytesOf(9, 10, 255) }] },
    result: { status: 0, errors: [{ address: exampleAddress, key: 1, status: 0 }] },
  },
})
