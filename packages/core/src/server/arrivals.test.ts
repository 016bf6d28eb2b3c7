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
  receivedBytes = 0
  resumed = 0
  endedAs: string | undefined
  /** That it wants to send, and for which it has found no room. */
  wanted = 0
  /** That it has room for. */
  has = 0

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

/** One after the other, as much as each finds room for, in pieces. */
function fill(peers: readonly Peer[], piece: number): void {
  for (const peer of peers) while (peer.send(piece));
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

/** What so many may have at most, each as much as the others. */
const shareOf = (count: number): number => Math.floor((2 * limits.bytesArriving) / (count + 1))

/** All are blocked: each has something, and wants more. */
function deadlock(count: number): Peer[] {
  const all = peers(count)
  for (const peer of all) peer.send(shareOf(count))
  for (const peer of all) expect(peer.send(limits.bytesArriving)).toBe(false)
  return all
}

describe('room for what arrives', () => {
  it('is what a connection may have while others have none, to the byte', () => {
    const [one] = peers(1)
    expect(one!.send(limits.bytesArriving)).toBe(true)
    expect(one!.send(1)).toBe(false)
    const [other] = peers(1)
    // Half of the 64 MiB that the first one leaves of 128.
    expect(other!.send(32 * mebibyte + 1)).toBe(false)
    expect(other!.send(32 * mebibyte)).toBe(true)
    const [third] = peers(1)
    expect(third!.send(16 * mebibyte + 1)).toBe(false)
    expect(third!.send(16 * mebibyte)).toBe(true)
    expect(arrivals.bytes).toBe(112 * mebibyte)
  })

  it('is there for a small request of each, whatever others have, and for no byte more', () => {
    fill(peers(40), small)
    const late = peers(1000)
    for (const peer of late) {
      expect(peer.send(small)).toBe(true)
      expect(peer.send(1)).toBe(false)
      peer.finish()
      expect(peer.send(small - 1)).toBe(true)
    }
  })

  it('is 256 MiB by default', () => {
    expect(defaultArrivalLimits).toEqual({ bytesArriving: 256 * mebibyte })
  })

  it('comes back as requests are whole, are given up, and end; however often', () => {
    for (let round = 0; round < 3; round++) {
      const all = peers(20)
      fill(all, mebibyte)
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
    const [holder, first, second, third] = peers(4)
    holder!.send(limits.bytesArriving)
    for (const peer of [first!, second!, third!]) expect(peer.send(40 * mebibyte)).toBe(false)
    holder!.finish()
    await resumed()
    // The third one would be beyond what they leave.
    expect([first!.has, second!.has, third!.has]).toEqual([40 * mebibyte, 40 * mebibyte, 0])
    first!.close()
    await resumed()
    expect(third!.has).toBe(40 * mebibyte)
  })

  it('gets it from one that has ended without giving it back', async () => {
    const [holder, waiting] = peers(2)
    holder!.send(limits.bytesArriving)
    expect(waiting!.send(limits.bytesArriving)).toBe(false)
    arrivals.end(holder!)
    await resumed()
    expect(waiting!.has).toBe(limits.bytesArriving)
  })

  it('is not tried again as long as there is none for it', async () => {
    const [holder, waiting, other] = peers(3)
    holder!.send(limits.bytesArriving)
    waiting!.send(limits.bytesArriving)
    for (let request = 0; request < 1000; request++) {
      other!.send(100)
      other!.finish()
    }
    await pass(1)
    expect([waiting!.resumed, waiting!.has]).toEqual([0, 0])
  })

  it('for little is not held up by one that waits for much', async () => {
    const [holder, much, little] = peers(3)
    holder!.send(60 * mebibyte)
    expect(much!.send(60 * mebibyte)).toBe(false)
    expect(little!.send(35 * mebibyte)).toBe(false)
    arrivals.give(holder!, 3 * mebibyte)
    await pass(0.25)
    expect([much!.has, little!.has]).toEqual([0, 35 * mebibyte])
  })

  it('for much is not held up for ever by many that want little: then it goes on whatever it takes', async () => {
    const others = peers(100)
    for (const peer of others) expect(peer.send(mebibyte)).toBe(true)
    const [much, next] = peers(2)
    for (const peer of [much!, next!]) expect(peer.send(limits.bytesArriving)).toBe(false)
    let turn = 0
    const goOn = (): void => {
      // A request of theirs is whole, and the next one begins.
      const peer = others[turn++ % others.length]!
      peer.finish()
      peer.send(mebibyte)
      for (const each of [much!, next!]) if (each.has > 0) each.receivedBytes += mebibyte
    }
    await pass(10, goOn)
    expect(much!.has).toBe(0)
    await pass(0.25, goOn)
    expect(much!.has).toBe(limits.bytesArriving)
    // Not both at once, and with no other request.
    await pass(10, goOn)
    expect(next!.has).toBe(0)
    much!.finish()
    expect(much!.send(limits.bytesArriving)).toBe(false)
    await pass(0.5, goOn)
    expect([much!.has, next!.has]).toEqual([0, limits.bytesArriving])
  })
})

describe('if all wait for each other', () => {
  it('the one that has waited for longest goes on, and the next one when it is done', async () => {
    const all = deadlock(4)
    const whole = shareOf(4) + limits.bytesArriving
    for (const [index, peer] of all.entries()) {
      await pass(0.25)
      expect(all.map(({ has }) => has === whole)).toEqual(all.map((_, at) => at === index))
      peer.finish()
      // The last ones find room by themselves.
      if (arrivals.bytes <= limits.bytesArriving) break
    }
    await pass(0.25)
    for (const peer of all) peer.finish()
    await pass(1)
    for (const peer of all) peer.finish()
    expect(arrivals.bytes).toBe(0)
    expect(all.map(({ endedAs }) => endedAs)).toEqual(all.map(() => undefined))
  })

  it('and that one ends, the next one goes on', async () => {
    const all = deadlock(8)
    await pass(0.25)
    expect(all[0]!.wanted).toBe(0)
    // Also before it had its turn.
    all[0]!.close()
    all[1]!.close()
    await pass(0.5)
    expect(all[2]!.wanted).toBe(0)
  })

  it('and that one sends nothing more, it is ended, and the next one goes on', async () => {
    const all = deadlock(8)
    await pass(10.25)
    expect(all.map(({ endedAs }) => endedAs)).toEqual(all.map(() => undefined))
    await pass(0.5)
    expect(all.map(({ endedAs }) => endedAs)).toEqual(['slow', ...all.slice(1).map(() => undefined)])
    expect(all[1]!.wanted).toBe(0)
  })

  it('all of two thousand have their turns', async () => {
    const all = deadlock(2000)
    for (let turn = 0; all.some(({ wanted }) => wanted > 0); turn++) {
      expect(turn).toBeLessThan(2000)
      await pass(0.25)
      for (const peer of all) if (peer.wanted === 0 && peer.has > 0) peer.finish()
    }
    for (const peer of all) peer.finish()
    expect(arrivals.bytes).toBe(0)
  })
})

describe('who lets others wait', () => {
  /** One has all, and others wait for it, one behind the other. What comes of those that need not wait comes fast. */
  function holdUp(): { holder: Peer; waiting: Peer; pass(seconds: number, bytesPerSecond: number): Promise<void> } {
    const [holder, ...others] = peers(20)
    expect(holder!.send(limits.bytesArriving)).toBe(true)
    for (const peer of others) expect(peer.send(50 * mebibyte)).toBe(false)
    return {
      holder: holder!,
      waiting: others[0]!,
      pass: (seconds, bytesPerSecond) =>
        pass(seconds, () => {
          holder!.receivedBytes += bytesPerSecond / 4
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
    const [holder, waiting] = peers(2)
    holder!.send(limits.bytesArriving)
    await pass(1000)
    waiting!.send(50 * mebibyte)
    await pass(10)
    expect(holder!.endedAs).toBe(undefined)
    await pass(0.25)
    expect(holder!.endedAs).toBe('slow')
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
      for (const peer of all) if (peer.wanted === 0) peer.receivedBytes += 64 * kibibyte
    })
    expect(all.map(({ endedAs }) => endedAs)).toEqual(all.map(() => undefined))
  })

  it('and sends fast, but far more than it keeps, has a message without an end: it is ended', async () => {
    const { holder, pass } = holdUp()
    await pass(60, 64 * mebibyte)
    expect(holder.endedAs).toBe('slow')
  })

  it('with small requests is let be', async () => {
    const [holder, waiting, ...others] = peers(100)
    holder!.send(limits.bytesArriving)
    waiting!.send(50 * mebibyte)
    for (const peer of others) peer.send(small)
    await pass(60, () => {
      holder!.receivedBytes += 64 * kibibyte
    })
    expect(others.filter(({ endedAs }) => endedAs !== undefined)).toEqual([])
  })
})

it('nobody is looked at when nobody waits, or behind the end', async () => {
  const [holder, waiting] = peers(2)
  holder!.send(limits.bytesArriving)
  expect(vi.getTimerCount()).toBe(0)
  waiting!.send(50 * mebibyte)
  expect(vi.getTimerCount()).toBe(1)
  holder!.finish()
  await pass(0.5)
  expect(vi.getTimerCount()).toBe(0)
  holder!.send(50 * mebibyte)
  expect(vi.getTimerCount()).toBe(1)
  arrivals.close()
  expect(vi.getTimerCount()).toBe(0)
})
