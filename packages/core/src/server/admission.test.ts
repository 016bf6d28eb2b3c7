import { expect, it } from 'vitest'
import { collectGarbage } from '../../test/collectGarbage.ts'
import { Admission, defaultAdmissionLimits, firstRequestBytes } from './admission.ts'

const mebibyte = 1024 * 1024

/** Why a message is refused; undefined if it is admitted. */
const refusal = (admission: Admission, peer: string, requests: number, bytes: number): string | undefined =>
  admission.admit(peer, requests, bytes)?.message

it.each([
  ['requests of this peer under way', { inFlightPerPeer: 3 }, 3, 4, 0, 0],
  ['requests under way', { inFlight: 3 }, 3, 4, 0, 0],
  ['bytes of requests under way', { bytesInFlight: 40_000 }, 1, 1, 40_000, 40_001],
] as const)(
  '%s: as many as the limit are admitted, and one more is not',
  (limit, limits, requests, moreRequests, bytes, moreBytes) => {
    const [maximum] = Object.values(limits)
    const admission = new Admission({ ...defaultAdmissionLimits, ...limits })
    const text = `Busy: too many ${limit}, at most ${maximum}`
    expect(refusal(admission, 'a', moreRequests, moreBytes)).toBe(text)
    // What was refused takes no room.
    expect(admission.requests).toBe(0)
    expect(refusal(admission, 'a', requests, bytes)).toBe(undefined)
    expect(admission.requests).toBe(requests)
    expect(refusal(admission, 'a', 1, 1)).toBe(text)
  },
)

it('the limit of all holds for all peers together, that of a peer for each', () => {
  const admission = new Admission({ inFlight: 5, inFlightPerPeer: 3, bytesInFlight: 100 })
  expect(refusal(admission, 'a', 3, 60)).toBe(undefined)
  expect(refusal(admission, 'b', 3, 40)).toBe('Busy: too many requests under way, at most 5')
  expect(refusal(admission, 'b', 2, 40)).toBe(undefined)
  expect(admission.requests).toBe(5)
})

it('a peer may have half of the bytes that the others leave, so nobody takes the last', () => {
  const admission = new Admission({ ...defaultAdmissionLimits, bytesInFlight: 800 })
  const text = 'Busy: too many bytes of requests under way, at most 800'
  for (const [peer, bytes] of [
    ['a', 800],
    ['b', 400],
    ['c', 200],
    ['d', 100],
  ] as const) {
    expect(refusal(admission, peer, 2, bytes + 1)).toBe(text)
    expect(refusal(admission, peer, 2, bytes)).toBe(undefined)
    expect(refusal(admission, peer, 1, 1)).toBe(text)
  }
  admission.release('a', 2, 800)
  expect(refusal(admission, 'd', 2, 300)).toBe(undefined)
  expect(refusal(admission, 'd', 2, 101)).toBe(text)
})

it('a peer that has nothing under way gets one small request in, whatever the others have', () => {
  const admission = new Admission({ inFlight: 4, inFlightPerPeer: 3, bytesInFlight: 100_000 })
  admission.admit('a', 3, 99_990)
  admission.admit('b', 1, 50_000)
  const requests = 'Busy: too many requests under way, at most 4'
  expect(refusal(admission, 'a', 1, 0)).toBe('Busy: too many requests of this peer under way, at most 3')
  expect(refusal(admission, 'b', 1, 0)).toBe(requests)
  expect(refusal(admission, 'c', 1, firstRequestBytes + 1)).toBe(requests)
  expect(refusal(admission, 'c', 2, 0)).toBe(requests)
  for (const peer of ['c', 'd', 'e']) {
    expect(refusal(admission, peer, 1, firstRequestBytes)).toBe(undefined)
    expect(refusal(admission, peer, 1, 0)).toBe(requests)
  }
  // As many again are all.
  expect(refusal(admission, 'f', 1, 0)).toBe(undefined)
  expect(refusal(admission, 'g', 1, 0)).toBe(requests)
  admission.release('c', 1, firstRequestBytes)
  expect(refusal(admission, 'c', 1, 0)).toBe(undefined)
  expect(firstRequestBytes).toBe(32_768)
})

it('what has ended makes room for as much', () => {
  const admission = new Admission({ inFlight: 4, inFlightPerPeer: 3, bytesInFlight: 100 })
  admission.admit('a', 1, 30)
  admission.admit('a', 2, 60)
  admission.release('a', 2, 60)
  expect(admission.requests).toBe(1)
  expect(refusal(admission, 'a', 3, 0)).toBe('Busy: too many requests of this peer under way, at most 3')
  expect(refusal(admission, 'a', 2, 71)).toBe('Busy: too many bytes of requests under way, at most 100')
  expect(refusal(admission, 'a', 2, 70)).toBe(undefined)
  admission.release('a', 2, 70)
  admission.release('a', 1, 30)
  expect(admission.requests).toBe(0)
  expect(refusal(admission, 'a', 3, 100)).toBe(undefined)
})

it('by default there may be 4096 requests, 1024 of a peer, and 256 MiB of one', () => {
  const admission = new Admission(defaultAdmissionLimits)
  expect(refusal(admission, 'a', 1025, 0)).toBe('Busy: too many requests of this peer under way, at most 1024')
  const text = `Busy: too many bytes of requests under way, at most ${256 * mebibyte}`
  expect(refusal(admission, 'a', 4, 256 * mebibyte + 1)).toBe(text)
  // Frames as large as they may be: four of one peer, two of the next one, one of a third.
  expect(refusal(admission, 'a', 4, 256 * mebibyte)).toBe(undefined)
  expect(refusal(admission, 'b', 2, 128 * mebibyte)).toBe(undefined)
  expect(refusal(admission, 'c', 1, 64 * mebibyte)).toBe(undefined)
  expect(refusal(admission, 'd', 1, 64 * mebibyte)).toBe(text)
  for (const [peer, bytes] of Object.entries({ a: 256, b: 128, c: 64 })) admission.release(peer, 0, bytes * mebibyte)
  for (const [peer, requests] of Object.entries({ a: 1020, b: 1022, c: 1023, d: 1024 })) {
    expect(refusal(admission, peer, requests, 0)).toBe(undefined)
  }
  expect(refusal(admission, 'e', 2, 0)).toBe('Busy: too many requests under way, at most 4096')
})

it('nothing is kept of peers that have nothing under way', async () => {
  const admission = new Admission(defaultAdmissionLimits)
  await collectGarbage()
  const before = process.memoryUsage().heapUsed
  for (let peer = 0; peer < 200_000; peer++) {
    const name = Buffer.from(`${peer}`.padStart(100, 'x')).toString('latin1')
    admission.admit(name, 1, 1)
    admission.release(name, 1, 1)
  }
  await collectGarbage()
  // Their names alone are 20 MB.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000)
  expect(admission.requests).toBe(0)
})
