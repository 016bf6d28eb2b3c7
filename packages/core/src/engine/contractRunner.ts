import { equalBytes, utf8ToBytes } from '@bletchley/bytes'
import {
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
} from '@bletchley/crypto'
import type { EnclaveErrorName } from '@bletchley/protocol'
import {
  deltaTooLarge,
  deploy,
  type HostCapabilities,
  type Invocation,
  type Prepared,
  prepareRuntime,
  runCompute,
  runLimits,
} from '@bletchley/sandbox'
import { grow, isInitial, nextDeltaIndex, StateOverlay, sealDelta } from '@bletchley/state'
import type { CacheSize } from '@bletchley/store'
import {
  type ContractRecords,
  ContractStates,
  emptyState,
  hasMoved,
  isSnapshotDue,
  type LiveState,
  type NewSnapshot,
  type OpenedState,
  type StoredDelta,
  type StoredTip,
  snapshotIfDue,
} from './contractStates.ts'
import { InputError, openInputs, type TaskInputs } from './taskInputs.ts'

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
  tip: StoredTip | undefined
}

export interface RebuildRequest {
  address: Uint8Array
  stateKey: Uint8Array
  /** The newest stored delta, absent if there is none. */
  tip: StoredTip | undefined
}

export interface Rebuilt {
  /** Whether the contract's stored deltas, all of them, lead to a state under the key. */
  whole: boolean
  /** An encrypted snapshot to store, if many deltas were applied. */
  snapshot?: NewSnapshot
  /** Bytes of the state that they lead to, before encryption. */
  stateBytes: number
}

export interface CodeRequest {
  /** The contract, 32 bytes. */
  address: Uint8Array
}

export interface PrepareRequest extends CodeRequest {
  /** keccak256 of the stored bytecode, 32 bytes. */
  codeHash: Uint8Array
}

/** A compiled contract, for all threads. */
export interface SharedModule {
  codeHash: Uint8Array
  /** Bytes of the contract's code, before anything was added. */
  codeBytes: number
  prepared: Prepared
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

/** A task whose contract was changed by somebody else while it ran; nothing came of it. */
export interface MovedRun {
  kind: 'moved'
}

/** A task that the worker cannot answer for. */
export interface RefusedRun {
  kind: 'refused'
  name: EnclaveErrorName
}

export interface Deployed extends Run {
  kind: 'success'
  /** keccak256 of exeCode, 32 bytes. */
  codeHash: Uint8Array
  delta: StoredDelta
  /** keccak256 of it, 32 bytes. */
  deltaHash: Uint8Array
  /** Bytes of the new state, before encryption. */
  stateBytes: number
}

export interface Computed extends Run {
  kind: 'success'
  /** Absent if the state is as it was. */
  delta?: StoredDelta
  /** keccak256 of it, 32 bytes; of the newest delta if there is none. */
  deltaHash: Uint8Array
  /** Whether it is time for a snapshot: a rebuild makes it. */
  snapshotDue: boolean
  /** Bytes of the new state, before encryption. */
  stateBytes: number
}

export interface RunnerOptions {
  signingKey: SecretKey
  /** Whether a computation that returned nothing answers the encryption of nothing, or nothing (architecture 3). */
  encryptEmptyOutput: boolean
  /** Takes every module that was compiled: it comes back with the jobs that need it. */
  share(module: SharedModule): void
}

const zeroHash = new Uint8Array(32)

const moved: MovedRun = { kind: 'moved' }

const hostCapabilities: HostCapabilities = { encrypt, decrypt, random: randomBytes }

/** Runs the tasks of the contracts that live on one thread: decrypt, run, diff, encrypt, sign. */
export class ContractRunner {
  readonly #options: RunnerOptions
  readonly #records: ContractRecords
  readonly #states: ContractStates

  constructor(options: RunnerOptions, records: ContractRecords) {
    this.#options = options
    this.#records = records
    this.#states = new ContractStates(records)
  }

  /** What the states in memory are and take. */
  get states(): CacheSize {
    return this.#states.size
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

    const live = emptyState(stateKey)
    const { state } = live
    const overlay = new StateOverlay(state.json)
    const run = deploy(request.preCode, invocation(inputs, gasLimit, overlay, state.size))
    if (run.kind === 'failure') return fail(run.message, run.usedGas)

    const { output, usedGas, ethereum } = run
    const delta = this.#advance(request.address, live, overlay)
    // The first delta is made whether anything has changed or not.
    if (delta === undefined || delta === 'too large') return fail(deltaTooLarge, usedGas)
    const codeHash = keccak256(output)
    const signature = this.#sign(
      deploySuccessItems({
        inputsHash,
        exeCodeHash: codeHash,
        deltaHash: state.deltaHash,
        gasLimit,
        usedGas,
        ethereum,
      }),
    )
    return {
      kind: 'success',
      output,
      codeHash,
      delta,
      deltaHash: state.deltaHash,
      stateBytes: state.size,
      usedGas,
      ethereum,
      signature,
    }
  }

