import { decodeResult, encodeArguments } from '@bletchley/client/user'
import { deltaTooLarge, runLimits } from '@bletchley/sandbox'
import {
  applyDelta,
  type ContractState,
  decodeState,
  encodeState,
  initialState,
  isInitial,
  nextDeltaIndex,
  type Patch,
  sealDelta,
} from '@bletchley/state'
import { type AbiFunction, type ContractAbi, constructorMethod } from '../abi.ts'
import { deepRun } from './deepRun.ts'
import { logGas } from './gasLog.ts'
import type { Randomness } from './randomness.ts'
import { ivBytes, type RunRequest, type RunResult, run } from './run.ts'
import { TestState } from './testState.ts'
import { type Hex, toHex } from './testUser.ts'

/** Arguments and result of each function, as `bletchley contract abi` writes them into a client. */
export type ContractFunctions = Record<string, { args: readonly unknown[]; result: unknown }>
/** Those of a contract that no types are given for. */
export type AnyFunctions = Record<string, { args: readonly unknown[]; result: unknown }>

export interface CallOptions {
  /** The most gas that the call may use. */
  gasLimit?: number
  /** A row of its own in the gas of the tests, `name (scenario)`, instead of that of all calls of the function. */
  scenario?: string
}

/** The arguments may be left out where a function has none; bytes are taken as already encoded. */
type CallParameters<Args extends readonly unknown[]> = [] extends Args
  ? [args?: Readonly<Args> | Uint8Array, options?: CallOptions]
  : [args: Readonly<Args> | Uint8Array, options?: CallOptions]

/** A delta, as a worker would store it and everybody could see it. */
export interface CallDelta {
  /** Its number: 0 for the deployment. */
  key: number
  /** Bytes, encrypted. */
  size: number
  /** Bytes of them that the changes take; what is left varies by chance, with the hash of the delta before. */
  changesSize: number
  /** Paths of the keys that it changes; everybody sees the size only. */
  changes: { op: string; path: string }[]
}

/** How a call went. */
export interface CallResult<Value> {
  /** Nothing, the only result, or several as an object by their names. */
  value: Value
  gas: number
  /** Undefined if the state did not change. */
  delta: CallDelta | undefined
  /** What the contract printed with `log`. */
  printed: string[]
  /** The call of a contract on Ethereum that it asked for. */
  ethereumCall: { address: Hex; payload: Hex } | undefined
  /** The result as it is. */
  output: Hex
}

/** A call ended in a failed task. The message is what its user would read, decrypted. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed'
  /** What the contract gave as the reason when it reverted. */
  readonly reason: string | undefined
  readonly gas: number
  readonly printed: string[]

  constructor(message: string, gas: number, printed: string[]) {
    super(message)
    this.reason = /^Error in execution of WASM code: unreachable: (.*)$/s.exec(message)?.[1]
    this.gas = gas
    this.printed = printed
  }
}

interface ContractParts {
  name: string
  preCode: Uint8Array
  abi: ContractAbi
  /** 32 bytes. */
  address: Uint8Array
  /** 32 bytes. */
  stateKey: Uint8Array
  randomness: Randomness
  gasLimit: number
}

const stackOverflow = 'Error in execution of WASM code: stack overflow'
const noAddress = `0x${'00'.repeat(20)}`

/** A contract that is deployed on a `TestNetwork`. */
export class TestContract<Functions extends ContractFunctions = AnyFunctions> {
  /** Of its file, without extension. */
  readonly name: string
  /** 32 bytes. */
  readonly address: Hex
  readonly abi: ContractAbi
  readonly state: TestState
  readonly #parts: ContractParts
  #state: ContractState | undefined = initialState()
  #exeCode: Uint8Array | undefined
  #deployment: CallResult<undefined> | undefined

