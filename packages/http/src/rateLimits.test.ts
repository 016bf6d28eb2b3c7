import { describe, expect, it } from 'vitest'
import { RecentlyUsed, TokenBucket } from './index.ts'

/** A bucket that is filled in 1024 ms, and its clock. */
function bucketOf(capacity: number) {
  const clock = { now: 5000 }
  return { clock, bucket: new TokenBucket(capacity, 1024, () => clock.now) }
}

describe('a bucket', () => {
  it('gives out all that it holds at once, and then says how long to wait, and takes nothing', () => {
    const { bucket } = bucketOf(8)
    expect([bucket.take(3), bucket.take(5)]).toEqual([0, 0])
    expect([bucket.take(1), bucket.take(1), bucket.take(3)]).toEqual([128, 128, 384])
  })

  it('has a token when it said that it would, and not before', () => {
    const { bucket, clock } = bucketOf(8)
    bucket.take(8)
    clock.now += 127
    expect(bucket.take(1)).toBe(1)
    clock.now += 1
    expect([bucket.take(1), bucket.take(1)]).toEqual([0, 128])
  })

  it('says no less than it takes where that is no whole number', () => {
    const { bucket, clock } = bucketOf(3)
    bucket.take(3)
    const wait = bucket.take(1)
    expect(wait).toBe(342)
    clock.now += wait
    expect(bucket.take(1)).toBe(0)
  })

  it('never holds more than its capacity', () => {
    const { bucket, clock } = bucketOf(8)
    clock.now += 1e9
    expect([bucket.take(8), bucket.take(1)]).toEqual([0, 128])
  })

  it('without a bound has whatever is asked for', () => {
    const { bucket } = bucketOf(Number.POSITIVE_INFINITY)
    expect([bucket.take(1e9), bucket.take(1e9)]).toEqual([0, 0])
  })
})

it('of what was used recently the rest is forgotten, whoever asked longest ago first', () => {
  let created = 0
  const recent = new RecentlyUsed(() => ++created, 3)
  expect(['a', 'b', 'c'].map((key) => recent.get(key))).toEqual([1, 2, 3])
  expect(['a', 'b', 'c', 'a'].map((key) => recent.get(key))).toEqual([1, 2, 3, 1])
  expect(recent.get('d')).toBe(4)
  expect(['c', 'a', 'd'].map((key) => recent.get(key))).toEqual([3, 1, 4])
  expect(recent.get('b')).toBe(5)
})
