import { bytesOf, exampleAddress, exampleSignature, repeated } from '../internal/exampleBytes.ts'
import { defineMessage, inputMember } from '../message.ts'
import { byteArray, hex, index, struct } from '../wire.ts'
import { taskInput, taskResult } from './shared.ts'

/** Deploys a secret contract. */
export const DeploySecretContract = defineMessage({
  type: 'DeploySecretContract',
  doc: {
    summary: 'Runs the constructor of a contract, stores its bytecode and delta 0, and signs the result.',
    sender: 'the p2p node, when a deployment was selected for this worker',
    access: 'computes',
    notes: [
      '`preCode` is the WebAssembly module as bytes or hex. `output` is the bytecode that runs from now on, not encrypted.',
      '`delta` is delta 0. `ethereumAddress` is 20 zero bytes and `ethereumPayload` empty if the contract calls none.',
      'The one-time key of the user is used up, also by a task that fails.',
    ],
    errors: {
      already_exists: 'the address holds bytecode, or deltas only; nothing is run, and what is there stays',
      enclave_error: '`KeysError`: no one-time key for the user, or no state key for the contract',
      task_aborted: 'the thread that ran it was lost',
    },
    cost: 'one run up to the gas limit, one signature, one durable write',
  },
  input: inputMember(struct({ preCode: byteArray, ...taskInput })),
  result: struct({
    output: hex(),
    preCodeHash: hex(32),
    delta: struct({ key: index, data: byteArray }),
    ...taskResult,
  }),
  isTask: true,
  example: {
    input: {
      preCode: bytesOf(0, 97, 115, 109),
      encryptedArgs: repeated(0xa1, 30),
      encryptedFn: repeated(0xf1, 40),
      userDHKey: repeated(0x0d, 64),
      gasLimit: 4_712_388n,
      contractAddress: exampleAddress,
    },
    result: {
      output: bytesOf(0, 97, 115, 109),
      preCodeHash: repeated(0xc5, 32),
      delta: { key: 0, data: bytesOf(1, 2) },
      usedGas: 10_241n,
      ethereumPayload: bytesOf(),
      ethereumAddress: repeated(0, 20),
      signature: exampleSignature,
    },
  },
})
