// A process that takes tasks, runs them on a thread with a large stack, and sends the results back.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const [{ thread, stackSizeMb, tasks }] = await once(process, 'message')
const worker = new Worker(thread, { workerData: { tasks }, resourceLimits: { stackSizeMb } })
const [results] = await once(worker, 'message')
await worker.terminate()
process.send(results, () => process.disconnect())
