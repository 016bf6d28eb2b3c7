import { bytesToHex, utf8ToBytes } from '@bletchley/bytes'
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
    expect(keptOf(1024, large)).toBeGreaterThan(970)
  })

  it('are some 20 000 when they are small', () => {
    const kept = keptOf(30_000, reply)
    expect(kept).toBeGreaterThan(20_000)
    expect(kept).toBeLessThan(26_200)
  })
})

describe('of replies that take more than is kept', () => {
  const other = contract.map(() => 1)
  const ofBytes = (bytes: number) => withBytes(replies.computed(), ['result', 'output'], new Uint8Array(bytes))
  /** The first task is one's own; then come another user's. Tells how many of each are left. */
  function left(own: [Uint8Array, number], count: number, others: (task: number) => [Uint8Array, number]) {
    const kept = new TaskReplies()
    kept.keep(taskId(0), own[0], ofBytes(own[1]))
    for (let task = 1; task <= count; task++) {
      const [address, bytes] = others(task)
      kept.keep(taskId(task), address, ofBytes(bytes))
    }
    const found = (task: number) => (kept.get(taskId(task)) === undefined ? 0 : 1)
    let theirs = 0
    for (let task = 1; task <= count; task++) theirs += found(task)
    return [found(0), theirs]
  }

  it.each([
    ['large ones of another contract', other, 8 * mebibyte, 100, 7],
    ['large ones of the same contract', contract, 8 * mebibyte, 100, 7],
    ['many small ones of another contract', other, 0, 30_000, 22_000],
    ['many of the same contract, four times as large', contract, 10_000, 8000, 5000],
  ])('those give way that fill it: %s', (_, address, bytes, count, least) => {
    const [own, theirs] = left([contract, 0], count, () => [address, bytes])
    expect(own).toBe(1)
    expect(theirs).toBeGreaterThanOrEqual(least)
    expect(theirs).toBeLessThan(count)
  })

  it('a large one stays as long as other contracts have more', () => {
    expect(left([contract, 8 * mebibyte], 100, () => [other, 9 * mebibyte])[0]).toBe(1)
    expect(left([contract, 8 * mebibyte], 100, (task) => [contract.map(() => 1 + (task & 3)), 9 * mebibyte])[0]).toBe(1)
  })

  it('a small one of a contract stays, however many contracts have larger ones', () => {
    expect(
      left([contract, 0], 2000, (task) => [contract.map((_, at) => (at < 2 ? task >> (8 * at) : 2)), 50_000])[0],
    ).toBe(1)
  })

  it('the oldest of the same contract and size gives way, also behind some that were forgotten or sent again', () => {
    const kept = new TaskReplies()
    const keep = (task: number) => kept.keep(taskId(task), contract, ofBytes(4 * mebibyte))
    for (let task = 0; task < 40; task++) keep(task)
    keep(26)
    keep(40)
    keep(41)
    const tasks = Array.from({ length: 42 }, (_, task) => task)
    expect(tasks.filter((task) => kept.get(taskId(task)))).toEqual([26, ...tasks.slice(28)])
    kept.forget(contract)
    for (let task = 0; task < 20; task++) keep(task)
    expect(tasks.filter((task) => kept.get(taskId(task)))).toEqual(tasks.slice(5, 20))
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

  it('gives the reply to a computation, without the bytecode', async () => {
    const reply = { kind: 'computed', result: { ...signed, delta, output: bytes(6) } } as const
    const receipt = await encodeReceipt(reply)
    expect(decodeReceipt(receipt, delta)).toEqual(reply)
    expect(gasOfReceipt(receipt)).toBe(String(2n ** 63n))
  })

  it('gives the reply to a deployment, as long as its bytecode is there', async () => {
    const result = { ...signed, delta, output: bytecode, preCodeHash: bytes(6) }
    const reply = { kind: 'deployed', result, codeHash: keccak256(bytecode) } as const
    const receipt = await encodeReceipt(reply)
    expect(decodeReceipt(receipt, delta, { bytecode, hash: keccak256(bytecode) })).toEqual(reply)
    expect(decodeReceipt(receipt, delta, { bytecode, hash: keccak256(bytes(7)) })).toBeUndefined()
    expect(decodeReceipt(receipt, delta)).toBeUndefined()
  })

  it('that an older version wrote gives its reply', () => {
    const hex = (value: number) => bytesToHex(bytes(value))
    const { usedGas, ...parts } = { ethereumPayload: hex(2), ethereumAddress: hex(3), signature: hex(4), usedGas: '77' }
    const text = (more: object) => utf8ToBytes(JSON.stringify({ usedGas, ...parts, ...more }))
    const computed = { ...signed, usedGas: 77n, delta, output: bytes(6) }
    expect(decodeReceipt(text({ output: hex(6) }), delta)).toEqual({ kind: 'computed', result: computed })
    expect(gasOfReceipt(text({ output: hex(6) }))).toBe('77')
    const hash = keccak256(bytecode)
    const deployed = text({ preCodeHash: hex(6), codeHash: bytesToHex(hash) })
    const result = { ...signed, usedGas: 77n, delta, output: bytecode, preCodeHash: bytes(6) }
    expect(decodeReceipt(deployed, delta, { bytecode, hash })).toEqual({ kind: 'deployed', result, codeHash: hash })
  })

  it('that was cut off gives none, and says so', async () => {
    const reply = { kind: 'computed', result: { ...signed, delta, output: new Uint8Array() } } as const
    const receipt = await encodeReceipt(reply)
    for (let length = 0; length < receipt.length; length++) {
      expect(() => decodeReceipt(receipt.subarray(0, length), delta), String(length)).toThrow()
    }
  })

  it('of another form tells no gas', () => {
    for (const text of ['', '{}', '{"usedGas":"x"}', 'x{"usedGas":"1"}']) {
      expect(gasOfReceipt(new TextEncoder().encode(text)), text).toBeUndefined()
    }
  })
})
