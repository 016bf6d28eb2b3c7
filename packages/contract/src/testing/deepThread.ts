import { workerData } from 'node:worker_threads'
import { decodeState, encodeDelta } from '@bletchley/state'
import type { DeepRunAnswer, DeepRunData } from './deepRun.ts'
import { Randomness } from './randomness.ts'
import { run } from './run.ts'

const { request, state, seed, position, port, done } = workerData as DeepRunData
try {
  const randomness = new Randomness(seed)
  randomness.position = position
  const { outcome, printed, patch } = run(request, decodeState(state), randomness)
  const delta = encodeDelta({ patch, previousHash: new Uint8Array(32) })
  const answer: DeepRunAnswer = { outcome, printed, delta, position: randomness.position }
  port.postMessage(answer)
} finally {
  Atomics.store(done, 0, 1)
  Atomics.notify(done, 0)
}
