// What grows with the store: writes, tips, the start. Each against bare LMDB doing the same work, in the same run.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeRequest } from '@bletchley/protocol'
import { KeyValueStore, openLmdb } from '@bletchley/store'
import { startCoreProcess, temporaryFolder } from '@bletchley/testkit'
import { open } from 'lmdb'
import { byTurns, median, microseconds } from './measure.mjs'
import { connectPeer, roundTrips } from './peers.mjs'

export async function benchStore() {
  const writes = await benchWrites()
  const contracts = await benchContracts()
  const deltas = await benchDeltas()
  return {
    rows: [...writes.rows, ...contracts.rows, ...deltas.rows],
    growth: [...writes.growth, ...contracts.growth, ...deltas.growth],
  }
}

/** UpdateDeltas, against reading the same frame with JSON.parse and putting the same records into LMDB as one batch. */
async function benchWrites() {
  const data = await temporaryFolder()
  const bare = openBare(join(data.path, 'bare'))
  const core = await startCoreProcess({ args: ['--log-level', 'warn'], dataFolder: join(data.path, 'core') })
  const peer = connectPeer(core.endpoint)
  const points = []
  for (const rows of [10, 100, 1000, 10_000]) {
    let request = createDeltas(rows, 1024)
    const sides = {
      ours: () => microseconds(() => peer.ask(request.frame)),
      baseline: () =>
        microseconds(async () => {
          JSON.parse(request.frame.toString())
          await writeBatch(bare, request.records)
        }),
      // New records for the next turn of both.
      next: () => {
        request = createDeltas(rows, 1024)
      },
    }
    const { ours, baseline } = await byTurns(sides, { turns: 5 })
    points.push({ x: request.frame.length, ours, baseline })
  }
  peer.close()
  await core[Symbol.asyncDispose]()
  await bare.close()
  await data[Symbol.asyncDispose]()
  const { ours, baseline } = points.at(-1)
  return {
    rows: [{ name: 'UpdateDeltas of 10 000 x 1 KiB, durable', unit: 'us', ours, baseline, atMost: 1.2 }],
    growth: [
      { file: 'update-deltas', title: 'UpdateDeltas by frame size', x: 'bytes of the frame', unit: 'us', points },
    ],
  }
}

/** GetAllTips, against scanning as many records of bare LMDB and writing them with JSON.stringify; no socket. */
async function benchContracts() {
  const data = await temporaryFolder()
  const bare = openBare(join(data.path, 'bare'))
  const core = await startCoreProcess({ args: ['--log-level', 'warn'], dataFolder: join(data.path, 'core') })
  const peer = connectPeer(core.endpoint)
  const allTips = encodeRequest('GetAllTips', 'bench', undefined)
  const many = []
  const one = []
  let contracts = 0
  for (const wanted of [10, 100, 1000, 10_000]) {
    const deltas = Array.from({ length: wanted - contracts }, () => createDelta(randomBytes(32), 0, 100))
    contracts = wanted
    await core.client.methods.updateDeltas({ deltas })
    await writeBatch(bare, deltas.map(recordOf))
    const getTip = encodeRequest('GetTip', 'bench', { address: deltas[0].address })
    const { ours, baseline, tip } = await byTurns(
      {
        ours: () => microseconds(() => peer.ask(allTips)),
        baseline: () => void scan(bare),
        tip: async () => median(await roundTrips(peer, getTip, 300)),
      },
      { turns: 9, warmUp: 3 },
    )
    many.push({ x: contracts, ours, baseline })
    one.push({ x: contracts, ours: tip })
  }
  peer.close()
  await core[Symbol.asyncDispose]()
  await bare.close()
  await data[Symbol.asyncDispose]()
  const { ours, baseline } = many.at(-1)
  return {
    rows: [{ name: 'GetAllTips of 10 000 contracts', unit: 'us', ours, baseline, atMost: 3 }],
    growth: [
      { file: 'all-tips', title: 'GetAllTips by contracts', x: 'contracts in the store', unit: 'us', points: many },
      { file: 'tip-contracts', title: 'GetTip by contracts', x: 'contracts in the store', unit: 'us', points: one },
    ],
  }
}

