import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Outcome } from '../../src/index.ts'

export interface DeepTask {
  bytes: Uint8Array
  deployment?: boolean
  gasLimit: bigint
}

/** Runs tasks, one after the other, on a thread with a 64 MB stack, as the worker core does. */
export async function runOnDeepStack(tasks: DeepTask[]): Promise<Outcome[]> {
  const worker = new Worker(new URL('./deepStack.mjs', import.meta.url), {
    workerData: { tasks },
    resourceLimits: { stackSizeMb: 64 },
  })
  const [outcomes] = await once(worker, 'message')
  await worker.terminate()
  return outcomes as Outcome[]
}
