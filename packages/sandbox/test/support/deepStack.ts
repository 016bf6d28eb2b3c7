import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { buildSync } from 'esbuild'
import { type Outcome, threadStackMb } from '../../src/index.ts'

export interface DeepTask {
  bytes: Uint8Array
  deployment?: boolean
  profiled?: boolean
  gasLimit: bigint
  /** How often it runs; the engine optimises what it sees often. */
  rounds?: number
}

export interface DeepResult {
  /** Name of the error that ended the bare code, outside the sandbox: `RangeError` if the engine's own stack ended. */
  error: string | undefined
  /** Of each round. */
  outcomes: Outcome[]
}

let bundle: string | undefined

/** The thread's code with the sources of the sandbox: what is built may be older. */
function threadCode(): string {
  if (bundle !== undefined) return bundle
  const folder = mkdtempSync(join(tmpdir(), 'bletchley-deep-stack-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  bundle = join(folder, 'thread.mjs')
  buildSync({
    entryPoints: [fileURLToPath(new URL('./deepStack.mjs', import.meta.url))],
    bundle: true,
    format: 'esm',
    platform: 'node',
    conditions: ['source'],
    outfile: bundle,
  })
  return bundle
}

/** Runs tasks, one after the other, on a thread with the stack that the worker core gives its own. */
export async function runOnDeepStack(tasks: DeepTask[]): Promise<DeepResult[]> {
  const worker = new Worker(threadCode(), {
    workerData: { tasks },
    resourceLimits: { stackSizeMb: threadStackMb },
  })
  const [results] = await once(worker, 'message')
  await worker.terminate()
  return results as DeepResult[]
}

/** The same in a process of its own, with flags for the engine. */
export async function runOnDeepStackWith(flags: readonly string[], tasks: DeepTask[]): Promise<DeepResult[]> {
  const child = fork(new URL('./deepStackProcess.mjs', import.meta.url), {
    execArgv: [...flags],
    serialization: 'advanced',
  })
  child.send({ thread: threadCode(), stackSizeMb: threadStackMb, tasks })
  const [results] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the process ended with ${code ?? signal}`)
    }),
  ])
  return results as DeepResult[]
}
