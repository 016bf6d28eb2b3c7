import { equalBytes } from '@bletchley/bytes'
import { nameOf } from '../arguments.ts'
import { BoundedMap } from '../boundedMap.ts'
import { keptReceipts } from '../contractStore.ts'

/** What tasks need to know of a contract that its record does not tell. */
export interface KnownContract {
  /** The record of which it is true: another one makes it worthless. */
  readonly record: Uint8Array
  /** Of the newest delta; absent if there is none. */
  readonly tipHash: Uint8Array | undefined
  readonly hasBytecode: boolean
  /** The numbers of the deltas that tasks made whose receipts are stored, by the tasks' names. */
  readonly tasks: ReadonlyMap<string, number>
}

/** What a contract takes without its tasks, and each of these, in bytes. Measured on Node 20: 910 and 74. */
const memoryPerContract = 1024
const memoryPerTask = 96

const bounds = {
  weight: {
    most: 64 * 1024 * 1024,
    of: ({ tasks }: KnownContract) => memoryPerContract + tasks.size * memoryPerTask,
  },
}

/** Remembers what was found out about contracts, so that a task costs no look at what has not changed. */
export class KnownContracts {
  readonly #contracts = new BoundedMap<KnownContract>(bounds)

  /** What is known of a contract that has this record. */
  find(address: Uint8Array, record: Uint8Array): KnownContract | undefined {
    const known = this.#contracts.use(nameOf(address))
    return known !== undefined && equalBytes(known.record, record) ? known : undefined
  }

  keep(address: Uint8Array, known: KnownContract): void {
    this.#contracts.set(nameOf(address), known)
  }
}

/** The tasks with receipts behind a task that made a delta: deltas from its number on have gone, and so have old receipts. */
export function withTask(
  tasks: ReadonlyMap<string, number>,
  key: number,
  taskId: Uint8Array | undefined,
): Map<string, number> {
  const after = new Map<string, number>()
  for (const [task, number] of tasks) if (number < key && number > key - keptReceipts) after.set(task, number)
  return taskId === undefined ? after : after.set(nameOf(taskId), key)
}
