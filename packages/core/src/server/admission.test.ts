import { expect, it } from 'vitest'
import { Admission, defaultAdmissionLimits } from './admission.ts'
import { collectGarbage } from './collectGarbage.ts'

const mebibyte = 1024 * 1024

/** Why a message is refused; undefined if it is admitted. */
const refusal = (admission: Admission, peer: string, requests: number, bytes: number): string | undefined =>
  admission.admit(peer, requests, bytes)?.message

it.each([
  ['requests of this peer under way', { inFlightPerPeer: 3 }, 3, 4, 0, 0],
  ['requests under way', { inFlight: 3 }, 3, 4, 0, 0],
  ['bytes of requests under way', { bytesInFlight: 3 }, 1, 1, 3, 4],
] as const)(
  '%s: as many as the limit are admitted, and one more is not',
  (limit, limits, requests, moreRequests, bytes, moreBytes) => {
    const admission = new Admission({ ...defaultAdmissionLimits, ...limits })
    const text = `Busy: too many ${limit}, at most 3`
    expect(refusal(admission, 'a', moreRequests, moreBytes)).toBe(text)
    // What was refused takes no room.
    expect(admission.requests).toBe(0)
    expect(refusal(admission, 'a', requests, bytes)).toBe(undefined)
    expect(admission.requests).toBe(requests)
    expect(refusal(admission, 'a', 1, 1)).toBe(text)
  },
)

it('the limits of all hold for all peers together, that of a peer for each', () => {
  const admission = new Admission({ inFlight: 5, inFlightPerPeer: 3, bytesInFlight: 100 })
  expect(refusal(admission, 'a', 3, 60)).toBe(undefined)
  expect(refusal(admission, 'b', 1, 41)).toBe('Busy: too many bytes of requests under way, at most 100')
  expect(refusal(admission, 'b', 3, 40)).toBe('Busy: too many requests under way, at most 5')
  expect(refusal(admission, 'b', 2, 40)).toBe(undefined)
  expect(admission.requests).toBe(5)
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

it('by default there may be 4096 requests, 1024 of a peer, and 256 MiB of them', () => {
  const admission = new Admission(defaultAdmissionLimits)
  expect(refusal(admission, 'a', 1025, 0)).toBe('Busy: too many requests of this peer under way, at most 1024')
  for (const peer of ['a', 'b', 'c', 'd']) expect(refusal(admission, peer, 1024, 64 * mebibyte)).toBe(undefined)
  expect(refusal(admission, 'e', 1, 0)).toBe('Busy: too many requests under way, at most 4096')
  admission.release('a', 1024, 0)
  expect(refusal(admission, 'e', 1, 1)).toBe(`Busy: too many bytes of requests under way, at most ${256 * mebibyte}`)
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
