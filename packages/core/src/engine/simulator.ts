import { type Outcome, prepareRuntime, runCompute } from '@bletchley/sandbox'
import { encodeJson, equalJson, isInitial, type JsonObject, type JsonValue, StateOverlay } from '@bletchley/state'
import { invocation, type MovedRun, type RefusedRun, whyUnusable } from './contractRunner.ts'
import { type ContractRecords, ContractStates, hasMoved, type StoredTip } from './contractStates.ts'
import { functionNameOf, InputError } from './taskInputs.ts'

export interface SimulateRequest {
  /** The contract, 32 bytes. */
  address: Uint8Array
  /** 32 bytes, secret. */
  stateKey: Uint8Array
  /** The newest stored delta, absent if there is none. */
  tip: StoredTip | undefined
  /** `name(type,…)`. */
  callable: string
  /** ABI-encoded. */
  args: Uint8Array
  gasLimit: bigint
}

/** What a computation would have come to. Nothing of it is encrypted. */
export interface Simulated {
  kind: 'simulated'
  /** The newest delta in the state that it ran on, and its hash; absent if the state was the initial one. */
  tip: { key: number; hash: Uint8Array } | undefined
  /** As of the computation. The message of a failure is what its user would decrypt. */
  outcome: Outcome
  /** What the contract printed, up to a megabyte; the rest is dropped. */
  printed: string[]
  /** What a success would change in the state. */
  changes: StateChange[]
}

/** A key of the state, and the JSON texts of its value before and after. */
export interface StateChange {
  key: string
  /** Absent if there was none. */
  before: string | undefined
  /** Absent if it would be removed. */
  after: string | undefined
}

/** Characters of what a contract prints that are kept: it may print until its gas ends. */
const maxPrinted = 1 << 20

/** Runs functions of contracts as ContractRunner computes them, and tells all that it can see of the run. */
export class Simulator {
  readonly #records: ContractRecords
  readonly #states: ContractStates

  constructor(records: ContractRecords) {
    this.#records = records
    this.#states = new ContractStates(records)
  }

  async simulate(request: SimulateRequest): Promise<Simulated | RefusedRun | MovedRun> {
    const { address, stateKey, tip } = request
    const opened = await this.#states.open(address, stateKey, tip)
    const bytecode = await this.#records.bytecode(address)
    if (bytecode === undefined || hasMoved(opened, tip)) return { kind: 'moved' }
    const unusable = whyUnusable(opened, tip)
    if (unusable !== undefined) return { kind: 'refused', name: unusable }
    const { state } = opened.live
    const overlay = new StateOverlay(state.json)
    const printed: string[] = []
    const outcome = run(request, bytecode, overlay, state.size, printed)
    return {
      kind: 'simulated',
      tip: isInitial(state) ? undefined : { key: state.deltaIndex, hash: state.deltaHash },
      outcome,
      printed,
      changes: outcome.kind === 'success' ? changesOf(state.json, overlay) : [],
    }
  }
}

function run(
  { callable, args, gasLimit }: SimulateRequest,
  bytecode: Uint8Array,
  state: StateOverlay,
  stateSize: number,
  printed: string[],
): Outcome {
  let functionName: string
  try {
    functionName = functionNameOf(callable)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { kind: 'failure', message: error.message, usedGas: 0n }
  }
  const profiled = prepareRuntime(bytecode, { profiled: true })
  // What is refused is told in the words of a task. And counting adds code: the largest functions may only run without.
  const prepared = profiled.kind === 'ready' ? profiled : prepareRuntime(bytecode)
  if (prepared.kind === 'refused') return { kind: 'failure', message: prepared.message, usedGas: 0n }
  let room = maxPrinted
  const print = (text: string): void => {
    // Each counts for one more, or empty ones would cost nothing.
    room -= text.length + 1
    if (room >= 0) printed.push(text)
  }
  return runCompute(prepared.module, invocation({ functionName, args }, gasLimit, state, stateSize, print))
}

function changesOf(before: JsonObject, after: StateOverlay): StateChange[] {
  return [...after.touched].flatMap((key) => {
    const [old, value] = [before.get(key), after.get(key)]
    if (old === value || (old !== undefined && value !== undefined && equalJson(old, value))) return []
    return [{ key, before: textOf(old), after: textOf(value) }]
  })
}

function textOf(value: JsonValue | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(encodeJson(value))
}
