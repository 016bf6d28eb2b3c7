import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { collectGarbage } from '../../test/collectGarbage.ts'
import { defaultRoomLimits, largeBytes, type ReplyRoom, ReplyRooms, smallBytes } from './replyRoom.ts'

const unit = 1024 * 1024
const limits = { unreadBytesPerPeer: 8 * unit, unreadBytes: 24 * unit, unreadPatienceMs: 300_000 }

/** A peer that takes something when a test says so. */
class Peer {
  readonly id: string
  lastProgressAt = 0
  /** Nothing of what it was sent has come to the system. */
  isHeldUp = false
  readonly #rooms: ReplyRooms
  /** Replies that were sent. */
  readonly #unread: ReplyRoom[] = []

  constructor(id: string, rooms: ReplyRooms) {
    this.id = id
    this.#rooms = rooms
  }

  get isWriting(): boolean {
    return this.#unread.length > 0 && !this.isHeldUp
  }

  room(): ReplyRoom {
    return this.#rooms.of(this)
  }

  tryTake(bytes: number): boolean {
    return this.room().tryTake(bytes)
  }

  /** @param rooms of the replies of a message, which are made */
  sendMade(...rooms: ReplyRoom[]): void {
    if (this.#unread.length === 0) this.lastProgressAt = performance.now()
    for (const room of rooms) room.sent()
    this.#unread.push(...rooms)
  }

  send(bytes: number): void {
    const room = this.room()
    expect(room.tryTake(bytes)).toBe(true)
    room.settle(new Uint8Array(bytes))
    this.sendMade(room)
  }

  read(): void {
    this.lastProgressAt = performance.now()
    this.#unread.shift()!.gone()
  }
}

/** Rooms, and peers by their names. */
function open(which = limits): { rooms: ReplyRooms; peer(name: string): Peer } {
  const rooms = new ReplyRooms(which)
  const peers = new Map<string, Peer>()
  const peer = (name: string): Peer => {
    const known = peers.get(name) ?? new Peer(name, rooms)
    peers.set(name, known)
    return known
  }
  return { rooms, peer }
}

/** How many replies of a unit a peer may leave unread. */
function fill(peer: Peer): number {
  let replies = 0
  while (peer.tryTake(unit)) replies++
  return replies
}

describe('room', () => {
  it('is 512 MiB for a peer by default, 2 GiB for all, and a peer has 10 s to take something', () => {
    expect(defaultRoomLimits).toEqual({
      unreadBytesPerPeer: 512 * unit,
      unreadBytes: 2048 * unit,
      unreadPatienceMs: 10_000,
    })
  })

  it('is the less for each, the nearer all of them are to the limit; nobody takes the last', () => {
    const { peer } = open()
    expect(['a', 'b', 'c', 'd', 'e'].map((name) => fill(peer(name)))).toEqual([8, 8, 4, 2, 1])
  })

  it('is there up to the limits of a peer and of all, to the byte', () => {
    const { rooms, peer } = open()
    expect(peer('a').tryTake(unit)).toBe(true)
    expect(peer('a').tryTake(7 * unit + 1)).toBe(false)
    expect(peer('a').tryTake(7 * unit)).toBe(true)
    expect(peer('b').tryTake(8 * unit + 1)).toBe(false)
    expect(peer('b').tryTake(8 * unit)).toBe(true)
    // Of the eight that are left, two peers may have four each.
    expect(peer('c').tryTake(4 * unit)).toBe(true)
    expect(peer('d').tryTake(4 * unit + 1)).toBe(false)
    expect(peer('d').tryTake(4 * unit)).toBe(true)
    expect(rooms.bytes).toBe(24 * unit)
  })

  it('is taken from 16 KiB on, and by whatever is added to what has taken some', async () => {
    const { peer } = open()
    const a = peer('a')
    const small = a.room()
    expect(small.tryTake(largeBytes - 1)).toBe(true)
    await small.take(largeBytes - 1)
    expect([largeBytes, small.bytes]).toEqual([16_384, 0])
    const large = a.room()
    expect(large.tryTake(largeBytes)).toBe(true)
    expect(large.tryTake(1)).toBe(true)
    await large.take(2)
    expect(large.bytes).toBe(largeBytes + 3)
    const waited = a.room()
    await waited.take(largeBytes)
    expect(waited.bytes).toBe(largeBytes)
    expect(a.tryTake(8 * unit - 2 * largeBytes - 3 + 1)).toBe(false)
    expect(a.tryTake(8 * unit - 2 * largeBytes - 3)).toBe(true)
    expect(large.tryTake(1)).toBe(false)
    expect(large.bytes).toBe(largeBytes + 3)
  })

  it('is taken for all that a reply grows by, in however small steps', () => {
    const { peer } = open()
    const room = peer('a').room()
    expect(room.tryTake(unit)).toBe(true)
    let steps = 0
    while (steps < 10_000 && room.tryTake(1024)) steps++
    expect(steps).toBe(7 * 1024)
    room.shrink(0)
    expect(fill(peer('a'))).toBe(8)
  })

  it('comes back as far as it is not needed', () => {
    const { peer } = open()
    const room = peer('a').room()
    room.shrink(0)
    room.tryTake(8 * unit)
    room.shrink(9 * unit)
    expect(room.bytes).toBe(8 * unit)
    room.shrink(5 * unit)
    expect(room.bytes).toBe(5 * unit)
    expect(peer('a').tryTake(3 * unit + 1)).toBe(false)
    expect(peer('a').tryTake(3 * unit)).toBe(true)
  })

  it('is that of the memory that a reply holds; a small one shares its memory, and is counted with its message', () => {
    const { rooms, peer } = open()
    const settled = (reply: Uint8Array): [boolean, number] => {
      const room = peer('a').room()
      room.tryTake(6 * unit)
      return [room.settle(reply), room.bytes]
    }
    expect(peer('a').room().settle(new Uint8Array(unit))).toBe(false)
    expect(settled(new Uint8Array(largeBytes - 1))).toEqual([false, 0])
    expect(settled(new Uint8Array(unit).subarray(0, largeBytes - 1))).toEqual([false, 0])
    expect(settled(new Uint8Array(largeBytes))).toEqual([true, largeBytes])
    expect(settled(new Uint8Array(unit).subarray(0, largeBytes))).toEqual([true, unit])
    expect(peer('a').tryTake(7 * unit - largeBytes + 1)).toBe(false)
    expect(peer('a').tryTake(7 * unit - largeBytes)).toBe(true)
    const larger = peer('b').room()
    larger.tryTake(unit)
    expect([larger.settle(new Uint8Array(2 * unit).subarray(0, unit)), larger.bytes]).toEqual([true, 2 * unit])
    expect(rooms.bytes).toBe(10 * unit)
    expect(smallBytes(new Uint8Array(7))).toBe(7 + 1024)
  })

  it('of an error in place of a reply comes back', async () => {
    const { peer } = open()
    const room = peer('a').room()
    await room.take(8 * unit)
    expect(peer('a').tryTake(unit)).toBe(false)
    room.settle(new Uint8Array(100))
    expect(peer('a').tryTake(8 * unit)).toBe(true)
  })

  it('beyond the limit is there when nothing else is', async () => {
    const { peer } = open()
    await peer('a')
      .room()
      .take(30 * unit)
    expect(peer('b').tryTake(unit)).toBe(false)
  })

  it('comes back when the system has the reply, and is that of peers no more', () => {
    const { rooms, peer } = open()
    const [a, b] = [peer('a'), peer('b')]
    a.send(5 * unit)
    a.send(3 * unit)
    b.send(2 * unit)
    expect(a.tryTake(unit)).toBe(false)
    a.read()
    expect(rooms.bytes).toBe(5 * unit)
    expect(a.tryTake(5 * unit + 1)).toBe(false)
    a.read()
    b.read()
    expect(rooms.bytes).toBe(0)
    expect(a.tryTake(8 * unit)).toBe(true)
  })

  it('of peers is forgotten with them', async () => {
    const { rooms } = open()
    await collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let count = 0; count < 100_000; count++) {
      const peer = new Peer(Buffer.from(`${count}`.padStart(100, 'x')).toString('latin1'), rooms)
      peer.send(largeBytes)
      peer.read()
    }
    await collectGarbage()
    // Their names alone are 10 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000)
    expect(rooms.bytes).toBe(0)
  })
})

