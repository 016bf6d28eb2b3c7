import { assertBytes, u64be } from '@bletchley/bytes'
import { keccak256, lengthPrefixed } from './hashes.ts'
import { addressLength, publicKeyLength } from './keys.ts'

const hashLength = 32
const contractAddressLength = 32
const succeeded = Uint8Array.of(1)
const failed = Uint8Array.of(0)

/** A call that a contract asks the chain to make. */
export interface EthereumCall {
  /** Any length; empty if there is none. */
  payload: Uint8Array
  /** 20 bytes, all zero if there is none. */
  address: Uint8Array
}

/** The encrypted inputs of a task; any length. */
interface TaskInputs {
  encryptedFn: Uint8Array
  encryptedArgs: Uint8Array
  /** The public key of the user's one-time pair, 64 bytes. */
  userKey: Uint8Array
}

/** Gas in the unit of the chain, u64. */
interface TaskGas {
  gasLimit: bigint
  usedGas: bigint
}

/**
 * What identifies a deployment: `keccak256` of the length-prefixed inputs, `preCodeHash` and user key.
 *
 * @param inputs.preCodeHash `keccak256(preCode)`, 32 bytes
 * @see spec/crypto.md 4
 */
export function deployInputsHash(inputs: TaskInputs & { preCodeHash: Uint8Array }): Uint8Array {
  assertBytes(inputs.preCodeHash, 'preCodeHash', hashLength)
  return inputsHash(inputs, inputs.preCodeHash)
}

/**
 * What identifies a computation: `keccak256` of the length-prefixed inputs, contract address and user key.
 *
 * @param inputs.contractAddress 32 bytes
 * @see spec/crypto.md 4
 */
export function computeInputsHash(inputs: TaskInputs & { contractAddress: Uint8Array }): Uint8Array {
  assertBytes(inputs.contractAddress, 'contractAddress', contractAddressLength)
  return inputsHash(inputs, inputs.contractAddress)
}

/**
 * What the worker signs after a deployment. All hashes are 32 bytes.
 *
 * @param result.deltaHash `keccak256` of the encrypted delta 0
 * @see spec/crypto.md 6
 */
export function deploySuccessItems(
  result: TaskGas & {
    inputsHash: Uint8Array
    exeCodeHash: Uint8Array
    deltaHash: Uint8Array
    ethereum: EthereumCall
  },
): Uint8Array[] {
  return [
    hash(result.inputsHash, 'inputsHash'),
    hash(result.exeCodeHash, 'exeCodeHash'),
    hash(result.deltaHash, 'deltaHash'),
    ...gasItems(result),
    ...ethereumItems(result.ethereum),
    succeeded,
  ]
}

/** What the worker signs after a failed deployment; the error text is not covered. */
export function deployFailureItems(result: TaskGas & { inputsHash: Uint8Array }): Uint8Array[] {
  return [hash(result.inputsHash, 'inputsHash'), ...gasItems(result), failed]
}

/**
 * What the worker signs after a computation. All hashes are 32 bytes.
 *
 * @param result.previousDeltaHash of the state before the run
 * @param result.newDeltaHash `keccak256` of the encrypted delta, zeros if the state did not change
 * @param result.outputHash `keccak256` of the encrypted output as it travels
 * @see spec/crypto.md 6
 */
export function computeSuccessItems(
  result: TaskGas & {
    exeCodeHash: Uint8Array
    inputsHash: Uint8Array
    previousDeltaHash: Uint8Array
    newDeltaHash: Uint8Array
    outputHash: Uint8Array
    ethereum: EthereumCall
  },
): Uint8Array[] {
  return [
    hash(result.exeCodeHash, 'exeCodeHash'),
    hash(result.inputsHash, 'inputsHash'),
    hash(result.previousDeltaHash, 'previousDeltaHash'),
    hash(result.newDeltaHash, 'newDeltaHash'),
    hash(result.outputHash, 'outputHash'),
    ...gasItems(result),
    ...ethereumItems(result.ethereum),
    succeeded,
  ]
}

/** What the worker signs after a failed computation: inputs first, unlike a success. The error text is not covered. */
export function computeFailureItems(
  result: TaskGas & { inputsHash: Uint8Array; exeCodeHash: Uint8Array },
): Uint8Array[] {
  return [hash(result.inputsHash, 'inputsHash'), hash(result.exeCodeHash, 'exeCodeHash'), ...gasItems(result), failed]
}

function inputsHash({ encryptedFn, encryptedArgs, userKey }: TaskInputs, subject: Uint8Array): Uint8Array {
  assertBytes(userKey, 'userKey', publicKeyLength)
  return keccak256(lengthPrefixed([encryptedFn, encryptedArgs, subject, userKey]))
}

function gasItems({ gasLimit, usedGas }: TaskGas): Uint8Array[] {
  return [u64be(gasLimit), u64be(usedGas)]
}

function ethereumItems({ payload, address }: EthereumCall): Uint8Array[] {
  assertBytes(payload, 'ethereum.payload')
  assertBytes(address, 'ethereum.address', addressLength)
  return [payload, address]
}

function hash(value: Uint8Array, label: string): Uint8Array {
  assertBytes(value, label, hashLength)
  return value
}
