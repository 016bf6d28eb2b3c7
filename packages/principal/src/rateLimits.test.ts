import { describe, expect, it } from 'vitest'
import { RateLimiter } from './rateLimits.ts'

describe('a rate limit', () => {
  it('lets a minute’s worth through at once, and then evenly', () => {
    let now = 0
    const limiter = new RateLimiter({ perWorker: 6 }, () => now)
    for (let i = 0; i < 6; i++) expect(limiter.request('a'), `request ${i}`).toBe(0)
    expect(limiter.request('a')).toBe(10_000)
    expect(limiter.request('b')).toBe(0)
    now = 9999
    expect(limiter.request('a')).toBe(1)
    now = 10_000
    expect(limiter.request('a')).toBe(0)
    expect(limiter.request('a')).toBe(10_000)
    now = 1e9
    for (let i = 0; i < 6; i++) expect(limiter.request('a')).toBe(0)
    expect(limiter.request('a')).toBeGreaterThan(0)
  })

  it('holds for all together, for strangers, and for new keys', () => {
    const limiter = new RateLimiter({ inAll: 2, newKeys: 10 }, () => 0)
    expect([limiter.request('a'), limiter.request('b')]).toEqual([0, 0])
    expect(limiter.request('c')).toBe(30_000)
    expect([limiter.newKeys('a', 7), limiter.newKeys('a', 3), limiter.newKeys('b', 10)]).toEqual([0, 0, 0])
    expect(limiter.newKeys('a', 1)).toBe(360_000)
    const contracts = (worker: string, count: number) => limiter.contracts(worker, 'peer', count)
    expect([contracts('a', 999_000), contracts('a', 1000), contracts('a', 1)]).toEqual([0, 0, 4])
    expect(contracts('b', 1000)).toBe(0)
    for (let i = 0; i < 60; i++) expect(limiter.stranger()).toBe(0)
    expect(limiter.stranger()).toBeGreaterThan(0)
  })

  it('of contracts holds for one address too, whatever it calls itself', () => {
    const limiter = new RateLimiter({ contracts: 100 }, () => 0)
    for (let i = 0; i < 10; i++) expect(limiter.contracts(`worker ${i}`, 'here', 100)).toBe(0)
    expect(limiter.contracts('one more', 'here', 1)).toBe(3600)
    expect(limiter.contracts('another', 'there', 100)).toBe(0)
  })

  it('of contracts lets through what is more than it, when nothing else was asked', () => {
    let now = 0
    const limiter = new RateLimiter({ contracts: 100 }, () => now)
    expect(limiter.contracts('a', 'here', 101)).toBe(0)
    expect(limiter.contracts('a', 'here', 101)).toBe(3_600_000)
    now = 3_600_000
    expect(limiter.contracts('a', 'here', 1000)).toBe(0)
  })

  it('is that of the defaults where nothing is said', () => {
    const limiter = new RateLimiter({}, () => 0)
    const worker = (number: number) => `worker ${number}`
    for (let i = 0; i < 6000; i++) expect(limiter.request(worker(Math.floor(i / 600))), `request ${i}`).toBe(0)
    expect(limiter.request(worker(0))).toBe(100)
    expect(limiter.request(worker(10))).toBe(10)
    expect([limiter.newKeys('a', 1000), limiter.newKeys('a', 1)]).toEqual([0, 3600])
  })

  it('is kept of ten thousand workers', () => {
    const none = Number.POSITIVE_INFINITY
    const limiter = new RateLimiter({ perWorker: 1, inAll: none }, () => 0)
    for (let i = 0; i < 10_000; i++) expect(limiter.request(`worker ${i}`)).toBe(0)
    expect(limiter.request('worker 0')).toBe(60_000)
    // The one that asked longest ago starts afresh.
    expect(limiter.request('one more')).toBe(0)
    expect([limiter.request('worker 0'), limiter.request('worker 1')]).toEqual([60_000, 0])
  })

  it('can be none', () => {
    const none = Number.POSITIVE_INFINITY
    const limiter = new RateLimiter({ perWorker: none, inAll: none, newKeys: none, contracts: none })
    const wait = () => limiter.request('a') + limiter.newKeys('a', 1000) + limiter.contracts('a', 'b', 1000)
    for (let i = 0; i < 10_000; i++) expect(wait()).toBe(0)
  })
})
