// A process that takes tasks, runs them on a thread with a large stack, and sends the results back.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { threadStackMb } from '../../dist/index.js'

const [tasks] = await once(process, 'message')
const worker = new Worker(new URL('./deepStack.mjs', import.meta.url), {
  workerData: { tasks },
  resourceLimits: { stackSizeMb: threadStackMb },
})
const [results] = await once(worker, 'message')
await worker.terminate()
process.send(results, () => process.disconnect())
