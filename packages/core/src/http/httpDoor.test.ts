import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { KeyValueStore, openLmdb } from '@bletchley/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CoreHere, getTip, startCoreHere } from '../../test/coreHere.ts'

const mebibyte = 1024 * 1024
const door = { host: '127.0.0.1', port: 0 }
const principal = new Uint8Array(20).fill(0xcc)

/** Addresses of contracts: many with nothing but code, and some of which there is more to tell. */
const many = Array.from({ length: 210 }, (_, index) => index.toString(16).padStart(2, '0').padEnd(64, '0'))
const whole = 'a1'.repeat(32)
const codeOnly = 'a2'.repeat(32)
const deltasOnly = 'a3'.repeat(32)
const long = 'b1'.repeat(32)
const large = 'c1'.repeat(32)
const heavy = ['e1', 'e2', 'e3', 'e4'].map((part) => part.repeat(32))
const unknown = 'ff'.repeat(32)

const heavyTip = new Uint8Array(9 * mebibyte).fill(9)

let folder: string
let here: CoreHere
let url: string
let startedAfter: number

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
  const dataFolder = join(folder, 'data')
  await mkdir(join(dataFolder, 'store'), { recursive: true, mode: 0o700 })
  await fill(join(dataFolder, 'store'))
  startedAfter = Date.now()
  here = await startCoreHere({ dataFolder, http: door, principal, countDroppedLogLines: () => 17 })
  url = here.core.httpUrl!
})
afterAll(async () => {
  await here?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function fill(storeFolder: string): Promise<void> {
  const store = await KeyValueStore.open(await openLmdb({ folder: storeFolder }), { hash: keccak256 })
  const rows = (name: string, deltas: [key: number, data: Uint8Array][]) =>
    store.putDeltas(deltas.map(([key, data]) => ({ address: hexToBytes(name), key, data })))
  for (const name of [...many, codeOnly, whole]) await store.putBytecode(hexToBytes(name), Uint8Array.of(1, 2, 3))
  const first = Uint8Array.of(4)
  await rows(whole, [[0, first]])
  const receipt = { taskId: new Uint8Array(32), reply: utf8ToBytes('{"usedGas":"4711"}') }
  const second = { key: 1, data: Uint8Array.of(5, 6) }
  const address = hexToBytes(whole)
  const version = (await store.load(address)).contract?.version
  await store.commitTask({ address, version, delta: second, deltaHash: keccak256(second.data), receipt })
  await store.putSnapshot(hexToBytes(whole), { key: 1, data: new Uint8Array(70) }, keccak256(second.data))
  await rows(deltasOnly, [[3, Uint8Array.of(7)]])
  await rows(
    long,
    Array.from({ length: 510 }, (_, key) => [key, Uint8Array.of(key & 255)]),
  )
  for (const name of heavy) await rows(name, [[0, heavyTip]])
  for (const key of [0, 1, 2, 5]) await rows(large, [[key, new Uint8Array(8 * mebibyte).fill(key)]])
  await store.close()
}

type Json = Record<string, unknown>

async function api(path: string, status = 200): Promise<Json> {
  const response = await fetch(`${url}/api/${path}`)
  expect(response.status, path).toBe(status)
  return (await response.json()) as Json
}
const names = ({ contracts }: Json) => (contracts as { address: string }[]).map(({ address }) => address)
const keys = ({ deltas }: Json) => (deltas as { key: number }[]).map(({ key }) => key)
const hash = (...data: number[]) => bytesToHex(keccak256(Uint8Array.from(data)))

describe('/api/status', () => {
  it('tells what the core is', async () => {
    const status = await api('status')
    expect(status).toMatchObject({
      ...{ version: expect.stringMatching(/^\d+\.\d+\.\d+$/), endpoints: here.core.endpoints, curve: false },
      ...{ signingAddress: bytesToHex(here.core.signingAddress), dialect: 'document', principal: 'cc'.repeat(20) },
      ...{ fetchesKeys: false, contracts: many.length + 9, stateKeys: 0, inFlight: 0 },
    })
    expect(status.startedAt).toBeGreaterThanOrEqual(startedAfter)
    expect(status.startedAt).toBeLessThanOrEqual(Date.now())
  })
})

describe('/api/contracts', () => {
  const code = { codeHash: hash(1, 2, 3), keyHeld: false }

  it('describes a contract', async () => {
    expect((await api(`contracts?search=${whole}`)).contracts).toEqual([
      { address: whole, ...code, tipKey: 1, tipHash: hash(5, 6), deltas: 2, deltaBytes: 3 },
    ])
    expect(await api(`contracts/${whole.toUpperCase()}`)).toEqual({
      ...{ address: whole, ...code, tipKey: 1, tipHash: hash(5, 6), deltas: 2, deltaBytes: 3 },
      ...{ bytecodeBytes: 3, snapshot: { key: 1, bytes: 70 } },
    })
  })

  it('describes what is not whole', async () => {
    expect(await api(`contracts/${codeOnly}`)).toEqual({
      ...{ address: codeOnly, ...code, deltas: 0, deltaBytes: 0, bytecodeBytes: 3 },
    })
    expect(await api(`contracts/${deltasOnly}`)).toEqual({
      ...{
        address: deltasOnly,
        keyHeld: false,
        tipKey: 3,
        tipHash: hash(7),
        deltas: 1,
        deltaBytes: 1,
        bytecodeBytes: 0,
      },
    })
  })

  it('says how many deltas there would be, until it has read them', async () => {
    const described = await api(`contracts/${large}`)
    expect(described).toMatchObject({ tipKey: 5, deltas: 6 })
    expect(described).not.toHaveProperty('deltaBytes')
    let again = described
    while (again.deltaBytes === undefined) again = await api(`contracts/${large}`)
    expect(again).toMatchObject({ deltas: 4, deltaBytes: 32 * mebibyte })
  })

  it('reads 16 MiB for a page, and goes on from there for the next one', async () => {
    const hashes = async () => {
      const { contracts } = await api('contracts?search=e&limit=4')
      expect(contracts).toMatchObject(heavy.map((address) => ({ address, tipKey: 0, deltas: 1 })))
      return (contracts as { tipHash?: string }[]).flatMap(({ tipHash }) => tipHash ?? [])
    }
    const first = await hashes()
    expect(first).toEqual([bytesToHex(keccak256(heavyTip))])
    let all = first
    while (all.length < 4) all = await hashes()
    expect(all).toEqual(heavy.map(() => first[0]))
  })

  it('pages by 50, or as asked, up to 200', async () => {
    const total = many.length + 9
    const all = [...many, whole, codeOnly, deltasOnly, long, large, ...heavy].sort()
    for (const [query, from, to] of [
      ['', 0, 50],
      ['?limit=1', 0, 1],
      ['?limit=200', 0, 200],
      ['?limit=0000000002', 0, 2],
      [`?limit=10&after=${all[99]}`, 100, 110],
      [`?limit=200&after=0x${all[199]!.toUpperCase()}`, 200, total],
    ] as const) {
      const page = await api(`contracts${query}`)
      expect(names(page), query).toEqual(all.slice(from, to))
      expect([page.total, page.next], query).toEqual([total, to === total ? undefined : all[to - 1]])
    }
  })

  it('searches by a part of the address', async () => {
    for (const [search, found] of [
      ['0xA1', [whole]],
      [whole, [whole]],
      ['c1c1', [large]],
      ['3a3', [deltasOnly]],
      [unknown, []],
    ] as const) {
      expect(
        names(await api(`contracts?search=${search}`)).filter((name) => !many.includes(name)),
        search,
      ).toEqual(found)
    }
  })

  it.each([
    ...['?limit=0', '?limit=201', '?limit=-1', '?limit=1.0', '?limit=1e1', '?limit=', '?limit=00000000001', '?limit=x'],
    ...['?search=x', `?search=${whole}0`, '?search=0x0x', '?after=g', `?after=${whole}0`],
    ...[
      `/${whole}0`,
      `/${whole.slice(1)}`,
      '/x',
      '/x/deltas',
      `/${whole}/deltas?limit=0`,
      `/${whole}/deltas?limit=501`,
    ],
    ...[`/${whole}/deltas?before=-1`, `/${whole}/deltas?before=4294967297`, `/0x${whole}`],
  ])('refuses what is not of its shape: %s', async (query) => {
    expect(await api(`contracts${query}`, 400)).toEqual({ error: 'a parameter is not of its shape' })
  })

  it.each([
    [`contracts/${unknown}`, 'no such contract'],
    [`contracts/${unknown}/deltas`, 'no such contract'],
    ['nothing', 'no such path'],
    ['contracts/a/b/c', 'no such path'],
  ])('finds nothing at %s', async (path, error) => {
    expect(await api(path, 404)).toEqual({ error })
  })
})

describe('/api/contracts/…/deltas', () => {
  it('lists the newest first, with the gas of those whose receipt is there', async () => {
    expect(await api(`contracts/${whole}/deltas`)).toEqual({
      deltas: [
        { key: 1, hash: hash(5, 6), bytes: 2, gas: '4711' },
        { key: 0, hash: hash(4), bytes: 1 },
      ],
    })
    expect(await api(`contracts/${codeOnly}/deltas`)).toEqual({ deltas: [] })
  })

  it('pages by 100, or as asked, up to 500', async () => {
    for (const [query, newest, oldest, next] of [
      ['', 509, 410, 410],
      ['?limit=1', 509, 509, 509],
      ['?limit=500', 509, 10, 10],
      ['?before=500&limit=2', 499, 498, 498],
      ['?before=100', 99, 0, undefined],
      ['?before=101', 100, 1, 1],
      ['?before=4294967296&limit=1', 509, 509, 509],
    ] as const) {
      const page = await api(`contracts/${long}/deltas${query}`)
      expect([keys(page)[0], keys(page).at(-1), keys(page).length, page.next], query).toEqual([
        ...[newest, oldest, newest - oldest + 1, next],
      ])
    }
    expect(await api(`contracts/${long}/deltas?before=0`)).toEqual({ deltas: [] })
  })

  it('ends a page behind 16 MiB', async () => {
    const page = await api(`contracts/${large}/deltas`)
    expect([keys(page), page.next]).toEqual([[5, 2, 1], 1])
    expect(keys(await api(`contracts/${large}/deltas?before=1`))).toEqual([0])
  })
})

describe('the door', () => {
  it('has the same headers on each answer', async () => {
    const headers = {
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      ...{ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' },
      ...{ 'cross-origin-opener-policy': 'same-origin', 'cross-origin-resource-policy': 'same-origin' },
    }
    const feed = new AbortController()
    for (const path of ['/', '/nothing', '/livez', '/metrics', '/api/status', '/api/nothing', '/api/events']) {
      const response = await fetch(`${url}${path}`, { signal: feed.signal })
      expect(Object.fromEntries(response.headers), path).toMatchObject(headers)
    }
    feed.abort()
    expect(Object.fromEntries((await fetch(url, { method: 'POST' })).headers)).toMatchObject(headers)
    expect(Object.fromEntries((await fetch(url, { headers: { origin: 'http://x' } })).headers)).toMatchObject(headers)
  })

  it('takes nothing', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const response = await fetch(`${url}/api/status`, { method })
      expect([response.status, response.headers.get('allow'), response.headers.get('connection')], method).toEqual([
        ...[405, 'GET, HEAD', 'close'],
      ])
      expect(await response.text()).toBe('Only GET and HEAD\n')
    }
    expect((await fetch(`${url}/api/status`, { headers: { origin: 'http://x' } })).status).toBe(403)
    const head = await fetch(`${url}/api/status`, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  it('has no page where none is installed', async () => {
    for (const [path, text] of [
      ['/', 'No console is installed; see /api/status and /metrics\n'],
      ['/index.html', 'Not found\n'],
    ]) {
      const response = await fetch(`${url}${path}`)
      expect([response.status, await response.text()]).toEqual([404, text])
    }
  })

  it('counts what was answered before it is asked for', async () => {
    await here.ask(getTip(unknown))
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toContain('bletchley_messages_total{type="GetTip",outcome="error"} 1\n')
    expect(metrics).toContain('bletchley_log_lines_dropped_total 17\n')
  })

  it('says that no contract can run', async () => {
    const response = await fetch(`${url}/readyz`)
    expect([response.status, await response.json()]).toEqual([
      503,
      { ready: false, reasons: expect.arrayContaining(['no compute thread is up']) },
    ])
  })

  it('lets 64 connections in, and the oldest of them go when there is another one', async () => {
    await using core = await startCoreHere({ http: door, principal })
    const { host, port } = new URL(core.core.httpUrl!)
    const open = async (): Promise<Socket> => {
      const socket = connect(Number(port), '127.0.0.1')
      socket.write(`GET /livez HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      await once(socket, 'data')
      return socket
    }
    const sockets = [await open()]
    const closed = once(sockets[0]!, 'close')
    while (sockets.length < 64) sockets.push(await open())
    sockets[0]!.write(`GET /livez HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    await once(sockets[0]!, 'data')
    sockets.push(await open())
    await closed
    expect(sockets.map(({ closed }) => closed)).toEqual([true, ...Array(64).fill(false)])
    for (const socket of sockets) socket.destroy()
  })
})

describe('the feed', () => {
  const listen = async (): Promise<IncomingMessage> =>
    ((await once(get(`${url}/api/events`), 'response')) as [IncomingMessage])[0]

  it('begins with the state of the core, and counts its listeners', async () => {
    const response = await listen()
    const [chunk] = (await once(response, 'data')) as [Buffer]
    expect(String(chunk)).toMatch(/^retry: 1000\n\nevent: status\ndata: \{"version":"/)
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('bletchley_http_listeners 1\n')
    response.destroy()
  })

  it('is one of 16, and others are told so', async () => {
    const listeners: IncomingMessage[] = []
    for (let response = await listen(); response.statusCode === 200; response = await listen()) listeners.push(response)
    const refused = await fetch(`${url}/api/events`)
    expect([refused.status, await refused.json()]).toEqual([503, { error: 'too many listeners' }])
    expect(listeners.length).toBeLessThanOrEqual(16)
    const head = await fetch(`${url}/api/events`, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    for (const response of listeners) response.destroy()
  })

  it('ends with the core', async () => {
    const other = await startCoreHere({ http: door, principal })
    const [response] = (await once(get(`${other.core.httpUrl}/api/events`), 'response')) as [IncomingMessage]
    const ended = new Promise((resolve) => response.once('close', resolve))
    response.on('error', () => {}).resume()
    await other[Symbol.asyncDispose]()
    await ended
    await expect(fetch(other.core.httpUrl!)).rejects.toThrow('fetch failed')
  })
})

it('a page is served with the type of each file, and nothing else of the folder', async () => {
  const consoleFolder = join(folder, 'console')
  await mkdir(join(consoleFolder, 'assets.js'), { recursive: true })
  const files = {
    'index.html': ['<!doctype html>', 'text/html; charset=utf-8'],
    'assets.js/app.js': ['void 0', 'text/javascript; charset=utf-8'],
    'assets.js/index.html': ['inner', 'text/html; charset=utf-8'],
    'style.css': ['a {}', 'text/css; charset=utf-8'],
    'icon.svg': ['<svg/>', 'image/svg+xml'],
    'notes.txt': ['', 'text/plain; charset=utf-8'],
  }
  for (const [name, [text]] of Object.entries(files)) await writeFile(join(consoleFolder, name), text!)
  await writeFile(join(consoleFolder, 'app.js.map'), '{}')
  await using core = await startCoreHere({ http: door, principal, consoleFolder })
  const asked = async (path: string) => {
    const response = await fetch(`${core.core.httpUrl}/${path}`)
    return [response.status, await response.text(), response.headers.get('content-type')]
  }
  for (const [name, [text, type]] of Object.entries(files)) expect(await asked(name)).toEqual([200, text, type])
  expect(await asked('')).toEqual([200, ...files['index.html']])
  const { headers } = await fetch(`${core.core.httpUrl}/style.css`)
  expect(headers.get('cache-control')).toBe('no-cache')
  for (const path of ['assets.js', 'assets.js/', 'app.js.map', 'app.js', '%2e%2e/data']) {
    expect((await asked(path)).slice(0, 2), path).toEqual([404, 'Not found\n'])
  }
})
