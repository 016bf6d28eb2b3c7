import { bytesToHex, equalBytes, utf8ToBytes } from '@bletchley/bytes'
import {
  CryptoError,
  computeInputsHash,
  deployInputsHash,
  ecdh,
  encrypt,
  generateKeyPair,
  type KeyPair,
  keccak256,
  keyPairFromSecret,
  lengthPrefixed,
  parsePublicKey,
  recoverAddress,
  Secret,
  type SecretKey,
  userMessageItems,
} from '@bletchley/crypto'
import { encodeArguments, parseCallable } from './abi.ts'
import { type BytesLike, type GasLike, toBytes, toGas } from './fields.ts'
import { UserError } from './userError.ts'

const workerAddressLength = 20
const signatureLength = 65
const contractAddressLength = 32

/** The user's key pair for one task. */
export interface UserKeys {
  secretKey: SecretKey
  /** 128 digits: `userPubKey` of NewTaskEncryptionKey, `userDHKey` of the task. */
  publicKey: string
}

/** A call, encrypted for one worker and one task. Byte strings are lower-case hexadecimal without 0x. */
export interface EncryptedCall {
  encryptedFn: string
  /** 56 digits, the encryption of nothing, if there are no arguments. */
  encryptedArgs: string
  /** The user's public key, 128 digits. */
  userDHKey: string
  /** 32 bytes that do not print; they open what the worker answers. */
  sharedKey: Secret
}

/** What must be kept until the result is there, to open and to check it. */
export interface TaskContext {
  kind: 'deploy' | 'compute'
  /** 64 digits: identifies the task, also on chain. */
  inputsHash: string
  gasLimit: bigint
  sharedKey: Secret
  /** What was sent: the same key opens it, so it must not come back as an answer. */
  input: Pick<DeployInput, 'encryptedArgs' | 'encryptedFn'>
}

/** The input of the message DeploySecretContract. */
export interface DeployInput {
  preCode: string
  encryptedArgs: string
  encryptedFn: string
  userDHKey: string
  gasLimit: bigint
  contractAddress: string
}

/** A deployment that is ready to be sent. */
export interface DeployTask extends TaskContext {
  kind: 'deploy'
  /** `keccak256` of the code, 64 digits. */
  preCodeHash: string
  input: DeployInput
}

/** A computation that is ready to be sent. */
export interface ComputeTask extends TaskContext {
  kind: 'compute'
  /** The input of the message ComputeTask. */
  input: Omit<DeployInput, 'preCode'>
}

/**
 * The user's keys for one task.
 *
 * Make new ones for every task: a worker keeps one key per user key, so two tasks at once with the same would collide.
 *
 * @param secret 32 bytes, to get back the keys of a task that is under way; random if absent
 * @throws UserError invalid_key
 */
export function createUserKeys(secret?: BytesLike): UserKeys {
  let pair: KeyPair
  try {
    pair = secret === undefined ? generateKeyPair() : keyPairFromSecret(toBytes(secret, 'secret'))
  } catch (error) {
    throw invalidKeyOf(error, 'The secret is not a key of secp256k1')
  }
  return { secretKey: pair.secretKey, publicKey: bytesToHex(pair.publicKey) }
}

/**
 * Makes sure that an encryption key comes from the worker that was selected. Encrypt nothing before.
 *
 * @param worker.workerEncryptionKey of NewTaskEncryptionKey, 64 bytes
 * @param worker.workerSig of NewTaskEncryptionKey, 65 bytes
 * @param worker.signingKey the address under which the worker is registered, 20 bytes
 * @throws UserError invalid_worker, or malformed
 */
export function verifyWorkerKey(worker: {
  workerEncryptionKey: BytesLike
  workerSig: BytesLike
  signingKey: BytesLike
}): void {
  const items = userMessageItems(workerKeyOf(worker.workerEncryptionKey))
  if (!isSignedBy(items, worker.workerSig, worker.signingKey)) {
    throw new UserError('invalid_worker', 'The encryption key was not signed by this worker')
  }
}

