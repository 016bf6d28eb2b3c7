import {
  bytesToHex,
  computeFailureItems,
  computeInputsHash,
  computeSuccessItems,
  decrypt,
  deployFailureItems,
  deployInputsHash,
  deploySuccessItems,
  type EthereumCall,
  encrypt,
  keccak256,
  randomBytes,
  type SecretKey,
  signItems,
  utf8ToBytes,
} from '@bletchley/crypto'
import type { EnclaveErrorName } from '@bletchley/protocol'
import {
  deploy,
  type HostCapabilities,
  type Invocation,
  type Prepared,
  prepareRuntime,
  runCompute,
} from '@bletchley/sandbox'
import {
  type ContractState,
  initialState,
  isInitial,
  type Patch,
  StateOverlay,
  sealDelta,
  sealState,
} from '@bletchley/state'
import { BoundedMap } from '../boundedMap.ts'
import { type ContractRecords, ContractStates, type OpenedState, type StoredDelta } from './contractStates.ts'
import { InputError, openInputs } from './taskInputs.ts'

/** What a deployment and a computation have in common. */
export interface TaskRequest {
  /** The contract, 32 bytes. */
  address: Uint8Array
  encryptedFn: Uint8Array
  encryptedArgs: Uint8Array
  /** 64 bytes: the user's public key. */
  userKey: Uint8Array
  /** 32 bytes, secret: shared with the user for this task. */
  sharedKey: Uint8Array
  /** 32 bytes, secret; absent if the principal has not handed it out. */
  stateKey: Uint8Array | undefined
  gasLimit: bigint
}

export interface DeployRequest extends TaskRequest {
  preCode: Uint8Array
  /** keccak256 of it, 32 bytes. */
  preCodeHash: Uint8Array
}

export interface ComputeRequest extends TaskRequest {
  /** keccak256 of the stored bytecode, 32 bytes. */
  codeHash: Uint8Array
  /** The newest stored delta, absent if there is none. */
  tip: StoredDelta | undefined
}

export interface RebuildRequest {
  address: Uint8Array
  stateKey: Uint8Array
  tip: StoredDelta
}

/** A run of a contract that went well, signed. */
interface Run {
  /** Deployment: exeCode. Computation: the result, encrypted for the user. */
  output: Uint8Array
  usedGas: bigint
  ethereum: EthereumCall
  signature: Uint8Array
}

/** A task that the worker answers for with its signature, without a result. */
export interface FailedRun {
  kind: 'failed'
  /** The error text, encrypted for the user. */
  output: Uint8Array
  usedGas: bigint
  signature: Uint8Array
}

/** A task that the worker cannot answer for. */
export interface RefusedRun {
  kind: 'refused'
  name: EnclaveErrorName
}

export interface Deployed extends Run {
  kind: 'success'
  delta: StoredDelta
}

export interface Computed extends Run {
  kind: 'success'
  /** Absent if the state is as it was. */
  delta?: StoredDelta
  /** Hash of the delta before it, absent for the first. */
  previousHash?: Uint8Array
  /** An encrypted snapshot to store with the delta. */
  snapshot?: Uint8Array
}

export interface RunnerOptions {
  signingKey: SecretKey
  /** Whether a computation that returned nothing answers the encryption of nothing, or nothing (architecture 3). */
  encryptEmptyOutput: boolean
}

/** Compiled modules that a thread keeps. */
const cachedModules = 32

/** Deltas between two snapshots: the most that a restart has to replay for one contract. */
const snapshotInterval = 64

const zeroHash = new Uint8Array(32)

const hostCapabilities: HostCapabilities = { encrypt, decrypt, random: randomBytes }

/** Runs the tasks of the contracts that live on one thread: decrypt, run, diff, encrypt, sign. */
export class ContractRunner {
  readonly #options: RunnerOptions
  readonly #records: ContractRecords
  readonly #states: ContractStates
  readonly #modules = new BoundedMap<Prepared>({ entries: cachedModules })

  constructor(options: RunnerOptions, records: ContractRecords) {
    this.#options = options
    this.#records = records
    this.#states = new ContractStates(records)
  }

