import type { StateAccess } from '@bletchley/state'
import { ContractFault, regionText } from '../errors.ts'

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
  host: HostCapabilities
}

/** A call of an Ethereum contract that the task asks for; the address is 20 bytes, zeros for none. */
export interface EthereumCall {
  payload: Uint8Array
  address: Uint8Array
}

/** Gas of one run. */
export interface GasMeter {
  /** Takes `amount` from what is left, or ends the run. */
  charge(amount: number): void
  /** Notes gas that is taken off the bill of a successful run. */
  refund(amount: number): void
}

/** What host functions work on during one run. */
export class Environment {
  readonly invocation: Invocation
  readonly gas: GasMeter
  readonly #memory: WebAssembly.Memory | undefined
  /** What `ret` set last. */
  output: Uint8Array = new Uint8Array()
  /** What `write_eth_bridge` set last. */
  ethereum: EthereumCall = { payload: new Uint8Array(), address: new Uint8Array(20) }

  constructor(invocation: Invocation, gas: GasMeter, memory: WebAssembly.Memory | undefined) {
    this.invocation = invocation
    this.gas = gas
    this.#memory = memory
  }

  /** A copy of `length` bytes of linear memory. @throws ContractFault out of bounds */
  read(pointer: number, length: number): Uint8Array {
    return this.#region(pointer, length).slice()
  }

  /** @throws ContractFault out of bounds */
  write(pointer: number, bytes: Uint8Array): void {
    this.#region(pointer, bytes.length).set(bytes)
  }

  /** Fails unless `[pointer, pointer + length)` lies in linear memory. @throws ContractFault out of bounds */
  requireRegion(pointer: number, length: number): void {
    this.#region(pointer, length)
  }

  /** The buffer is fetched at each use: growing the memory detaches the old one. */
  #region(pointer: number, length: number): Uint8Array {
    const size = this.#memory?.buffer.byteLength ?? 0
    if (pointer + length > size) throw new ContractFault(regionText(pointer, length, size))
    return this.#memory === undefined ? new Uint8Array() : new Uint8Array(this.#memory.buffer, pointer, length)
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
