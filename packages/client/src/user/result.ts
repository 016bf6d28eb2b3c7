import { bytesToHex, bytesToUtf8 } from '@bletchley/bytes'
import {
  CryptoError,
  computeFailureItems,
  computeSuccessItems,
  decrypt,
  deployFailureItems,
  deploySuccessItems,
  type EthereumCall,
  keccak256,
} from '@bletchley/crypto'
import { type BytesLike, type GasLike, toBytes, toGas } from './fields.ts'
import { isSignedBy, type TaskContext } from './task.ts'
import { NotSignedError, UserError } from './userError.ts'

const hashLength = 32
const ethereumAddressLength = 20

/** The result of the message DeploySecretContract, as it travels. */
export interface DeployResult {
  output: BytesLike
  preCodeHash: BytesLike
  delta: { key: number; data: BytesLike | readonly number[] }
  usedGas: GasLike
  ethereumPayload: BytesLike
  ethereumAddress: BytesLike
  signature: BytesLike
}

/** The result of the message ComputeTask, as it travels. */
export interface ComputeResult {
  output: BytesLike
  /** Without data if the state did not change. */
  delta: { key: number; data?: BytesLike | readonly number[] | undefined }
  usedGas: GasLike
  ethereumPayload: BytesLike
  ethereumAddress: BytesLike
  signature: BytesLike
}

/** The result of the reply FailedTask, as it travels. */
export interface FailedTaskResult {
  output: BytesLike
  usedGas: GasLike
  signature: BytesLike
}

/** What was checked. `false` never stands for a failed check, which throws, but for one that could not be made. */
export interface Verified {
  /** The worker signed all that its signature covers, for this very task. */
  signature: boolean
  /** The output comes from the worker: it was opened with the key of this task, or is covered by the signature. */
  output: boolean
  /** What the caller would have to give so that the signature can be checked; empty if it was. */
  missing: ('exeCodeHash' | 'previousDeltaHash')[]
}

interface OpenedResult {
  usedGas: bigint
  verified: Verified
}

/** A call of the chain that the contract asks for, in hexadecimal without 0x. */
export interface OpenedEthereumCall {
  payload: string
  /** 40 digits, all zero if there is none. */
  address: string
}

export interface OpenedDeploy extends OpenedResult {
  /** The bytecode that runs from now on. */
  exeCode: Uint8Array
  /** 64 digits; what `openComputeResult` asks for. */
  exeCodeHash: string
  /** `keccak256` of delta 0, 64 digits: the previous delta hash of the next computation. */
  deltaHash: string
  ethereum: OpenedEthereumCall
}

export interface OpenedCompute extends OpenedResult {
  /** What the function returned, decrypted; see `decodeOutput`. */
  output: Uint8Array
  /** The new delta; undefined if the state did not change. Its key, a number, is not covered by the signature. */
  delta: { key: number; hash: string } | undefined
  ethereum: OpenedEthereumCall
}

export interface OpenedFailure extends OpenedResult {
  /** Why the task failed. */
  message: string
}

/**
 * Checks and opens the result of a deployment. Everything it returns was signed by the worker.
 *
 * @param signingKey the worker's address, 20 bytes
 * @throws UserError invalid_signature if anything differs from what was signed or sent; malformed
 */
export function openDeployResult({
  task,
  signingKey,
  result,
}: {
  task: TaskContext & { preCodeHash: string }
  signingKey: BytesLike
  result: DeployResult
}): OpenedDeploy {
  assertKind(task, 'deploy')
  const exeCode = toBytes(result.output, 'output')
  const exeCodeHash = keccak256(exeCode)
  const deltaHash = keccak256(deltaBytes(result.delta.data))
  const { usedGas, ethereum, inputsHash, gasLimit } = commonFields(task, result)
  // The signature covers the code that was sent through inputsHash alone, so this field could say anything.
  if (bytesToHex(toBytes(result.preCodeHash, 'preCodeHash', hashLength)) !== task.preCodeHash) {
    throw new UserError('invalid_signature', 'The result names another preCodeHash than that of the code that was sent')
  }
  const items = deploySuccessItems({ inputsHash, exeCodeHash, deltaHash, gasLimit, usedGas, ethereum })
  assertSigned(items, result.signature, signingKey)
  return {
    exeCode,
    exeCodeHash: bytesToHex(exeCodeHash),
    deltaHash: bytesToHex(deltaHash),
    usedGas,
    ethereum: printedCall(ethereum),
    verified: { signature: true, output: true, missing: [] },
  }
}

/**
 * Checks and opens the result of a computation.
 *
 * The signature also covers the contract's code and its last delta, of which the result says nothing. Where the caller
 * does not know them, from the chain or from results before, the signature cannot be checked, and `verified` says so.
 *
 * @param signingKey the worker's address, 20 bytes
 * @param exeCodeHash `keccak256` of the deployed code, 32 bytes
 * @param previousDeltaHash `keccak256` of the last delta before this task; 32 zero bytes if there was none
 * @throws UserError invalid_signature, undecryptable, malformed
 */
