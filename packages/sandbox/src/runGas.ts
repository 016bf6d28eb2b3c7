import { ContractFault, gasLimitViolated } from './errors.ts'
import type { GasMeter } from './host/environment.ts'

/** The counter is a signed 64-bit number. A limit above this counts as this: so much can never be spent. */
const maxGas = 2n ** 63n - 1n

/** The gas of one run; what is left lives in a global of the contract's instance. @see spec/runtime.md 2.6, 2.8 */
export class RunGas implements GasMeter {
  readonly #start: bigint
  #left: WebAssembly.Global<'i64'> | undefined
  #refund = 0n

  /** @param limit u64 */
  constructor(limit: bigint) {
    this.#start = limit < maxGas ? limit : maxGas
  }

  /** Puts the gas into the global, where the contract's code takes from it. */
  attach(left: WebAssembly.Global<'i64'>): void {
    left.value = this.#start
    this.#left = left
  }

  charge(amount: number): void {
    this.#take(BigInt(amount))
  }

  /** Takes what every task of its kind pays, or ends the run. */
  chargeFlat(amount: bigint): void {
    this.#take(amount)
  }

  refund(amount: number, _key: string): void {
    this.#refund += BigInt(amount)
  }

  /** Whether a charge asked for more than was left. */
  get exhausted(): boolean {
    return this.#remaining < 0n
  }

  /** What the run has taken so far. */
  get used(): bigint {
    return this.#start - this.#remaining
  }

  /** What a successful run is billed. */
  get billed(): bigint {
    const billed = this.used - this.#refund
    return billed > 0n ? billed : 0n
  }

  get #remaining(): bigint {
    return this.#left!.value
  }

  #take(amount: bigint): void {
    const left = this.#remaining - amount
    this.#left!.value = left < 0n ? -1n : left
    if (left < 0n) throw new ContractFault(gasLimitViolated)
  }
}
