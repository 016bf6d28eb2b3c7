import { constants, PerformanceObserver } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { collectGarbage } from './collectGarbage.ts'
import { defaultRoomLimits, largeBytes, type ReplyRoom, ReplyRooms } from './replyRoom.ts'

const unit = 1024 * 1024
const limits = {
  ...{ unreadBytesPerPeer: 8 * unit, unreadBytes: 24 * unit, unreadPatienceMs: 300_000 },
  leastBytesPerSecond: Number.POSITIVE_INFINITY,
}

/** How many replies of a unit a peer may leave unread. */
function fill(rooms: ReplyRooms, peer: string): number {
  let replies = 0
  while (rooms.of(peer).tryTake(unit)) replies++
  return replies
}

/** Sends a peer a reply, which it has not read as long as a test holds it. */
function send(rooms: ReplyRooms, peer: string, bytes: number): Uint8Array {
  const reply = new Uint8Array(bytes)
  const room = rooms.of(peer)
  expect(room.tryTake(bytes)).toBe(true)
  room.settle(reply)
  room.sent()
  return reply
}

it('the nearer all of them are to the limit, the less each may have; nobody takes the last', () => {
  const rooms = new ReplyRooms(limits)
  expect(['a', 'b', 'c', 'd', 'e'].map((peer) => fill(rooms, peer))).toEqual([8, 8, 4, 2, 1])
})

it('small replies need no room', () => {
  const rooms = new ReplyRooms(limits)
  fill(rooms, 'a')
  expect(rooms.of('a').tryTake(1000)).toBe(true)
})

it('a large reply takes room for all that it grows by, in however small steps', () => {
  const rooms = new ReplyRooms(limits)
  const room = rooms.of('a')
  expect(room.tryTake(unit)).toBe(true)
  let steps = 0
  while (steps < 10_000 && room.tryTake(1024)) steps++
  expect(steps).toBe(7 * 1024)
  room.shrink(0)
  expect(fill(rooms, 'a')).toBe(8)
})

it('whoever waits has his turn before those who come later, and the peers in turn', async () => {
  const rooms = new ReplyRooms(limits)
  const first = rooms.of('a')
  expect(first.tryTake(8 * unit)).toBe(true)
  const order: string[] = []
  const waiting = [5, 4, 1].map(async (units) => {
    await rooms.of('a').take(units * unit)
    order.push(`a ${units}`)
  })
  await setImmediate()
  // It would fit, but for those who wait.
  first.settle(new Uint8Array(4 * unit))
  expect(rooms.of('a').tryTake(unit)).toBe(false)
  expect(rooms.of('b').tryTake(unit)).toBe(true)
  await setImmediate()
  expect(order).toEqual([])
  const error = { code: 'shutting_down' }
  rooms.close()
  for (const each of waiting) await expect(each).rejects.toMatchObject(error)
  await expect(rooms.of('a').take(8 * unit)).rejects.toMatchObject(error)
})

it('an error in place of a reply gives the room back', async () => {
  const rooms = new ReplyRooms(limits)
  const room = rooms.of('a')
  await room.take(8 * unit)
  expect(rooms.of('a').tryTake(unit)).toBe(false)
  room.settle(new Uint8Array(100))
  expect(rooms.of('a').tryTake(8 * unit)).toBe(true)
})

it('a reply beyond the limit is made when nothing else is there', async () => {
  const rooms = new ReplyRooms(limits)
  const room = rooms.of('a')
  await room.take(30 * unit)
  expect(rooms.of('b').tryTake(unit)).toBe(false)
})