export function openComputeResult({
  task,
  signingKey,
  result,
  exeCodeHash,
  previousDeltaHash,
}: {
  task: TaskContext
  signingKey: BytesLike
  result: ComputeResult
  exeCodeHash?: BytesLike | undefined
  previousDeltaHash?: BytesLike | undefined
}): OpenedCompute {
  assertKind(task, 'compute')
  const encrypted = toBytes(result.output, 'output')
  const delta = result.delta.data === undefined ? new Uint8Array() : deltaBytes(result.delta.data)
  // An empty delta is no delta: an encrypted one has 28 bytes at least.
  const newDeltaHash = delta.length === 0 ? new Uint8Array(hashLength) : keccak256(delta)
  const { usedGas, ethereum, inputsHash, gasLimit } = commonFields(task, result)
  const missing: Verified['missing'] = []
  if (exeCodeHash === undefined) missing.push('exeCodeHash')
  if (previousDeltaHash === undefined) missing.push('previousDeltaHash')
  if (exeCodeHash !== undefined && previousDeltaHash !== undefined) {
    const items = computeSuccessItems({
      exeCodeHash: toBytes(exeCodeHash, 'exeCodeHash', hashLength),
      inputsHash,
      previousDeltaHash: toBytes(previousDeltaHash, 'previousDeltaHash', hashLength),
      newDeltaHash,
      outputHash: keccak256(encrypted),
      gasLimit,
      usedGas,
      ethereum,
    })
    assertSigned(items, result.signature, signingKey)
  }
  const signature = missing.length === 0
  return {
    // Nothing returned is nothing sent in the dialect of the document; then only the signature vouches for it.
    output: encrypted.length === 0 ? encrypted : open(task, encrypted),
    delta: delta.length === 0 ? undefined : { key: result.delta.key, hash: bytesToHex(newDeltaHash) },
    usedGas,
    ethereum: printedCall(ethereum),
    verified: { signature, output: signature || encrypted.length > 0, missing },
  }
}

/**
 * Checks and opens the failure of a deployment or a computation.
 *
 * The signature does not cover the text, but the text is opened with the key of this task, which only the user and the worker have.
 *
 * @param signingKey the worker's address, 20 bytes
 * @param exeCodeHash of the contract, 32 bytes; a failed computation is signed with it, a failed deployment is not
 * @throws UserError invalid_signature, undecryptable, malformed. A worker that was sent a task encrypted with a wrong
 *   key answers with one, signed, whose text nobody can open: undecryptable, after the signature was found right
 */
export function openFailedTask({
  task,
  signingKey,
  result,
  exeCodeHash,
}: {
  task: TaskContext
  signingKey: BytesLike
  result: FailedTaskResult
  exeCodeHash?: BytesLike | undefined
}): OpenedFailure {
  const gas = { gasLimit: task.gasLimit, usedGas: usedGasOf(task, result) }
  const inputsHash = toBytes(task.inputsHash, 'inputsHash', hashLength)
  const missing: Verified['missing'] = []
  if (task.kind === 'deploy') {
    assertSigned(deployFailureItems({ inputsHash, ...gas }), result.signature, signingKey)
  } else if (exeCodeHash !== undefined) {
    const codeHash = toBytes(exeCodeHash, 'exeCodeHash', hashLength)
    assertSigned(computeFailureItems({ inputsHash, exeCodeHash: codeHash, ...gas }), result.signature, signingKey)
  } else missing.push('exeCodeHash')
  const plaintext = open(task, toBytes(result.output, 'output'))
  let message: string
  try {
    message = bytesToUtf8(plaintext)
  } catch {
    throw new UserError('undecodable', 'The error text is not UTF-8')
  }
  return { message, usedGas: gas.usedGas, verified: { signature: missing.length === 0, output: true, missing } }
}

function commonFields(task: TaskContext, result: DeployResult | ComputeResult) {
  const ethereum: EthereumCall = {
    payload: toBytes(result.ethereumPayload, 'ethereumPayload'),
    address: toBytes(result.ethereumAddress, 'ethereumAddress', ethereumAddressLength),
  }
  const inputsHash = toBytes(task.inputsHash, 'inputsHash', hashLength)
  return { usedGas: usedGasOf(task, result), ethereum, inputsHash, gasLimit: task.gasLimit }
}

/** The chain refuses a receipt of more gas than was allowed, whoever signed it. */
function usedGasOf(task: TaskContext, result: { usedGas: GasLike }): bigint {
  const usedGas = toGas(result.usedGas, 'usedGas')
  if (usedGas > task.gasLimit) throw new UserError('invalid_signature', 'The worker claims more gas than the limit')
  return usedGas
}

function deltaBytes(data: BytesLike | readonly number[]): Uint8Array {
  if (typeof data === 'string' || data instanceof Uint8Array) return toBytes(data, 'delta.data')
  if (!Array.isArray(data) || data.some((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255)) {
    throw new UserError('malformed', 'delta.data must be bytes')
  }
  return Uint8Array.from(data)
}

function assertKind(task: TaskContext, kind: TaskContext['kind']): void {
  if (task.kind !== kind) throw new TypeError(`The task is no ${kind} task`)
}

function assertSigned(items: Uint8Array[], signature: BytesLike, signingKey: BytesLike): void {
  if (!isSignedBy(items, signature, signingKey)) throw new NotSignedError()
}

/** Opens what the worker encrypted. The key is the user's as well, so what they encrypted with it themselves is refused. */
function open(task: TaskContext, blob: Uint8Array): Uint8Array {
  const { encryptedArgs, encryptedFn } = task.input
  const isBlob = (sent: string): boolean => sent.length === 2 * blob.length && sent === bytesToHex(blob)
  if (isBlob(encryptedArgs) || isBlob(encryptedFn)) {
    throw new UserError('invalid_signature', 'The output is what was sent to the worker, and no answer')
  }
  try {
    return decrypt(task.sharedKey.bytes, blob)
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error
    throw new UserError('undecryptable', 'The output was not encrypted with the key of this task')
  }
}

function printedCall({ payload, address }: EthereumCall): OpenedEthereumCall {
  return { payload: bytesToHex(payload), address: bytesToHex(address) }
}
