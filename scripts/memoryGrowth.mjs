// Where does the memory of a worker go? Cores are asked at a steady rate, each in its own way: `mixed` for everything that users
// and nodes ask for, `deltas` for tasks that each make a delta. Every ten seconds the memory of their processes is read, by
// what it belongs to: the database's and other files', which the system takes back by itself, and what only the process can
// give back. Fails if that still grows in the second half of half an hour or more. It takes less than half a processor, and Linux.
//
//   npm run campaigns -- growth              an hour, both at once
//   npm run campaigns -- growth 10 deltas    ten minutes, one of them
//
// Writes bench/results/growth-<load>.json and .svg; docs/performance.md shows the pictures of an hour.
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { createTask, createUserKeys } from '@bletchley/client/user'
import { randomBytes } from '@bletchley/crypto'
import { startCoreProcess, TestPrincipal } from '@bletchley/testkit'
import { plotOverTime } from '../bench/plot.mjs'

const requestsPerSecond = { mixed: 40, deltas: 60 }
const mostUnderWay = 16
const sampleMs = 10_000
/** Of a line in a picture. */
const mostPoints = 120
const gasLimit = 10_000_000n

const leastMinutes = 30
/**
 * By which the main thread's heap and all of the process's own memory may grow in the second half, in MB a minute. What is kept of
 * tasks, and of users who do not come back, is bounded, but not full after an hour: 0.4. How much garbage V8 lets lie goes up
 * and down with periods of many minutes, so the whole tells less, and of the heap the least of three minutes is taken.
 */
const most = { heap: 0.7, own: 3 }
const samplesPerTrough = 18

const results = new URL('../bench/results/', import.meta.url)
const preCode = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))

/** The users and the node of one core. */
class Load {
  #client
  #methods
  #principal
  /** Ledgers that stay, and those that come and go. */
  #lasting = []
  #passing = []
  /** Where nothing is ever deployed. */
  #spare = randomBytes(32)

  constructor(client, principal) {
    this.#client = client
    this.#methods = client.methods
    this.#principal = principal
  }

  async prepare() {
    await this.#principal.installKeys(this.#client, [this.#spare])
    for (let count = 0; count < 8; count++) this.#lasting.push(await this.#deployed())
    this.#passing.push(await this.#deployed())
  }

  deltas() {
    return this.#mint(pick(this.#lasting))
  }

