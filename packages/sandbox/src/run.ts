import { ContractFault, displayText, gasLimitViolated } from './errors.ts'
import { Environment, type EthereumCall, type Invocation } from './host/environment.ts'
import { hostFunctions } from './host/registry.ts'
import { instrumentedExports } from './meter/instrument.ts'
import { passedLimit } from './meter/stackCounter.ts'
import type { PreparedModule } from './prepare.ts'
import { RunGas } from './runGas.ts'
import { isEngineStackOverflow, trapText } from './traps.ts'
import type { Limits } from './wasm/module.ts'

/**
 * How a task ended. A failure is the contract's or the user's doing: it is signed and billed.
 *
 * `message` is the full display text; `usedGas` is what the task is billed.
 */
export type Outcome =
  | { kind: 'success'; output: Uint8Array; usedGas: bigint; ethereum: EthereumCall }
  | { kind: 'failure'; message: string; usedGas: bigint }

/** What surrounds the contract's own code in a run. */
export interface RunPlan {
  /** Gas charged before the first instruction. */
  opening: bigint
  /** Gas charged after the last one. */
  closing: bigint
  /** Change of the stack counter for callers that exist in the reference only. */
  stackAddend: bigint
}

/**
 * Runs a prepared contract once, in an instance of its own.
 *
 * Contract faults become failures; anything else that is thrown is a defect of ours or of `invocation.host` and is
 * thrown on.
 */
export function run(prepared: PreparedModule, invocation: Invocation, plan: RunPlan): Outcome {
  const memory = prepared.memory === undefined ? undefined : createMemory(prepared.memory)
  const gas = new RunGas(invocation.gasLimit)
  const environment = new Environment(invocation, gas, memory)
  const instance = new WebAssembly.Instance(prepared.compiled, { env: createImports(environment, memory) })
  const { entry, gasLeft, stack } = readExports(instance)
  gas.attach(gasLeft)
  stack.value += plan.stackAddend
  try {
    gas.charge(plan.opening)
    entry()
    gas.charge(plan.closing)
  } catch (error) {
    if (gas.exhausted) return { kind: 'failure', message: gasLimitViolated, usedGas: invocation.gasLimit }
    const detail = faultText(error, stack.value)
    if (detail === undefined) throw error
    return { kind: 'failure', message: displayText('WASM code', detail), usedGas: gas.used }
  }
  return { kind: 'success', output: environment.output, usedGas: gas.billed, ethereum: environment.ethereum }
}

/** Why the contract's code ended, or undefined if it was not the contract's doing. */
function faultText(error: unknown, stack: bigint): string | undefined {
  if (error instanceof ContractFault) return error.message
  if (isEngineStackOverflow(error)) return 'stack overflow'
  if (!(error instanceof WebAssembly.RuntimeError)) return undefined
  switch (passedLimit(stack)) {
    case 'height':
      return 'unreachable'
    case 'depth or slots':
      return 'stack overflow'
    default:
      return trapText(error)
  }
}

function createMemory({ initial, maximum }: Limits): WebAssembly.Memory {
  return new WebAssembly.Memory(maximum === undefined ? { initial } : { initial, maximum })
}

/** Everything a contract may import; the instance takes what its module names. */
function createImports(environment: Environment, memory: WebAssembly.Memory | undefined): WebAssembly.ModuleImports {
  const imports: WebAssembly.ModuleImports = memory === undefined ? {} : { memory }
  for (const { name, call } of hostFunctions.values()) {
    // WebAssembly hands i32 over as signed numbers; to the contract they are addresses and lengths.
    imports[name] = (...args: number[]) => call(environment, ...args.map((arg) => arg >>> 0))
  }
  return imports
}

interface InstrumentedInstance {
  entry: () => unknown
  gasLeft: WebAssembly.Global<'i64'>
  stack: WebAssembly.Global<'i64'>
}

function readExports({ exports }: WebAssembly.Instance): InstrumentedInstance {
  const { entry, gasLeft, stack } = instrumentedExports
  return {
    entry: exports[entry] as () => unknown,
    gasLeft: exports[gasLeft] as WebAssembly.Global<'i64'>,
    stack: exports[stack] as WebAssembly.Global<'i64'>,
  }
}