/**
 * Encrypts a call for the worker.
 *
 * @param call.workerEncryptionKey checked with `verifyWorkerKey`
 * @param call.callable `name(type,…)`; for a deployment `construct(…)`
 * @param call.args as `parseArguments` gives them, or any form that `encodeArguments` takes
 * @param call.userKeys those whose public key went out with NewTaskEncryptionKey
 * @throws UserError invalid_arguments, invalid_key, malformed
 */
export function createTask(call: {
  workerEncryptionKey: BytesLike
  callable: string
  args?: readonly unknown[] | undefined
  userKeys: UserKeys
}): EncryptedCall {
  const { callable, args = [], userKeys } = call
  const plainArgs = encodeArguments(parseCallable(callable).types, args)
  const sharedKey = ecdh(userKeys.secretKey, workerKeyOf(call.workerEncryptionKey))
  return {
    encryptedFn: bytesToHex(encrypt(sharedKey, utf8ToBytes(callable.trim()))),
    encryptedArgs: bytesToHex(encrypt(sharedKey, plainArgs)),
    userDHKey: userKeys.publicKey,
    sharedKey: new Secret(sharedKey),
  }
}

/**
 * Completes a deployment.
 *
 * @param deployment.preCode the WebAssembly module
 * @param deployment.contractAddress 32 bytes
 * @throws UserError malformed
 */
export function prepareDeploy(deployment: {
  call: EncryptedCall
  preCode: BytesLike
  contractAddress: BytesLike
  gasLimit: GasLike
}): DeployTask {
  const preCode = toBytes(deployment.preCode, 'preCode')
  const preCodeHash = keccak256(preCode)
  const { input, inputs, context } = prepare(deployment)
  return {
    kind: 'deploy',
    ...context,
    inputsHash: bytesToHex(deployInputsHash({ ...inputs, preCodeHash })),
    preCodeHash: bytesToHex(preCodeHash),
    input: { preCode: bytesToHex(preCode), ...input },
  }
}

/**
 * Completes a computation.
 *
 * @param computation.contractAddress 32 bytes
 * @throws UserError malformed
 */
export function prepareCompute(computation: {
  call: EncryptedCall
  contractAddress: BytesLike
  gasLimit: GasLike
}): ComputeTask {
  const { input, inputs, context } = prepare(computation)
  return { kind: 'compute', ...context, inputsHash: bytesToHex(computeInputsHash(inputs)), input }
}

/** Whether `signingKey` signed the items. */
export function isSignedBy(items: Uint8Array[], signature: BytesLike, signingKey: BytesLike): boolean {
  const address = toBytes(signingKey, 'signingKey', workerAddressLength)
  const bytes = toBytes(signature, 'signature', signatureLength)
  try {
    return equalBytes(recoverAddress(lengthPrefixed(items), bytes), address)
  } catch (error) {
    if (error instanceof CryptoError) return false
    throw error
  }
}

function prepare(task: { call: EncryptedCall; contractAddress: BytesLike; gasLimit: GasLike }) {
  const { sharedKey } = task.call
  const encryptedFn = toBytes(task.call.encryptedFn, 'encryptedFn')
  const encryptedArgs = toBytes(task.call.encryptedArgs, 'encryptedArgs')
  const userKey = toBytes(task.call.userDHKey, 'userDHKey', 64)
  const contractAddress = toBytes(task.contractAddress, 'contractAddress', contractAddressLength)
  const gasLimit = toGas(task.gasLimit, 'gasLimit')
  return {
    inputs: { encryptedFn, encryptedArgs, contractAddress, userKey },
    context: { gasLimit, sharedKey },
    input: {
      encryptedArgs: bytesToHex(encryptedArgs),
      encryptedFn: bytesToHex(encryptedFn),
      userDHKey: bytesToHex(userKey),
      gasLimit,
      contractAddress: bytesToHex(contractAddress),
    },
  }
}

/** Some workers send the key with 04 in front or compressed; what they sign is the plain form. */
function workerKeyOf(key: BytesLike): Uint8Array {
  try {
    return parsePublicKey(toBytes(key, 'workerEncryptionKey'))
  } catch (error) {
    throw invalidKeyOf(error, 'workerEncryptionKey is not a public key of secp256k1')
  }
}

function invalidKeyOf(error: unknown, message: string): unknown {
  return error instanceof CryptoError ? new UserError('invalid_key', message) : error
}
