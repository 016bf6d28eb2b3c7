import { decrypt, encrypt } from '@bletchley/crypto'
import {
  deltaTooLarge,
  deploy,
  type Outcome,
  type Prepared,
  prepareRuntime,
  runCompute,
  runLimits,
} from '@bletchley/sandbox'
import { type ContractState, type Patch, StateOverlay } from '@bletchley/state'
import type { Randomness } from './randomness.ts'

/** A run of a contract's code on its state. */
export interface RunRequest {
  /** Which export runs: `deploy` of pre-code, `call` of exeCode. */
  entry: 'deploy' | 'call'
  code: Uint8Array
  functionName: string
  /** ABI-encoded. */
  args: Uint8Array
  gasLimit: bigint
}

export interface RunResult {
  outcome: Outcome
  printed: string[]
  /** What a success changes in the state. */
  patch: Patch
}

export const ivBytes = 12

/** Compiled code, as long as somebody holds it. */
const preparedModules = new WeakMap<Uint8Array, Prepared>()

/** Runs as a worker does; the state stays as it is. */
export function run(request: RunRequest, { json, size }: ContractState, randomness: Randomness): RunResult {
  const { entry, code, functionName, args, gasLimit } = request
  const overlay = new StateOverlay(json)
  const printed: string[] = []
  const host = {
    encrypt: (key: Uint8Array, plaintext: Uint8Array) => encrypt(key, plaintext, randomness.bytes(ivBytes)),
    decrypt,
    random: (length: number) => randomness.bytes(length),
    print: (text: string) => void printed.push(text),
  }
  const invocation = { functionName, args, gasLimit, state: overlay, stateSize: size, host }
  let outcome: Outcome
  if (entry === 'deploy') outcome = deploy(code, invocation)
  else {
    const prepared = prepare(code)
    outcome =
      prepared.kind === 'ready'
        ? runCompute(prepared.module, invocation)
        : { kind: 'failure', message: prepared.message, usedGas: 0n }
  }
  if (outcome.kind === 'failure') return { outcome, printed, patch: [] }
  const patch = overlay.patchWithin(runLimits.deltaBytes.value)
  if (patch !== undefined) return { outcome, printed, patch }
  return { outcome: { kind: 'failure', message: deltaTooLarge, usedGas: outcome.usedGas }, printed, patch: [] }
}

function prepare(code: Uint8Array): Prepared {
  const prepared = preparedModules.get(code) ?? prepareRuntime(code)
  preparedModules.set(code, prepared)
  return prepared
}
