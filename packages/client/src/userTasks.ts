import { hexToBytes } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { isWorkerError } from '@bletchley/protocol'
import type { CoreClient } from './coreClient.ts'
import {
  createTask,
  createUserKeys,
  type EncryptedCall,
  type OpenedCompute,
  type OpenedDeploy,
  type OpenedFailure,
  openComputeResult,
  openDeployResult,
  openFailedTask,
  prepareCompute,
  prepareDeploy,
  UserError,
  verifyWorkerKey,
} from './user/index.ts'

/** A call of a contract's function, in the clear. */
export interface UserCall {
  /** 32 bytes. */
  contractAddress: Uint8Array
  /** `name(type,…)`. */
  callable: string
  /** Values of these types, as `parseArguments` gives them. */
  args: readonly unknown[]
  gasLimit: bigint
  /** 20 bytes: the worker that the user has chosen. Whoever answers is believed to be it if absent. */
  workerAddress?: Uint8Array
}

/** How a task ended: its result or its failure, opened and checked. */
export type TaskEnd<Opened> = ({ kind: 'success' } & Opened) | ({ kind: 'failed' } & OpenedFailure)

/**
 * Deploys a contract through a core, as a user and his p2p node would together: key exchange, check of the worker's
 * signature, encryption, the task, check and decryption of the result.
 *
 * @throws UserError if anything does not verify; WorkerError if the core refuses
 */
export async function deployContract(
  client: CoreClient,
  preCode: Uint8Array,
  call: UserCall,
): Promise<TaskEnd<OpenedDeploy>> {
  const { encrypted, signingKey } = await encryptCall(client, call)
  const task = prepareDeploy({ call: encrypted, preCode, ...call })
  const answer = await client.methods.deploySecretContract({ ...taskInput(encrypted, call), preCode })
  return answer.kind === 'failed'
    ? { kind: 'failed', ...openFailedTask({ task, signingKey, result: answer.result }) }
    : { kind: 'success', ...openDeployResult({ task, signingKey, result: answer.result }) }
}

/**
 * Computes a function of a contract through a core, likewise.
 *
 * The signature also covers the contract's code and its last delta. Users know them from the chain; here the core is
 * asked for them, which shows that the worker signed what it stores.
 *
 * @throws UserError if anything does not verify; WorkerError if the core refuses
 */
export async function computeFunction(client: CoreClient, call: UserCall): Promise<TaskEnd<OpenedCompute>> {
  const { contractAddress: address } = call
  const { encrypted, signingKey } = await encryptCall(client, call)
  const task = prepareCompute({ call: encrypted, ...call })
  const tipBefore = await readTip(client, address)
  const answer = await client.methods.computeTask(taskInput(encrypted, call))
  const exeCodeHash = keccak256((await client.methods.getContract({ address })).bytecode)
  if (answer.kind === 'failed') {
    return { kind: 'failed', ...openFailedTask({ task, signingKey, result: answer.result, exeCodeHash }) }
  }
  const { result } = answer
  // Other tasks may come in between, so without a delta of its own the task may have run on either tip.
  const candidates =
    result.delta.data === undefined
      ? [tipBefore, await readTip(client, address)]
      : [await readDelta(client, address, result.delta.key - 1)]
  const hashes = candidates.map((delta) => (delta === undefined ? new Uint8Array(32) : keccak256(delta)))
  return {
    kind: 'success',
    ...openWithOneOf(hashes, (previousDeltaHash) =>
      openComputeResult({ task, signingKey, result, exeCodeHash, previousDeltaHash }),
    ),
  }
}

/** Exchanges a fresh key with the worker, checks that it is the worker's, and encrypts the call under it. */
async function encryptCall(
  { methods }: CoreClient,
  { callable, args, workerAddress }: UserCall,
): Promise<{ encrypted: EncryptedCall; signingKey: Uint8Array }> {
  const signingKey = workerAddress ?? (await methods.getRegistrationParams(undefined)).signingKey
  const userKeys = createUserKeys()
  const worker = await methods.newTaskEncryptionKey({ userPubKey: hexToBytes(userKeys.publicKey) })
  verifyWorkerKey({ ...worker, signingKey })
  return { encrypted: createTask({ ...worker, callable, args, userKeys }), signingKey }
}

function taskInput({ encryptedFn, encryptedArgs, userDHKey }: EncryptedCall, { contractAddress, gasLimit }: UserCall) {
  return {
    encryptedFn: hexToBytes(encryptedFn),
    encryptedArgs: hexToBytes(encryptedArgs),
    userDHKey: hexToBytes(userDHKey),
    gasLimit,
    contractAddress,
  }
}

function openWithOneOf<T>(hashes: readonly Uint8Array[], open: (hash: Uint8Array) => T): T {
  const [hash, ...others] = hashes
  try {
    return open(hash!)
  } catch (error) {
    if (others.length === 0 || !(error instanceof UserError) || error.code !== 'invalid_signature') throw error
    return openWithOneOf(others, open)
  }
}

function readTip({ methods }: CoreClient, address: Uint8Array): Promise<Uint8Array | undefined> {
  return absentIfNotFound(methods.getTip({ address }))
}

async function readDelta({ methods }: CoreClient, address: Uint8Array, key: number): Promise<Uint8Array | undefined> {
  return key < 0 ? undefined : absentIfNotFound(methods.getDelta({ address, key }))
}

async function absentIfNotFound(read: Promise<{ data: Uint8Array }>): Promise<Uint8Array | undefined> {
  try {
    return (await read).data
  } catch (error) {
    if (isWorkerError(error) && error.code === 'not_found') return undefined
    throw error
  }
}
