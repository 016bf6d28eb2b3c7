import { bytesOf, exampleSignature } from '../internal/exampleBytes.ts'
import { defineMessage, noInput } from '../message.ts'
import { hex, struct } from '../wire.ts'

/** A signed request for state keys. */
export const GetPTTRequest = defineMessage({
  type: 'GetPTTRequest',
  doc: {
    summary: 'Makes a signed request for state keys, which the principal node answers.',
    sender: 'the p2p node, which passes it on to the principal node',
    access: 'computes',
    notes: [
      '`request` is MessagePack with `data`, `id`, `prefix` and `pubkey`; every request has a fresh key pair and a fresh id.',
      'Requests that are never answered are forgotten, the oldest first.',
    ],
    errors: {},
    cost: 'one key generation and one signature',
  },
  input: noInput,
  result: struct({ request: hex(), workerSig: hex(65) }),
  example: { input: undefined, result: { request: bytesOf(0x84, 0xa4), workerSig: exampleSignature } },
})
