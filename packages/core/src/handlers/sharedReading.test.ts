import { keccak256 } from '@bletchley/crypto'
import { encodeRequest, type MessageType } from '@bletchley/protocol'
import { KeyValueStore } from '@bletchley/store'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { collectGarbage } from '../../test/collectGarbage.ts'
import { readerNamed } from '../../test/readers.ts'
import { addressOf, memoryBut } from '../../test/stores.ts'
import { Dispatcher } from '../dispatch.ts'
import { defaultRoomLimits, type ReplyRoom, ReplyRooms } from '../server/replyRoom.ts'
import { contextOf, type WorkerContext } from './handler.ts'
import { handlers } from './index.ts'
import { readingsOf } from './readings.ts'
import { TipOmissions } from './tipOmissions.ts'

const whole = ['GetAllTips', 'GetAllAddrs'] as const
const kibibyte = 1024

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Contracts with deltas of 100 bytes; what was read of them is counted, and can be held up. */
async function start(contracts: number) {
  const reads = { records: 0, walks: 0 }
  let gate: Promise<void> | undefined
  const backend = memoryBut((inner) => ({
    async get(key) {
      reads.records++
      return inner.get(key)
    },
    async *entries(range) {
      reads.walks++
      for await (const chunk of inner.entries(range)) {
        yield chunk
        await gate
      }
    },
  }))
  const store = await KeyValueStore.open(backend, { hash: keccak256 })
  const put = async (from: number, to: number, value: number) => {
    for (let first = from; first < to; first += 1000) {
      const rows = Array.from({ length: Math.min(1000, to - first) }, (_, at) => ({
        ...{ address: addressOf(first + at), key: 0, data: new Uint8Array(100).fill(value) },
      }))
      await store.putDeltas(rows)
    }
  }
  await put(0, contracts, 1)
  const logger = pino({ level: 'silent' })
  const worker = {
    ...{ store, readings: readingsOf(store), omissions: new TipOmissions(logger), logger },
  } as unknown as WorkerContext
  const dispatcher = new Dispatcher(worker, 'document')
  const ask = (type: MessageType, room: ReplyRoom) =>
    dispatcher.answer(encodeRequest(type as 'GetAllTips', 'all', undefined), room)
  /** Holds up walks that begin, or go on, until it is called. */
  const hold = () => {
    let go = () => {}
    gate = new Promise((resolve) => {
      go = resolve
    })
    return go
  }
  reads.records = reads.walks = 0
  return { store, reads, put, ask, hold, worker, dispatcher }
}

/** How many contracts a reply tells of; in GetAllTips, how many of them have this value in their deltas. */
function countIn(reply: Uint8Array, value?: number): number {
  const { result } = JSON.parse(new TextDecoder().decode(reply))
  if (value === undefined) return (result.tips ?? result.addresses).length
  return result.tips.filter(({ data }: { data: number[] }) => data[0] === value).length
}

