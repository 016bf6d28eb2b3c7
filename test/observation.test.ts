import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, get, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import { bytesToHex } from '@bletchley/bytes'
import { type CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { startCore } from '@bletchley/core'
import { keccak256, randomBytes } from '@bletchley/crypto'
import {
  type CoreProcess,
  type CoreProcessOptions,
  runCommand,
  startCoreProcess,
  TestPrincipal,
  temporaryFolder,
} from '@bletchley/testkit'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import createWabt from 'wabt'
import { Dealer, Request } from 'zeromq'

const principal = new TestPrincipal()
const gasLimit = 10_000_000n
let ledger: Uint8Array
let endless: Uint8Array

beforeAll(async () => {
  ledger = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
  const wabt = await createWabt()
  endless = wabt.parseWat('', '(module (func (export "call") (loop (br 0))))').toBinary({}).buffer
})

async function startObserved({
  args = [],
  ...options
}: CoreProcessOptions = {}): Promise<CoreProcess & { url: string }> {
  const core = await startCoreProcess({ ...options, args: ['--http', '127.0.0.1:0', ...args] })
  return Object.assign(core, { url: (await core.process.readLine()).replace('http ', '') })
}

/** Of what the API answers: as much as the tests look into. */
interface Answer {
  deltas: object[]
  next?: number
  contracts: object[]
  total: number
  at: number[]
  messages: number[]
  stepMs: number
  threads: { kind?: string; address?: string }[]
}

async function json(url: string, status = 200): Promise<Answer> {
  const response = await fetch(url)
  expect(response.status, url).toBe(status)
  return (await response.json()) as Answer
}

/** Asks again until the answer is as wanted; the test's own limit ends it otherwise. */
async function until<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (wanted(answer)) return answer
    await setTimeout(50)
  }
}

const readiness = async (url: string): Promise<{ status: number; reasons: string[] }> => {
  const response = await fetch(`${url}/readyz`)
  return { status: response.status, reasons: ((await response.json()) as { reasons: string[] }).reasons }
}

interface Metrics {
  families: Map<string, { type: string; help: string; labels: Set<string> }>
  samples: Map<string, number>
}

