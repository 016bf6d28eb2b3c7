import { Environment, type Invocation } from './host/environment.ts'
import type { Limit } from './limits.ts'
import { paidExport } from './meter/instrument.ts'
import type { GasProfile, Outcome } from './outcome.ts'
import { RunGas } from './runGas.ts'

/** The functions of a module that is prepared for profiling: each defined one counts what it pays. */
export interface ProfiledFunctions {
  imported: number
  defined: number
}

/** Watches one run, and tells afterwards where its gas went. */
export class Profiler {
  readonly gas: ProfiledGas
  readonly environment: ProfiledEnvironment
  readonly #functions: ProfiledFunctions
  readonly #hostCalls = new Map<string, { calls: number; bytes: number }>()

  constructor(functions: ProfiledFunctions, invocation: Invocation, memory: WebAssembly.Memory | undefined) {
    this.#functions = functions
    this.gas = new ProfiledGas(invocation.gasLimit)
    this.environment = new ProfiledEnvironment(invocation, this.gas, memory)
  }

  /** Steps in front of the host functions among a contract's imports. */
  watch(imports: WebAssembly.ModuleImports): WebAssembly.ModuleImports {
    return Object.fromEntries(
      Object.entries(imports).map(([name, value]) => [
        name,
        typeof value === 'function' ? (...args: unknown[]) => this.#call(name, () => value(...args)) : value,
      ]),
    )
  }

  /** @param exports of the instance that has run */
  profile(exports: WebAssembly.Exports, { kind, usedGas }: Outcome): GasProfile {
    const { imported, defined } = this.#functions
    const paid = (counter: number): bigint => (exports[paidExport(counter)] as WebAssembly.Global<'i64'>).value
    const functions = Array.from({ length: defined }, (_, index) => ({ index: imported + index, gas: paid(index) }))
    const memoryGrow = paid(defined)
    const { gas } = this
    const stateWrites = [...gas.stateWrites].map(([key, write]) => ({ key, ...write }))
    const paidFor =
      sum(functions.map((each) => each.gas)) +
      memoryGrow +
      sum(stateWrites.map(({ charged }) => charged)) +
      gas.gasCalls +
      gas.flat
    return {
      functions: functions.filter((each) => each.gas > 0n),
      memoryGrow,
      stateWrites,
      gasCalls: gas.gasCalls,
      flat: gas.flat,
      lost: gas.exhausted ? usedGas - paidFor : 0n,
      refund: kind === 'success' ? gas.used - gas.billed : 0n,
      hostCalls: [...this.#hostCalls].map(([name, counts]) => ({ name, ...counts })),
    }
  }

  #call(name: string, call: () => unknown): unknown {
    const counts = this.#hostCalls.get(name) ?? { calls: 0, bytes: 0 }
    this.#hostCalls.set(name, counts)
    counts.calls += 1
    const before = this.environment.bytes
    try {
      return call()
    } finally {
      counts.bytes += this.environment.bytes - before
    }
  }
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n)
}

/** Gas that remembers what host functions and the flat charges took of it. */
class ProfiledGas extends RunGas {
  flat = 0n
  gasCalls = 0n
  readonly stateWrites = new Map<string, { writes: number; charged: bigint; refunded: bigint }>()

  override chargeFlat(amount: bigint): void {
    super.chargeFlat(amount)
    this.flat += amount
  }

  override charge(amount: number, key?: string): void {
    super.charge(amount)
    if (key === undefined) this.gasCalls += BigInt(amount)
    else this.#write(key).charged += BigInt(amount)
  }

  override refund(amount: number, key: string): void {
    super.refund(amount, key)
    this.#write(key).refunded += BigInt(amount)
  }

  #write(key: string): { charged: bigint; refunded: bigint } {
    const write = this.stateWrites.get(key) ?? { writes: 0, charged: 0n, refunded: 0n }
    this.stateWrites.set(key, write)
    write.writes += 1
    return write
  }
}

/** An environment that counts what is copied. */
class ProfiledEnvironment extends Environment {
  bytes = 0

  override read(pointer: number, length: number, limit?: Limit): Uint8Array {
    const bytes = super.read(pointer, length, limit)
    this.bytes += length
    return bytes
  }

  override write(pointer: number, bytes: Uint8Array): void {
    super.write(pointer, bytes)
    this.bytes += bytes.length
  }
}
