import { constants, PerformanceObserver } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { ReplyRooms } from './replyRoom.ts'

const unit = 1024 * 1024
const limits = { unreadBytesPerPeer: 8 * unit, unreadBytes: 24 * unit, unreadPatienceMs: 300_000 }

/** How many replies of a unit a peer may leave unread. */
function fill(rooms: ReplyRooms, peer: string): number {
  let replies = 0
  while (rooms.of(peer).tryTake(unit)) replies++
  return replies
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
  for (const peer of ['a', 'b', 'c', 'd', 'e']) fill(rooms, peer)
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

/** Whether a collection was asked for. */
function isForced(entry: PerformanceEntry): boolean {
  const { kind, flags } = (entry as unknown as { detail: { kind: number; flags: number } }).detail
  return kind === constants.NODE_PERFORMANCE_GC_MAJOR && (flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) !== 0
}
