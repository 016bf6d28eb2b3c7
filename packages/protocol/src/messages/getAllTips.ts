import { bytesOf, exampleAddress } from '../internal/exampleBytes.ts'
import { defineMessage, noInput } from '../message.ts'
import { list, struct } from '../wire.ts'
import { deltaRow } from './shared.ts'

/** The newest deltas of all contracts. */
export const GetAllTips = defineMessage({
  type: 'GetAllTips',
  doc: {
    summary: 'Gives the newest delta of every contract that has one.',
    sender: 'the p2p node, at the start of a synchronisation: what is not listed counts as missing',
    access: 'reads',
    notes: ['Rows stand in the order in which the contracts first appeared. A contract without a delta has no row.'],
    errors: {},
    cost: 'one look-up for each contract',
  },
  input: noInput,
  result: struct({ tips: list(deltaRow) }),
  example: { input: undefined, result: { tips: [{ address: exampleAddress, key: 0, data: bytesOf(1, 2) }] } },
})
