import { maxReplyBytes } from '@bletchley/protocol'
import { Pacer } from '@bletchley/store'
import { describe, expect, it, vi } from 'vitest'
import { collectGarbage } from '../../test/collectGarbage.ts'
import { readerNamed } from '../../test/readers.ts'
import { defaultRoomLimits, type ReplyRoom, ReplyRooms } from '../server/replyRoom.ts'
import {
  addressBytes,
  countBytes,
  leastBytes,
  mostBytes,
  mostTaskBytes,
  readInRoom,
  rowBytes,
  rowsInRoom,
} from './replyRows.ts'

const mebibyte = 1024 * 1024

describe('what bytes take in a reply', () => {
  it('is at least and at most that', () => {
    for (const [value, count] of [
      [0, leastBytes],
      [255, mostBytes],
    ] as const) {
      const data = new Uint8Array(100).fill(value)
      expect(count(data.length)).toBe(JSON.stringify([...data]).length - 1)
    }
    expect(rowBytes).toBe(`{"address":"${'0'.repeat(64)}","key":${2 ** 32 - 1},"data":[]},`.length)
    expect(addressBytes).toBe(`"${'0'.repeat(64)}",`.length)
  })

  it('is counted, over however many pieces', async () => {
    for (const length of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
      const data = Uint8Array.from({ length }, (_, index) => index * 7)
      const digits = data.reduce((sum, byte) => sum + String(byte).length, 0)
      expect(await countBytes(data, new Pacer()), String(length)).toBe(digits + length)
    }
  })

  it('is counted with turns for others in between', async () => {
    let ms = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => ++ms)
    try {
      let turns = 0
      let ended = false
      const count = (): void => {
        turns++
        if (!ended) setImmediate(count)
      }
      setImmediate(count)
      // A hundred pieces of 64 KiB; the clock moves on whenever somebody looks at it.
      await countBytes(new Uint8Array(100 * 64 * 1024), new Pacer())
      ended = true
      expect(turns).toBeGreaterThan(20)
    } finally {
      clock.mockRestore()
    }
  })

  it('is that of the outputs of a task: hex, and a delta as numbers', () => {
    const bytes = (length: number) => new Uint8Array(length)
    expect(mostTaskBytes({ output: bytes(10) })).toBe(20)
    expect(mostTaskBytes({ output: bytes(10), ethereumPayload: bytes(100), delta: {} })).toBe(220)
    expect(mostTaskBytes({ output: bytes(0), ethereumPayload: bytes(0), delta: { data: bytes(1000) } })).toBe(4000)
    expect(mostTaskBytes({ output: bytes(1), ethereumPayload: bytes(1), delta: { data: bytes(0) } })).toBe(4)
  })
})

