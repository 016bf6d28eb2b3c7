import { exampleSignature, repeated } from '../internal/exampleBytes.ts'
import { defineMessage, noInput } from '../message.ts'
import { hex, struct } from '../wire.ts'

/** Signing address, attestation report and its signature, with which a worker registers. */
export const GetRegistrationParams = defineMessage({
  type: 'GetRegistrationParams',
  doc: {
    summary: 'Gives what a worker needs to register: its signing address, the attestation report and its signature.',
    sender: 'the p2p node: at registration, at every health check and before it verifies a task',
    access: 'reads',
    notes: [
      '`signingKey` is the 20-byte Ethereum address of the signing key.',
      '`report` is text in hex: in simulation the base64 of the quote, with an empty `signature`; with hardware the report of the attestation service, with its RSA signature.',
    ],
    errors: {},
    cost: 'constant: the report is made once and kept',
  },
  input: noInput,
  result: struct({ signingKey: hex(20), report: hex(), signature: hex() }),
  example: {
    input: undefined,
    result: {
      signingKey: repeated(0x2a, 20),
      report: new TextEncoder().encode('AwAAAA=='),
      signature: exampleSignature.slice(0, 0),
    },
  },
})
