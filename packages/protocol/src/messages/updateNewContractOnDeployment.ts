import { bytesOf, exampleAddress } from '../internal/exampleBytes.ts'
import { addressed, defineMessage } from '../message.ts'
import { address, byteArray, hex, index, required, struct } from '../wire.ts'
import { atomicNote, echoNote, overwriteNote, p2pMirrorNote, statusNote, writeResult } from './shared.ts'

/** Stores the bytecode and a first delta of a contract. */
export const UpdateNewContractOnDeployment = defineMessage({
  type: 'UpdateNewContractOnDeployment',
  doc: {
    summary: 'Stores the bytecode and a delta, as a rule delta 0, of a contract that another worker has deployed.',
    sender: 'the p2p node, after the deployment was seen on the chain',
    access: 'writes',
    notes: [
      atomicNote,
      overwriteNote,
      '`delta` may also be `[key, data]`, or a list of one object; an `address` inside it is ignored.',
      statusNote,
      echoNote,
      p2pMirrorNote,
    ],
    errors: { malformed_field: 'without the data of the delta: `Delta Data Missing`' },
    cost: 'one durable write of bytecode and delta',
  },
  input: addressed(
    struct({
      address,
      bytecode: hex(),
      delta: struct({ key: index, data: required(byteArray, 'Delta Data Missing') }),
    }),
  ),
  result: writeResult,
  p2pMirror: writeResult,
  echoesAddress: true,
  example: {
    input: { address: exampleAddress, bytecode: bytesOf(0, 97, 115, 109), delta: { key: 0, data: bytesOf(1, 2) } },
    result: { status: 0 },
  },
})
