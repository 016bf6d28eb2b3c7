import { bytesOf, exampleAddress } from '../internal/exampleBytes.ts'
import { maxReplyBytes } from '../limits.ts'
import { defineMessage, noInput } from '../message.ts'
import { address, list, optional, struct } from '../wire.ts'
import { deltaRow } from './shared.ts'

/** The newest deltas of all contracts. */
export const GetAllTips = defineMessage({
  type: 'GetAllTips',
  doc: {
    summary: 'Gives the newest delta of every contract that has one.',
    sender: 'the p2p node, at the start of a synchronisation: what is not listed counts as missing',
    access: 'reads',
    notes: [
      'Rows stand in the order in which the contracts first appeared. A contract without a delta has no row.',
      `If not all rows fit into a message of ${maxReplyBytes} bytes, the largest are left out, until the others do. \`omitted\` then has their addresses; GetTip gives them one by one. Otherwise there is no such member, and in the dialect enigma-p2p there never is.`,
    ],
    errors: {},
    cost: 'one look-up for each contract, and the bytes of their newest deltas',
  },
  input: noInput,
  result: struct({ tips: list(deltaRow), omitted: optional(list(address)) }),
  p2pResult: struct({ tips: list(deltaRow) }),
  example: { input: undefined, result: { tips: [{ address: exampleAddress, key: 0, data: bytesOf(1, 2) }] } },
})
