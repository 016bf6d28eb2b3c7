// Reads over a real socket, against a bare ROUTER in a process of its own that answers with frames of the same sizes.
// The same peers talk to both, both are warmed up, and they take turns.
import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { computeFunction } from '@bletchley/client'
import { encodeReply, encodeRequest, ReplyMemory } from '@bletchley/protocol'
import { startCoreProcess, TestPrincipal } from '@bletchley/testkit'
import createWabt from 'wabt'
import { byTurns, median, microseconds, quantile } from './measure.mjs'
import { connectPeer, roundTrips, startEcho, startLoad } from './peers.mjs'

const address = new Uint8Array(32).fill(1)

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

/**
 * Large replies are garbage soon, which V8 collects after every second one or so: always in the turn of the same side,
 * which is then slower. So each turn begins without.
 */
async function beginTurn() {
  collectGarbage()
  await setImmediate()
}

export async function benchWire() {
  const core = await startCoreProcess({ args: ['--log-level', 'warn'] })
  const echo = await startEcho()
  try {
    const both = { core, echo }
    const tips = await benchGetTip(both)
    const deltas = await benchGetDeltas(both)
    const busy = await benchBusy(core)
    return { rows: [...tips, ...deltas.rows, busy], growth: [deltas.growth] }
  } finally {
    echo.close()
    await core[Symbol.asyncDispose]()
  }
}

async function benchGetTip({ core, echo }) {
  const inFlight = 256
  await core.client.methods.updateDeltas({ deltas: [{ address, key: 0, data: randomBytes(100) }] })
  const frame = encodeRequest('GetTip', 'bench', { address })
  const peers = { ours: connectPeer(core.endpoint), baseline: connectPeer(echo.endpoint) }
  const { length: replyBytes } = await peers.ours.ask(frame)
  await echo.reply(replyBytes)
  const load = startLoad()
  const under = ({ endpoint }) => load.throughput(endpoint, { frame, replyBytes, inFlight, count: 30_000 })
  const throughput = await byTurns({ ours: () => under(core), baseline: () => under(echo) }, { warmUp: 2 })
  const latency = await byTurns(
    {
      ours: async () => median(await roundTrips(peers.ours, frame, 1000)),
      baseline: async () => median(await roundTrips(peers.baseline, frame, 1000)),
    },
    { turns: 9 },
  )
  for (const { close } of [load, peers.ours, peers.baseline]) close()
  return [
    { name: 'GetTip, one REQ client, p50', unit: 'us', ...latency, atMost: 1.3 },
    { name: `GetTip, ${inFlight} in flight`, unit: 'replies/s', ...throughput, atLeast: 0.6 },
  ]
}

async function benchGetDeltas({ core, echo }) {
  const rows = 10_000
  const deltas = Array.from({ length: rows }, (_, key) => ({ address, key, data: randomBytes(1024) }))
  await core.client.methods.updateDeltas({ deltas })
  const peers = { ours: connectPeer(core.endpoint), baseline: connectPeer(echo.endpoint) }
  const roundTrip = async (to) => {
    const frame = encodeRequest('GetDeltas', 'bench', { ranges: [{ address, from: 0, to }] })
    const { length } = await peers.ours.ask(frame)
    await echo.reply(length)
    // Small ones take long to warm up and short to measure.
    const rounds = Math.ceil(2000 / to)
    const measure = async (peer) => {
      await beginTurn()
      return median(await roundTrips(peer, frame, rounds))
    }
    const times = await byTurns(
      { ours: () => measure(peers.ours), baseline: () => measure(peers.baseline) },
      { turns: 9, warmUp: 2 },
    )
    return { length, ...times }
  }
  const points = []
  for (const to of [1, 10, 100, 1000, rows]) {
    const { length, ours, baseline } = await roundTrip(to)
    points.push({ x: length, ours, baseline })
  }
  peers.ours.close()
  peers.baseline.close()
  const whole = points.at(-1)

  // The arrays of numbers are there already; ours makes the frame of bytes, JSON.stringify only a string.
  const numbers = deltas.map(({ address, key, data }) => ({
    address: Buffer.from(address).toString('hex'),
    key,
    data: Array.from(data),
  }))
  const reply = { kind: 'result', id: 'bench', type: 'GetDeltas', input: undefined, result: { deltas } }
  // As in a core that has sent the reply before: its memory is used again.
  const memory = new ReplyMemory()
  const timed = async (encode) => {
    await beginTurn()
    return microseconds(encode)
  }
  const encoding = await byTurns({
    stringify: () => timed(() => void JSON.stringify({ id: 'bench', type: 'GetDeltas', result: { deltas: numbers } })),
    ours: () => timed(() => memory.giveBack(encodeReply(reply, 'document', memory))),
  })
  return {
    rows: [
      {
        name: 'GetDeltas of 10 000 x 1 KiB, whole round trip',
        unit: 'us',
        ours: whole.ours,
        baseline: whole.baseline,
        atMost: 2,
      },
      {
        name: 'GetDeltas of 10 000 x 1 KiB, encoding, how often in the time of JSON.stringify',
        unit: 'per s',
        ours: 1e6 / encoding.ours,
        baseline: 1e6 / encoding.stringify,
        atLeast: 5,
      },
    ],
    growth: { file: 'get-deltas', title: 'GetDeltas by reply size', x: 'bytes of the reply', unit: 'us', points },
  }
}

/** GetTip while a contract burns gas for a second on one of the threads, against the same in quiet, by turns. */
async function benchBusy(core) {
  const wabt = await createWabt()
  const { buffer } = wabt.parseWat('', '(module (func (export "call") (loop (br 0))))').toBinary({})
  const principal = new TestPrincipal()
  const contractAddress = randomBytes(32)
  await core.client.methods.updateNewContract({ address: contractAddress, bytecode: buffer })
  await principal.installKeys(core.client, [contractAddress])
  const burn = (gasLimit) => computeFunction(core.client, { contractAddress, gasLimit, callable: 'f()', args: [] })
  const probe = 10_000_000n
  await burn(probe)
  const perSecond = (Number(probe) / (await microseconds(() => burn(probe)))) * 1e6

  const peer = connectPeer(core.endpoint)
  const frame = encodeRequest('GetTip', 'bench', { address })
  await roundTrips(peer, frame, 1000)
  const times = { ours: [], baseline: [] }
  for (let turn = 0; turn < 5; turn++) {
    times.baseline.push(...(await roundTrips(peer, frame, 2000)))
    const burning = burn(BigInt(Math.round(perSecond)))
    let ended = false
    burning.finally(() => {
      ended = true
    })
    while (!ended) times.ours.push(...(await roundTrips(peer, frame, 50)))
    await burning
  }
  peer.close()
  return {
    name: 'GetTip p99 while a contract burns one second of gas',
    unit: 'us',
    ours: quantile(times.ours, 0.99),
    baseline: quantile(times.baseline, 0.99),
    atMost: 3,
  }
}
