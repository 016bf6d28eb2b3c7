import { bytesOf, exampleAddress } from '../internal/exampleBytes.ts'
import { defineMessage, inputMember, named } from '../message.ts'
import { address, byteArray, single, struct } from '../wire.ts'

/** The bytecode of one contract. */
export const GetContract = defineMessage({
  type: 'GetContract',
  doc: {
    summary: 'Gives the bytecode of one contract, as it runs after deployment.',
    sender: 'the p2p node, to serve a peer that synchronises',
    access: 'reads',
    notes: ['An unknown contract is no error: its `bytecode` is empty.', '`input` may also be a list of one address.'],
    errors: {},
    cost: 'one look-up; the reply grows with the bytecode',
  },
  input: inputMember(named('address', single(address))),
  result: struct({ address, bytecode: byteArray }),
  example: {
    input: { address: exampleAddress },
    result: { address: exampleAddress, bytecode: bytesOf(0, 97, 115, 109) },
  },
})
