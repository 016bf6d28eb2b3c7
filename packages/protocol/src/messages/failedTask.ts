import { exampleSignature, repeated } from '../internal/exampleBytes.ts'
import { gas, hex, struct } from '../wire.ts'

/** Reply only: the task was run, or refused for its inputs, and failed; billed and signed. */
export const FailedTask = {
  type: 'FailedTask',
  doc: {
    summary: 'The answer to a DeploySecretContract or ComputeTask that failed inside the contract or on its inputs.',
    notes: [
      '`output` is the text of the error, encrypted for the user.',
      '`usedGas` is 0 if the inputs were at fault and the gas limit if the gas ran out.',
      'The delta and the bytecode are as they were before.',
    ],
  },
  result: struct({ output: hex(), usedGas: gas, signature: hex(65) }),
  example: { result: { output: repeated(0xee, 45), usedGas: 10_000n, signature: exampleSignature } },
} as const