/** Reads and the start with more than a million deltas in the store, of which a million are one contract’s. */
async function benchDeltas() {
  const data = await temporaryFolder()
  const sizes = [10, 1000, 100_000, 1_000_000]
  const addresses = sizes.map(() => randomBytes(32))
  const store = await KeyValueStore.open(await openLmdb({ folder: join(data.path, 'store') }), {
    hash: (data) => data,
  })
  for (const [index, size] of sizes.entries()) await fill(store, addresses[index], size)
  await store.close()

  const start = () => startCoreProcess({ args: ['--log-level', 'warn'], dataFolder: data.path })
  const starts = await byTurns(
    {
      ours: async () => {
        let core
        const time = await microseconds(async () => {
          core = await start()
        })
        await core[Symbol.asyncDispose]()
        return time
      },
      bare: () => microseconds(() => startBare(join(data.path, 'store'))),
    },
    { turns: 5 },
  )
  const core = await start()
  const peer = connectPeer(core.endpoint)
  const tips = []
  const ranges = []
  for (const [index, address] of addresses.entries()) {
    const range = { address, from: 0, to: 10 }
    await roundTrips(peer, encodeRequest('GetTip', 'bench', { address }), 500)
    const memory = index === 0 ? await residentBytes(core.process.pid) : undefined
    tips.push({ x: sizes[index], frame: encodeRequest('GetTip', 'bench', { address }), memory })
    ranges.push({ x: sizes[index], frame: encodeRequest('GetDeltas', 'bench', { ranges: [range] }) })
  }
  const measure = (points) =>
    byTurns(
      Object.fromEntries(points.map(({ x, frame }) => [x, async () => median(await roundTrips(peer, frame, 500))])),
      { turns: 9 },
    )
  const tipTimes = await measure(tips)
  const rangeTimes = await measure(ranges)
  peer.close()
  await core[Symbol.asyncDispose]()
  await data[Symbol.asyncDispose]()
  const growthOf = (times) => sizes.map((x) => ({ x, ours: times[x] }))
  return {
    rows: [
      {
        name: 'GetTip on a contract with 1 000 000 deltas, against one with 10',
        unit: 'us',
        ours: tipTimes[sizes.at(-1)],
        baseline: tipTimes[sizes[0]],
        atMost: 1.2,
      },
      {
        name: 'start with 1 000 000 deltas, against bare node that opens LMDB, plus 1 s',
        unit: 'ms',
        ours: starts.ours / 1000,
        baseline: starts.bare / 1000 + 1000,
        atMost: 1,
      },
      {
        name: 'resident memory after it, against 250 MB',
        unit: 'MB',
        ours: tips[0].memory / 1e6,
        baseline: 250,
        atMost: 1,
      },
    ],
    growth: [
      {
        file: 'tip-deltas',
        title: 'GetTip by deltas',
        x: 'deltas of the contract',
        unit: 'us',
        points: growthOf(tipTimes),
      },
      {
        file: 'range-deltas',
        title: 'GetDeltas of ten deltas by deltas',
        x: 'deltas of the contract',
        unit: 'us',
        points: growthOf(rangeTimes),
      },
    ],
  }
}

/** As durable as the store, and nothing else. */
function openBare(path) {
  return open({ path, noSubdir: false, encoding: 'binary', keyEncoding: 'binary', overlappingSync: false })
}

async function writeBatch(database, records) {
  await database.batch(() => {
    for (const { key, value } of records) database.put(key, value)
  })
}

function scan(database) {
  const tips = []
  for (const { key, value } of database.getRange({})) {
    tips.push({ address: key.toString('hex', 0, 32), key: key.readUInt32BE(32), data: Array.from(value) })
  }
  return JSON.stringify({ id: 'bench', type: 'GetAllTips', result: { tips } })
}

function createDelta(address, key, bytes) {
  return { address, key, data: randomBytes(bytes) }
}

function recordOf({ address, key, data }) {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(key)
  return { key: Buffer.concat([address, number]), value: data }
}

/** Deltas of a new contract, as a frame and as records. */
function createDeltas(rows, bytes) {
  const address = randomBytes(32)
  const deltas = Array.from({ length: rows }, (_, key) => createDelta(address, key, bytes))
  return { frame: Buffer.from(encodeRequest('UpdateDeltas', 'bench', { deltas })), records: deltas.map(recordOf) }
}

async function fill(store, address, count) {
  const rows = 20_000
  for (let from = 0; from < count; from += rows) {
    const length = Math.min(rows, count - from)
    await store.putDeltas(Array.from({ length }, (_, index) => createDelta(address, from + index, 16)))
  }
}

async function startBare(folder) {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./bareLmdb.mjs', import.meta.url)), folder])
  await once(child.stdout, 'data')
  child.kill()
}

async function residentBytes(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)[1]) * 1024
}