describe('small replies of a message', () => {
  it('need room as soon as they are together more than a little, and hold it until they are read', () => {
    const { rooms, peer } = open()
    const a = peer('a')
    const held = a.room()
    expect(held.tryHold(unit)).toBe(true)
    expect([held.bytes, rooms.bytes]).toEqual([unit, unit])
    a.sendMade(held)
    expect(a.tryTake(7 * unit + 1)).toBe(false)
    a.read()
    expect(a.tryTake(8 * unit)).toBe(true)
    const more = a.room()
    expect(more.tryHold(largeBytes)).toBe(false)
    expect([more.bytes, rooms.bytes]).toEqual([0, 8 * unit])
  })

  it('have room as long as a peer has less than 16 KiB, whatever others have', () => {
    const { rooms, peer } = open()
    for (let name = 0; fill(peer(`${name}`)) > 0; name++);
    for (let name = 100; name < 200; name++) while (peer(`${name}`).tryTake(largeBytes));
    const full = rooms.bytes
    expect(full).toBeGreaterThan(24 * unit - 2 * largeBytes)
    const a = peer('a')
    expect(a.room().tryHold(largeBytes)).toBe(false)
    expect(a.room().tryHold(largeBytes - 1)).toBe(true)
    expect(a.room().tryHold(1)).toBe(rooms.bytes + largeBytes <= 24 * unit)
    expect(rooms.bytes).toBe(full + largeBytes - 1)
  })

  it('wait for room, behind what waits already', async () => {
    const { rooms, peer } = open()
    const a = peer('a')
    a.send(8 * unit)
    const events: string[] = []
    const room = a.room()
    const large = room.take(7 * unit).then(() => events.push('large'))
    const held = a.room()
    const small = held.hold(2 * unit).then(() => events.push('small'))
    expect(a.room().isWaiting).toBe(true)
    a.read()
    await large
    expect([events, rooms.bytes]).toEqual([['large'], 7 * unit])
    room.settle(new Uint8Array(7 * unit))
    a.sendMade(room)
    a.read()
    await small
    expect([events, held.bytes, rooms.bytes]).toEqual([['large', 'small'], 2 * unit, 2 * unit])
    rooms.close()
  })

  it('do not wait for the large ones of their own message', () => {
    const { rooms, peer } = open()
    const a = peer('a')
    const large = a.room()
    large.tryTake(8 * unit)
    large.settle(new Uint8Array(8 * unit))
    const held = a.room()
    held.holdAnyway(unit)
    expect(rooms.bytes).toBe(9 * unit)
    a.sendMade(large, held)
    a.read()
    a.read()
    expect(rooms.bytes).toBe(0)
  })
})

