import { expect, it } from 'vitest'
import { bytes32 } from '../../test/model.ts'
import { nameOf } from '../arguments.ts'
import { type KnownContract, KnownContracts, withTask } from './knownContracts.ts'

const known = (record: number, tasks = 0): KnownContract => ({
  record: Uint8Array.of(record),
  tipHash: undefined,
  hasBytecode: true,
  tasks: new Map(Array.from({ length: tasks }, (_, key) => [`${key}`, key])),
})

it('what is known of a contract counts for the record that it was found out at, and for no other', () => {
  const contracts = new KnownContracts()
  expect(contracts.find(bytes32(1), Uint8Array.of(1))).toBeUndefined()
  contracts.keep(bytes32(1), known(1))
  expect(contracts.find(bytes32(1), Uint8Array.of(1))).toEqual(known(1))
  expect(contracts.find(bytes32(1), Uint8Array.of(2))).toBeUndefined()
  expect(contracts.find(bytes32(2), Uint8Array.of(1))).toBeUndefined()
})

it('what is known takes 64 MiB, by the tasks of each contract, and what was not used for longest goes', () => {
  const contracts = new KnownContracts()
  const address = (number: number) =>
    bytes32(1)
      .fill(number >> 8, 0, 1)
      .fill(number & 255, 1, 2)
  // 1024 bytes for each contract, and 96 for each of its tasks.
  const room = Math.floor((64 * 1024 * 1024) / (1024 + 64 * 96))
  for (let number = 0; number < room; number++) contracts.keep(address(number), known(1, 64))
  expect(contracts.find(address(0), Uint8Array.of(1))).toBeDefined()
  contracts.keep(address(room), known(1, 64))
  expect(contracts.find(address(1), Uint8Array.of(1))).toBeUndefined()
  expect(contracts.find(address(0), Uint8Array.of(1))).toBeDefined()
})

it('a task takes its place among the last 64, and in front of those that cannot follow it', () => {
  let tasks: Map<string, number> = new Map()
  for (let key = 0; key < 70; key++) tasks = withTask(tasks, key, bytes32(key))
  expect([...tasks.values()]).toEqual(Array.from({ length: 64 }, (_, index) => index + 6))
  tasks = withTask(tasks, 68, undefined)
  expect(Math.max(...tasks.values())).toBe(67)
  tasks = withTask(tasks, 69, bytes32(7))
  expect([tasks.get(nameOf(bytes32(7))), tasks.get(nameOf(bytes32(6)))]).toEqual([69, 6])
})