/** Reads the text format of Prometheus, strictly: every line, and what belongs to which family. */
function parseMetrics(text: string): Metrics {
  const families: Metrics['families'] = new Map()
  const samples: Metrics['samples'] = new Map()
  let current = ''
  for (const line of text.split('\n')) {
    if (line === '') continue
    const help = /^# HELP ([a-z_:][a-z0-9_:]*) (\S.*)$/.exec(line)
    const type = /^# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|histogram)$/.exec(line)
    const sample = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (-?[\d.]+(?:e[+-]\d+)?)$/.exec(line)
    if (help) {
      current = help[1]!
      expect(families.has(current), line).toBe(false)
      families.set(current, { type: '', help: help[2]!, labels: new Set() })
    } else if (type) {
      expect(type[1], line).toBe(current)
      families.get(current)!.type = type[2]!
    } else {
      expect(sample, line).not.toBeNull()
      const [, name, labels = '', value] = sample!
      const family = families.get(current)!
      const suffix = name!.slice(current.length)
      expect([name!.startsWith(current), family.type === 'histogram' ? suffix !== '' : suffix === ''], line).toEqual([
        true,
        true,
      ])
      expect(labels, line).toMatch(/^(?:[a-z_]+="[^"\\\n]*"(?:,(?=[a-z])|$))*$/)
      for (const [, label] of labels.matchAll(/([a-z_]+)="/g)) if (label !== 'le') family.labels.add(label!)
      const key = labels === '' ? name! : `${name}{${labels}}`
      expect(samples.has(key), line).toBe(false)
      samples.set(key, Number(value))
    }
  }
  return { families, samples }
}

interface CacheSize {
  entries: number
  bytes: number
}

async function scrape(url: string): Promise<Metrics> {
  const response = await fetch(`${url}/metrics`)
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4')
  return parseMetrics(await response.text())
}

async function deploy(client: CoreClient, contractAddress = randomBytes(32)) {
  const issuer = bytesToHex(randomBytes(32))
  await principal.installKeys(client, [contractAddress])
  const args = [`0x${issuer}`, 0n]
  const end = await deployContract(client, ledger, {
    ...{ contractAddress, gasLimit, callable: 'construct(bytes32,uint64)', args },
  })
  if (end.kind === 'failed') throw new Error(end.message)
  return { address: contractAddress, issuer, usedGas: end.usedGas }
}

const call = (client: CoreClient, contractAddress: Uint8Array, callable: string, args: readonly unknown[]) =>
  computeFunction(client, { contractAddress, gasLimit, callable, args })

/** Stores a contract that never ends, and gives its key. */
async function putEndless(client: CoreClient): Promise<Uint8Array> {
  const address = randomBytes(32)
  await client.methods.updateNewContract({ address, bytecode: endless })
  await principal.installKeys(client, [address])
  return address
}

describe('a core with an HTTP door', () => {
  let core: CoreProcess & { url: string }
  beforeAll(async () => {
    core = await startObserved()
  })
  afterAll(() => core[Symbol.asyncDispose]())

  it('counts messages, tasks, gas, commits, keys and contracts', async () => {
    const { client, url } = core
    const before = await scrape(url)
    const start = Date.now() / 1000
    const { address, issuer, usedGas } = await deploy(client)
    const minted = await call(client, address, 'mint(bytes32,uint64)', [`0x${issuer}`, 5n])
    const failed = await call(client, address, 'transfer(bytes32,bytes32,uint64)', [`0x${issuer}`, `0x${issuer}`, 500n])
    expect([minted.kind, failed.kind]).toEqual(['success', 'failed'])
    await expect(client.methods.getTip({ address: randomBytes(32) })).rejects.toMatchObject({ code: 'not_found' })
    const after = await scrape(url)

    const moved = (name: string) => (after.samples.get(name) ?? 0) - (before.samples.get(name) ?? 0)
    const wanted = {
      'bletchley_messages_total{type="DeploySecretContract",outcome="ok"}': 1,
      'bletchley_messages_total{type="ComputeTask",outcome="ok"}': 1,
      'bletchley_messages_total{type="ComputeTask",outcome="failed_task"}': 1,
      'bletchley_messages_total{type="GetTip",outcome="error"}': 1,
      'bletchley_message_errors_total{code="not_found"}': 1,
      'bletchley_message_duration_seconds_count{type="ComputeTask"}': 2,
      'bletchley_message_duration_seconds_bucket{le="+Inf",type="ComputeTask"}': 2,
      'bletchley_tasks_total{type="DeploySecretContract",outcome="success"}': 1,
      'bletchley_tasks_total{type="ComputeTask",outcome="success"}': 1,
      'bletchley_tasks_total{type="ComputeTask",outcome="failed"}': 1,
      'bletchley_gas_used_total{type="DeploySecretContract"}': Number(usedGas),
      'bletchley_gas_used_total{type="ComputeTask"}': Number(minted.usedGas + failed.usedGas),
      'bletchley_commits_total{outcome="ok"}': 2,
      bletchley_commit_duration_seconds_count: 2,
      bletchley_contracts: 1,
      bletchley_state_keys: 1,
    }
    expect(Object.fromEntries(Object.keys(wanted).map((name) => [name, moved(name)]))).toEqual(wanted)
    expect(moved('bletchley_request_bytes_total{type="ComputeTask"}')).toBeGreaterThan(200)
    expect(moved('bletchley_reply_bytes_total{type="ComputeTask"}')).toBeGreaterThan(200)
    expect(after.samples.get('bletchley_ptt_last_timestamp_seconds')).toBeGreaterThan(start - 1)
    expect(after.samples.get('bletchley_store_bytes')).toBeGreaterThan(0)
    const { modules } = ((await json(`${url}/api/status`)) as unknown as { caches: { modules: CacheSize } }).caches
    expect(modules.entries).toBeGreaterThan(0)
    // What V8 keeps of the smallest module; by such numbers the memory of all of them is bounded.
    expect(modules.bytes).toBeGreaterThan(modules.entries * 300 * 1024)
  })

  it('counts what is refused before anybody looks into it', async () => {
    const { url, endpoint } = core
    const refused = async () => (await scrape(url)).samples.get('bletchley_message_errors_total{code="limit_exceeded"}')
    expect(await refused()).toBe(0)
    const peer = new Dealer()
    peer.connect(endpoint)
    await peer.send(new Array(1001).fill('x'))
    expect(await peer.receive()).toHaveLength(1001)
    peer.close()
    expect(await refused()).toBe(1)
  })

  it('prints histograms whose buckets add up', async () => {
    const { samples } = await scrape(core.url)
    const buckets = [...samples].filter(([name]) => name.includes('_bucket{') && name.includes('type="ComputeTask"'))
    const edges = buckets.map(([name]) => Number(/le="([^"]+)"/.exec(name)![1]!.replace('+Inf', 'Infinity')))
    const counts = buckets.map(([, count]) => count)
    expect(edges).toEqual([...edges].sort((a, b) => a - b))
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(edges.at(-1)).toBe(Number.POSITIVE_INFINITY)
  })

  it('has the metrics of docs/metrics.md, and these are all that dashboard and alerts use', async () => {
    const { families } = await scrape(core.url)
    const page = readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$/gm)]
    const documented = rows.map(([, name, type, , help]) => [name, type, help])
    expect(documented).toEqual([...families].map(([name, { type, help }]) => [name, type, help]))
    for (const [, name, , labels] of rows) {
      const known = labels!.split(', ').map((label) => label.trim())
      for (const label of families.get(name!)!.labels) expect(known, name).toContain(label)
    }

    const names = new Set<string>()
    for (const [name, { type }] of families) {
      if (type !== 'histogram') names.add(name)
      else for (const part of ['bucket', 'sum', 'count']) names.add(`${name}_${part}`)
    }
    const dashboard = JSON.parse(
      readFileSync(new URL('../deploy/grafana/bletchley.json', import.meta.url), 'utf8'),
    ) as {
      panels: { id: number; targets?: { expr: string }[] }[]
    }
    const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    expect(expressions.length).toBeGreaterThan(20)
    const alerts = readFileSync(new URL('../deploy/prometheus/alerts.yml', import.meta.url), 'utf8')
    for (const text of [...expressions, alerts]) {
      for (const [name] of text.matchAll(/\b(?:bletchley|process|nodejs)_\w+/g)) expect(names, text).toContain(name)
    }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)

    const operating = readFileSync(new URL('../docs/operating.md', import.meta.url), 'utf8')
    const rules = alerts.split('- alert: ').slice(1)
    expect(rules.length).toBeGreaterThan(8)
    for (const rule of rules) {
      const name = /^\w+/.exec(rule)![0]
      expect(rule).toMatch(/\n +for: \d+m\n +labels: \{ severity: (page|ticket) \}\n/)
      expect(rule).toContain(`runbook: docs/operating.md#${name.toLowerCase()}\n`)
      expect(operating).toContain(`\n### ${name}\n`)
    }
  })

  it('lists contracts and chains as they are stored, also when they are changed from outside', async () => {
    const { client, url } = core
    const { address, issuer } = await deploy(client)
    await call(client, address, 'mint(bytes32,uint64)', [`0x${issuer}`, 5n])
    const name = bytesToHex(address)
    const path = `${url}/api/contracts/${name}`
    const stored = async () => (await client.methods.getDeltas({ ranges: [{ address, from: 0, to: 9 }] })).deltas
    const described = async () => {
      const deltas = await stored()
      const tip = deltas.at(-1)!
      return {
        address: name,
        ...{ deltas: deltas.length, deltaBytes: deltas.reduce((sum, { data }) => sum + data.length, 0) },
        ...{ tipKey: tip.key, tipHash: bytesToHex(keccak256(tip.data)), keyHeld: true },
      }
    }
    const { bytecode } = await client.methods.getContract({ address })
    const whole = { ...(await described()), codeHash: bytesToHex(keccak256(bytecode)), bytecodeBytes: bytecode.length }
    expect(await json(path)).toMatchObject({ ...whole, stateBytes: expect.any(Number), home: expect.any(Number) })
    expect((await json(`${url}/api/contracts?search=${name.slice(0, 9)}`)).contracts).toMatchObject([await described()])

    const first = await json(`${path}/deltas?limit=1`)
    expect(first).toMatchObject({
      deltas: [{ key: 1, type: 'ComputeTask', gas: expect.stringMatching(/^\d+$/) }],
      next: 1,
    })
    const second = await json(`${path}/deltas?limit=1&before=${first.next}`)
    const [delta] = await stored()
    expect(second.deltas).toMatchObject([
      { key: 0, hash: bytesToHex(keccak256(delta!.data)), bytes: delta!.data.length, type: 'DeploySecretContract' },
    ])
    expect(second.next).toBeUndefined()

    await client.methods.updateDeltas({ deltas: [{ address, key: 1, data: randomBytes(999) }] })
    expect(await json(path)).toMatchObject(await described())
    expect((await json(`${path}/deltas?limit=1`)).deltas[0]).not.toHaveProperty('gas')
    await client.methods.updateDeltas({ deltas: [{ address, key: 7, data: randomBytes(10) }] })
    expect(await json(path)).toMatchObject(await described())
    await client.methods.removeDeltas({ ranges: [{ address, from: 1, to: 2 }] })
    expect(await json(path)).toMatchObject({ ...(await described()), deltas: 2 })

    const { total } = await json(`${url}/api/contracts`)
    await client.methods.removeContract({ address })
    await json(path, 404)
    expect((await json(`${url}/api/contracts`)).total).toBe(total - 1)
  })

  it('counts as nobody who uses a key, where the keys that are not used give way', async () => {
    await using core = await startObserved()
    const { client, url } = core
    const address = randomBytes(32)
    await client.methods.updateNewContract({ address, bytecode: endless })
    const keyHeld = async () => (await json(`${url}/api/contracts`)).contracts
    await principal.installKeys(client, [address])
    const batch = (keys: number) => Array.from({ length: keys }, () => randomBytes(32))
    for (let batches = 1; batches < 10; batches++) await principal.installKeys(client, batch(10_000))
    await principal.installKeys(client, batch(9999))
    expect(await keyHeld()).toMatchObject([{ keyHeld: true }])
    await principal.installKeys(client, batch(1))
    expect(await keyHeld()).toMatchObject([{ keyHeld: false }])
  })

  it('takes parameters up to their limits, and refuses what is none', async () => {
    const [{ address }] = await Promise.all([deploy(core.client), deploy(core.client)])
    const path = `contracts/${bytesToHex(address)}`
    const { total, contracts } = await json(`${core.url}/api/contracts?limit=200`)
    const paged: object[] = []
    for (let after: number | undefined | string = ''; after !== undefined; ) {
      const page: Answer = await json(`${core.url}/api/contracts?limit=1&after=${after}`)
      paged.push(...page.contracts)
      after = page.next
    }
    expect([paged.length, paged]).toEqual([total, contracts])
    for (const [query, length] of [
      ['contracts?limit=1', 1],
      [`contracts?limit=200&search=${bytesToHex(address)}`, 1],
      [`${path}/deltas?before=0`, 0],
      [`${path}/deltas?before=1`, 1],
      [`${path}/deltas?before=${2 ** 32}`, 1],
    ] as const) {
      const answer = await json(`${core.url}/api/${query}`)
      expect(answer.contracts ?? answer.deltas, query).toHaveLength(length)
    }
    for (const query of [
      'contracts?limit=0',
      'contracts?limit=201',
      `${path}/deltas?before=-1`,
      `${path}/deltas?before=${2 ** 32 + 1}`,
      'contracts?search=xyz',
      'contracts/12',
      'contracts/x/deltas',
    ]) {
      expect(await json(`${core.url}/api/${query}`, 400), query).toHaveProperty('error')
    }
    await json(`${core.url}/api/nothing`, 404)
  })

  it('feeds what happened and what happens, and nothing of its content', async () => {
    const { client, url, endpoint } = core
    const { address, issuer } = await deploy(client)
    const [feed] = (await once(get(`${url}/api/events`), 'response')) as [IncomingMessage]
    expect(feed.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    })
    await call(client, address, 'mint(bytes32,uint64)', [`0x${issuer}`, 5n])
    const hostile = `last\u202e\u0000\n${'<b>'.repeat(1000)}`
    const peer = new Request()
    peer.connect(endpoint)
    await peer.send(JSON.stringify({ id: hostile, type: `\u001b[2J${'T'.repeat(500)}` }))
    await peer.receive()
    peer.close()

    let text = ''
    const messages = () =>
      // Whole events: the last one may still be on its way.
      [...text.matchAll(/^event: message\ndata: (.*)\n\n/gm)].map(
        ([, data]) => JSON.parse(data!) as { id: string; type: string; outcome: string; code?: string },
      )
    for await (const chunk of feed) {
      text += String(chunk)
      if (messages().some(({ id }) => id.startsWith('last'))) break
    }
    const byType = Object.fromEntries(messages().map((each) => [each.type, each]))
    const about = { address: bytesToHex(address), outcome: 'ok', gas: expect.stringMatching(/^\d+$/) }
    expect(byType).toMatchObject({ DeploySecretContract: about, ComputeTask: about })
    const last = messages().at(-1)!
    expect([last.id.length, last.type.length, last.outcome, last.code]).toEqual([64, 64, 'error', 'unknown_type'])
    expect(last.id + last.type).toMatch(/^[\x20-\x7e]+$/)
    expect(text).toContain('event: status\ndata: {"version"')

    const shown = [text, await (await fetch(`${url}/metrics`)).text(), JSON.stringify(await json(`${url}/api/history`))]
    for (const path of ['status', 'contracts', `contracts/${bytesToHex(address)}`]) {
      shown.push(JSON.stringify(await json(`${url}/api/${path}`)))
    }
    for (const secret of [issuer, bytesToHex(principal.stateKey(address))]) {
      expect(shown.join('\n').includes(secret)).toBe(false)
    }
  })

  it('answers nobody from elsewhere, and takes nothing', async () => {
    const { url } = core
    const { port } = new URL(url)
    const ask = async (headers: Record<string, string>, method = 'GET'): Promise<number> => {
      const asking = request(`${url}/api/status`, { method, headers }).end()
      const [response] = (await once(asking, 'response')) as [IncomingMessage]
      response.resume()
      return response.statusCode!
    }
    expect(await ask({ host: `localhost:${port}` })).toBe(200)
    expect(await ask({ host: `[::1]:${port}`, origin: `http://[::1]:${port}` })).toBe(200)
    expect(await ask({ host: `LocalHost:${port}` })).toBe(200)
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      `127.0.0.1.evil.example:${port}`,
      `127.999.0.1:${port}`,
      '127.0.0.1:1',
      '127.0.0.1',
    ]) {
      expect(await ask({ host }), host).toBe(403)
    }
    for (const origin of ['http://evil.example', 'null', `http://localhost:${port}`, `https://127.0.0.1:${port}`]) {
      expect(await ask({ origin }), origin).toBe(403)
    }
    // A page need not say where it is from if it does not read the answer; browsers do.
    for (const site of ['cross-site', 'same-site']) {
      for (const destination of ['empty', 'image', 'script', 'iframe']) {
        expect(await ask({ 'sec-fetch-site': site, 'sec-fetch-dest': destination }), `${site} ${destination}`).toBe(403)
      }
      expect(await ask({ 'sec-fetch-site': site, 'sec-fetch-dest': 'document' }), `a link, ${site}`).toBe(200)
    }
    for (const site of ['same-origin', 'none']) expect(await ask({ 'sec-fetch-site': site }), site).toBe(200)
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) expect(await ask({}, method), method).toBe(405)
    expect(await ask({}, 'HEAD')).toBe(200)
  })

  it('is not hurt by garbage, by crowds, or by those who are slow', async () => {
    const { url, client } = core
    const port = Number(new URL(url).port)
    const sockets: Socket[] = []
    const open = (text: string | Uint8Array): Promise<unknown> => {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      socket.write(text)
      socket.resume()
      sockets.push(socket)
      // Not `once` of node:events, which fails on an error: a reset is as good an end.
      return new Promise((resolve) => socket.once('close', resolve))
    }
    const head = `GET /livez HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`
    const closed = [
      open('GET /livez HTTP/1.1\r\nHos'),
      open(`${head}Content-Length: 100000\r\n\r\nhalf`),
      open(randomBytes(10_000)),
      open(`${head}X: ${'x'.repeat(100_000)}\r\n\r\n`),
      open('CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'),
      open(`${head}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n`),
      open('GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'),
    ]
    for (let count = 0; count < 200; count++) closed.push(open(''))
    await Promise.all(closed)
    expect(await (await fetch(`${url}/livez`)).text()).toBe('ok\n')
    await client.methods.getAllAddrs(undefined)
    expect(core.process.running).toBe(true)
  })

  it('is found by bletchley console, and nothing else is taken for it', async () => {
    const found = await runCommand(['console', '--http', core.url])
    expect([found.code, found.stdout]).toEqual([0, `console ${core.url}\n`])
    const other = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1')
    await once(other, 'listening')
    const wrong = await runCommand(['console', '--http', `127.0.0.1:${(other.address() as AddressInfo).port}`])
    other.close()
    expect([wrong.code, wrong.stdout, wrong.stderr]).toEqual([1, '', expect.stringContaining('is no core')])
    const nobody = await runCommand(['console', '--http', '127.0.0.1:1'])
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining('bletchley core --http')])
    expect((await runCommand(['console', '--http', 'nonsense'])).code).toBe(2)
  })

  it('keeps a history', async () => {
    const { stepMs, at, messages, contracts } = await until(
      () => json(`${core.url}/api/history`),
      ({ at }) => at.length > 0,
    )
    expect(stepMs).toBe(5000)
    expect([messages.length, contracts.length]).toEqual([at.length, at.length])
  })
})

