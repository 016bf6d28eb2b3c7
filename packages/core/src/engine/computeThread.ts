// The entry of a compute thread: takes jobs from the engine, one at a time, and answers each.
import { getPriority, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { bytesToHex } from '@bletchley/bytes'
import { SecretKey } from '@bletchley/crypto'
import { NoRoomError, reserveMemory, wipeMemories } from '@bletchley/sandbox'
import { ContractRunner } from './contractRunner.ts'
import type { ContractRecords } from './contractStates.ts'
import { Simulator } from './simulator.ts'
import type { Job, JobResult, MessageFromThread, MessageToThread, RecordsCall, ThreadData } from './threadMessages.ts'

/** So that contracts that burn gas on all processors do not keep the thread that answers reads from its turn. */
const niceness = 10
// Linux gives each thread a priority of its own; elsewhere the whole process would step back. Only root may step forward.
if (process.platform === 'linux') setPriority(Math.max(getPriority(), niceness))

if (parentPort === null) throw new Error('computeThread runs as a worker thread')
const port = parentPort
const { signingKey, encryptEmptyOutput } = workerData as ThreadData

const post = (message: MessageFromThread): void => port.postMessage(message)

let waiting: { resolve(value: unknown): void; reject(error: Error): void } | undefined

/** Asks the engine for records; a job asks for one thing at a time. */
function ask(call: RecordsCall): Promise<unknown> {
  return new Promise((resolve, reject) => {
    waiting = { resolve, reject }
    post({ kind: 'records', call })
  })
}

const records: ContractRecords = {
  bytecode: (...args) => ask({ name: 'bytecode', args }) as ReturnType<ContractRecords['bytecode']>,
  snapshot: (...args) => ask({ name: 'snapshot', args }) as ReturnType<ContractRecords['snapshot']>,
  deltas: (...args) => ask({ name: 'deltas', args }) as ReturnType<ContractRecords['deltas']>,
}

const runner = new ContractRunner(
  {
    signingKey: new SecretKey(signingKey),
    encryptEmptyOutput,
    share: (module) => post({ kind: 'compiled', module }),
  },
  records,
)

async function perform(job: Job): Promise<JobResult> {
  if (job.forget) runner.forget(bytesToHex(job.request.address))
  switch (job.kind) {
    case 'deploy':
      return runner.deploy(job.request)
    case 'compute':
      return runner.compute(job.request, job.module)
    case 'simulate':
      return new Simulator(records).simulate(job.request)
    case 'rebuild':
      return runner.rebuild(job.request)
    case 'prepare':
      if (job.module === undefined) await runner.prepare(job.request)
      return undefined
    case 'hashCode':
      return runner.hashCode(job.request)
  }
}

async function answer(job: Job): Promise<void> {
  try {
    const result = await perform(job)
    post({ kind: 'done', result, states: runner.states })
  } catch (error) {
    post({
      kind: 'failed',
      reason: error instanceof NoRoomError ? error.message : placeOf(error),
      states: runner.states,
    })
  }
  // Behind the reply, so that nobody waits for it.
  wipeMemories()
}

/** Where it failed, not what it said: the message could quote a contract's data. */
function placeOf(error: unknown): string {
  const { name, stack = '' } = error instanceof Error ? error : new Error()
  const places = stack.split('\n').filter((line) => line.startsWith('    at '))
  return [name, ...places].join('\n')
}

port.on('message', (message: MessageToThread) => {
  if (message.kind === 'job') void answer(message.job)
  else if (message.kind === 'forget') for (const name of message.names) runner.forget(name)
  else if (message.kind === 'records') waiting?.resolve(message.value)
  else waiting?.reject(new Error(message.reason))
})
// Before anything else in the process takes the room.
if (!reserveMemory()) post({ kind: 'noRoom' })
post({ kind: 'ready' })
