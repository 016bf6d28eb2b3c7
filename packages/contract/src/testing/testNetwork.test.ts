import { createHash } from 'node:crypto'
import { computeAddress, SigningKey } from 'ethers'
import { expect, it } from 'vitest'
import { TestNetwork } from './index.ts'
import { Randomness } from './randomness.ts'

const sha256 = (...parts: (string | Uint8Array)[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

it('draws one stream of bytes from its seed, in pieces of any length', () => {
  const seed = sha256('1')
  const counters = [0, 1, 2, 3].map((count) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, count))
  const stream = Buffer.concat(counters.map((counter) => sha256(seed, counter)))
  const randomness = new Randomness(seed)
  const pieces = [0, 1, 30, 1, 32, 1, 45].map((length) => randomness.bytes(length))
  expect(pieces.map((piece) => piece.length)).toEqual([0, 1, 30, 1, 32, 1, 45])
  expect(Buffer.concat(pieces).toString('hex')).toBe(stream.subarray(0, 110).toString('hex'))
  expect(randomness.position).toBe(110)
  randomness.position = 31
  expect(Buffer.from(randomness.bytes(2)).toString('hex')).toBe(stream.subarray(31, 33).toString('hex'))
  expect(randomness.named('a')).toEqual(sha256(seed, 'a'))
})

it('has the users of its seed, which is 1 if nothing else is said', () => {
  const keyOf = (seed: string, name: string) => new SigningKey(sha256(sha256(seed), `user ${name}`))
  const [alice, bob] = new TestNetwork().users('alice', 'bob')
  expect([alice.name, bob.name]).toEqual(['alice', 'bob'])
  for (const user of [alice, bob]) {
    const key = keyOf('1', user.name)
    expect(user.publicKey).toBe(`0x${key.publicKey.slice(4)}`)
    expect(user.address).toBe(computeAddress(key).toLowerCase())
    expect(new TestNetwork({ seed: 1 }).user(user.name).address).toBe(user.address)
    expect(new TestNetwork({ seed: '1' }).user(user.name).address).toBe(user.address)
  }
  expect(new TestNetwork({ seed: 'other' }).user('alice').publicKey).toBe(
    `0x${keyOf('other', 'alice').publicKey.slice(4)}`,
  )
})
