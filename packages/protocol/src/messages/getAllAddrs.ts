import { exampleAddress } from '../internal/exampleBytes.ts'
import { defineMessage, noInput } from '../message.ts'
import { address, list, struct } from '../wire.ts'

/** The addresses of all contracts. */
export const GetAllAddrs = defineMessage({
  type: 'GetAllAddrs',
  doc: {
    summary: 'Gives the address of every contract that has bytecode or a delta.',
    sender: 'the p2p node, when it announces what it holds',
    access: 'reads',
    notes: ['Addresses stand in the order in which the contracts first appeared.'],
    errors: {},
    cost: 'follows the number of contracts',
  },
  input: noInput,
  result: struct({ addresses: list(address) }),
  example: { input: undefined, result: { addresses: [exampleAddress] } },
})
