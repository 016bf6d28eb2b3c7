import { bytesToHex } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { type Dialect, encodeRequest, maxReplyBytes } from '@bletchley/protocol'
import { type ContractStore, KeyValueStore, openMemory } from '@bletchley/store'
import { pino } from 'pino'
import { describe, expect, it, vi } from 'vitest'
import { collectGarbage } from '../../test/collectGarbage.ts'
import { readerNamed } from '../../test/readers.ts'
import { addressOf, memoryBut } from '../../test/stores.ts'
import { Dispatcher } from '../dispatch.ts'
import { defaultRoomLimits, ReplyRooms } from '../server/replyRoom.ts'
import type { WorkerContext } from './handler.ts'
import { readingsOf } from './readings.ts'
import { TipOmissions } from './tipOmissions.ts'

/**
 * A store in which a delta of one byte n stands for one of n mebibytes of `value`: all of them share their memory, so that
 * there may be terabytes.
 */
async function openLarge(value: number): Promise<{ store: ContractStore; readBytes: () => number }> {
  const mebibytes = new Uint8Array(32 << 20).fill(value)
  let readBytes = 0
  const backend = memoryBut((inner) => ({
    async get(key) {
      const stored = await inner.get(key)
      const large = stored?.length === 1 ? mebibytes.subarray(0, stored[0]! << 20) : stored
      readBytes += large?.length ?? 0
      return large
    },
  }))
  return { store: await KeyValueStore.open(backend, { hash: keccak256 }), readBytes: () => readBytes }
}

/** Contracts in their order: how large their deltas are, in mebibytes; `small` has 100 bytes. */
async function put(store: ContractStore, sizes: readonly (number | 'small')[]): Promise<void> {
  const rows = sizes.map((size, contract) => ({
    address: addressOf(contract),
    key: 3,
    data: size === 'small' ? new Uint8Array(100) : Uint8Array.of(size),
  }))
  for (let start = 0; start < rows.length; start += 1000) await store.putDeltas(rows.slice(start, start + 1000))
}

async function ask(
  store: ContractStore,
  dialect: Dialect = 'document',
  room = new ReplyRooms(defaultRoomLimits).of(readerNamed('peer')),
) {
  const lines: string[] = []
  const logger = pino({}, { write: (line) => lines.push(line) })
  const omissions = new TipOmissions(logger)
  const dispatcher = new Dispatcher(
    { store, readings: readingsOf(store), omissions, logger } as unknown as WorkerContext,
    dialect,
  )
  const frame = encodeRequest('GetAllTips', 'all', undefined)
  const reply = await dispatcher.answer(frame, room)
  expect(reply.length).toBeLessThanOrEqual(maxReplyBytes)
  return {
    bytes: reply.length,
    ...contractsIn(Buffer.from(reply.buffer, reply.byteOffset, reply.length)),
    omissions,
    lines,
  }
}

/** The contracts that a reply lists and leaves out; its hundreds of megabytes of digits are not read. */
function contractsIn(reply: Buffer): { tips: number[]; omitted: number[] | undefined } {
  const tips: number[] = []
  const row = '{"address":"'
  for (let at = reply.indexOf(row); at >= 0; at = reply.indexOf(row, at + 1)) {
    tips.push(Number.parseInt(reply.toString('latin1', at + row.length, at + row.length + 8), 16))
  }
  const end = reply.lastIndexOf('],"omitted":[')
  if (end < 0) return { tips, omitted: undefined }
  const { omitted } = JSON.parse(`{${reply.toString('latin1', end + 2, reply.length - 1)}`) as { omitted: string[] }
  return { tips, omitted: omitted.map((address) => Number.parseInt(address.slice(0, 8), 16)) }
}

it('lists all that fit, in the order of creation', async () => {
  const { store } = await openLarge(0)
  await put(store, [31, 'small', 31, 'small', 31, 31])
  const { bytes, tips, omitted, omissions, lines } = await ask(store)
  expect(tips).toEqual([0, 1, 2, 3, 4, 5])
  expect(bytes).toBeGreaterThan(4 * 2 * (31 << 20))
  expect([omitted, omissions.total, lines]).toEqual([undefined, 0, []])
})

it('leaves out the largest until the others fit, and says which', async () => {
  const { store } = await openLarge(200)
  await put(store, [5, 20, 'small', 24, 5, 31, 'small', 22])
  const { bytes, tips, omitted, omissions, lines } = await ask(store)
  // 4 characters for each byte: 5 + 20 + 5 + 22 MiB fit into 256 MiB, with 24 they do not.
  expect(omitted).toEqual([3, 5])
  expect(tips).toEqual([0, 1, 2, 4, 6, 7])
  expect(bytes).toBeGreaterThan(4 * (52 << 20))
  expect(omissions.total).toBe(2)
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain(bytesToHex(addressOf(5)))
})

it('leaves room for what is no row', async () => {
  const { store } = await openLarge(200)
  await put(store, [31, 31, 1])
  // With this one the rows are 40 KiB short of 256 MiB.
  await store.putDeltas([{ address: addressOf(3), key: 0, data: new Uint8Array(1014 * 1024).fill(200) }])
  const { tips, omitted } = await ask(store)
  expect([tips, omitted]).toEqual([[0, 2, 3], [1]])
})

