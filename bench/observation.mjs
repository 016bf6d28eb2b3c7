// What it costs to be looked at: GetTip of a core with logs, metrics, HTTP door, a scraper and a listener to the live feed,
// against a core without any of them. Both run all the time, and the same kind of peer talks to them by turns.
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { encodeRequest } from '@bletchley/protocol'
import { startCoreProcess } from '@bletchley/testkit'
import { byTurns, median } from './measure.mjs'
import { connectPeer, roundTrips } from './peers.mjs'

export async function benchObservation() {
  const on = ['--log-level', 'info', '--log-format', 'json', '--http', '127.0.0.1:0']
  const observed = await startCoreProcess({ args: on })
  const plain = await startCoreProcess({ args: ['--log-level', 'silent'] })
  try {
    return { rows: [await benchGetTip(observed, plain)] }
  } finally {
    await observed[Symbol.asyncDispose]()
    await plain[Symbol.asyncDispose]()
  }
}

async function benchGetTip(observed, plain) {
  const url = (await observed.process.readLine()).replace('http ', '')
  const watcher = fork(new URL('./watcher.mjs', import.meta.url), [url])
  await once(watcher, 'message')

  const address = randomBytes(32)
  const frame = encodeRequest('GetTip', 'bench', { address })
  const sides = await Promise.all(
    [observed, plain].map(async ({ client, endpoint }) => {
      await client.methods.updateDeltas({ deltas: [{ address, key: 0, data: randomBytes(100) }] })
      return connectPeer(endpoint)
    }),
  )
  const p50 = (peer) => async () => median(await roundTrips(peer, frame, 1000))
  const times = await byTurns({ ours: p50(sides[0]), baseline: p50(sides[1]) }, { turns: 21, warmUp: 3 })
  for (const peer of sides) peer.close()
  watcher.disconnect()
  return { name: 'GetTip, one REQ client, p50, looked at against not', unit: 'us', ...times, atMost: 1.1 }
}
