import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { type Outcome, threadStackMb } from '@bletchley/sandbox'
import { type ContractState, decodeDelta, encodeState } from '@bletchley/state'
import type { Randomness } from './randomness.ts'
import type { RunRequest, RunResult } from './run.ts'

/** A run that takes longer is given up; even 100 million gas are spent in a fraction of it. */
const timeoutMs = 120_000

/** What the thread is given. State and patch travel as their MessagePack: structured cloning would lose number kinds. */
export interface DeepRunData {
  request: RunRequest
  state: Uint8Array
  seed: Uint8Array
  position: number
  port: MessagePort
  /** Set to 1 when the answer is on its way. */
  done: Int32Array
}

export interface DeepRunAnswer {
  outcome: Outcome
  printed: string[]
  /** A delta with the patch. */
  delta: Uint8Array
  position: number
}

/** `run` on a thread with the stack of a worker's. The caller waits; starting the thread takes a tenth of a second. */
export function deepRun(request: RunRequest, state: ContractState, randomness: Randomness): RunResult {
  const { port1, port2 } = new MessageChannel()
  const data: Omit<DeepRunData, 'port'> & { port: typeof port2 } = {
    request,
    state: encodeState(state),
    seed: randomness.seed,
    position: randomness.position,
    port: port2,
    done: new Int32Array(new SharedArrayBuffer(4)),
  }
  const thread = new Worker(new URL('./deepThread.js', import.meta.url), {
    workerData: data,
    transferList: [port2],
    resourceLimits: { stackSizeMb: threadStackMb },
  })
  thread.unref()
  const isLate = Atomics.wait(data.done, 0, 0, timeoutMs) === 'timed-out'
  const answer = isLate ? undefined : (receiveMessageOnPort(port1)?.message as DeepRunAnswer | undefined)
  port1.close()
  if (answer === undefined) throw new Error('The thread with the large stack did not answer')
  randomness.position = answer.position
  return { outcome: answer.outcome, printed: answer.printed, patch: decodeDelta(answer.delta).patch }
}