describe.each(whole)('%s', (type) => {
  it('reads once for all who ask at the same time', async () => {
    const { reads, ask, hold, dispatcher } = await start(300)
    const rooms = new ReplyRooms(defaultRoomLimits)
    const go = hold()
    const asked = Array.from({ length: 50 }, () => ask(type, rooms.of(readerNamed('peer'))))
    while (reads.walks === 0) await turn()
    for (let more = 0; more < 50; more++) asked.push(ask(type, rooms.of(readerNamed('peer'))))
    while (dispatcher.inFlight < 100) await turn()
    go()
    const replies = await Promise.all(asked)
    expect(replies.map((reply) => countIn(reply))).toEqual(Array(100).fill(300))
    expect(reads).toEqual({ walks: 1, records: type === 'GetAllTips' ? 600 : 0 })
  })

  it('reads once for all who wait for room, as long as nothing is written', async () => {
    const { reads, ask, dispatcher } = await start(300)
    const rooms = new ReplyRooms({ ...defaultRoomLimits, unreadBytesPerPeer: 400 * kibibyte })
    await ask(type, rooms.of(readerNamed('other')))
    reads.walks = reads.records = 0
    const full = rooms.of(readerNamed('peer'))
    expect(full.tryTake(400 * kibibyte)).toBe(true)
    // A few have room at a time.
    const answer = async () => {
      const room = rooms.of(readerNamed('peer'))
      const reply = await ask(type, room)
      await turn()
      room.shrink(0)
      return countIn(reply)
    }
    const answers = Array.from({ length: 50 }, answer)
    while (dispatcher.inFlight < 50) await turn()
    full.shrink(0)
    expect(await Promise.all(answers)).toEqual(Array(50).fill(300))
    expect(reads).toEqual({ walks: 1, records: type === 'GetAllTips' ? 600 : 0 })
    // Nobody asks any more, and nothing is kept.
    await answer()
    expect(reads.walks).toBe(2)
  })

  it('shows whatever was stored before it was asked for', async () => {
    const { put, ask, hold, reads, dispatcher } = await start(300)
    const rooms = new ReplyRooms(defaultRoomLimits)
    const go = hold()
    const early = Array.from({ length: 3 }, () => ask(type, rooms.of(readerNamed('peer'))))
    while (reads.walks === 0) await turn()
    await put(300, 310, 2)
    const late = Array.from({ length: 3 }, () => ask(type, rooms.of(readerNamed('peer'))))
    while (dispatcher.inFlight < 6) await turn()
    expect(reads.walks).toBe(1)
    go()
    for (const reply of await Promise.all(early)) expect([300, 310]).toContain(countIn(reply))
    expect((await Promise.all(late)).map((reply) => countIn(reply))).toEqual([310, 310, 310])
    expect(reads.walks).toBe(2)
  })

  it('shows whatever was stored when it got its room, also where that is more than before', async () => {
    const { put, ask, reads } = await start(300)
    const rooms = new ReplyRooms({ ...defaultRoomLimits, unreadBytesPerPeer: 1024 * kibibyte })
    await ask(type, rooms.of(readerNamed('other')))
    const full = rooms.of(readerNamed('peer'))
    expect(full.tryTake(1024 * kibibyte)).toBe(true)
    const waiting = Array.from({ length: 3 }, async () => {
      const room = rooms.of(readerNamed('peer'))
      const reply = await ask(type, room)
      room.shrink(0)
      return countIn(reply)
    })
    while (!rooms.of(readerNamed('peer')).isWaiting) await turn()
    await put(300, 600, 2)
    full.shrink(0)
    expect(await Promise.all(waiting)).toEqual([600, 600, 600])
    expect(reads.walks).toBeLessThanOrEqual(4)
  })

  it('holds no more for all who have room than they have counted, and what one of them needs', async () => {
    const { worker } = await start(5000)
    const rooms = new ReplyRooms(defaultRoomLimits)
    const read = async (room: ReplyRoom): Promise<object> => handlers[type](undefined, contextOf(worker, room))
    const held = async () => {
      let bytes = Number.POSITIVE_INFINITY
      // Memory of arrays is given back some time after a collection.
      for (let look = 0; look < 5; look++) {
        await collectGarbage()
        const { heapUsed, arrayBuffers } = process.memoryUsage()
        bytes = Math.min(bytes, heapUsed + arrayBuffers)
      }
      return bytes
    }
    const before = await held()
    const one = [await read(rooms.of(readerNamed('peer')))]
    const each = (await held()) - before
    const askers = Array.from({ length: 40 }, () => rooms.of(readerNamed('peer')))
    one.push(...(await Promise.all(askers.map(read))))
    expect((await held()) - before).toBeLessThan(4 * each)
    const counted = askers.reduce((sum, { bytes }) => sum + bytes, 0)
    expect(counted).toBeGreaterThanOrEqual(40 * 5000 * 67)
    expect(one).toHaveLength(41)
  })
})

it('shows the newest tips to whoever knows of a write, while another reading is under way', async () => {
  const { store, put, ask, hold, reads } = await start(300)
  const rooms = new ReplyRooms(defaultRoomLimits)
  const go = hold()
  const early = ask('GetAllTips', rooms.of(readerNamed('peer')))
  while (reads.walks === 0) await turn()
  await put(0, 300, 7)
  const late = ask('GetAllTips', rooms.of(readerNamed('peer')))
  await store.removeContract(addressOf(0))
  const last = ask('GetAllTips', rooms.of(readerNamed('peer')))
  go()
  await early
  expect(countIn(await late, 7)).toBeGreaterThanOrEqual(299)
  expect(countIn(await last, 7)).toBe(299)
})

it('a reading that fails fails for those who share it, and is made anew for the next', async () => {
  const { store, ask } = await start(3)
  const rooms = new ReplyRooms(defaultRoomLimits)
  await store.close()
  const failed = await Promise.all([1, 2].map(() => ask('GetAllAddrs', rooms.of(readerNamed('peer')))))
  for (const reply of failed) expect(String(Buffer.from(reply))).toContain('"msg"')
  const again = await start(3)
  expect(countIn(await again.ask('GetAllAddrs', rooms.of(readerNamed('peer'))))).toBe(3)
})