  constructor(parts: ContractParts) {
    this.#parts = parts
    this.name = parts.name
    this.address = toHex(parts.address)
    this.abi = parts.abi
    this.state = new TestState(() => this.#requireState().json)
  }

  /** How the deployment went; its gas includes one for each byte of the code. */
  get deployment(): CallResult<undefined> {
    return this.#deployment!
  }

  /** The code that a worker stores and runs. */
  get exeCode(): Uint8Array {
    return this.#exeCode!
  }

  /**
   * Computes a function.
   *
   * @param parameters the arguments, as `encodeArguments` of `@bletchley/client/user` takes them, or the encoded bytes;
   *   with bytes also a function that is not there can be called
   * @throws CallFailed if the task fails, and the state is as it was
   */
  call<Name extends keyof Functions & string>(
    name: Name,
    ...parameters: CallParameters<Functions[Name]['args']>
  ): CallResult<Functions[Name]['result']> {
    const [args = [], options = {}] = parameters
    const isEncoded = args instanceof Uint8Array
    const called = isEncoded ? this.#find(name) : this.#require(name)
    const encoded = isEncoded ? args : encodeArguments(typesOf(called!.inputs), args)
    const code = this.exeCode
    const result = this.#run({ entry: 'call', code, functionName: name, args: encoded }, options, called?.outputs ?? [])
    logGas(this.name, name, options.scenario, result.gas)
    return result as CallResult<Functions[Name]['result']>
  }

  /** Computes a function that fails. @throws Error if it does not */
  fails<Name extends keyof Functions & string>(
    name: Name,
    ...parameters: CallParameters<Functions[Name]['args']>
  ): CallFailed {
    return failureOf(`${this.name}.${name}`, () => this.call(name, ...parameters))
  }

  /** Runs the constructor; for `TestNetwork`. */
  construct(args: readonly unknown[] | Uint8Array, options: CallOptions): void {
    const { preCode, abi } = this.#parts
    const encoded = args instanceof Uint8Array ? args : encodeArguments(typesOf(abi.constructorInputs), args)
    const request = { entry: 'deploy', code: preCode, functionName: constructorMethod, args: encoded } as const
    this.#deployment = this.#run(request, options, []) as CallResult<undefined>
    logGas(this.name, 'constructor', options.scenario, this.#deployment.gas)
  }

  /** Remembers the state; for `TestNetwork`. @returns brings it back */
  remember(): () => void {
    const kept = encodeState(this.#requireState())
    return () => {
      this.#state = decodeState(kept)
    }
  }

  /** Makes the contract unusable: the network went back to before it was there. */
  forget(): void {
    this.#state = undefined
  }

  #run(
    request: Omit<RunRequest, 'gasLimit'>,
    { gasLimit = this.#parts.gasLimit }: CallOptions,
    outputs: AbiFunction['outputs'],
  ): CallResult<unknown> {
    const state = this.#requireState()
    const { outcome, printed, patch } = this.#runExactly({ ...request, gasLimit: BigInt(gasLimit) }, state)
    const gas = Number(outcome.usedGas)
    if (outcome.kind === 'failure') throw new CallFailed(outcome.message, gas, printed)
    const delta = isInitial(state) || patch.length > 0 ? this.#seal(state, patch) : undefined
    if (delta !== undefined && delta.length > runLimits.deltaBytes.value) {
      throw new CallFailed(deltaTooLarge, gas, printed)
    }
    const key = nextDeltaIndex(state)
    const changesSize = (delta?.length ?? 0) - this.#sizeOfEmpty(state)
    // As other workers do who get the delta.
    if (delta !== undefined) applyDelta(state, key, this.#parts.stateKey, delta)
    const changes = patch.map(({ op, path }) => ({ op, path }))
    const isDeployment = request.entry === 'deploy'
    if (isDeployment) this.#exeCode = outcome.output
    const output = isDeployment ? new Uint8Array() : outcome.output
    const ethereumCall = { address: toHex(outcome.ethereum.address), payload: toHex(outcome.ethereum.payload) }
    const calls = ethereumCall.address !== noAddress || ethereumCall.payload !== '0x'
    return {
      value: decodeResult(outputs, output),
      gas,
      delta: delta && { key, size: delta.length, changesSize, changes },
      printed,
      ethereumCall: calls ? ethereumCall : undefined,
      output: toHex(output),
    }
  }

  /** Where the stack of this thread ends first, the run is repeated on one like a worker's. */
  #runExactly(request: RunRequest, state: ContractState): RunResult {
    const { randomness } = this.#parts
    const { position } = randomness
    const result = run(request, state, randomness)
    if (result.outcome.kind === 'success' || result.outcome.message !== stackOverflow) return result
    randomness.position = position
    return deepRun(request, state, randomness)
  }

  /** The delta that a worker would store. */
  #seal(state: ContractState, patch: Patch): Uint8Array {
    const { stateKey, randomness } = this.#parts
    return sealDelta(stateKey, { patch, previousHash: state.deltaHash }, randomness.bytes(ivBytes))
  }

  /** How many bytes a delta without changes would have. */
  #sizeOfEmpty({ deltaHash }: ContractState): number {
    return sealDelta(this.#parts.stateKey, { patch: [], previousHash: deltaHash }, new Uint8Array(ivBytes)).length
  }

  #requireState(): ContractState {
    if (this.#state === undefined) throw new Error(`${this.name} was deployed after the snapshot`)
    return this.#state
  }

  #find(name: string): AbiFunction | undefined {
    return this.abi.functions.find((each) => each.name === name)
  }

  #require(name: string): AbiFunction {
    const found = this.#find(name)
    if (found !== undefined) return found
    const known = this.abi.functions.map((each) => each.name).join(', ')
    throw new TypeError(`${this.name} has no function ${name}; it has ${known}`)
  }
}

/** Runs what has to fail. */
export function failureOf(what: string, perform: () => unknown): CallFailed {
  try {
    perform()
  } catch (error) {
    if (error instanceof CallFailed) return error
    throw error
  }
  throw new Error(`${what} should have failed, and did not`)
}

function typesOf(parameters: AbiFunction['inputs']): string[] {
  return parameters.map(({ type }) => type)
}