it('who gets no room is told whether it has left too much unread itself, or all have', async () => {
  const rooms = new ReplyRooms({ ...limits, unreadPatienceMs: 0 })
  const unread = [8, 8, 4, 2, 1].map((units, index) => send(rooms, 'abcde'[index]!, units * unit))
  const refusals = ['a', 'd', 'f'].map((peer) =>
    rooms
      .of(peer)
      .take(2 * unit)
      .catch((error: Error) => error.message),
  )
  expect(await Promise.all(refusals)).toEqual([
    'Busy: too many bytes of replies that this peer has not read, at most 8388608',
    'Busy: too many bytes of replies that all peers have not read, at most 25165824',
    'Busy: too many bytes of replies that all peers have not read, at most 25165824',
  ])
  expect(unread).toHaveLength(5)
})

it('who would have had just enough of its own is told that all have left too much', async () => {
  const rooms = new ReplyRooms({ ...limits, unreadPatienceMs: 0 })
  const unread = [6, 8, 4].map((units, index) => send(rooms, 'abc'[index]!, units * unit))
  await expect(rooms.of('a').take(2 * unit)).rejects.toThrow('replies that all peers have not read, at most 25165824')
  expect(unread).toHaveLength(3)
})

it('looking for what was read takes a part of the time, however long it takes', async () => {
  const objects = Array.from({ length: 1_000_000 }, (_, index) => ({ index }))
  const rooms = new ReplyRooms(limits)
  rooms.of('a').tryTake(8 * unit)
  let waiting: Promise<void> | undefined
  const looks = await new Promise<PerformanceEntry[]>((resolve) => {
    const seen: PerformanceEntry[] = []
    new PerformanceObserver((list, observer) => {
      seen.push(...list.getEntries().filter(isForced))
      if (seen.length < 4) return
      observer.disconnect()
      resolve(seen)
    }).observe({ entryTypes: ['gc'] })
    waiting = rooms.of('a').take(unit)
    waiting.catch(() => {})
  })
  rooms.close()
  await expect(waiting).rejects.toMatchObject({ code: 'shutting_down' })
  const last = looks.pop()!
  const collecting = looks.reduce((sum, { duration }) => sum + duration, 0)
  expect(collecting / (last.startTime - looks[0]!.startTime)).toBeLessThan(0.25)
  expect(objects).toHaveLength(1_000_000)
})