describe('/readyz', () => {
  it('names the keys that are missing, where the core fetches keys, until they are there', async () => {
    await using core = await startObserved({ args: ['--principal-url', 'http://127.0.0.1:1'] })
    await until(
      () => readiness(core.url),
      ({ status }) => status === 200,
    )
    const address = randomBytes(32)
    await core.client.methods.updateNewContract({ address, bytecode: endless })
    const missing = expect.stringMatching(
      /^state keys are missing for 1 of 1 contracts( \(the principal: bad port\))?$/,
    )
    expect(await readiness(core.url)).toEqual({ status: 503, reasons: [missing] })
    await principal.installKeys(core.client, [address])
    expect(await readiness(core.url)).toEqual({ status: 200, reasons: [] })
  })

  it('says that writes fail, and is ready again when they do not', async () => {
    await using core = await startObserved({ fileSizeLimit: 1024 })
    const deltas = [{ address: randomBytes(32), key: 0, data: randomBytes(4 << 20) }]
    await until(
      () => readiness(core.url),
      ({ status }) => status === 200,
    )
    // The core may find between two looks that small writes still fit: then it fails once more.
    await until(
      async () => {
        await expect(core.client.methods.updateDeltas({ deltas })).rejects.toMatchObject({ code: 'store_failed' })
        return readiness(core.url)
      },
      ({ status, reasons }) => status === 503 && reasons[0] === 'the last write to the database failed',
    )
    expect((await scrape(core.url)).samples.get('bletchley_commits_total{outcome="failed"}')).toBeGreaterThan(0)
    // A small write still fits, and the core finds out by itself.
    await until(
      () => readiness(core.url),
      ({ status }) => status === 200,
    )
  })

  it('says that the core is stopping, to the end', async () => {
    await using core = await startObserved({ args: ['--threads', '1'] })
    const address = await putEndless(core.client)
    const running = computeFunction(core.client, {
      ...{ contractAddress: address, gasLimit: 2n ** 63n, callable: 'f()', args: [] },
    }).catch(() => {})
    const busy = ({ threads }: Answer) => threads[0]?.kind === 'compute' && threads[0].address === bytesToHex(address)
    await until(() => json(`${core.url}/api/status`), busy)
    const end = core.process.kill('SIGTERM')
    await until(
      () => readiness(core.url),
      ({ reasons }) => reasons.includes('the core is stopping'),
    )
    expect((await end).code).toBe(0)
    await running
  })
})

