import { bytesOf, exampleAddress } from '../internal/exampleBytes.ts'
import { addressed, defineMessage } from '../message.ts'
import { address, byteArray, struct } from '../wire.ts'
import { atomicNote, echoNote, overwriteNote, p2pMirrorNote, statusNote, writeResult } from './shared.ts'

/** Stores the bytecode of a contract. */
export const UpdateNewContract = defineMessage({
  type: 'UpdateNewContract',
  doc: {
    summary: 'Stores the bytecode of a contract that a peer has sent.',
    sender: 'the p2p node, during synchronisation',
    access: 'writes',
    notes: [atomicNote, `${overwriteNote} Deltas stay as they are.`, statusNote, echoNote, p2pMirrorNote],
    errors: {},
    cost: 'one durable write of the bytecode',
  },
  input: addressed(struct({ address, bytecode: byteArray })),
  result: writeResult,
  p2pMirror: writeResult,
  echoesAddress: true,
  example: { input: { address: exampleAddress, bytecode: bytesOf(0, 97, 115, 109) }, result: { status: 0 } },
})
