import { bytesOf, exampleAddress, exampleSignature, repeated } from '../internal/exampleBytes.ts'
import { defineMessage, inputMember } from '../message.ts'
import { byteArray, hex, index, optional, struct } from '../wire.ts'
import { taskInput, taskResult } from './shared.ts'

/** Runs a function of a secret contract. */
export const ComputeTask = defineMessage({
  type: 'ComputeTask',
  doc: {
    summary: 'Runs a function of a deployed contract, stores the delta, and signs the result.',
    sender: 'the p2p node, when a task was selected for this worker',
    access: 'computes',
    notes: [
      '`output` is encrypted for the user. A function that returns nothing gives `""`; in the dialect enigma-p2p the 28 bytes that encrypt nothing.',
      '`delta` is `{"key":0}`, without `data`, if the state did not change.',
      '`ethereumAddress` is 20 zero bytes and `ethereumPayload` empty if the contract calls none.',
      'Tasks of one contract run in the order of their arrival. The one-time key of the user is used up, also by a task that fails.',
    ],
    errors: {
      not_found: 'no bytecode is stored for the address (`get_contract`)',
      enclave_error:
        '`KeysError`: no one-time key for the user, or no state key for the contract; `EncryptionError`, `StateError`, `OcallError`: stored deltas do not open, do not chain, or are missing',
      task_aborted: 'the thread that ran it was lost',
    },
    cost: 'one run up to the gas limit, one signature, one durable write',
  },
  input: inputMember(struct(taskInput)),
  result: struct({ output: hex(), delta: struct({ key: index, data: optional(byteArray) }), ...taskResult }),
  isTask: true,
  example: {
    input: {
      encryptedArgs: repeated(0xa1, 30),
      encryptedFn: repeated(0xf1, 40),
      userDHKey: repeated(0x0d, 64),
      gasLimit: 4_712_388n,
      contractAddress: exampleAddress,
    },
    result: {
      output: repeated(0x77, 29),
      delta: { key: 4, data: bytesOf(9, 10, 255) },
      usedGas: 10_116n,
      ethereumPayload: bytesOf(),
      ethereumAddress: repeated(0, 20),
      signature: exampleSignature,
    },
  },
})
