import { bytesOf, exampleAddress } from '../internal/exampleBytes.ts'
import { defineMessage, inputMember, named } from '../message.ts'
import { address, byteArray, index, single, struct } from '../wire.ts'

/** The newest delta of one contract. */
export const GetTip = defineMessage({
  type: 'GetTip',
  doc: {
    summary: 'Gives the newest delta of one contract and its index.',
    sender: 'a p2p node or a tool',
    access: 'reads',
    notes: ['`input` may also be a list of one address.'],
    errors: { not_found: 'the contract has no delta (`get_tip`)' },
    cost: 'one look-up, whatever the number of deltas',
  },
  input: inputMember(named('address', single(address))),
  result: struct({ key: index, data: byteArray }),
  example: { input: { address: exampleAddress }, result: { key: 3, data: bytesOf(9, 10, 255) } },
})