/** Rooms of which a peer may have so many bytes; nobody waits for long. */
const rooms = (bytes: number) =>
  new ReplyRooms({
    ...defaultRoomLimits,
    unreadBytesPerPeer: bytes,
    unreadBytes: 100 * bytes,
    unreadPatienceMs: 300_000,
  })
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('one thing in a reply', () => {
  const read = (found: Uint8Array | undefined) => {
    const reads = { count: 0 }
    const once = async () => {
      reads.count++
      return found
    }
    return { reads, once }
  }

  it('is read once where there is room, which it takes', async () => {
    const room = rooms(8 * mebibyte).of(readerNamed('peer'))
    const data = new Uint8Array(mebibyte)
    const { reads, once } = read(data)
    expect(await readInRoom(room, once, (bytes) => bytes)).toBe(data)
    expect([reads.count, room.bytes]).toEqual([1, 4 * mebibyte])
  })

  it('that is not there takes none', async () => {
    const room = rooms(8 * mebibyte).of(readerNamed('peer'))
    expect(await readInRoom(room, read(undefined).once, (bytes) => bytes)).toBeUndefined()
    expect(room.bytes).toBe(0)
  })

  it('is let go of and read once more where it has to wait', async () => {
    const shared = rooms(8 * mebibyte)
    const other = shared.of(readerNamed('peer'))
    expect(other.tryTake(6 * mebibyte)).toBe(true)
    const room = shared.of(readerNamed('peer'))
    const { reads, once } = read(new Uint8Array(mebibyte))
    const reading = readInRoom(room, once, (bytes) => bytes)
    await turns(30)
    expect([reads.count, room.bytes]).toEqual([1, 0])
    other.shrink(0)
    expect(await reading).toHaveLength(mebibyte)
    expect([reads.count, room.bytes]).toEqual([2, 4 * mebibyte])
    shared.close()
  })

  it('that is more than anybody may have has room once nothing else is there, nor what was taken for it before', async () => {
    const shared = rooms(8 * mebibyte)
    const room = shared.of(readerNamed('peer'))
    expect(room.tryTake(4 * mebibyte)).toBe(true)
    const { reads, once } = read(new Uint8Array(3 * mebibyte))
    const reading = readInRoom(room, once, (bytes) => bytes)
    await turns(30)
    expect([reads.count, room.bytes]).toEqual([2, 12 * mebibyte])
    expect(await reading).toHaveLength(3 * mebibyte)
    shared.close()
  })
})

describe('what waits for room', () => {
  const made = (count: number) =>
    async function* read() {
      for (let row = 0; row < count; row++) yield { data: new Uint8Array(mebibyte / 2) }
    }
  const ways: Record<string, (room: ReplyRoom) => Promise<unknown>> = {
    'one thing': (room) =>
      readInRoom(
        room,
        async () => new Uint8Array(mebibyte),
        (bytes) => bytes,
      ),
    rows: (room) => rowsInRoom(room, made(2)),
  }
  it.each(Object.keys(ways))('holds nothing: %s', async (way) => {
    const shared = rooms(8 * mebibyte)
    shared.of(readerNamed('peer')).tryTake(8 * mebibyte)
    const take = vi.spyOn(shared, 'take')
    await collectGarbage()
    const before = process.memoryUsage().arrayBuffers
    const waiting = Array.from({ length: 100 }, () => ways[way]!(shared.of(readerNamed('peer'))))
    while (take.mock.calls.length < 100) await turns(1)
    let held = Number.POSITIVE_INFINITY
    // Memory of arrays is given back some time after a collection.
    for (let look = 0; look < 20 && held >= 10 * mebibyte; look++) {
      await collectGarbage()
      await turns(10)
      held = process.memoryUsage().arrayBuffers - before
    }
    expect(held).toBeLessThan(10 * mebibyte)
    shared.close()
    for (const end of await Promise.allSettled(waiting)) expect(end.status).toBe('rejected')
  })

  it('has room for what there is when its turn has come, and that may be more than before', async () => {
    let size = mebibyte / 4
    const grown: Record<string, (room: ReplyRoom) => Promise<unknown>> = {
      one: (room) =>
        readInRoom(
          room,
          async () => new Uint8Array(size),
          (bytes) => bytes,
        ),
      rows: (room) =>
        rowsInRoom(room, async function* () {
          yield { data: new Uint8Array(size) }
        }),
    }
    for (const [name, read] of Object.entries(grown)) {
      size = mebibyte / 4
      const shared = rooms(8 * mebibyte)
      const other = shared.of(readerNamed('peer'))
      other.tryTake(8 * mebibyte)
      const take = vi.spyOn(shared, 'take')
      const room = shared.of(readerNamed('peer'))
      const reading = read(room)
      while (take.mock.calls.length < 1 || !room.isWaiting) await turns(1)
      size = 2 * mebibyte
      other.shrink(0)
      await reading
      expect(room.bytes, name).toBeGreaterThanOrEqual(2 * size)
      shared.close()
    }
  })
})