  /**
   * Runs a function of a deployed contract on its newest state.
   *
   * @param shared the contract's module, if a thread has compiled it before
   */
  async compute(request: ComputeRequest, shared?: Prepared): Promise<Computed | FailedRun | RefusedRun | MovedRun> {
    const { address, stateKey, gasLimit, codeHash: exeCodeHash } = request
    if (stateKey === undefined) return { kind: 'refused', name: 'KeysError' }
    const opened = await this.#states.open(address, stateKey, request.tip)
    if (hasMoved(opened, request.tip)) return moved
    const unusable = whyUnusable(opened, request.tip)
    if (unusable !== undefined) return { kind: 'refused', name: unusable }
    const { live } = opened
    const { state } = live

    const inputsHash = computeInputsHash({ ...request, contractAddress: address })
    const fail = (message: string, usedGas: bigint) =>
      this.#fail(request, message, usedGas, computeFailureItems({ inputsHash, exeCodeHash, gasLimit, usedGas }))

    const inputs = readInputs(request)
    if (inputs instanceof InputError) return fail(inputs.message, 0n)
    const prepared = shared ?? (await this.prepare(request))
    if (prepared === undefined) return moved
    if (prepared.kind === 'refused') return fail(prepared.message, 0n)

    const overlay = new StateOverlay(state.json)
    const run = runCompute(prepared.module, invocation(inputs, gasLimit, overlay, state.size))
    if (run.kind === 'failure') return fail(run.message, run.usedGas)

    const previousDeltaHash = state.deltaHash
    const { usedGas, ethereum } = run
    const delta = this.#advance(address, live, overlay)
    if (delta === 'too large') return fail(deltaTooLarge, usedGas)
    const encryptOutput = run.output.length > 0 || this.#options.encryptEmptyOutput
    const output = encryptOutput ? encrypt(request.sharedKey, run.output) : run.output
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
      deltaHash: state.deltaHash,
      snapshotDue: isSnapshotDue(live),
      stateBytes: state.size,
      usedGas,
      ethereum,
      signature,
    }
  }

  /**
   * Forgets what is known of a contract's state.
   *
   * @param name the address in hex
   */
  forget(name: string): void {
    this.#states.forget(name)
  }

  /** Brings a contract's state into memory. */
  async rebuild({ address, stateKey, tip }: RebuildRequest): Promise<Rebuilt> {
    const { live, broken } = await this.#states.open(address, stateKey, tip)
    const snapshot = snapshotIfDue(live)
    return { whole: broken === undefined, ...(snapshot && { snapshot }), stateBytes: live.state.size }
  }

  /** keccak256 of a contract's stored code, if there is any. */
  async hashCode({ address }: CodeRequest): Promise<Uint8Array | undefined> {
    const bytecode = await this.#records.bytecode(address)
    return bytecode && keccak256(bytecode)
  }

  /** Checks, meters and compiles a contract's stored code; nothing if that is not the one of the hash any more. */
  async prepare({ address, codeHash }: PrepareRequest): Promise<Prepared | undefined> {
    const bytecode = await this.#records.bytecode(address)
    if (bytecode === undefined || !equalBytes(keccak256(bytecode), codeHash)) return undefined
    const prepared = prepareRuntime(bytecode)
    this.#options.share({ codeHash, codeBytes: bytecode.length, prepared })
    return prepared
  }

  /**
   * Turns what a run has changed into the next delta, and keeps the state that it leads to. There is no delta if nothing
   * has changed, except for the first one.
   */
  #advance(address: Uint8Array, live: LiveState, overlay: StateOverlay): StoredDelta | undefined | 'too large' {
    const { state, stateKey } = live
    const { value: maxDeltaBytes } = runLimits.deltaBytes
    const patch = overlay.patchWithin(maxDeltaBytes)
    if (patch === undefined) return 'too large'
    if (patch.length === 0 && !isInitial(state)) return undefined
    const key = nextDeltaIndex(state)
    const data = sealDelta(stateKey, { patch, previousHash: state.deltaHash })
    if (data.length > maxDeltaBytes) return 'too large'
    grow(state, overlay.commit())
    state.deltaHash = keccak256(data)
    state.deltaIndex = key
    this.#states.advance(address, live, data)
    return { key, data }
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

/**
 * @param stateSize of the state before the run
 * @param print     takes what the contract prints
 */
export function invocation(
  inputs: TaskInputs,
  gasLimit: bigint,
  state: StateOverlay,
  stateSize: number,
  print?: (text: string) => void,
): Invocation {
  const host = print === undefined ? hostCapabilities : { ...hostCapabilities, print }
  return { ...inputs, gasLimit, state, stateSize, host }
}

/**
 * Why a contract cannot compute on the state that was found (storage.md, D9).
 *
 * A missing delta is no reason as long as something leads up to it: p2p nodes leave such holes when they revert, and go
 * on from the last delta before the hole.
 */
export function whyUnusable({ live, broken }: OpenedState, tip: StoredTip | undefined): EnclaveErrorName | undefined {
  if (broken === undefined) return undefined
  if (broken === 'gap') return tip !== undefined && isInitial(live.state) ? 'StateError' : undefined
  return broken === 'undecryptable' ? 'EncryptionError' : 'StateError'
}
