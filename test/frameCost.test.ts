// What a frame may cost: the processor time of the whole core, for frames of every kind scaled up to the same size, against that
// of a request whose size is honest. Frames are written from a grammar of right and wrong parts, drawn by a seed.
// `BLETCHLEY_FRAMES` asks for more of them, `BLETCHLEY_FRAME_BYTES` for larger ones, `BLETCHLEY_SEED` for others.
import { type CoreProcess, startCoreProcess } from '@bletchley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WireSocket } from './wireSocket.ts'

const count = Number(process.env.BLETCHLEY_FRAMES ?? 60)
const frameBytes = Number(process.env.BLETCHLEY_FRAME_BYTES ?? 1_000_000)
const firstSeed = Number(process.env.BLETCHLEY_SEED ?? 1)

/** How many times the processor time of an honest frame another one may take: small values cost more per byte than large ones. */
const margin = 40
/** A costly one has so many tries: what else the machine does may make one of them costly. */
const tries = 4

let core: CoreProcess
let metrics: string
let honest: number

beforeAll(async () => {
  core = await startCoreProcess({ args: ['--threads', '1', '--http', '127.0.0.1:0'] })
  metrics = `${(await core.process.readLine()).replace('http ', '')}/metrics`
  const frame = repeated('{"id":"honest","type":"GetAllAddrs","bytes":[', '200,', '0]}')
  honest = await leastCost(0, frame)
})
afterAll(() => core[Symbol.asyncDispose]())

/** As many units as fit into the size. */
function repeated(head: string, unit: string | Uint8Array, tail = ''): Uint8Array {
  const room = Math.max(0, frameBytes - head.length - tail.length)
  return Buffer.concat([
    Buffer.from(head),
    Buffer.alloc(room - (room % Math.max(1, unit.length)), unit),
    Buffer.from(tail),
  ])
}

async function processorSeconds(): Promise<number> {
  const text = await (await fetch(metrics)).text()
  return Number(/^process_cpu_seconds_total (\S+)/m.exec(text)![1])
}

/** Processor seconds of the core for a message, whose frames get one reply each. */
async function costOf(...frames: (string | Uint8Array)[]): Promise<number> {
  using socket = new WireSocket(core.endpoint)
  const before = await processorSeconds()
  expect(await socket.ask(...frames)).toHaveLength(frames.length)
  return (await processorSeconds()) - before
}

/** The least of some runs; a cost that is within the bound needs no other. */
async function leastCost(bound: number, ...frames: (string | Uint8Array)[]): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < tries && least > bound; run++) least = Math.min(least, await costOf(...frames))
  return least
}

async function expectCheap(frame: Uint8Array): Promise<void> {
  const bound = margin * honest
  const cost = await leastCost(bound, frame)
  expect(cost, `${cost} s for a frame that begins with ${printed(frame)}`).toBeLessThan(bound)
}

function printed(frame: Uint8Array): string {
  return JSON.stringify(Buffer.from(frame.subarray(0, 200)).toString('latin1'))
}

