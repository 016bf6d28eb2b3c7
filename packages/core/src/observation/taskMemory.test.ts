import { randomBytes } from '@bletchley/crypto'
import { expect, it, vi } from 'vitest'
import { TaskMemory } from './taskMemory.ts'

const address = randomBytes(32)
const data = new Uint8Array(70)
const numbered = (index: number): Uint8Array => {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, index)
  return bytes
}

it('sums tasks by type and outcome', () => {
  const memory = new TaskMemory()
  const none = { success: 0, failed: 0, error: 0, gas: 0n }
  expect(memory.tallies).toEqual({ DeploySecretContract: none, ComputeTask: none })
  memory.taskEnded({
    address,
    type: 'DeploySecretContract',
    outcome: 'success',
    usedGas: 100n,
    delta: { key: 0, data },
  })
  memory.taskEnded({ address, type: 'ComputeTask', outcome: 'success', usedGas: 7n })
  memory.taskEnded({ address, type: 'ComputeTask', outcome: 'success', usedGas: 3n })
  memory.taskEnded({ address, type: 'ComputeTask', outcome: 'failed', usedGas: 5n })
  memory.taskEnded({ address, type: 'ComputeTask', outcome: 'error', usedGas: 0n })
  expect(memory.tallies).toEqual({
    DeploySecretContract: { success: 1, failed: 0, error: 0, gas: 100n },
    ComputeTask: { success: 2, failed: 1, error: 1, gas: 15n },
  })
})

it('knows the task that made a delta, by its length', () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 5000 })
  try {
    const memory = new TaskMemory()
    memory.taskEnded({ address, type: 'ComputeTask', outcome: 'success', usedGas: 7n, delta: { key: 3, data } })
    expect(memory.taskOf(address, 3, 70)).toEqual({ type: 'ComputeTask', bytes: 70, usedGas: 7n, at: 5000 })
    expect([
      memory.taskOf(address, 3, 71),
      memory.taskOf(address, 2, 70),
      memory.taskOf(randomBytes(32), 3, 70),
    ]).toEqual(Array(3).fill(undefined))
  } finally {
    vi.useRealTimers()
  }
})

it('knows the size of a state until it changes', () => {
  const memory = new TaskMemory()
  const other = randomBytes(32)
  memory.stateSeen(address, 400)
  memory.stateSeen(other, 0)
  expect([memory.stateBytes(address), memory.stateBytes(other)]).toEqual([400, 0])
  memory.take({ address, kind: 'changed', firstDelta: 1, bytecode: false, snapshot: false })
  expect([memory.stateBytes(address), memory.stateBytes(other)]).toEqual([undefined, 0])
})

it('remembers 50 000 tasks and 100 000 states', () => {
  const memory = new TaskMemory()
  for (let key = 0; key <= 50_000; key++) {
    memory.taskEnded({ address, type: 'ComputeTask', outcome: 'success', usedGas: 1n, delta: { key, data } })
  }
  expect([0, 1, 50_000].map((key) => memory.taskOf(address, key, 70) !== undefined)).toEqual([false, true, true])
  for (let index = 0; index <= 100_000; index++) memory.stateSeen(numbered(index), 9)
  expect([0, 1, 100_000].map((index) => memory.stateBytes(numbered(index)))).toEqual([undefined, 9, 9])
})
