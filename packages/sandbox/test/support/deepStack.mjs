// Runs tasks on a thread with the stack that a worker gives its compute threads. Needs the built package.
import { parentPort, workerData } from 'node:worker_threads'
import { deploy, prepareRuntime, runCompute } from '../../dist/index.js'

parentPort.postMessage(
  workerData.tasks.map(({ bytes, deployment, gasLimit }) => {
    const invocation = { functionName: '', args: new Uint8Array(), gasLimit, state: new Map(), host: {} }
    if (deployment) return deploy(bytes, invocation)
    const prepared = prepareRuntime(bytes)
    if (prepared.kind === 'refused') return { kind: 'failure', message: prepared.message, usedGas: 0n }
    return runCompute(prepared.module, invocation)
  }),
)
