import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Arrivals, defaultArrivalLimits, type Sender } from './arrivals.ts'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
/** What a connection always has: a small request. */
const small = 32 * kibibyte
const limits = { bytesArriving: 64 * mebibyte }

let arrivals: Arrivals

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  arrivals = new Arrivals(limits)
})
afterEach(() => {
  arrivals.close()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** A connection as `Arrivals` sees it: it sends what a test says, and takes room for that. */
class Peer implements Sender {
  readonly share: string
  receivedBytes = 0
  resumed = 0
  endedAs: string | undefined
  /** That it wants to send, and for which it has found no room. */
  wanted = 0
  /** That it has room for. */
  has = 0

  constructor(share = '192.0.2.1') {
    this.share = share
  }

  /** @returns whether there was room */
  send(bytes: number): boolean {
    this.wanted = 0
    const isThere = arrivals.take(this, bytes)
    if (isThere) {
      this.has += bytes
      this.receivedBytes += bytes
    } else this.wanted = bytes
    return isThere
  }

  /** Its request is whole. */
  finish(): void {
    const { has } = this
    this.has = 0
    arrivals.give(this, has)
  }

  // As a connection does: not in the turn of whoever says so.
  resume(): void {
    this.resumed++
    queueMicrotask(() => {
      if (this.endedAs === undefined && this.wanted > 0) this.send(this.wanted)
    })
  }

  close(reason = 'closed'): void {
    this.endedAs = reason
    this.finish()
    arrivals.end(this)
  }
}

const peers = (count: number): Peer[] => Array.from({ length: count }, () => new Peer())

/** Those that were told to resume have done so. */
const resumed = () => vi.advanceTimersByTimeAsync(0)

/** @param whileWaiting is called before each look */
async function pass(seconds: number, whileWaiting: () => void = () => {}): Promise<void> {
  for (let look = 0; look < 4 * seconds; look++) {
    whileWaiting()
    await vi.advanceTimersByTimeAsync(250)
  }
}

/**
 * One that has found no room, and goes on whatever it takes: it has a byte more than a connection may have.
 *
 * @param before what came of it with earlier requests
 */
function favored(before = 0): Peer {
  const [peer] = peers(1)
  peer!.receivedBytes = before
  expect(peer!.send(limits.bytesArriving + 1)).toBe(true)
  return peer!
}

/** One goes on whatever it takes; the others have something, and want more. */
function deadlock(count: number): Peer[] {
  const all = peers(count)
  for (const peer of all) expect(peer.send(Math.floor((2 * limits.bytesArriving) / (count + 1)))).toBe(true)
  expect(all.map((peer) => peer.send(limits.bytesArriving))).toEqual(all.map((_, index) => index === 0))
  return all
}

describe('room for what arrives', () => {
  it('is what a connection may have while others have none, and half of what they leave of twice as much, to the byte', () => {
    favored()
    const [one, two, three] = peers(3)
    expect(one!.send(32 * mebibyte)).toBe(false)
    expect(one!.send(32 * mebibyte - 1)).toBe(true)
    expect(two!.send(16 * mebibyte + 1)).toBe(false)
    expect(two!.send(16 * mebibyte)).toBe(true)
    expect(three!.send(8 * mebibyte + 1)).toBe(false)
    expect(three!.send(8 * mebibyte)).toBe(true)
    expect(arrivals.bytes).toBe(120 * mebibyte)
  })

  it('beyond that is there for one at a time', () => {
    const [one, two] = peers(2)
    expect(one!.send(limits.bytesArriving)).toBe(true)
    // There was room for the first one.
    expect(two!.send(limits.bytesArriving)).toBe(true)
    expect(two!.send(limits.bytesArriving)).toBe(true)
    expect(one!.send(1)).toBe(false)
    two!.finish()
    expect(one!.send(1)).toBe(true)
    expect(two!.send(32 * mebibyte)).toBe(false)
  })

  it('is there for a small request of each, whatever others have, and for no byte more', () => {
    favored().send(2 * limits.bytesArriving)
    for (const peer of peers(1000)) {
      expect(peer.send(small)).toBe(true)
      expect(peer.send(1)).toBe(false)
      peer.finish()
      expect(peer.send(small - 1)).toBe(true)
      expect(peer.send(1)).toBe(true)
    }
  })

  it('is 256 MiB by default', () => {
    expect(defaultArrivalLimits).toEqual({ bytesArriving: 256 * mebibyte })
  })

  it('comes back as requests are whole, are given up, and end; however often', () => {
    for (let round = 0; round < 3; round++) {
      const all = peers(20)
      for (let piece = 0; piece < 20; piece++) for (const peer of all) peer.send(mebibyte)
      expect(arrivals.bytes).toBeGreaterThan(100 * mebibyte)
      for (const [index, peer] of all.entries()) {
        if (index % 2 === 0) peer.finish()
        peer.close()
      }
      expect(arrivals.bytes).toBe(0)
    }
  })

  it('comes back from a connection that ends with some of it, and no second time', () => {
    const [one] = peers(1)
    one!.send(limits.bytesArriving)
    arrivals.end(one!)
    expect(arrivals.bytes).toBe(0)
    one!.finish()
    arrivals.end(one!)
    expect(arrivals.bytes).toBe(0)
    expect(peers(1)[0]!.send(limits.bytesArriving)).toBe(true)
  })
})

describe('who waits for room', () => {
  it('gets it when it comes back, at once, and the next one behind it', async () => {
    const holder = favored()
    const [first, second, third, fourth] = peers(4)
    for (const peer of [first!, second!, third!, fourth!]) expect(peer.send(40 * mebibyte)).toBe(false)
    holder.finish()
    await resumed()
    // The second one finds as much as that, the third one goes on whatever it takes.
    expect([first!.has, second!.has, third!.has, fourth!.has]).toEqual([...Array(2).fill(40 * mebibyte), 0, 0])
    first!.finish()
    await resumed()
    expect([third!.has, fourth!.has]).toEqual([40 * mebibyte, 0])
  })

  it('gets it from one that has ended without giving it back', async () => {
    const holder = favored()
    const [waiting] = peers(1)
    expect(waiting!.send(limits.bytesArriving)).toBe(false)
    arrivals.end(holder)
    await resumed()
    expect(waiting!.has).toBe(limits.bytesArriving)
  })

  it('is not tried again as long as there is none for it', async () => {
    favored()
    const [waiting, other] = peers(2)
    waiting!.send(limits.bytesArriving)
    for (let request = 0; request < 1000; request++) {
      other!.send(100)
      other!.finish()
    }
    await pass(1)
    expect([waiting!.resumed, waiting!.has]).toEqual([0, 0])
  })

  it('for little is not held up by one that waits for much', async () => {
    const holder = favored()
    const [much, little] = peers(2)
    expect(much!.send(60 * mebibyte)).toBe(false)
    expect(little!.send(33 * mebibyte)).toBe(false)
    arrivals.give(holder, 3 * mebibyte)
    await pass(0.25)
    expect([much!.has, little!.has]).toEqual([0, 33 * mebibyte])
  })

  it('for much is not held up by many that want little: its turn comes, in the order in which they began to wait', async () => {
    const others = peers(100)
    for (const peer of others) expect(peer.send(mebibyte)).toBe(true)
    const much = peers(3)
    expect(much.map((peer) => peer.send(limits.bytesArriving))).toEqual([true, false, false])
    for (const [index, peer] of much.entries()) {
      await pass(15, () => {
        // A request of each is whole, and the next one begins.
        for (const other of others) {
          other.finish()
          other.send(mebibyte)
        }
        peer.receivedBytes += mebibyte
      })
      expect(much.map(({ has }) => has > 0)).toEqual(much.map((_, at) => at === index))
      peer.finish()
      await resumed()
    }
  })
})

describe('if all would wait for each other', () => {
  it('one goes on whatever it takes, and the one that has waited for longest when it is done', async () => {
    const all = deadlock(8)
    for (const peer of all) {
      expect(peer.wanted).toBe(0)
      peer.finish()
      await resumed()
    }
    expect(arrivals.bytes).toBe(0)
  })

  it('and that one ends, the next one goes on', async () => {
    const all = deadlock(8)
    all[0]!.close()
    // Before it had its turn.
    all[1]!.close()
    await resumed()
    expect([all[2]!.wanted, all[2]!.resumed]).toEqual([0, 1])
  })

  it('and that one sends nothing more, it is ended, and the next one goes on', async () => {
    const all = deadlock(8)
    await pass(10)
    expect(all.map(({ endedAs }) => endedAs)).toEqual(all.map(() => undefined))
    await pass(0.25)
    expect(all.map(({ endedAs }) => endedAs)).toEqual(['slow', ...all.slice(1).map(() => undefined)])
    expect(all[1]!.wanted).toBe(0)
  })

  it('a crowd of one address is in the way of another one by one turn, however many of them wait, and for however long', async () => {
    const crowd = deadlock(50)
    const honest = [new Peer('192.0.2.2'), new Peer('192.0.2.2'), new Peer('192.0.2.3')]
    for (const peer of honest) expect(peer.send(limits.bytesArriving)).toBe(false)
    const all = [...crowd, ...honest]
    const turns: number[] = []
    for (let turn = 0; turn < 8; turn++) {
      const next = all.findIndex(({ wanted, has }) => wanted === 0 && has > small)
      turns.push(next)
      all[next]!.finish()
      await resumed()
    }
    expect(turns).toEqual([0, 50, 52, 1, 51, 2, 3, 4])
  })

  it('all of two thousand have their turns, and none is in the way when it has gone', async () => {
    const all = deadlock(2000)
    for (const [index, peer] of all.entries()) {
      expect(peer.wanted).toBe(0)
      if (index % 2 === 0) peer.finish()
      else peer.close()
      await resumed()
    }
    expect(arrivals.bytes).toBe(0)
  })
})

describe('who lets others wait', () => {
  /** One has all, and others wait for it, one behind the other. What comes of those that need not wait comes fast. */
  function holdUp(before = 0): {
    holder: Peer
    waiting: Peer
    pass(seconds: number, bytesPerSecond: number): Promise<void>
  } {
    const holder = favored(before)
    const others = peers(20)
    for (const peer of others) expect(peer.send(50 * mebibyte)).toBe(false)
    return {
      holder,
      waiting: others[0]!,
      pass: (seconds, bytesPerSecond) =>
        pass(seconds, () => {
          holder.receivedBytes += bytesPerSecond / 4
          for (const peer of others) if (peer.has > 0) peer.receivedBytes += mebibyte
        }),
    }
  }

  it.each([
    ['that sends nothing', 0],
    ['that sends less than 256 KiB/s', 256 * kibibyte - 4],
  ])('%s is ended in 10 s, and the other one has its room', async (_, bytesPerSecond) => {
    const { holder, waiting, pass } = holdUp()
    await pass(10, bytesPerSecond)
    expect(holder.endedAs).toBe(undefined)
    await pass(0.25, bytesPerSecond)
    expect(holder.endedAs).toBe('slow')
    expect([waiting.has, waiting.endedAs]).toEqual([50 * mebibyte, undefined])
  })

  it('but sends 256 KiB/s goes on, and is ended in 10 to 20 s when it stops, however much it has sent', async () => {
    const { holder, pass } = holdUp()
    holder.receivedBytes += 50 * mebibyte
    await pass(55, 256 * kibibyte)
    expect(holder.endedAs).toBe(undefined)
    await pass(20, 0)
    expect(holder.endedAs).toBe('slow')
  })

  it('has its time from when they wait', async () => {
    const holder = favored()
    await pass(1000)
    peers(1)[0]!.send(50 * mebibyte)
    await pass(10)
    expect(holder.endedAs).toBe(undefined)
    await pass(0.25)
    expect(holder.endedAs).toBe('slow')
  })

  it('has its time also behind one in which the process stood still', async () => {
    const now = vi.spyOn(performance, 'now')
    const { holder, pass } = holdUp()
    await pass(1, 0)
    // No timer has its turn then, and the one behind that is late.
    now.mockReturnValue(1_000_000)
    await pass(9, 0)
    expect(holder.endedAs).toBe(undefined)
  })

  it('and waits itself is not ended', async () => {
    const all = deadlock(4)
    await pass(60, () => {
      all[0]!.receivedBytes += 64 * kibibyte
    })
    expect(all.map(({ endedAs }) => endedAs)).toEqual(all.map(() => undefined))
  })

  it('and sends fast, but far more than it keeps, has a message without an end: it is ended', async () => {
    const { holder, pass } = holdUp()
    await pass(60, 64 * mebibyte)
    expect(holder.endedAs).toBe('slow')
  })

  it('and has sent far more before is let be: those were other messages', async () => {
    const { holder, pass } = holdUp(1024 * mebibyte)
    await pass(55, 256 * kibibyte)
    expect(holder.endedAs).toBe(undefined)
  })

  it('with small requests is let be', async () => {
    const { pass } = holdUp()
    const others = peers(100)
    for (const peer of others) peer.send(small)
    await pass(60, 256 * kibibyte)
    expect(others.filter(({ endedAs }) => endedAs !== undefined)).toEqual([])
  })
})

it('nobody is looked at when nobody waits, or behind the end', async () => {
  const holder = favored()
  expect(vi.getTimerCount()).toBe(0)
  const [waiting] = peers(1)
  waiting!.send(50 * mebibyte)
  expect(vi.getTimerCount()).toBe(1)
  holder.finish()
  await pass(0.5)
  expect(vi.getTimerCount()).toBe(0)
  waiting!.finish()
  favored()
  waiting!.send(50 * mebibyte)
  expect(vi.getTimerCount()).toBe(1)
  arrivals.close()
  expect(vi.getTimerCount()).toBe(0)
})
