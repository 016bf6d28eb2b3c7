import { bytesOf, exampleAddress } from '../internal/exampleBytes.ts'
import { maxAddresses } from '../limits.ts'
import { defineMessage, inputMember, named } from '../message.ts'
import { addressList, list, struct } from '../wire.ts'
import { deltaRow } from './shared.ts'

/** The newest deltas of the named contracts. */
export const GetTips = defineMessage({
  type: 'GetTips',
  doc: {
    summary: 'Gives the newest delta of each named contract.',
    sender: 'the p2p node, when it verifies the result of another worker',
    access: 'reads',
    notes: [
      'Rows stand in the order of the request; an address that is asked for twice has two rows.',
      `At most ${maxAddresses} addresses. The list may stand inside one more list; a single address may stand without one.`,
    ],
    errors: { not_found: 'any of the contracts has no delta (`get_tip`)' },
    cost: 'one look-up for each address',
  },
  input: inputMember(named('addresses', addressList(maxAddresses))),
  result: struct({ tips: list(deltaRow) }),
  example: {
    input: { addresses: [exampleAddress] },
    result: { tips: [{ address: exampleAddress, key: 3, data: bytesOf(9, 10, 255) }] },
  },
})
