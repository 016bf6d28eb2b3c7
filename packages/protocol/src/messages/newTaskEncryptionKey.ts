import { exampleSignature, repeated } from '../internal/exampleBytes.ts'
import { defineMessage, topLevel } from '../message.ts'
import { hex, publicKey, struct } from '../wire.ts'

/** A one-time key for one task. */
export const NewTaskEncryptionKey = defineMessage({
  type: 'NewTaskEncryptionKey',
  doc: {
    summary:
      'Makes a one-time key with which a user encrypts one task; in the document, the result of GetWorkerEncryptionKey.',
    sender: 'the p2p node, on behalf of a user',
    access: 'computes',
    notes: [
      'The key serves the next task of the same user key, and is used up by it; a new request replaces it.',
      '`userPubKey` has 64 bytes; 65 with a leading 04 and 33 (compressed) are accepted.',
    ],
    errors: { enclave_error: '`KeysError`: not a point of the curve' },
    cost: 'one key generation, one key agreement, one signature',
  },
  input: topLevel(struct({ userPubKey: publicKey })),
  result: struct({ workerEncryptionKey: hex(64), workerSig: hex(65) }),
  example: {
    input: { userPubKey: repeated(0x0d, 64) },
    result: { workerEncryptionKey: repeated(0x0e, 64), workerSig: exampleSignature },
  },
})
