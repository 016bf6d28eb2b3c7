import { hexToBytes } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import type { CoreClient } from './coreClient.ts'
import { readDelta, readTip, type ShownDelta, searchDeltas } from './deltaSearch.ts'
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
import { NotSignedError } from './user/userError.ts'

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
 * asked for them, which shows that the worker signed what it stores. A task without a delta of its own may have run on one
 * before the newest: then the core is asked for those that come into question, some thousand at the most. No trust is added:
 * a core that wants to show an old state can give its delta as the tip.
 *
 * @throws UserError if anything does not verify; WorkerError if the core refuses
 */
export async function computeFunction(client: CoreClient, call: UserCall): Promise<TaskEnd<OpenedCompute>> {
  const { contractAddress: address } = call
  const { encrypted, signingKey } = await encryptCall(client, call)
  const task = prepareCompute({ call: encrypted, ...call })
  const before = await readTip(client.methods, address)
  const answer = await client.methods.computeTask(taskInput(encrypted, call))
  const exeCodeHash = keccak256((await client.methods.getContract({ address })).bytecode)
  if (answer.kind === 'failed') {
    return { kind: 'failed', ...openFailedTask({ task, signingKey, result: answer.result, exeCodeHash }) }
  }
  const { result } = answer
  const openOn = (delta: Uint8Array | undefined): OpenedCompute => {
    const previousDeltaHash = delta === undefined ? new Uint8Array(32) : keccak256(delta)
    return openComputeResult({ task, signingKey, result, exeCodeHash, previousDeltaHash })
  }
  const opened =
    result.delta.data === undefined
      ? await openOnSome(client, address, before, openOn)
      : openOn(await readDelta(client.methods, address, result.delta.key - 1))
  return { kind: 'success', ...opened }
}

/**
 * Opens the result of a task without a delta, which does not say what it ran on: as a rule a tip, unless several tasks came
 * in between or there is a hole in the deltas.
 *
 * @param before the newest delta before the task
 */
async function openOnSome(
  { methods }: CoreClient,
  address: Uint8Array,
  before: ShownDelta | undefined,
  openOn: (delta: Uint8Array | undefined) => OpenedCompute,
): Promise<OpenedCompute> {
  const attempt = (delta: Uint8Array | undefined) => unlessUnsigned(() => openOn(delta))
  const onBefore = attempt(before?.data)
  if (onBefore !== undefined) return onBefore
  const after = await readTip(methods, address)
  const onAfter = attempt(after?.data)
  if (onAfter !== undefined) return onAfter
  const search = await searchDeltas(methods, address, { before, after }, attempt)
  if ('found' in search) return search.found
  if (search.triedAll) return openOn(before?.data)
  throw new UserError(
    'invalid_signature',
    'The result could not be checked: it fits no delta that was looked at, and there may be others that it ran on',
  )
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

function unlessUnsigned<T>(open: () => T): T | undefined {
  try {
    return open()
  } catch (error) {
    if (error instanceof NotSignedError) return undefined
    throw error
  }
}