  mixed() {
    return pick(this.#requests)(pick(pick([this.#lasting, this.#passing])))
  }

  /** Each as often as in a hundred requests. */
  #requests = [
    [30, (ledger) => this.#mint(ledger)],
    [8, ({ address, issuer }) => this.#task(address, 'balance_of(bytes32)', [issuer])],
    // Tasks that fail: without the function, without gas, without code, without gas for compiled code.
    [4, ({ address }) => this.#task(address, 'nothing()', [])],
    [4, ({ address, issuer }) => this.#task(address, 'mint(bytes32,uint64)', [issuer, 1n], { limit: 500n })],
    [1, () => this.#task(this.#spare, 'construct()', [], { code: randomBytes(5000) })],
    [1, () => this.#task(this.#spare, 'construct()', [], { code: preCode, limit: 1n })],
    [2, () => this.#deployAndRemove()],
    [5, () => this.#methods.newTaskEncryptionKey({ userPubKey: hexToBytes(createUserKeys().publicKey) })],
    [4, ({ address }) => this.#methods.getTip({ address })],
    [4, () => this.#methods.getTip({ address: randomBytes(32) })],
    [4, () => this.#methods.getTips({ addresses: this.#lasting.map(({ address }) => address) })],
    [2, () => this.#methods.getAllTips(undefined)],
    [2, () => this.#methods.getAllAddrs(undefined)],
    [6, ({ address, tip }) => this.#methods.getDelta({ address, key: Math.floor(Math.random() * tip) })],
    [6, ({ address, tip }) => this.#range(address, Math.max(0, tip - 10), tip)],
    [1, ({ address, tip }) => this.#range(address, 0, Math.min(tip, 2000))],
    [5, ({ address }) => this.#methods.getContract({ address })],
    [4, () => this.#methods.getRegistrationParams(undefined)],
    [3, () => this.#methods.getPTTRequest(undefined)],
    [4, () => this.#synchronise()],
  ].flatMap(([times, run]) => new Array(times).fill(run))

  async #task(contractAddress, callable, args, { limit = gasLimit, code } = {}) {
    const userKeys = createUserKeys()
    const key = await this.#methods.newTaskEncryptionKey({ userPubKey: hexToBytes(userKeys.publicKey) })
    const call = createTask({ ...key, callable, args, userKeys })
    const input = {
      encryptedFn: hexToBytes(call.encryptedFn),
      encryptedArgs: hexToBytes(call.encryptedArgs),
      userDHKey: hexToBytes(call.userDHKey),
      gasLimit: limit,
      contractAddress,
    }
    return code === undefined
      ? this.#methods.computeTask(input)
      : this.#methods.deploySecretContract({ ...input, preCode: code })
  }

  async #deployed() {
    const address = randomBytes(32)
    const issuer = `0x${bytesToHex(randomBytes(32))}`
    await this.#principal.installKeys(this.#client, [address])
    const { kind } = await this.#task(address, 'construct(bytes32,uint64)', [issuer, 0n], { code: preCode })
    if (kind !== 'success') throw new Error('a ledger was not deployed')
    return { address, issuer, tip: 0 }
  }

  async #mint(ledger) {
    const end = await this.#task(ledger.address, 'mint(bytes32,uint64)', [ledger.issuer, 1n])
    if (end.kind === 'success') ledger.tip++
    return end
  }

  async #deployAndRemove() {
    this.#passing.push(await this.#deployed())
    if (this.#passing.length > 32) await this.#methods.removeContract({ address: this.#passing.shift().address })
  }

  /** A contract of another worker comes, grows, is cut back, and goes. */
  async #synchronise() {
    const address = randomBytes(32)
    const delta = { key: 0, data: randomBytes(300) }
    await this.#methods.updateNewContractOnDeployment({ address, bytecode: randomBytes(20_000), delta })
    const deltas = Array.from({ length: 20 }, (_, index) => ({ address, key: index + 1, data: randomBytes(300) }))
    await this.#methods.updateDeltas({ deltas })
    await this.#methods.removeDeltas({ ranges: [{ address, from: 10, to: 21 }] })
    await this.#methods.removeContract({ address })
  }

  #range(address, from, to) {
    return this.#methods.getDeltas({ ranges: [{ address, from, to }] })
  }
}

function pick(list) {
  return list[Math.floor(Math.random() * list.length)]
}

/**
 * Bytes of a process's memory: all that counts as resident, what is its own, and what is pages of files. LMDB maps its file
 * anew when it has grown and keeps the old mappings, so the resident pages of the database are counted twice; not so here.
 */
async function memoryOf(pid, dataFolder) {
  const memory = { resident: 0, own: 0, database: 0, otherFiles: 0 }
  let ofDatabase = false
  let pages = { resident: 0, shared: 0 }
  for (const line of (await readFile(`/proc/${pid}/smaps`, 'latin1')).split('\n')) {
    const [name, value] = line.split(/\s+/)
    if (/^[0-9a-f]+-[0-9a-f]+$/.test(name)) ofDatabase = line.includes(dataFolder)
    else if (name === 'Rss:') pages = { ...pages, resident: Number(value) * 1024 }
    else if (name === 'Pss:') pages = { ...pages, shared: Number(value) * 1024 }
    else if (name === 'Anonymous:') {
      const own = Number(value) * 1024
      memory.resident += pages.resident
      memory.own += own
      if (ofDatabase) memory.database += pages.shared - own
      else memory.otherFiles += pages.resident - own
    }
  }
  return memory
}

/** What the core tells of itself: metrics without labels, by name. */
async function metricsOf(url) {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Object.fromEntries([...text.matchAll(/^(\w+) (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]))
}

async function measure(name, minutes) {
  const principal = new TestPrincipal()
  const args = ['--log-level', 'error', '--http', '127.0.0.1:0', '--principal', principal.address, '--threads', '2']
  const core = await startCoreProcess({ args })
  try {
    const url = (await core.process.readLine()).replace('http ', '')
    const load = new Load(core.client, principal)
    await load.prepare()
    const sample = async () => ({
      ...(await memoryOf(core.process.pid, core.dataFolder)),
      databaseFile: (await stat(`${core.dataFolder}/store/data.mdb`)).size,
      metrics: await metricsOf(url),
    })
    return await play(() => load[name](), { perSecond: requestsPerSecond[name], minutes, sample })
  } finally {
    await core[Symbol.asyncDispose]()
  }
}

/** Makes requests at a steady rate. Those that cannot be made in time are left out. */
async function play(request, { perSecond, minutes, sample }) {
  const ends = {}
  const underWay = new Set()
  const run = async () => {
    const end = await request().then(
      (answer) => answer?.kind ?? 'answered',
      ({ code, message }) => code ?? message,
    )
    ends[end] = (ends[end] ?? 0) + 1
  }
  const samples = []
  const start = performance.now()
  for (let due = 0; due < minutes * 60_000; due += 1000 / perSecond) {
    await setTimeout(Math.max(0, start + due - performance.now()))
    if (due >= samples.length * sampleMs) samples.push({ seconds: due / 1000, ...(await sample()) })
    if (underWay.size === mostUnderWay) continue
    const running = run().finally(() => underWay.delete(running))
    underWay.add(running)
  }
  await Promise.all(underWay)
  return { samples, ends }
}

/** Megabytes a minute by which something grows: the slope of the line that fits best. */
function growth(samples, sizeOf) {
  const points = samples.map((sample) => ({ x: sample.seconds / 60, y: sizeOf(sample) / 1e6 }))
  const mean = (termOf) => points.reduce((sum, point) => sum + termOf(point), 0) / points.length
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)]
  return mean((point) => (point.x - x) * (point.y - y)) / mean((point) => (point.x - x) ** 2)
}

function report(name, minutes, { samples, ends }) {
  const half = samples.slice(Math.floor(samples.length / 2))
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`
  const [first, last] = [samples[0], samples.at(-1)]
  const kinds = {
    resident: 'resident',
    own: 'its own',
    database: 'pages of the database',
    otherFiles: 'of other files',
  }
  const lines = Object.entries(kinds).map(([key, kind]) => {
    const peak = Math.max(...samples.map((sample) => sample[key]))
    const rate = growth(half, (sample) => sample[key]).toFixed(2)
    return `  ${kind}: ${megabytes(first[key])}, then ${megabytes(last[key])}, at most ${megabytes(peak)}; ${rate} MB a minute in the second half`
  })
  process.stdout.write(
    [
      `${name}, ${minutes} minutes: ${JSON.stringify(ends)}, database of ${megabytes(last.databaseFile)}`,
      ...lines,
      '',
    ].join('\n'),
  )
  if (minutes < leastMinutes) return
  const heap = growth(troughs(half), (sample) => sample.metrics.nodejs_heap_used_bytes)
  process.stdout.write(`  what lives in the main thread's heap: ${heap.toFixed(2)} MB a minute in the second half\n`)
  if (heap <= most.heap && growth(half, (sample) => sample.own) <= most.own) return
  process.stderr.write(`${name}: memory grows by more than ${most.heap} (heap) or ${most.own} (own) MB a minute.\n`)
  process.exitCode = 1
}

/** The samples with the least heap, each of so many in a row. */
function troughs(samples) {
  const heapOf = (sample) => sample.metrics.nodejs_heap_used_bytes
  const found = []
  for (let from = 0; from + samplesPerTrough <= samples.length; from += samplesPerTrough) {
    const row = samples.slice(from, from + samplesPerTrough)
    found.push(row.reduce((least, sample) => (heapOf(sample) < heapOf(least) ? sample : least)))
  }
  return found
}

const [minutes = '60', ...chosen] = process.argv.slice(2)
const names = chosen.length > 0 ? chosen : Object.keys(requestsPerSecond)
if (!(Number(minutes) > 0) || names.some((name) => !Object.hasOwn(requestsPerSecond, name))) {
  process.stderr.write('Give minutes, and loads: mixed, deltas.\n')
  process.exit(2)
}
await mkdir(results, { recursive: true })
await Promise.all(
  names.map(async (name) => {
    const measured = await measure(name, Number(minutes))
    const step = Math.ceil(measured.samples.length / mostPoints)
    const shown = measured.samples.filter((_, index) => index % step === 0)
    const points = (key) => shown.map((sample) => ({ x: sample.seconds / 60, y: sample[key] / 1e6 }))
    const picture = plotOverTime({
      title: `Memory of a core, ${name} load`,
      x: 'minutes',
      unit: 'MB',
      series: [
        { name: 'resident', points: points('resident') },
        { name: "the process's own", points: points('own') },
        { name: 'pages of the database', points: points('database') },
      ],
    })
    await writeFile(new URL(`growth-${name}.json`, results), JSON.stringify(measured))
    await writeFile(new URL(`growth-${name}.svg`, results), picture)
    report(name, Number(minutes), measured)
  }),
)