describe('rows in a reply', () => {
  /** A source of rows, and how often it was read to its end or left. */
  function source(count: number, data: Uint8Array) {
    const reads = { begun: 0, rows: 0 }
    async function* read() {
      reads.begun++
      for (let row = 0; row < count; row++) {
        reads.rows++
        yield { data }
      }
    }
    return { reads, read }
  }

  it('take no room while they are small, and from 16 KiB on what they may need', async () => {
    for (const [count, taken] of [
      [154, 0],
      [155, 155 * rowBytes],
      [1000, 1000 * rowBytes],
    ] as const) {
      const room = rooms(8 * mebibyte).of(readerNamed('peer'))
      const { reads, read } = source(count, new Uint8Array())
      const rows = await rowsInRoom(room, read)
      expect([rows.length, room.bytes, reads.begun], String(count)).toEqual([count, taken, 1])
    }
  })

  it('count their bytes', async () => {
    const room = rooms(8 * mebibyte).of(readerNamed('peer'))
    await rowsInRoom(room, source(3, new Uint8Array(mebibyte / 2)).read)
    expect(room.bytes).toBe(3 * (rowBytes + 2 * mebibyte))
  })

  it('have less than what they may need counted, where there is no room for that', async () => {
    const shared = rooms(8 * mebibyte)
    const data = new Uint8Array(mebibyte)
    const { reads, read } = source(3, data)
    const room = shared.of(readerNamed('peer'))
    // 12 MiB at most, and 6 as they are.
    const rows = await rowsInRoom(room, read)
    expect([rows.length, reads.begun, room.bytes]).toEqual([3, 2, 3 * (rowBytes + 2 * mebibyte)])
  })

  it('wait for room, and hold none of what they had', async () => {
    const shared = rooms(8 * mebibyte)
    const other = shared.of(readerNamed('peer'))
    expect(other.tryTake(3 * mebibyte)).toBe(true)
    const room = shared.of(readerNamed('peer'))
    const { reads, read } = source(3, new Uint8Array(mebibyte))
    const reading = rowsInRoom(room, read)
    while (!room.isWaiting) await turns(1)
    expect([reads.begun, reads.rows, room.bytes]).toEqual([1, 3, 0])
    other.shrink(0)
    expect(await reading).toHaveLength(3)
    expect(reads.begun).toBe(2)
    shared.close()
  })

  it('are 100 000 at most, also where they are counted', async () => {
    const room = () => new ReplyRooms(defaultRoomLimits).of(readerNamed('peer'))
    expect(await rowsInRoom(room(), source(100_000, new Uint8Array()).read)).toHaveLength(100_000)
    const tooMany = { code: 'limit_exceeded', data: { limit: 'deltas in a reply', maximum: 100_000 } }
    await expect(rowsInRoom(room(), source(100_001, new Uint8Array()).read)).rejects.toMatchObject(tooMany)
    const small = rooms(1024).of(readerNamed('peer'))
    await expect(rowsInRoom(small, source(100_001, new Uint8Array()).read)).rejects.toMatchObject(tooMany)
  })

  it('fit into a message, to the byte', async () => {
    const tooLarge = { code: 'limit_exceeded', data: { limit: 'bytes in a message', maximum: maxReplyBytes } }
    // A digit and a comma for each byte, but for the last, of three digits.
    const length = (maxReplyBytes - 2 * rowBytes) / 4
    const fits = new Uint8Array(length)
    const room = new ReplyRooms(defaultRoomLimits).of(readerNamed('peer'))
    expect(await rowsInRoom(room, source(2, fits).read)).toHaveLength(2)
    expect(room.bytes).toBe(maxReplyBytes)
    const past = fits.slice()
    past[length - 1] = 10
    await expect(
      rowsInRoom(new ReplyRooms(defaultRoomLimits).of(readerNamed('peer')), source(2, past).read),
    ).rejects.toMatchObject(tooLarge)
  })
})