  /** Runs a constructor on a fresh state, whatever is stored (runtime.md, section 0). */
  async deploy(request: DeployRequest): Promise<Deployed | FailedRun | RefusedRun> {
    const { stateKey, gasLimit } = request
    const inputsHash = deployInputsHash(request)
    const fail = (message: string, usedGas: bigint) =>
      this.#fail(request, message, usedGas, deployFailureItems({ inputsHash, gasLimit, usedGas }))

    const inputs = readInputs(request)
    if (inputs instanceof InputError) return fail(inputs.message, 0n)
    if (stateKey === undefined) return { kind: 'refused', name: 'KeysError' }

    const state = initialState()
    const overlay = new StateOverlay(state.json)
    const run = deploy(request.preCode, invocation(inputs, gasLimit, overlay))
    if (run.kind === 'failure') return fail(run.message, run.usedGas)

    const delta = this.#advance(request.address, stateKey, state, overlay, overlay.patch())
    const { output, usedGas, ethereum } = run
    const signature = this.#sign(
      deploySuccessItems({
        inputsHash,
        exeCodeHash: keccak256(output),
        deltaHash: state.deltaHash,
        gasLimit,
        usedGas,
        ethereum,
      }),
    )
    return { kind: 'success', output, delta, usedGas, ethereum, signature }
  }

  /** Runs a function of a deployed contract on its newest state. */
  async compute(request: ComputeRequest): Promise<Computed | FailedRun | RefusedRun> {
    const { address, stateKey, gasLimit, codeHash: exeCodeHash } = request
    if (stateKey === undefined) return { kind: 'refused', name: 'KeysError' }
    const opened = await this.#states.open(address, stateKey, request.tip)
    const unusable = whyUnusable(opened, request.tip)
    if (unusable !== undefined) return { kind: 'refused', name: unusable }
    const { state } = opened

    const inputsHash = computeInputsHash({ ...request, contractAddress: address })
    const fail = (message: string, usedGas: bigint) =>
      this.#fail(request, message, usedGas, computeFailureItems({ inputsHash, exeCodeHash, gasLimit, usedGas }))

    const inputs = readInputs(request)
    if (inputs instanceof InputError) return fail(inputs.message, 0n)
    const prepared = await this.#prepare(address, exeCodeHash)
    if (prepared.kind === 'refused') return fail(prepared.message, 0n)

    const overlay = new StateOverlay(state.json)
    const run = runCompute(prepared.module, invocation(inputs, gasLimit, overlay))
    if (run.kind === 'failure') return fail(run.message, run.usedGas)

    const previousDeltaHash = state.deltaHash
    const patch = overlay.patch()
    const changed = isInitial(state) || patch.length > 0
    const delta = changed ? this.#advance(address, stateKey, state, overlay, patch) : undefined
    const snapshot =
      delta !== undefined && delta.key > 0 && delta.key % snapshotInterval === 0
        ? sealState(stateKey, state)
        : undefined
    const encryptOutput = run.output.length > 0 || this.#options.encryptEmptyOutput
    const output = encryptOutput ? encrypt(request.sharedKey, run.output) : run.output
    const { usedGas, ethereum } = run
    const signature = this.#sign(
      computeSuccessItems({
        exeCodeHash,
        inputsHash,
        previousDeltaHash,
        newDeltaHash: delta === undefined ? zeroHash : state.deltaHash,
        outputHash: keccak256(output),
        gasLimit,
        usedGas,
        ethereum,
      }),
    )
    return {
      kind: 'success',
      output,
      ...(delta && { delta }),
      ...(delta && delta.key > 0 && { previousHash: previousDeltaHash }),
      ...(snapshot && { snapshot }),
      usedGas,
      ethereum,
      signature,
    }
  }

  /** Forgets what is known of a contract's state. */
  forget(address: Uint8Array): void {
    this.#states.forget(address)
  }

  /** Whether a contract's stored deltas, all of them, lead to a state under this key. */
  async rebuild({ address, stateKey, tip }: RebuildRequest): Promise<boolean> {
    return (await this.#states.open(address, stateKey, tip)).broken === undefined
  }

  /** Turns what a run has changed into the next delta, and keeps the state that it leads to. */
  #advance(
    address: Uint8Array,
    stateKey: Uint8Array,
    state: ContractState,
    overlay: StateOverlay,
    patch: Patch,
  ): StoredDelta {
    const key = isInitial(state) ? 0 : state.deltaIndex + 1
    const data = sealDelta(stateKey, { patch, previousHash: state.deltaHash })
    overlay.commit()
    state.deltaHash = keccak256(data)
    state.deltaIndex = key
    this.#states.keep(address, stateKey, state, data)
    return { key, data }
  }

  async #prepare(address: Uint8Array, codeHash: Uint8Array): Promise<Prepared> {
    const name = bytesToHex(codeHash)
    const known = this.#modules.get(name)
    if (known !== undefined) return known
    const prepared = prepareRuntime(await this.#records.bytecode(address))
    this.#modules.set(name, prepared)
    return prepared
  }

  #fail(request: TaskRequest, message: string, usedGas: bigint, signed: Uint8Array[]): FailedRun {
    const output = encrypt(request.sharedKey, utf8ToBytes(message))
    return { kind: 'failed', output, usedGas, signature: this.#sign(signed) }
  }

  #sign(items: Uint8Array[]): Uint8Array {
    return signItems(this.#options.signingKey, items)
  }
}

function readInputs({
  sharedKey,
  encryptedFn,
  encryptedArgs,
}: TaskRequest): ReturnType<typeof openInputs> | InputError {
  try {
    return openInputs(sharedKey, encryptedFn, encryptedArgs)
  } catch (error) {
    if (error instanceof InputError) return error
    throw error
  }
}

function invocation(inputs: ReturnType<typeof openInputs>, gasLimit: bigint, state: StateOverlay): Invocation {
  return { ...inputs, gasLimit, state, host: hostCapabilities }
}

/**
 * Why a contract cannot compute on the state that was found (storage.md, D9).
 *
 * A missing delta is no reason as long as something leads up to it: p2p nodes leave such holes when they revert, and go
 * on from the last delta before the hole.
 */
function whyUnusable({ state, broken }: OpenedState, tip: StoredDelta | undefined): EnclaveErrorName | undefined {
  if (broken === undefined) return undefined
  if (broken === 'gap') return tip !== undefined && isInitial(state) ? 'StateError' : undefined
  return broken === 'undecryptable' ? 'EncryptionError' : 'StateError'
}
