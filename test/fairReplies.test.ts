// Large replies of several peers at once: whoever reads what he asked for is never refused, and the core's memory follows what is
// unread, and not what was sent.
import { type CoreProcess, startCoreProcess } from '@bletchley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Dealer } from 'zeromq'

const megabytes = 1_000_000
const bytecodeBytes = 8 * megabytes
const request = `{"id":1,"type":"GetContract","input":"${'00'.repeat(32)}"}`

let core: CoreProcess
let metrics: string
beforeAll(async () => {
  core = await startCoreProcess({ args: ['--threads', '1', '--http', '127.0.0.1:0'] })
  metrics = `${(await core.process.readLine()).replace('http ', '')}/metrics`
  const bytecode = new Uint8Array(bytecodeBytes).fill(123)
  await core.client.methods.updateNewContract({ address: new Uint8Array(32), bytecode })
})
afterAll(() => core[Symbol.asyncDispose]())

async function residentBytes(): Promise<number> {
  const text = await (await fetch(metrics)).text()
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(text)![1])
}

/** Keeps so many requests under way until so many are answered. Returns what was no result, and the most memory seen. */
async function readAll(pipelined: number, requests: number): Promise<{ refused: string[]; peak: number }> {
  const peer = new Dealer({ linger: 0 })
  const refused: string[] = []
  let peak = 0
  try {
    peer.connect(core.endpoint)
    for (let sent = 0; sent < pipelined; sent++) await peer.send(['', request])
    for (let received = 0; received < requests; received++) {
      const [, reply] = await peer.receive()
      if (reply!.length < bytecodeBytes) refused.push(String(reply))
      if (received + pipelined < requests) await peer.send(['', request])
      peak = Math.max(peak, await residentBytes())
    }
  } finally {
    peer.close()
  }
  return { refused, peak }
}

it.each([
  [6, 1, 8],
  [3, 4, 12],
])('%i peers with %i requests of 32 MB under way, %i in all', async (peers, pipelined, requests) => {
  const ends = await Promise.all(Array.from({ length: peers }, () => readAll(pipelined, requests)))
  expect(ends.flatMap(({ refused }) => refused)).toEqual([])
  const unread = peers * pipelined * 4 * bytecodeBytes
  expect(Math.max(...ends.map(({ peak }) => peak))).toBeLessThan(unread + 700 * megabytes)
})
