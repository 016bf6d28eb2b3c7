import { keccak256 } from '@bletchley/crypto'
import { describe, expect, it, vi } from 'vitest'
import { decodeReceipt, encodeReceipt, gasOfReceipt, TaskReplies, type TaskReply } from './taskReplies.ts'

const mebibyte = 1024 * 1024
const contract = new Uint8Array(32)
const small = (): Uint8Array => new Uint8Array(65)

const results = () => ({
  output: small(),
  delta: { key: 0, data: small() },
  usedGas: 1n,
  ethereumPayload: small(),
  ethereumAddress: small(),
  signature: small(),
})

/** A reply of each kind. */
const replies: Record<TaskReply['kind'], () => TaskReply> = {
  deployed: () => ({ kind: 'deployed', result: { ...results(), preCodeHash: small() }, codeHash: small() }),
  computed: () => ({ kind: 'computed', result: results() }),
  failed: () => ({ kind: 'failed', result: { output: small(), usedGas: 1n, signature: small() } }),
}

/** Where a reply holds bytes, as the steps that lead there. */
function placesOfBytes(value: object): string[][] {
  return Object.entries(value).flatMap(([name, member]) => {
    if (member instanceof Uint8Array) return [[name]]
    if (typeof member !== 'object') return []
    return placesOfBytes(member).map((rest) => [name, ...rest])
  })
}

function withBytes<T extends object>(value: T, [name, ...rest]: string[], bytes: Uint8Array): T {
  const member = (value as Record<string, object>)[name!]!
  return { ...value, [name!]: rest.length === 0 ? bytes : withBytes(member, rest, bytes) }
}

const taskId = (task: number): Uint8Array => Uint8Array.of(task >>> 8, task & 0xff)

function keptOf(count: number, reply: () => TaskReply): number {
  const kept = new TaskReplies()
  for (let task = 0; task < count; task++) kept.keep(taskId(task), contract, reply())
  let found = 0
  for (let task = 0; task < count; task++) if (kept.get(taskId(task)) !== undefined) found++
  return found
}

describe.each(Object.entries(replies))('replies that are kept: %s', (_, reply) => {
  const places = placesOfBytes(reply())

  it.each(places.map((place) => [place.join('.'), place] as const))('weigh their %s', (_, place) => {
    // In 64 MiB there is room for 15 of 4 MiB and what is beside them.
    expect(keptOf(20, () => withBytes(reply(), place, new Uint8Array(4 * mebibyte)))).toBe(15)
  })

  it('weigh the memory that a small part of a large one keeps', () => {
    const part = () => new Uint8Array(4 * mebibyte).subarray(0, 65)
    expect(keptOf(20, () => withBytes(reply(), places[0]!, part()))).toBe(15)
  })

  it('weigh something without much in them', () => {
    const large = () => withBytes(reply(), places[0]!, new Uint8Array(64 * 1024))
    // What is beside the 64 KiB takes away from the 1024 that would fit.
    expect(keptOf(1024, large)).toBeLessThan(993)
    expect(keptOf(1024, large)).toBeGreaterThan(980)
  })

  it('are 10 000 at most', () => {
    expect(keptOf(10_001, reply)).toBe(10_000)
  })
})

it('keeps a reply for an hour', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const kept = new TaskReplies()
    kept.keep(taskId(1), contract, replies.failed())
    vi.advanceTimersByTime(60 * 60 * 1000 - 1)
    expect(kept.get(taskId(1))).toEqual(replies.failed())
    vi.advanceTimersByTime(1)
    expect(kept.get(taskId(1))).toBeUndefined()
  } finally {
    vi.useRealTimers()
  }
})

it('forgets the replies of one contract', () => {
  const kept = new TaskReplies()
  const other = contract.map(() => 1)
  for (const [task, owner] of [contract, other, contract].entries()) kept.keep(taskId(task), owner, replies.failed())
  kept.forget(contract)
  expect([0, 1, 2].map((task) => kept.get(taskId(task)) !== undefined)).toEqual([false, true, false])
})

describe('a receipt', () => {
  const bytes = (value: number): Uint8Array => new Uint8Array(65).fill(value)
  const delta = { key: 3, data: bytes(1) }
  const signed = { usedGas: 2n ** 63n, ethereumPayload: bytes(2), ethereumAddress: bytes(3), signature: bytes(4) }
  const bytecode = bytes(5)

  it('gives the reply to a computation, without the bytecode', () => {
    const reply = { kind: 'computed', result: { ...signed, delta, output: bytes(6) } } as const
    expect(decodeReceipt(encodeReceipt(reply), delta)).toEqual(reply)
    expect(gasOfReceipt(encodeReceipt(reply))).toBe(String(2n ** 63n))
  })

  it('gives the reply to a deployment, as long as its bytecode is there', () => {
    const result = { ...signed, delta, output: bytecode, preCodeHash: bytes(6) }
    const reply = { kind: 'deployed', result, codeHash: keccak256(bytecode) } as const
    const receipt = encodeReceipt(reply)
    expect(decodeReceipt(receipt, delta, { bytecode, hash: keccak256(bytecode) })).toEqual(reply)
    expect(decodeReceipt(receipt, delta, { bytecode, hash: keccak256(bytes(7)) })).toBeUndefined()
    expect(decodeReceipt(receipt, delta)).toBeUndefined()
  })

  it('of another form tells no gas', () => {
    for (const text of ['', '{}', '{"usedGas":"x"}', 'x{"usedGas":"1"}']) {
      expect(gasOfReceipt(new TextEncoder().encode(text)), text).toBeUndefined()
    }
  })
})
