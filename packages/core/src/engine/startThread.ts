import { Worker } from 'node:worker_threads'
import { threadStackMb } from '@bletchley/sandbox'
import type { ThreadData } from './threadMessages.ts'

/** A state that does not fit ends its task, and not the process. */
const maxOldGenerationSizeMb = 1024

export function startThread(workerData: ThreadData): Worker {
  return new Worker(new URL('./computeThread.js', import.meta.url), {
    workerData,
    resourceLimits: { stackSizeMb: threadStackMb, maxOldGenerationSizeMb },
    // Contract code must not see what the operator's environment holds.
    env: {},
  })
}
