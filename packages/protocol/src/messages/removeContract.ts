import { exampleAddress } from '../internal/exampleBytes.ts'
import { addressed, defineMessage } from '../message.ts'
import { address, struct } from '../wire.ts'
import { atomicNote, echoNote, p2pMirrorNote, statusNote, writeResult } from './shared.ts'

/** Forgets a contract. */
export const RemoveContract = defineMessage({
  type: 'RemoveContract',
  doc: {
    summary: 'Forgets a contract: bytecode, deltas and state.',
    sender: 'the p2p node, when a deployment failed on the chain or the chain does not know the contract',
    access: 'writes',
    notes: [atomicNote, 'An unknown contract is no error.', statusNote, echoNote, p2pMirrorNote],
    errors: {},
    cost: 'follows the number of its deltas',
  },
  input: addressed(struct({ address })),
  result: writeResult,
  p2pMirror: writeResult,
  echoesAddress: true,
  example: { input: { address: exampleAddress }, result: { status: 0 } },
})