describe('room', () => {
  it('is there up to the limits of a peer and of all, to the byte', () => {
    const rooms = new ReplyRooms(limits)
    expect(rooms.of('a').tryTake(unit)).toBe(true)
    expect(rooms.of('a').tryTake(7 * unit + 1)).toBe(false)
    expect(rooms.of('a').tryTake(7 * unit)).toBe(true)
    expect(rooms.of('b').tryTake(8 * unit + 1)).toBe(false)
    expect(rooms.of('b').tryTake(8 * unit)).toBe(true)
    // Of the eight that are left, two peers may have four each.
    expect(rooms.of('c').tryTake(4 * unit)).toBe(true)
    expect(rooms.of('d').tryTake(4 * unit + 1)).toBe(false)
    expect(rooms.of('d').tryTake(4 * unit)).toBe(true)
  })

  it('is taken from 16 KiB on, and by whatever is added to what has taken some', async () => {
    const rooms = new ReplyRooms(limits)
    const small = rooms.of('a')
    expect(small.tryTake(largeBytes - 1)).toBe(true)
    await small.take(largeBytes - 1)
    expect([largeBytes, small.bytes]).toEqual([16_384, 0])
    const large = rooms.of('a')
    expect(large.tryTake(largeBytes)).toBe(true)
    expect(large.tryTake(1)).toBe(true)
    await large.take(2)
    expect(large.bytes).toBe(largeBytes + 3)
    const waited = rooms.of('a')
    await waited.take(largeBytes)
    expect(waited.bytes).toBe(largeBytes)
    expect(rooms.of('a').tryTake(8 * unit - 2 * largeBytes - 3 + 1)).toBe(false)
    expect(rooms.of('a').tryTake(8 * unit - 2 * largeBytes - 3)).toBe(true)
    expect(large.tryTake(1)).toBe(false)
    expect(large.bytes).toBe(largeBytes + 3)
  })

  it('comes back as far as it is not needed', () => {
    const rooms = new ReplyRooms(limits)
    const room = rooms.of('a')
    room.shrink(0)
    room.tryTake(8 * unit)
    room.shrink(9 * unit)
    expect(room.bytes).toBe(8 * unit)
    room.shrink(5 * unit)
    expect(room.bytes).toBe(5 * unit)
    expect(rooms.of('a').tryTake(3 * unit + 1)).toBe(false)
    expect(rooms.of('a').tryTake(3 * unit)).toBe(true)
  })

  it('is that of the memory that a reply holds; a small one shares its memory, and needs none', () => {
    const rooms = new ReplyRooms(limits)
    const settled = (reply: Uint8Array): [boolean, number] => {
      const room = rooms.of('a')
      room.tryTake(6 * unit)
      return [room.settle(reply), room.bytes]
    }
    expect(rooms.of('a').settle(new Uint8Array(unit))).toBe(false)
    expect(settled(new Uint8Array(largeBytes - 1))).toEqual([false, 0])
    expect(settled(new Uint8Array(unit).subarray(0, largeBytes - 1))).toEqual([false, 0])
    expect(settled(new Uint8Array(largeBytes))).toEqual([true, largeBytes])
    expect(settled(new Uint8Array(unit).subarray(0, largeBytes))).toEqual([true, unit])
    expect(rooms.of('a').tryTake(7 * unit - largeBytes + 1)).toBe(false)
    expect(rooms.of('a').tryTake(7 * unit - largeBytes)).toBe(true)
  })

  it('of a message is held by its last frame, which has 129 bytes at least', () => {
    const rooms = new ReplyRooms(limits)
    const frame = (length: number): Uint8Array => new Uint8Array(length).fill(0x37)
    const without = frame(1)
    expect(rooms.of('a').settleMessage(without)).toBe(without)
    const settled = (last: Uint8Array): Uint8Array => {
      const room = rooms.of('a')
      room.tryTake(largeBytes)
      return room.settleMessage(last)
    }
    for (const length of [0, 1, 128]) {
      expect(Buffer.from(settled(frame(length))).toString()).toBe('7'.repeat(length).padEnd(129, ' '))
    }
    const long = frame(129)
    expect(settled(long)).toBe(long)
  })

  it('of peers is forgotten with them', async () => {
    const rooms = new ReplyRooms(limits)
    await collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let peer = 0; peer < 100_000; peer++) {
      const room = rooms.of(Buffer.from(`${peer}`.padStart(100, 'x')).toString('latin1'))
      room.tryTake(largeBytes)
      room.shrink(0)
    }
    await collectGarbage()
    // Their names alone are 10 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000)
    expect(rooms.of('a').tryTake(24 * unit)).toBe(true)
  })

  it('is 512 MiB for a peer by default, 2 GiB for all, and a peer has 10 s to read something, and a second for each MiB', () => {
    expect(defaultRoomLimits).toEqual({
      ...{ unreadBytesPerPeer: 512 * unit, unreadBytes: 2048 * unit, unreadPatienceMs: 10_000 },
      leastBytesPerSecond: unit,
    })
  })

  it('beyond 128 MiB more than at the last look is there only behind another one', async () => {
    const rooms = new ReplyRooms(defaultRoomLimits)
    expect(rooms.of('a').tryTake(128 * unit)).toBe(true)
    expect(rooms.of('b').tryTake(unit)).toBe(false)
    expect(await rooms.of('b').tryTakeLooked(unit)).toBe(true)
    expect(rooms.of('c').tryTake(127 * unit + 1)).toBe(false)
    expect(rooms.of('c').tryTake(127 * unit)).toBe(true)
    await rooms.of('d').take(128 * unit)
    expect(rooms.of('e').tryTake(unit)).toBe(false)
    // There is no room in any case: nobody looks for some at once.
    expect(await rooms.of('a').tryTakeLooked(513 * unit)).toBe(false)
  })
})

