// Runs tasks on a thread with the stack that a worker gives its compute threads. It is bundled (deepStack.ts), so that the sources are tested.
import { parentPort, workerData } from 'node:worker_threads'
import { deploy, prepareRuntime, runCompute } from '../../src/index.ts'

/** Name of the error that ends the code, if there is no sandbox that makes a text of it. */
function bareError({ compiled, memory }, gasLimit) {
  const env = new Proxy(memory === undefined ? {} : { memory: new WebAssembly.Memory(memory) }, {
    get: (imports, field) => imports[field] ?? (() => 0),
  })
  const { gasLeft, call } = new WebAssembly.Instance(compiled, { env }).exports
  gasLeft.value = gasLimit
  try {
    call()
    return undefined
  } catch (error) {
    return error.name
  }
}

parentPort.postMessage(
  workerData.tasks.map(({ bytes, deployment, gasLimit, rounds = 1, profiled }) => {
    const invocation = () => ({ functionName: '', args: new Uint8Array(), gasLimit, state: new Map(), host: {} })
    if (deployment) return { error: undefined, outcomes: [deploy(bytes, invocation())] }
    const prepared = prepareRuntime(bytes, { profiled })
    if (prepared.kind === 'refused') throw new Error(prepared.message)
    const outcomes = Array.from({ length: rounds }, () => runCompute(prepared.module, invocation()))
    return { error: bareError(prepared.module, gasLimit), outcomes }
  }),
)
