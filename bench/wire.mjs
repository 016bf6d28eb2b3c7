// Reads over a real socket, against a bare ROUTER that echoes frames of the same sizes from a process of its own.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { encodeRequest } from '@bletchley/protocol'
import { startCoreProcess } from '@bletchley/testkit'
import { Dealer, Request } from 'zeromq'

const rounds = 3000
const inFlight = 256
const address = new Uint8Array(32).fill(1)

export async function benchWire() {
  const core = await startCoreProcess({ args: ['--log-level', 'warn'] })
  await core.client.methods.updateDeltas({ deltas: [{ address, key: 0, data: new Uint8Array(100) }] })
  const request = encodeRequest('GetTip', 'bench', { address })
  const reply = await roundTrip(core.endpoint, request)
  const echo = fork(new URL('./echo.mjs', import.meta.url), [String(reply.length)])
  const [{ endpoint }] = await once(echo, 'message')
  try {
    // Each side is warmed up, and the sides take turns, so that what else the machine does hits both.
    const latency = { ours: [], baseline: [] }
    const throughput = { ours: [], baseline: [] }
    for (let turn = 0; turn < 5; turn++) {
      latency.ours.push(...(await measureLatency(core.endpoint, request)))
      latency.baseline.push(...(await measureLatency(endpoint, request)))
      throughput.ours.push(await measureThroughput(core.endpoint, request))
      throughput.baseline.push(await measureThroughput(endpoint, request))
    }
    return [
      {
        name: 'GetTip, one REQ client, p50',
        unit: 'us',
        ours: median(latency.ours),
        baseline: median(latency.baseline),
        atMost: 1.3,
      },
      {
        name: `GetTip, ${inFlight} in flight`,
        unit: 'replies/s',
        ours: median(throughput.ours),
        baseline: median(throughput.baseline),
        atLeast: 0.6,
      },
    ]
  } finally {
    echo.kill()
    await core[Symbol.asyncDispose]()
  }
}

async function roundTrip(endpoint, frame) {
  const socket = new Request()
  socket.connect(endpoint)
  await socket.send(frame)
  const [reply] = await socket.receive()
  socket.close()
  return reply
}

async function measureLatency(endpoint, frame) {
  const socket = new Request()
  socket.connect(endpoint)
  const times = []
  for (let round = -200; round < rounds; round++) {
    const start = process.hrtime.bigint()
    await socket.send(frame)
    await socket.receive()
    if (round >= 0) times.push(Number(process.hrtime.bigint() - start) / 1000)
  }
  socket.close()
  return times
}

async function measureThroughput(endpoint, frame) {
  const socket = new Dealer()
  socket.connect(endpoint)
  const count = rounds * 5
  for (let sent = 0; sent < inFlight; sent++) await socket.send(['', frame])
  const start = process.hrtime.bigint()
  for (let received = 0; received < count; received++) {
    await socket.receive()
    await socket.send(['', frame])
  }
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  socket.close()
  return count / seconds
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}