it('knows no such member in the dialect enigma-p2p', async () => {
  const { store } = await openLarge(200)
  await put(store, ['small', 31, 31, 31])
  const { tips, omitted, omissions } = await ask(store, 'enigma-p2p')
  expect(tips).toEqual([0, 1, 2])
  expect([omitted, omissions.total]).toEqual([undefined, 1])
})

it('answers for 10 000 contracts with deltas as large as they may be, and the small ones lose nothing', async () => {
  const { store, readBytes } = await openLarge(0)
  await put(
    store,
    Array.from({ length: 10_000 }, (_, contract) => (contract % 100 === 50 ? 'small' : 16)),
  )
  const { bytes, tips, omitted } = await ask(store)
  const small = tips.filter((contract) => contract % 100 === 50)
  expect(small).toHaveLength(100)
  expect(tips.length + omitted!.length).toBe(10_000)
  // Of the large ones as many as there is room for: 32 MiB of digits and commas each.
  expect(tips).toHaveLength(107)
  expect(bytes).toBeGreaterThan(7 * (32 << 20))
  // How large a tip is need not be found out again.
  const before = readBytes()
  expect((await ask(store)).tips).toHaveLength(107)
  expect(readBytes() - before).toBeLessThan(8 * (16 << 20))
})

it('finds out that a tip is another', async () => {
  const { store } = await openLarge(200)
  await put(store, [31, 31, 31])
  expect((await ask(store)).omitted).toEqual([2])
  await store.putDeltas([{ address: addressOf(0), key: 4, data: Uint8Array.of(1) }])
  expect((await ask(store)).omitted).toBeUndefined()
  await store.removeContract(addressOf(1))
  await put(store, ['small', 31, 31, 31])
  const { tips, omitted } = await ask(store)
  expect(tips).toEqual([0, 2, 1])
  expect(omitted).toEqual([3])
})

describe('tips of some thousand bytes', () => {
  async function openSmall(lengths: readonly number[]) {
    const store = await KeyValueStore.open(openMemory(), { hash: keccak256 })
    await store.putBytecode(addressOf(1000), Uint8Array.of(1))
    const rows = lengths.map((length, contract) => ({
      address: addressOf(contract),
      key: 0,
      data: new Uint8Array(length),
    }))
    await store.putDeltas(rows)
    return { store, read: vi.spyOn(store, 'getTip') }
  }
  const kibibyte = 1024

  it('take room for what they may need, before they are written', async () => {
    const { store } = await openSmall([10_000, 0, 7000])
    const room = new ReplyRooms(defaultRoomLimits).of(readerNamed('peer'))
    expect((await ask(store, 'document', room)).tips).toEqual([0, 1, 2])
    expect(room.bytes).toBe(3 * 106 + 4 * 17_000)
  })

  it('are read once up to 64 KiB each, as many as a message may have room for', async () => {
    const { store, read } = await openSmall([...Array<number>(257).fill(64 * kibibyte), 64 * kibibyte + 1])
    expect((await ask(store)).tips).toHaveLength(258)
    expect(read.mock.calls.map(([address]) => address)).toEqual([addressOf(257)])
  })

  it('that are gone meanwhile are neither listed nor left out', async () => {
    const { store, read } = await openSmall([65 * kibibyte, 65 * kibibyte, 65 * kibibyte])
    read.mockResolvedValueOnce({ key: 5, data: Uint8Array.of(1, 2) }).mockResolvedValueOnce(undefined)
    const { tips, omitted, omissions } = await ask(store)
    expect([tips, omitted, omissions.total]).toEqual([[0, 2], undefined, 0])
  })
})

it.each(['GetAllTips', 'GetAllAddrs'] as const)(
  '%s: of a thousand that wait for room none holds anything',
  async (type) => {
    const store = await KeyValueStore.open(openMemory(), { hash: keccak256 })
    const addresses = Array.from({ length: 300 }, (_, contract) => addressOf(contract))
    await store.putDeltas(addresses.map((address) => ({ address, key: 0, data: new Uint8Array(1000) })))
    const logger = pino({ level: 'silent' })
    const omissions = new TipOmissions(logger)
    const worker = { store, readings: readingsOf(store), omissions, logger } as unknown as WorkerContext
    const dispatcher = new Dispatcher(worker, 'document')
    const rooms = new ReplyRooms({ ...defaultRoomLimits, unreadBytesPerPeer: 1 << 20 })
    expect(rooms.of(readerNamed('peer')).tryTake(1 << 20)).toBe(true)
    const take = vi.spyOn(rooms, 'take')
    await collectGarbage()
    const before = process.memoryUsage()
    const frame = encodeRequest(type, 'all', undefined)
    const answers = Array.from({ length: 1000 }, () => dispatcher.answer(frame, rooms.of(readerNamed('peer'))))
    while (take.mock.calls.length < 1000) await new Promise((resolve) => setImmediate(resolve))
    let held = Number.POSITIVE_INFINITY
    // Memory of arrays is given back some time after a collection. Three hundred addresses take more than 30 kB.
    for (let look = 0; look < 20 && held >= 10_000; look++) {
      await collectGarbage()
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      held = (heapUsed + arrayBuffers - before.heapUsed - before.arrayBuffers) / 1000
    }
    expect(held).toBeLessThan(10_000)
    rooms.close()
    await Promise.all(answers)
  },
)