describe('who waits for room', () => {
  const events: string[] = []

  // The time is what a test says.
  beforeEach(() => {
    events.length = 0
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const patient = { ...limits, unreadPatienceMs: 1000 }

  function wait(peer: Peer, bytes: number, name = peer.id): ReplyRoom {
    const room = peer.room()
    room.take(bytes).then(
      () => events.push(name),
      (error: Error) => events.push(`${name}: ${error.message}`),
    )
    return room
  }

  /** Rooms of which nothing is left, and those who have it. */
  function openFull() {
    const { rooms, peer } = open(patient)
    const full = ['x', 'y', 'z'].map((name) => peer(name).room())
    for (const [index, room] of full.entries()) room.tryTake([8, 8, 4][index]! * unit)
    for (const [index, name] of [...'stuv'].entries()) peer(name).tryTake([2, 1, 0.5, 0.5][index]! * unit)
    return { rooms, peer, full }
  }

  /** Looks until something happens, or until then. */
  async function look(until = 60_000): Promise<void> {
    await setImmediate()
    const before = events.length
    while (events.length === before && performance.now() + 250 <= until) {
      vi.advanceTimersToNextTimer()
      await setImmediate()
    }
  }

  const ownText = `Busy: too many bytes of replies that this peer has not read, at most ${8 * unit}`
  const allText = `Busy: too many bytes of replies that all peers have not read, at most ${24 * unit}`

  it('has his turn before those who come later', async () => {
    const { rooms, peer } = open()
    const first = peer('a').room()
    expect(first.tryTake(8 * unit)).toBe(true)
    const waiting = [5, 4, 1].map((units) =>
      peer('a')
        .room()
        .take(units * unit),
    )
    // It would fit, but for those who wait.
    first.settle(new Uint8Array(4 * unit))
    expect(peer('a').tryTake(unit)).toBe(false)
    expect(peer('b').tryTake(unit)).toBe(true)
    const error = { code: 'shutting_down' }
    rooms.close()
    for (const each of waiting) await expect(each).rejects.toMatchObject(error)
    await expect(
      peer('a')
        .room()
        .take(8 * unit),
    ).rejects.toMatchObject(error)
  })

  it('is in the queue of his peer, and the peers have their turns', async () => {
    const { rooms, peer, full } = openFull()
    for (const name of ['a1', 'a2', 'b1', 'b2']) wait(peer(name[0]!), unit, name)
    expect([peer('a').room().isWaiting, peer('c').room().isWaiting, events]).toEqual([true, false, []])
    full[0]!.shrink(0)
    await setImmediate()
    expect(events).toEqual(['a1', 'b1', 'a2', 'b2'])
    expect(peer('a').room().isWaiting).toBe(false)
    expect(peer('a').tryTake(largeBytes)).toBe(true)
    rooms.close()
  })

  it('lets others go first when he has just got some', async () => {
    const { rooms, peer, full } = openFull()
    for (const name of ['a1', 'a2', 'b1', 'c1']) wait(peer(name[0]!), unit, name)
    for (const left of [7, 6, 5, 4, 3, 2]) {
      full[0]!.shrink(left * unit)
      await setImmediate()
    }
    expect(events).toEqual(['a1', 'b1', 'c1', 'a2'])
    rooms.close()
  })

  it('has as much as fits, and what does not fit holds up nothing of another peer', async () => {
    const { rooms, peer } = open(patient)
    const first = peer('a').room()
    first.tryTake(8 * unit)
    const waiting = wait(peer('a'), 4 * unit, 'four')
    wait(peer('a'), largeBytes, 'small')
    wait(peer('b'), unit)
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

  it('is looked for four times in a second, and given up when his peer has taken nothing for its time', async () => {
    const { peer } = open(patient)
    const a = peer('a')
    a.send(8 * unit)
    wait(a, unit)
    wait(a, unit, 'second')
    let looks = 0
    while (events.length === 0) {
      const start = performance.now()
      vi.advanceTimersToNextTimer()
      expect(performance.now() - start).toBe(250)
      await setImmediate()
      looks++
    }
    expect(looks).toBe(4)
    expect(events).toEqual([`a: ${ownText}`, `second: ${ownText}`])
    // Nobody waits, and nobody looks.
    expect([a.room().isWaiting, vi.getTimerCount()]).toEqual([false, 0])
    wait(a, unit)
    expect(vi.getTimerCount()).toBe(1)
    a.read()
    await setImmediate()
    expect(events.at(-1)).toBe('a')
    vi.advanceTimersToNextTimer()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('has his time anew when his peer takes a part of what it was sent', async () => {
    const { peer } = open(patient)
    const a = peer('a')
    a.send(8 * unit)
    wait(a, unit)
    await look(900)
    a.lastProgressAt = performance.now()
    await look(1700)
    expect(events).toEqual([])
    await look(2300)
    expect(events).toEqual([`a: ${ownText}`])
  })

  it('is not given up because his reply, or others of his peer, take long to make', async () => {
    const { peer } = open(patient)
    const a = peer('a')
    const [first, second] = [5, 3].map((units) => {
      const room = a.room()
      room.tryTake(units * unit)
      return room
    })
    wait(a, unit)
    await look(2000)
    // Made, as part of a message whose other replies are in work.
    first!.settle(new Uint8Array(5 * unit))
    await look(4000)
    expect(events).toEqual([])
    a.sendMade(first!)
    second!.settle(new Uint8Array(3 * unit))
    a.sendMade(second!)
    await look(4900)
    expect(events).toEqual([])
    await look(5300)
    expect(events).toEqual([`a: ${ownText}`])
  })

  it('is given up when only what waits behind him could be sent: parts of messages that wait for room themselves', async () => {
    const { peer } = open(patient)
    const part = peer('a').room()
    part.tryTake(8 * unit)
    vi.advanceTimersByTime(5000)
    part.settle(new Uint8Array(8 * unit))
    wait(peer('a'), unit)
    await look(5900)
    expect(events).toEqual([])
    await look(6300)
    expect(events).toEqual([`a: ${ownText}`])
  })

  it('is not given up because replies to others take long to make, or are read', async () => {
    const { rooms, peer, full } = openFull()
    wait(peer('new'), unit)
    await look(3000)
    expect(events).toEqual([])
    full[0]!.settle(new Uint8Array(8 * unit))
    peer('x').sendMade(full[0]!)
    await look(3900)
    peer('x').read()
    await setImmediate()
    expect(events).toEqual(['new'])
    rooms.close()
  })

  it('is given up when what others have not read for his time leaves no room, once he has waited for as long', async () => {
    const { rooms, peer } = open(patient)
    for (const [index, units] of [8, 8, 4].entries()) peer('xyz'[index]!).send(units * unit)
    vi.advanceTimersByTime(5000)
    // However often they take a little.
    const progress = setInterval(() => {
      for (const name of 'xyz') peer(name).lastProgressAt = performance.now()
    }, 1)
    wait(peer('large'), 5 * unit)
    const middle = peer('v').room()
    middle.tryTake(2 * unit)
    wait(peer('fits'), 4 * unit)
    await look(5900)
    expect(events).toEqual([])
    await look(6300)
    expect(events).toEqual([`large: ${allText}`])
    await look(9000)
    expect(events).toHaveLength(1)
    middle.shrink(0)
    await setImmediate()
    expect(events.at(-1)).toBe('fits')
    clearInterval(progress)
    rooms.close()
  })

  it('is not given up before all that leaves no room was sent long enough ago', async () => {
    const { rooms, peer } = open({ ...patient, unreadBytes: 20 * unit })
    const full = ['v', 'w'].map((name) => peer(name).room())
    for (const room of full) room.tryTake(8 * unit)
    wait(peer('large'), 6 * unit)
    for (const room of full) {
      vi.advanceTimersByTime(600)
      room.settle(new Uint8Array(8 * unit))
      peer(room.peer).sendMade(room)
    }
    await look(2100)
    expect(events).toEqual([])
    await look(2500)
    expect(events).toEqual([`large: ${allText.replace(`${24 * unit}`, `${20 * unit}`)}`])
    rooms.close()
  })

  it('is not given up because what waits for him, or for others, has not come to the system', async () => {
    const { rooms, peer } = open(patient)
    for (const [index, units] of [8, 8, 4].entries()) peer('xyz'[index]!).send(units * unit)
    for (const name of 'xyz') {
      peer(name).isHeldUp = true
      peer(name).lastProgressAt = Number.POSITIVE_INFINITY
    }
    wait(peer('x'), unit)
    wait(peer('large'), 5 * unit)
    await look(9000)
    expect(events).toEqual([])
    peer('y').isHeldUp = false
    peer('y').read()
    await setImmediate()
    expect(events).toEqual(['large'])
    rooms.close()
  })

  it('is told whether he has left too much unread himself, or all have', async () => {
    const { peer } = open({ ...limits, unreadPatienceMs: 0 })
    for (const [index, units] of [8, 8, 4, 2, 1].entries()) peer('abcde'[index]!).send(units * unit)
    for (const name of ['a', 'd', 'f']) wait(peer(name), 2 * unit)
    await look()
    expect(events).toEqual([`a: ${ownText}`, `d: ${allText}`, `f: ${allText}`])
  })

  it('is let go at once when he comes behind the end of his connection', async () => {
    const { rooms, peer } = open(patient)
    peer('a').send(8 * unit)
    rooms.end(peer('a'))
    wait(peer('a'), unit)
    await setImmediate()
    expect([events, vi.getTimerCount()]).toEqual([[`a: ${allText}`], 0])
  })

  it('with what is made has its room when the server closes, and when he comes behind that', async () => {
    const { rooms, peer } = openFull()
    const held = [peer('x').room(), peer('x').room()]
    const made = held[0]!.hold(unit)
    wait(peer('x'), 2 * unit)
    rooms.close()
    await made
    await held[1]!.hold(unit)
    await setImmediate()
    expect(events).toEqual(['x: The worker is shutting down'])
    expect(held.map(({ bytes }) => bytes)).toEqual([unit, unit])
    expect(rooms.bytes).toBe(26 * unit)
  })

  it('who would have had just enough of his own is told that all have left too much', async () => {
    const { peer } = open({ ...limits, unreadPatienceMs: 0 })
    for (const [index, units] of [6, 8, 4].entries()) peer('abc'[index]!).send(units * unit)
    wait(peer('a'), 2 * unit)
    await look()
    expect(events).toEqual([`a: ${allText}`])
  })

  it('is let go when his connection ends, and nobody else is', async () => {
    const { rooms, peer } = open(patient)
    for (const name of 'ab') {
      peer(name).send(8 * unit)
      wait(peer(name), unit)
    }
    rooms.end(peer('a'))
    rooms.end(peer('nobody'))
    await setImmediate()
    expect(events).toEqual([`a: ${ownText}`])
    peer('a').read()
    peer('b').read()
    await setImmediate()
    expect([events.at(-1), rooms.bytes]).toEqual(['b', unit])
    rooms.close()
  })

  it('is told so when the server closes, and so is who comes then and would have to wait', async () => {
    const { rooms, peer } = openFull()
    wait(peer('x'), unit)
    wait(peer('new'), unit)
    expect(vi.getTimerCount()).toBe(1)
    rooms.close()
    wait(peer('later'), unit)
    await setImmediate()
    const text = 'The worker is shutting down'
    expect(events.sort()).toEqual([`later: ${text}`, `new: ${text}`, `x: ${text}`])
    expect(vi.getTimerCount()).toBe(0)
    const free = open(patient)
    free.rooms.close()
    await free.peer('a').room().take(unit)
    expect(free.peer('a').room().isWaiting).toBe(false)
  })
})
