import { ContractFault, displayText, gasLimitViolated } from './errors.ts'
import { Environment, type Invocation } from './host/environment.ts'
import { hostFunctions } from './host/registry.ts'
import { cutUtf8 } from './host/text.ts'
import { maxReasonBytes, runLimits } from './limits.ts'
import { returnMemory, takeMemory } from './memories.ts'
import { instrumentedExports } from './meter/instrument.ts'
import { passedLimit } from './meter/stackCounter.ts'
import type { Outcome } from './outcome.ts'
import type { PreparedModule } from './prepare.ts'
import { Profiler } from './profile.ts'
import { RunGas } from './runGas.ts'
import { isEngineStackOverflow, trapText } from './traps.ts'

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
  if (prepared.memory === undefined) return runIn(undefined, prepared, invocation, plan)
  const memory = takeMemory(prepared.memory)
  try {
    return runIn(memory, prepared, invocation, plan)
  } finally {
    returnMemory(memory, prepared.memory)
  }
}

function runIn(
  memory: WebAssembly.Memory | undefined,
  prepared: PreparedModule,
  invocation: Invocation,
  plan: RunPlan,
): Outcome {
  const profiler = prepared.profiled && new Profiler(prepared.profiled, invocation, memory)
  const gas = profiler?.gas ?? new RunGas(invocation.gasLimit)
  const environment = profiler?.environment ?? new Environment(invocation, gas, memory)
  const imports = createImports(environment, memory)
  const instance = new WebAssembly.Instance(prepared.compiled, { env: profiler?.watch(imports) ?? imports })
  const { entry, gasLeft, stack, localsLeft } = readExports(instance)
  gas.attach(gasLeft)
  stack.value += plan.stackAddend
  const outcome = enter(entry, { invocation, plan, gas, stack, localsLeft, environment })
  return profiler === undefined ? outcome : { ...outcome, profile: profiler.profile(instance.exports, outcome) }
}

interface Running {
  invocation: Invocation
  plan: RunPlan
  gas: RunGas
  stack: WebAssembly.Global<'i64'>
  localsLeft: WebAssembly.Global<'i64'>
  environment: Environment
}

function enter(entry: () => unknown, running: Running): Outcome {
  const { invocation, plan, gas, environment } = running
  try {
    gas.chargeFlat(plan.opening)
    entry()
    gas.chargeFlat(plan.closing)
  } catch (error) {
    if (gas.exhausted) return { kind: 'failure', message: gasLimitViolated, usedGas: invocation.gasLimit }
    const detail = faultText(error, running)
    if (detail === undefined) throw error
    return { kind: 'failure', message: displayText('WASM code', detail), usedGas: gas.used }
  }
  return { kind: 'success', output: environment.output, usedGas: gas.billed, ethereum: environment.ethereum }
}

/**
 * Why the contract's code ended, or undefined if it was not the contract's doing.
 *
 * What it printed right before is the reason of an `unreachable` that it executed itself.
 */
function faultText(error: unknown, { stack, localsLeft, environment }: Running): string | undefined {
  const { lastWords } = environment
  if (error instanceof ContractFault) return error.message
  if (isEngineStackOverflow(error)) return 'stack overflow'
  if (!(error instanceof WebAssembly.RuntimeError)) return undefined
  if (localsLeft.value < 0n) return runLimits.idleLocals.text
  switch (passedLimit(stack.value)) {
    case 'height':
      return 'unreachable'
    case 'depth or slots':
      return 'stack overflow'
    default: {
      const text = trapText(error)
      return text === 'unreachable' && lastWords !== '' ? `${text}: ${cutUtf8(lastWords, maxReasonBytes)}` : text
    }
  }
}

/** Everything a contract may import; the instance takes what its module names. */
function createImports(environment: Environment, memory: WebAssembly.Memory | undefined): WebAssembly.ModuleImports {
  const imports: WebAssembly.ModuleImports = memory === undefined ? {} : { memory }
  for (const { name, call } of hostFunctions.values()) {
    // WebAssembly hands i32 over as signed numbers; to the contract they are addresses and lengths. No host function has
    // more than four parameters, and a list of the arguments would cost more than most calls.
    imports[name] = (first: number, second: number, third: number, fourth: number) => {
      environment.countCall()
      environment.lastWords = ''
      return call(environment, first >>> 0, second >>> 0, third >>> 0, fourth >>> 0)
    }
  }
  return imports
}

interface InstrumentedInstance {
  entry: () => unknown
  gasLeft: WebAssembly.Global<'i64'>
  stack: WebAssembly.Global<'i64'>
  localsLeft: WebAssembly.Global<'i64'>
}

function readExports({ exports }: WebAssembly.Instance): InstrumentedInstance {
  const { entry, gasLeft, stack, localsLeft } = instrumentedExports
  return {
    entry: exports[entry] as () => unknown,
    gasLeft: exports[gasLeft] as WebAssembly.Global<'i64'>,
    stack: exports[stack] as WebAssembly.Global<'i64'>,
    localsLeft: exports[localsLeft] as WebAssembly.Global<'i64'>,
  }
}
