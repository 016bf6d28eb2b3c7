import { bytesOf, exampleAddress, exampleSignature } from '../internal/exampleBytes.ts'
import { defineMessage, inputMember } from '../message.ts'
import { address, hex, list, optional, status, struct } from '../wire.ts'

/** State keys from the principal node. */
export const PTTResponse = defineMessage({
  type: 'PTTResponse',
  doc: {
    summary: 'Installs the state keys that the principal node has sent in answer to a GetPTTRequest.',
    sender: 'the p2p node, which passes on what the principal node answered',
    access: 'computes',
    notes: [
      '`response` is MessagePack with `data`, `id` and `pubkey`; `sig` is the signature of the principal node over it.',
      '`errors` lists the contracts of this response whose stored deltas do not open or do not chain with the new key.',
      'At most 4 MiB, and 10 000 keys.',
      'The reply has the type `PTTResponse`; the document prints `GetPTTRequest` there, a slip.',
    ],
    errors: {
      enclave_error:
        '`KeysError`: unknown or used id, or a public key that is none; `MessagingError`: not a response; `EncryptionError`: does not open',
    },
    cost: 'one key agreement, and the rebuilding of the state of each contract in the response',
  },
  input: inputMember(struct({ response: hex(), sig: optional(hex()) })),
  result: struct({ errors: list(struct({ address, status })) }),
  example: {
    input: { response: bytesOf(0x83, 0xa4), sig: exampleSignature },
    result: { errors: [{ address: exampleAddress, status: -1 }] },
  },
})
