import { utf8ToBytes } from '@bletchley/bytes'
import type { StateAccess } from '@bletchley/state'
import { ContractFault, regionText } from '../errors.ts'
import { hostCallBytes, type Limit, runLimits } from '../limits.ts'

/** What the host lends to a run besides state. Keys and texts are the contract's; nothing here is ours. */
export interface HostCapabilities {
  /** AES-256-GCM with a fresh IV: ciphertext, 16-byte tag, 12-byte IV. `key` is 32 bytes. */
  encrypt(key: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** The reverse. Throws an error whose `code` is `improper_encryption` or `decryption_failed` if the blob is bad. */
  decrypt(key: Uint8Array, blob: Uint8Array): Uint8Array
  /** `length` unpredictable bytes. */
  random(length: number): Uint8Array
  /** Takes what the contract prints, for debugging. */
  print?(text: string): void
}

/** One run of a contract. */
export interface Invocation {
  /** The part of the callable before the first parenthesis. */
  functionName: string
  /** ABI-encoded arguments. */
  args: Uint8Array
  /** u64. */
  gasLimit: bigint
  /** Written as the run goes; after a failure the caller discards the changes. */
  state: StateAccess
  /** Size of the state before the run, see `ContractState`. */
  stateSize: number
  host: HostCapabilities
}

/** A call of an Ethereum contract that the task asks for; the address is 20 bytes, zeros for none. */
export interface EthereumCall {
  payload: Uint8Array
  address: Uint8Array
}

/** Gas of one run. */
export interface GasMeter {
  /** Takes `amount` from what is left, or ends the run. `key` is the state's that it is for, if it is for one. */
  charge(amount: number, key?: string): void
  /** Notes gas, for this key of the state, that is taken off the bill of a successful run. */
  refund(amount: number, key: string): void
}

/** What host functions work on during one run. */
export class Environment {
  readonly invocation: Invocation
  readonly gas: GasMeter
  readonly #memory: WebAssembly.Memory | undefined
  #functionName: Uint8Array | undefined
  #view: Uint8Array = new Uint8Array()
  /** Size of the state as it is now. */
  stateSize: number
  /** What host functions may still handle. */
  #hostBytesLeft = runLimits.hostBytes.value
  /** What `ret` set last. */
  output: Uint8Array = new Uint8Array()
  /** What `write_eth_bridge` set last. */
  ethereum: EthereumCall = { payload: new Uint8Array(), address: new Uint8Array(20) }
  /** What `eprint` got, if that was the last host function that the contract called. */
  lastWords = ''

  constructor(invocation: Invocation, gas: GasMeter, memory: WebAssembly.Memory | undefined) {
    this.invocation = invocation
    this.stateSize = invocation.stateSize
    this.gas = gas
    this.#memory = memory
  }

  /** The function name in UTF-8, made once: it may be as long as a request, and asking for it costs 1 gas. */
  get functionName(): Uint8Array {
    this.#functionName ??= utf8ToBytes(this.invocation.functionName)
    return this.#functionName
  }

  /** Notes one call of a host function. @throws ContractFault when the run has had its share */
  countCall(): void {
    this.count(hostCallBytes)
  }

  /** Notes bytes that a host function is about to handle. @throws ContractFault when the run has had its share */
  count(bytes: number): void {
    this.#hostBytesLeft -= bytes
    if (this.#hostBytesLeft < 0) throw new ContractFault(runLimits.hostBytes.text)
  }

  /** A copy of `length` bytes of linear memory. @throws ContractFault out of bounds, or too long */
  read(pointer: number, length: number, limit: Limit = runLimits.argumentBytes): Uint8Array {
    this.requireRegion(pointer, length)
    if (length > limit.value) throw new ContractFault(limit.text)
    this.count(length)
    return this.#bytes.slice(pointer, pointer + length)
  }

  /** @throws ContractFault out of bounds */
  write(pointer: number, bytes: Uint8Array): void {
    this.requireRegion(pointer, bytes.length)
    this.count(bytes.length)
    this.#bytes.set(bytes, pointer)
  }

  /** Fails unless `[pointer, pointer + length)` lies in linear memory. @throws ContractFault out of bounds */
  requireRegion(pointer: number, length: number): void {
    const size = this.#bytes.length
    if (pointer + length > size) throw new ContractFault(regionText(pointer, length, size))
  }

  /** All of the linear memory. The buffer is asked for at each use: growing the memory detaches the old one. */
  get #bytes(): Uint8Array {
    const buffer = this.#memory?.buffer
    if (buffer !== undefined && buffer !== this.#view.buffer) this.#view = new Uint8Array(buffer)
    return this.#view
  }
}

/**
 * One import of module `env`.
 *
 * All parameters are i32; `call` gets them as unsigned numbers. It returns a number exactly if `returnsValue`.
 */
export interface HostFunction {
  name: string
  parameters: number
  returnsValue: boolean
  call(environment: Environment, ...args: number[]): number | undefined
}