const row = `{"address":"${'ab'.repeat(32)}","key":1,"data":[1,2]}`
const known: [string, string, string | Uint8Array, string?][] = [
  ['members called id without a value', '{', '"id":,'],
  ['members called id of wrong bytes', '{', Buffer.from('"id":"\xff"', 'latin1')],
  ['members called type with a wrong escape', '{', '"type":"\\x",'],
  ['members called id that are no scalars', '{', '"id":{},'],
  ['quotes', '{', '"'],
  ['an id that never ends', '{"id":"', 'a'],
  ['an id as long as the frame', '{"type":"GetAllAddrs","id":"', 'a', '"}'],
  ['an id of escapes as long as the frame', '{"type":"GetAllAddrs","id":"', '\\u0000', '"}'],
  ['an id of as many digits', '{"type":"GetAllAddrs","id":1', '9', '}'],
  ['a type as long as the frame', '{"id":1,"type":"', '\u00e4', '"}'],
  ['brackets', '', '['],
  ['the same member', '{"id":1,"type":"GetTip"', ',"input":1', '}'],
  ['lists that are nearly bytes', '{"id":1,"type":"GetTip","input":[', '[1,2,3,256],', '1]}'],
  ['a list that is nearly bytes', '{"id":1,"type":"GetTip","input":[', '1,', '-1]}'],
  ['addresses that are none', '{"id":1,"type":"GetTips","input":[', '"zz",', '1]}'],
  ['hex that is none at its end', '{"id":1,"type":"GetTip","input":"', '00', 'zz"}'],
  [
    'digits of gas',
    '{"id":1,"type":"ComputeTask","input":{"encryptedArgs":"","encryptedFn":"","gasLimit":"',
    '1',
    '"}}',
  ],
  ['rows of which the last is bad', '{"id":1,"type":"UpdateDeltas","deltas":[', `${row},`, '{"key":1}]}'],
  ['a sealed response that is none', '{"id":1,"type":"PTTResponse","input":{"response":"', 'dd', '"}}'],
  ['a response of lists', '{"id":1,"type":"PTTResponse","input":{"response":"', '91', '"}}'],
]
for (const [name, head, unit, tail] of known) {
  it(`${name}: not dearer per byte than honest requests`, () => expectCheap(repeated(head, unit, tail)))
}

it('a message of broken frames: not dearer than one of as many honest requests', async () => {
  const frames = (text: string): string[] => new Array<string>(1000).fill(text)
  const bound = margin * (await leastCost(0, ...frames('{"id":1,"type":"GetRegistrationParams"}')))
  for (const broken of ['', 'x', '{"id":,"type":', '{"id":1,"type":"GetTip","input":[[{}]]}', '{"id":1,"type":"x"}']) {
    expect(await leastCost(bound, ...frames(broken)), broken).toBeLessThan(bound)
  }
})

it(`${count} generated frames: none is dearer per byte than honest requests`, async () => {
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    await expectCheap(generated(seed)).catch((error: Error) => {
      throw new Error(`BLETCHLEY_SEED=${seed} BLETCHLEY_FRAMES=1: ${error.message}`)
    })
  }
})

const types = ['GetTip', 'GetTips', 'GetDeltas', 'GetContract', 'UpdateDeltas', 'RemoveDeltas', 'PTTResponse', 'NoSuch']
const names = ['id', 'type', 'input', 'address', 'deltas', 'data', 'key', 'response', '__proto__', '1', '']
const scalars = [
  '1',
  '-0',
  '1e',
  '255',
  '256',
  '1.5',
  'tru',
  'true',
  'null',
  '"',
  '""',
  '"a"',
  '"\\u0061"',
  '"\\ud800"',
  '"\\x"',
]
const marks = ['{', '}', '[', ']', ',', ':', ' ', '\n', '\ufeff', '\u00e4', '\u0000']

/** A head that looks like a request's, one unit of right and wrong parts again and again, and perhaps the right end. */
function generated(seed: number): Uint8Array {
  const random = randomOf(seed)
  const oneOf = (items: readonly string[]): string => items[Math.floor(random() * items.length)]!
  const part = (): string => {
    const kind = random()
    if (kind < 0.3) return `"${oneOf(names)}":${oneOf(scalars)},`
    if (kind < 0.5) return `${oneOf(scalars)},`
    if (kind < 0.6) return `{"${oneOf(names)}":${oneOf(scalars)}},`
    if (kind < 0.7) return `[${oneOf(scalars)},${oneOf(scalars)}],`
    if (kind < 0.75) return `${row},`
    return kind < 0.85 ? oneOf(scalars) : oneOf(marks)
  }
  const head = ['', '{', `{"id":1,"type":"${oneOf(types)}","${oneOf(names)}":`, `{"type":"${oneOf(types)}","input":[`]
  const unit = Array.from({ length: 1 + Math.floor(random() * 4) }, part).join('')
  // Wrong UTF-8 here and there.
  const bytes = Buffer.from(unit, random() < 0.2 ? 'latin1' : 'utf8')
  return repeated(oneOf(head), bytes, oneOf(['', '0]}', '}', '"}']))
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
