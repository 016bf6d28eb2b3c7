import { addressOf, ecdh, generateKeyPair, lengthPrefixed, recoverAddress, userMessageItems } from '@bletchley/crypto'
import { expect, it, vi } from 'vitest'
import { MemoryUserKeys } from './userKeys.ts'

const users = (count: number) => Array.from({ length: count }, () => generateKeyPair().publicKey)

it('holds the keys of 10 000 exchanges, and the oldest give way', () => {
  const keys = new MemoryUserKeys(generateKeyPair().secretKey)
  const all = users(10_002)
  for (const user of all) keys.exchange(user)
  expect(keys.size).toBe(10_000)
  const held = [0, 1, 2, 10_001].map((index) => keys.take(all[index]!) !== undefined)
  expect(held).toEqual([false, false, true, true])
})

it('holds a key for a day, whatever is done to the clock', () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout'] })
  try {
    const hour = 60 * 60 * 1000
    const keys = new MemoryUserKeys(generateKeyPair().secretKey)
    const [first, second, third] = users(3)
    for (const user of [first, second, third]) keys.exchange(user!)
    vi.setSystemTime(Date.now() + 25 * hour)
    expect(keys.take(first!)).toBeDefined()
    vi.setSystemTime(Date.now() - 50 * hour)
    vi.advanceTimersByTime(24 * hour - 1)
    expect(keys.take(second!)).toBeDefined()
    vi.advanceTimersByTime(1)
    expect(keys.take(third!)).toBeUndefined()
  } finally {
    vi.useRealTimers()
  }
})

it('shares a fresh key with a user, signed, and gives it out once', () => {
  const worker = generateKeyPair()
  const keys = new MemoryUserKeys(worker.secretKey)
  const user = generateKeyPair()
  const first = keys.exchange(user.publicKey)
  const second = keys.exchange(user.publicKey)
  expect(second.workerEncryptionKey).not.toEqual(first.workerEncryptionKey)
  const signed = lengthPrefixed(userMessageItems(second.workerEncryptionKey))
  expect(recoverAddress(signed, second.workerSig)).toEqual(addressOf(worker.publicKey))
  expect(keys.take(user.publicKey)?.sharedKey).toEqual(ecdh(user.secretKey, second.workerEncryptionKey))
  expect([keys.take(user.publicKey), keys.size]).toEqual([undefined, 0])
})

it('takes a key back, unless the user has a new one', () => {
  const keys = new MemoryUserKeys(generateKeyPair().secretKey)
  const [user] = users(1) as [Uint8Array]
  keys.exchange(user)
  const first = keys.take(user)!
  first.end(true)
  const again = keys.take(user)!
  expect(again.sharedKey).toEqual(first.sharedKey)
  keys.exchange(user)
  again.end(true)
  const next = keys.take(user)!
  expect(next.sharedKey).not.toEqual(first.sharedKey)
  next.end(false)
  expect(keys.take(user)).toBeUndefined()
})
