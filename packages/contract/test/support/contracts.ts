import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { decrypt, encrypt, randomBytes } from '@bletchley/crypto'
import { deploy, type Outcome, type PreparedModule, prepareRuntime, runCompute } from '@bletchley/sandbox'
import { encodeJson, type JsonValue, StateOverlay } from '@bletchley/state'
import { AbiCoder, getBytes } from 'ethers'
import { type CompiledContract, compileContract } from '../../src/index.ts'

/** Compiles sources that are given as text; the contract is in `contract.ts`. */
export async function compileText(
  contract: string,
  others: Readonly<Record<string, string>> = {},
): Promise<CompiledContract> {
  const folder = await mkdtemp(join(tmpdir(), 'bletchley-contract-'))
  try {
    for (const [name, text] of Object.entries({ ...others, 'contract.ts': contract })) {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), text)
    }
    return await compileContract(join(folder, 'contract.ts'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Encodes and decodes as users do, by code that has nothing to do with ours. */
const coder = AbiCoder.defaultAbiCoder()

export function encodeValues(types: readonly string[], values: readonly unknown[]): Uint8Array {
  return getBytes(coder.encode(types, values))
}

/** Numbers are bigints, bytes are hex, addresses have their checksum. */
export function decodeValues(types: readonly string[], bytes: Uint8Array): unknown[] {
  return coder.decode(types, bytes).toArray(true)
}

const gasLimit = 100_000_000n

/** A contract in the sandbox, with its state; what a failed run wrote is dropped, as a worker does. */
export class Running {
  readonly state: Map<string, JsonValue>
  readonly exeCode: Uint8Array
  /** What the last run printed. */
  prints: string[] = []
  readonly #module: PreparedModule

  private constructor(exeCode: Uint8Array, state: Map<string, JsonValue>) {
    const prepared = prepareRuntime(exeCode)
    if (prepared.kind === 'refused') throw new Error(prepared.message)
    this.#module = prepared.module
    this.exeCode = exeCode
    this.state = state
  }

  static deploy(
    wasm: Uint8Array,
    args: Uint8Array = new Uint8Array(),
    state: Map<string, JsonValue> = new Map(),
  ): Running {
    const host = { encrypt, decrypt, random: randomBytes }
    const outcome = deploy(wasm, { functionName: 'construct', args, gasLimit, state, stateSize: 0, host })
    if (outcome.kind === 'failure') throw new Error(outcome.message)
    return new Running(outcome.output, state)
  }

  /** The same code on another state. */
  on(state: Map<string, JsonValue>): Running {
    return new Running(this.exeCode, state)
  }

  /** @param random stands for the worker's generator */
  call(functionName: string, args: Uint8Array = new Uint8Array(), random = randomBytes): Outcome {
    this.prints = []
    const state = new StateOverlay(this.state)
    const print = (text: string) => this.prints.push(text)
    const host = { encrypt, decrypt, random, print }
    const outcome = runCompute(this.#module, { functionName, args, gasLimit, state, stateSize: 0, host })
    if (outcome.kind === 'success') state.commit()
    return outcome
  }

  /** Calls with values; `signature` is `name(inputs)(outputs)`. Gives the outputs, or throws what the user reads. */
  ask(signature: string, ...values: unknown[]): unknown[] {
    const [, name = '', inputs = '', outputs = ''] = /^(\w+)\((.*?)\)(?:\((.*)\))?$/.exec(signature) ?? []
    const types = (list: string) => (list === '' ? [] : list.split(','))
    const outcome = this.call(name, encodeValues(types(inputs), values))
    if (outcome.kind === 'failure') throw new Error(outcome.message)
    return decodeValues(types(outputs), outcome.output)
  }

  /** JSON text of a key, or undefined. */
  stored(key: string): string | undefined {
    const value = this.state.get(key)
    return value === undefined ? undefined : new TextDecoder().decode(encodeJson(value))
  }
}

/** The reason that a failed task gives, or `success`. */
export function reasonOf(outcome: Outcome): string {
  if (outcome.kind === 'success') return 'success'
  return outcome.message.replace(/^Error in execution of WASM code: unreachable: /, '')
}
