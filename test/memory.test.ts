// What is left in memory of each kind of request, once it is answered: the more of them there were, the more it would be, if
// anything were. `BLETCHLEY_REPETITIONS` has each kind repeated so often, and holds what is resident then against what the documented
// limits allow to be kept. `BLETCHLEY_KINDS` is a pattern for the names of kinds.
import { maxFrameBytes } from '@bletchley/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Probe, type ProbedCore, startProbedCore } from './probedCore.ts'
import { Peer, storeForWorstRequests, type WorstRequest, worstRequests } from './worstRequests.ts'

const repetitions = Number(process.env.BLETCHLEY_REPETITIONS ?? 0)
const pattern = new RegExp(process.env.BLETCHLEY_KINDS ?? '')
const frameBytes = repetitions > 0 ? maxFrameBytes : 8_000_000
const mebibyte = 1024 * 1024

/** What may stay, by the limits that docs/operating.md and docs/security.md give: memory of replies to be used again, … */
const keptAlways = 128 * mebibyte
/** … and of tasks: replies, names of receipts, compiled modules, and the heap of a thread with its states. */
const keptOfTasks = (64 + 64 + 256 + 1024) * mebibyte
/** A frame, what it is read into, and what the allocator keeps for the next ones. */
const inWork = 4 * maxFrameBytes

/** In the short form each kind brings so much, once and then twice more. */
const broughtBytes = 48_000_000
/** A kind of each sort; the others, and those that bring little, are left to the long form. */
const inShort = new Set([
  'bytecode as numbers',
  'bytecode in hex that ends badly',
  'an id as long as the frame',
  'four large deltas',
  'a large contract',
  '20 000 deltas',
  'pre-code that is too large',
  'results of 4 MiB',
  'deltas of 3 MB',
])

let probed: ProbedCore
let start: Probe
const kinds = worstRequests(() => probed.core.client, frameBytes).filter(
  ({ name }) => pattern.test(name) && (repetitions > 0 || inShort.has(name)),
)
const named = kinds.map((kind) => [kind.name, kind] as const)
beforeAll(async () => {
  probed = await startProbedCore()
  await storeForWorstRequests(probed.core, frameBytes)
  start = await probed.look()
})
afterAll(async () => {
  await probed[Symbol.asyncDispose]()
})

/** One message after the other. Returns the bytes of the requests or of the replies, whichever are more. */
async function repeat({ next }: WorstRequest, times: number): Promise<number> {
  using peer = new Peer(probed.core.endpoint)
  let [sent, received] = [0, 0]
  for (let time = 0; time < times; time++) {
    const frames = await next()
    await peer.send(['', ...frames])
    const replies = await peer.receive()
    sent += sum(frames)
    received += sum(replies)
  }
  return Math.max(sent, received)
}

const sum = (parts: readonly { length: number }[]): number => parts.reduce((total, { length }) => total + length, 0)

const inMebibytes = (bytes: number): string => (bytes / mebibyte).toFixed(0).padStart(8)

describe.runIf(repetitions === 0)('what is resident does not grow with the number of requests', () => {
  it.each(named)('%s', async (_, kind) => {
    const each = await repeat(kind, 1)
    const times = Math.ceil(broughtBytes / each)
    await repeat(kind, times)
    const before = await probed.look()
    const brought = await repeat(kind, 2 * times)
    const mayGrow = brought / 2 + (kind.isTask ? 64 * mebibyte : 0)
    await expect
      .poll(async () => (await probed.look()).anonymousBytes - before.anonymousBytes, { timeout: 120_000 })
      .toBeLessThan(mayGrow)
  })
})

describe.runIf(repetitions > 0)(`what is resident behind ${repetitions} of each kind is what the limits allow`, () => {
  let mayBeKept = keptAlways
  beforeAll(() => {
    const columns = ['each', 'early', 'late'].map((name) => name.padStart(8)).join('')
    process.stdout.write(`${'kind'.padEnd(48)} times${columns} (MiB)\n`)
  })
  it.each(named)(
    '%s',
    async (_, kind) => {
      if (kind.isTask) mayBeKept = keptAlways + keptOfTasks
      const tenth = Math.ceil(repetitions / 10)
      const each = (await repeat(kind, tenth)) / tenth
      const early = await probed.look()
      await repeat(kind, repetitions - tenth)
      const late = await probed.look()
      const figures = [each, early.anonymousBytes, late.anonymousBytes].map(inMebibytes).join('')
      process.stdout.write(`${kind.name.padEnd(48)}${String(repetitions).padStart(6)}${figures}\n`)
      expect(late.anonymousBytes).toBeLessThan(start.anonymousBytes + mayBeKept + inWork)
    },
    36_000_000,
  )
})
