import { prepareDeployment } from './deployment/constructor.ts'
import { displayText, gasLimitViolated, ModuleError } from './errors.ts'
import { gasPerCodeByte, gasPerCompute, gasPerDeploy } from './gasCosts.ts'
import type { Invocation } from './host/environment.ts'
import { runLimits } from './limits.ts'
import { entryCharge } from './meter/instrument.ts'
import { stackAddend } from './meter/stackCounter.ts'
import type { Outcome } from './outcome.ts'
import { type CheckedModule, checkModule, compileModule, type PreparedModule, type PrepareOptions } from './prepare.ts'
import { type RunPlan, run } from './run.ts'
import { decodeModule } from './wasm/decode.ts'

/** `refused` carries the display text of the failed task, whose usedGas is 0. */
export type Prepared = { kind: 'ready'; module: PreparedModule } | { kind: 'refused'; message: string }

/**
 * Decodes, checks, meters and compiles the code of a deployed contract. The result depends on `exeCode` only, so it
 * can be kept and used for any number of runs.
 */
export function prepareRuntime(exeCode: Uint8Array, options?: PrepareOptions): Prepared {
  try {
    return { kind: 'ready', module: compileModule(checkModule(decodeModule(exeCode), 'call'), options) }
  } catch (error) {
    if (error instanceof ModuleError) return { kind: 'refused', message: error.message }
    throw error
  }
}

/**
 * Runs export `call`. The run needs a thread with a large stack (`threadStackMb`), or the engine's stack ends before the
 * deterministic limits do. On failure the caller discards what happened to `invocation.state`.
 */
export function runCompute(module: PreparedModule, invocation: Invocation): Outcome {
  return run(module, invocation, { opening: 0n, closing: gasPerCompute, stackAddend: 0n })
}

/**
 * What a task fails with whose run went well, but whose delta is larger than `runLimits.deltaBytes`: other workers could not
 * be sent it.
 */
export const deltaTooLarge: string = displayText('WASM code', runLimits.deltaBytes.text)

/** The reference calls `deploy` from a generated function, whose operands and activation count. */
const wrapperUse = stackAddend({ height: 2, depth: 1, slots: 0 })

/**
 * Runs export `deploy` of pre-code, if it has one; the output of success is exeCode, whatever the constructor passed to
 * `ret`. The thread needs a large stack, as for `runCompute`. On failure the caller discards what happened to
 * `invocation.state`.
 */
export function deploy(preCode: Uint8Array, invocation: Invocation): Outcome {
  try {
    const { exeCode, constructorModule } = prepareDeployment(preCode)
    const closing = BigInt(exeCode.length) * gasPerCodeByte
    const plan = { opening: gasPerDeploy, closing, stackAddend: wrapperUse }
    const { gasLimit } = invocation
    if (gasLimit < leastCharge(constructorModule, plan)) {
      return { kind: 'failure', message: gasLimitViolated, usedGas: gasLimit }
    }
    const outcome = run(compileModule(constructorModule), invocation, plan)
    return outcome.kind === 'success' ? { ...outcome, output: exeCode } : outcome
  } catch (error) {
    if (error instanceof ModuleError) return { kind: 'failure', message: error.message, usedGas: 0n }
    throw error
  }
}

/**
 * What a run pays before anything else can end it. Whoever cannot pay it need not be metered and compiled for: most of the
 * work of a deployment. A computation is, since its module is kept for the next one.
 */
function leastCharge({ module, entry, analyses }: CheckedModule, { opening, stackAddend: before }: RunPlan): bigint {
  return opening + BigInt(entryCharge(module, entry, analyses, before))
}