describe('who waits for room', () => {
  const events: string[] = []

  // The time is what a test says; the garbage collector is a real one.
  beforeEach(() => {
    events.length = 0
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const patient = { ...limits, unreadPatienceMs: 1000 }

  function wait(rooms: ReplyRooms, peer: string, bytes: number, name = peer): ReplyRoom {
    const room = rooms.of(peer)
    room.take(bytes).then(
      () => events.push(name),
      (error: Error) => events.push(`${name}: ${error.message}`),
    )
    return room
  }

  /** Rooms of which nothing is left, and those who have it. */
  function fullRooms(): { rooms: ReplyRooms; full: ReplyRoom[] } {
    const rooms = new ReplyRooms(patient)
    const full = ['x', 'y', 'z'].map((peer) => rooms.of(peer))
    for (const [index, room] of full.entries()) room.tryTake([8, 8, 4][index]! * unit)
    for (const [peer, units] of [...'stuv'].entries()) rooms.of(`${units}`).tryTake([2, 1, 0.5, 0.5][peer]! * unit)
    return { rooms, full }
  }

  /** Lets a look for what was read go to its end. */
  async function looked(): Promise<void> {
    for (let turn = 0; turn < 100 && vi.getTimerCount() === 0; turn++) await setImmediate()
    await setImmediate()
  }

  it('is in the queue of his peer, and the peers have their turns', async () => {
    const { rooms, full } = fullRooms()
    for (const name of ['a1', 'a2', 'b1', 'b2']) wait(rooms, name[0]!, unit, name)
    await setImmediate()
    expect([rooms.of('a').isWaiting, rooms.of('c').isWaiting, events]).toEqual([true, false, []])
    full[0]!.shrink(0)
    await setImmediate()
    expect(events).toEqual(['a1', 'b1', 'a2', 'b2'])
    expect(rooms.of('a').isWaiting).toBe(false)
    expect(rooms.of('a').tryTake(largeBytes)).toBe(true)
    rooms.close()
  })

  it('has as much as fits, and what does not fit holds up nothing of another peer', async () => {
    const rooms = new ReplyRooms(patient)
    const first = rooms.of('a')
    first.tryTake(8 * unit)
    const waiting = wait(rooms, 'a', 4 * unit, 'four')
    wait(rooms, 'a', largeBytes, 'small')
    await setImmediate()
    wait(rooms, 'b', unit)
    await setImmediate()
    expect(events).toEqual(['b'])
    first.shrink(4 * unit + 1)
    await setImmediate()
    expect(events).toEqual(['b'])
    first.shrink(4 * unit)
    await setImmediate()
    expect([events, waiting.bytes]).toEqual([['b', 'four'], 4 * unit])
    first.shrink(4 * unit - largeBytes)
    await setImmediate()
    expect(events).toEqual(['b', 'four', 'small'])
    rooms.close()
  })

  /** Looks until something happens, or until then. */
  async function look(until = 60_000): Promise<void> {
    const before = events.length
    while (events.length === before && performance.now() + 250 <= until) {
      vi.advanceTimersToNextTimer()
      await looked()
    }
  }

  const ownText = `Busy: too many bytes of replies that this peer has not read, at most ${8 * unit}`
  const allText = `Busy: too many bytes of replies that all peers have not read, at most ${24 * unit}`

  it('is looked for four times in a second, and given up when his peer has read nothing for its time', async () => {
    const rooms = new ReplyRooms(patient)
    const unread = [send(rooms, 'a', 8 * unit)]
    wait(rooms, 'a', unit)
    wait(rooms, 'a', unit, 'second')
    await setImmediate()
    let looks = 0
    while (events.length === 0) {
      const start = performance.now()
      vi.advanceTimersToNextTimer()
      expect(performance.now() - start).toBe(250)
      await looked()
      looks++
    }
    expect(looks).toBe(4)
    expect(events).toEqual([`a: ${ownText}`, `second: ${ownText}`])
    // Nobody waits, and nobody looks.
    expect([rooms.of('a').isWaiting, vi.getTimerCount()]).toEqual([false, 0])
    wait(rooms, 'a', unit)
    await setImmediate()
    expect(vi.getTimerCount()).toBe(1)
    unread.pop()
    vi.advanceTimersToNextTimer()
    for (let turn = 0; turn < 30; turn++) await setImmediate()
    expect([events.at(-1), vi.getTimerCount()]).toEqual(['a', 0])
  })

  it('has his time anew when his peer reads something, or begins to have something to read', async () => {
    const rooms = new ReplyRooms(patient)
    const unread = [4, 4].map((units) => send(rooms, 'a', units * unit))
    vi.advanceTimersByTime(500)
    wait(rooms, 'a', 5 * unit)
    await setImmediate()
    unread.pop()
    vi.advanceTimersByTime(250)
    await looked()
    // What was read was not enough.
    expect([events, vi.getTimerCount()]).toEqual([[], 1])
    await look()
    expect(events).toEqual([`a: ${ownText}`])
    expect(performance.now()).toBeGreaterThanOrEqual(1750)
    expect(performance.now()).toBeLessThan(2100)
    expect(unread).toHaveLength(1)
  })

  it('has the time besides that a slow line takes for the reply that is on its way, and no more', async () => {
    const rooms = new ReplyRooms({ ...patient, leastBytesPerSecond: unit })
    const unread = [send(rooms, 'a', 5 * unit), send(rooms, 'a', 3 * unit)]
    wait(rooms, 'a', unit)
    await setImmediate()
    await look(5900)
    expect(events).toEqual([])
    // It comes through, and the next one begins.
    unread.shift()
    await look(6300)
    expect(events).toEqual(['a'])
    wait(rooms, 'a', 8 * unit, 'second')
    await look(9900)
    expect(events).toEqual(['a'])
    await look(10_600)
    expect(events).toEqual(['a', `second: ${ownText}`])
    expect(unread).toHaveLength(1)
  })

  it('is not given up because his reply, or others of his peer, take long to make', async () => {
    const rooms = new ReplyRooms(patient)
    const inWork = [5, 3].map((units) => {
      const room = rooms.of('a')
      room.tryTake(units * unit)
      return { room, reply: new Uint8Array(units * unit) }
    })
    wait(rooms, 'a', unit)
    await setImmediate()
    await look(2000)
    const [first, second] = inWork
    // Made, as part of a message whose other replies are in work.
    first!.room.settle(first!.reply)
    await look(4000)
    expect(events).toEqual([])
    first!.room.sent()
    second!.room.settle(second!.reply)
    second!.room.sent()
    await look(4900)
    expect(events).toEqual([])
    await look(5300)
    expect(events).toEqual([`a: ${ownText}`])
    expect(inWork).toHaveLength(2)
  })

  it('is given up when only what waits behind him could be sent: parts of messages that wait for room themselves', async () => {
    const rooms = new ReplyRooms(patient)
    const part = rooms.of('a')
    part.tryTake(8 * unit)
    vi.advanceTimersByTime(5000)
    const reply = new Uint8Array(8 * unit)
    part.settle(reply)
    wait(rooms, 'a', unit)
    await setImmediate()
    await look(5900)
    expect(events).toEqual([])
    await look(6300)
    expect(events).toEqual([`a: ${ownText}`])
    expect(reply).toHaveLength(8 * unit)
  })

  it('is not given up because replies to others take long to make, or are read', async () => {
    const { rooms, full } = fullRooms()
    wait(rooms, 'new', unit)
    await setImmediate()
    await look(3000)
    expect(events).toEqual([])
    const unread = [new Uint8Array(8 * unit)]
    full[0]!.settle(unread[0]!)
    full[0]!.sent()
    await look(3900)
    unread.pop()
    await look(6000)
    expect(events).toEqual(['new'])
    rooms.close()
  })

  it('is given up when what others have not read for his time leaves no room, once he has waited for as long', async () => {
    const rooms = new ReplyRooms(patient)
    const unread = [8, 8, 4].map((units, index) => send(rooms, 'xyz'[index]!, units * unit))
    const inWork = rooms.of('x')
    vi.advanceTimersByTime(5000)
    wait(rooms, 'large', 5 * unit)
    const middle = rooms.of('v')
    middle.tryTake(2 * unit)
    wait(rooms, 'fits', 4 * unit)
    await setImmediate()
    await look(5900)
    expect(events).toEqual([])
    await look(6300)
    expect(events).toEqual([`large: ${allText}`])
    await look(9000)
    expect(events).toHaveLength(1)
    middle.shrink(0)
    await setImmediate()
    expect(events.at(-1)).toBe('fits')
    expect([unread.length, inWork.bytes]).toEqual([3, 0])
    rooms.close()
  })

  it('lets others go first when he has just got some', async () => {
    const { rooms, full } = fullRooms()
    for (const name of ['a1', 'a2', 'b1', 'c1']) wait(rooms, name[0]!, unit, name)
    await setImmediate()
    for (const left of [7, 6, 5, 4, 3, 2]) {
      full[0]!.shrink(left * unit)
      await setImmediate()
    }
    expect(events).toEqual(['a1', 'b1', 'c1', 'a2'])
    rooms.close()
  })

  it('gets it when enough was read', async () => {
    const rooms = new ReplyRooms(patient)
    const room = rooms.of('a')
    room.tryTake(8 * unit)
    room.settle(new Uint8Array(8 * unit))
    room.sent()
    const last = rooms.of('b')
    last.tryTake(8 * unit)
    last.settleMessage(new Uint8Array(1))
    last.sent()
    wait(rooms, 'a', 8 * unit)
    wait(rooms, 'b', 8 * unit)
    await setImmediate()
    vi.advanceTimersByTime(249)
    for (let turn = 0; turn < 30; turn++) await setImmediate()
    expect(events).toEqual([])
    vi.advanceTimersByTime(1)
    for (let turn = 0; turn < 30; turn++) await setImmediate()
    expect(events.sort()).toEqual(['a', 'b'])
    rooms.close()
  })

  it.each([
    [0, 250],
    [25, 250],
    [26, 260],
    [500, 5000],
    [501, 5000],
  ])('is looked for less often where a look takes long: %i ms, then a pause of %i', async (lookMs, pauseMs) => {
    const rooms = new ReplyRooms(patient)
    rooms.of('a').tryTake(8 * unit)
    wait(rooms, 'a', unit)
    await setImmediate()
    vi.advanceTimersByTime(250)
    // The collection has begun, and ends in another turn.
    await setImmediate()
    vi.advanceTimersByTime(lookMs)
    await looked()
    const start = performance.now()
    vi.advanceTimersToNextTimer()
    expect(performance.now() - start).toBe(pauseMs)
    rooms.close()
  })

  it('is told so when the server closes, and so is who comes then and would have to wait', async () => {
    const { rooms } = fullRooms()
    wait(rooms, 'x', unit)
    wait(rooms, 'new', unit)
    await setImmediate()
    expect(vi.getTimerCount()).toBe(1)
    rooms.close()
    wait(rooms, 'later', unit)
    await setImmediate()
    const text = 'The worker is shutting down'
    expect(events).toEqual([`x: ${text}`, `new: ${text}`, `later: ${text}`])
    expect(vi.getTimerCount()).toBe(0)
    const free = new ReplyRooms(patient)
    free.close()
    await free.of('a').take(unit)
    expect(free.of('a').isWaiting).toBe(false)
  })
})

/** Whether a collection was asked for. */
function isForced(entry: PerformanceEntry): boolean {
  const { kind, flags } = (entry as unknown as { detail: { kind: number; flags: number } }).detail
  return kind === constants.NODE_PERFORMANCE_GC_MAJOR && (flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) !== 0
}
