import { bytesToHex } from '@bletchley/bytes'
import { BoundedMap, type ContractChange } from '@bletchley/store'
import type { EndedTask, TaskObserver } from '../engine/taskEngine.ts'

/** What is kept of tasks and states. */
const rememberedTasks = { entries: 50_000 }
const rememberedStates = { entries: 100_000 }

/** The task that made a delta. */
interface TaskOfDelta {
  type: EndedTask['type']
  /** Bytes of the delta. */
  bytes: number
  usedGas: bigint
  /** When it ended, in milliseconds since 1970. */
  at: number
}

/** What this process has seen of tasks: how they ended, what they cost, and how large the states are now. */
export class TaskMemory implements TaskObserver {
  readonly #tasks = new BoundedMap<TaskOfDelta>(rememberedTasks)
  readonly #states = new BoundedMap<number>(rememberedStates)
  /** By type of task. */
  readonly tallies = { DeploySecretContract: tally(), ComputeTask: tally() }

  taskEnded({ address, type, outcome, usedGas, delta }: EndedTask): void {
    const tally = this.tallies[type]
    tally[outcome] += 1
    tally.gas += usedGas
    if (delta === undefined) return
    const { key, data } = delta
    this.#tasks.set(nameOf(address, key), { type, bytes: data.length, usedGas, at: Date.now() })
  }

  stateSeen(address: Uint8Array, bytes: number): void {
    this.#states.set(bytesToHex(address), bytes)
  }

  /** The task that made a delta; none if the stored delta has become another one, as far as its length tells. */
  taskOf(address: Uint8Array, key: number, bytes: number): TaskOfDelta | undefined {
    const task = this.#tasks.get(nameOf(address, key))
    return task?.bytes === bytes ? task : undefined
  }

  stateBytes(address: Uint8Array): number | undefined {
    return this.#states.get(bytesToHex(address))
  }

  /** A state that a write has changed is of another size now; a task tells it right behind its own write. */
  take({ address }: ContractChange): void {
    this.#states.delete(bytesToHex(address))
  }
}

function tally() {
  return { success: 0, failed: 0, error: 0, gas: 0n }
}

function nameOf(address: Uint8Array, key: number): string {
  return `${bytesToHex(address)}:${key}`
}