it('counts the threads that were replaced', async () => {
  await using core = await startObserved({ args: ['--threads', '1', '--run-limit', '300'] })
  const address = await putEndless(core.client)
  const task = { contractAddress: address, gasLimit: 2n ** 63n, callable: 'f()', args: [] }
  await expect(computeFunction(core.client, task)).rejects.toMatchObject({ code: 'task_aborted' })
  const { samples } = await scrape(core.url)
  expect(samples.get('bletchley_thread_replacements_total')).toBe(1)
  expect(samples.get('bletchley_tasks_total{type="ComputeTask",outcome="error"}')).toBe(1)
})

describe('the door itself', () => {
  it('is on loopback or nowhere', async () => {
    await using folder = await temporaryFolder()
    const options = { dialect: 'document', logger: pino({ enabled: false }), dataFolder: folder.path } as const
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.999.0.1']) {
      const started = startCore({ ...options, endpoints: ['tcp://127.0.0.1:0'], http: { host, port: 0 } })
      await expect(started, host).rejects.toThrow(/can be reached from other machines/)
    }
  })

  it('serves the files of the console, with a policy that keeps everything else out, and no others', async () => {
    await using folder = await temporaryFolder()
    await using files = await temporaryFolder()
    await writeFile(join(files.path, 'index.html'), '<!doctype html>')
    await writeFile(join(files.path, 'app.js'), 'void 0')
    const core = await startCore({
      ...{ endpoints: ['tcp://127.0.0.1:0'], dataFolder: folder.path, dialect: 'document' },
      ...{ http: { host: '127.0.0.1', port: 0 }, consoleFolder: files.path, logger: pino({ enabled: false }) },
    })
    try {
      const page = await fetch(`${core.httpUrl}/`)
      expect([page.status, await page.text()]).toEqual([200, '<!doctype html>'])
      expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/)
      expect((await fetch(`${core.httpUrl}/app.js`)).headers.get('content-type')).toContain('text/javascript')
      for (const path of [
        '/../signing-key.sealed',
        '/%2e%2e/%2e%2e/etc/passwd',
        '/app.js/',
        '//app.js',
        '/index',
        '/%00',
      ]) {
        const asking = request(core.httpUrl!, { path }).end()
        const [response] = (await once(asking, 'response')) as [IncomingMessage]
        response.resume()
        expect(response.statusCode, path).toBe(404)
      }
    } finally {
      await core.close()
    }
  })
})

it('logs requests at level debug, for people or for machines', async () => {
  for (const format of ['pretty', 'json']) {
    await using core = await startCoreProcess({ args: ['--log-level', 'debug', '--log-format', format] })
    await core.client.methods.getAllAddrs(undefined)
    const { stderr } = await core.process.kill('SIGTERM')
    const lines = stderr.split('\n').filter((line) => line.includes('message answered'))
    expect(lines.join('\n')).toContain('GetAllAddrs')
    if (format === 'pretty')
      expect(stripVTControlCharacters(lines[0]!)).toMatch(/^[\d:.]{12} debug core {2}message answered/)
    else expect(JSON.parse(lines[0]!)).toMatchObject({ level: 20, room: 'core', type: 'GetAllAddrs', outcome: 'ok' })
  }
})
