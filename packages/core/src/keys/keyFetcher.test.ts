import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import {
  decodePttRequest,
  ecdh,
  encodePttResponse,
  encodeStateKeys,
  encrypt,
  generateKeyPair,
  randomBytes,
} from '@bletchley/crypto'
import { pino } from 'pino'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { KeyFetcher } from './keyFetcher.ts'
import { StateKeys } from './stateKeys.ts'

// Pauses of minutes pass at once, and are noted.
vi.mock('node:timers/promises', async (actual) => ({ ...(await actual<object>()), setTimeout: vi.fn(async () => {}) }))

afterEach(() => {
  vi.restoreAllMocks()
  vi.mocked(sleep).mockReset()
})

it('a principal that fails is asked less and less often, up to once a minute', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(1)
  let requests = 0
  const principal = createServer((_request, response) => {
    if (++requests === 9) fetcher.close()
    response.writeHead(500).end()
  })
  await once(principal.listen(0, '127.0.0.1'), 'listening')
  const stateKeys = new StateKeys(generateKeyPair().secretKey, undefined)
  const { port } = principal.address() as AddressInfo
  const fetcher = new KeyFetcher(stateKeys, `http://127.0.0.1:${port}`, pino({ enabled: false }))
  vi.mocked(sleep).mockClear()
  fetcher.want([randomBytes(32)])
  await vi.waitUntil(() => requests === 9, { timeout: 60_000 })
  principal.closeAllConnections()
  await new Promise((resolve) => principal.close(resolve))
  const pauses = vi.mocked(sleep).mock.calls.map(([ms]) => ms!)
  // Each in two parts: the first is there for tasks, too.
  const whole = pauses.flatMap((ms, i) => (i % 2 === 0 ? ms + (pauses[i + 1] ?? Number.NaN) : []))
  expect(whole.slice(0, 8)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
})

/** A pause that goes on until the test lets it pass, or until it is broken off. */
interface Pause {
  ms: number
  /** Whether it keeps the process from ending. */
  ref: boolean
  state: 'goes on' | 'passed' | 'broken off'
  pass(): void
}

/** A request that the principal has got, and that waits for its answer. */
interface Asked {
  /** Positions of the contracts. */
  contracts: number[]
  give(): void
  refuse(retryAfterMs?: number): void
  brokenOff: Promise<unknown>
}

/** A fetcher, its principal, and its pauses: each goes on when the test says so. */
async function start(count: number) {
  const contracts = Array.from({ length: count }, () => randomBytes(32))
  const names = contracts.map(bytesToHex)
  const asked: Asked[] = []
  const principal = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { params } = JSON.parse(Buffer.concat(chunks).toString()) as { params: { data: string; addresses: string[] } }
    const answer = (body: object) => void response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }))
    asked.push({
      contracts: params.addresses.map((name) => names.indexOf(name)),
      give: () => answer({ result: { data: answerTo(params.data, params.addresses), sig: '00' } }),
      refuse: (retryAfterMs) => answer({ error: { code: -1, data: retryAfterMs ? { retryAfterMs } : null } }),
      brokenOff: once(response, 'close'),
    })
  })
  await once(principal.listen(0, '127.0.0.1'), 'listening')
  const pauses: Pause[] = []
  vi.mocked(sleep).mockImplementation((ms = 0, value, { signal, ref = true } = {}) => {
    return new Promise((resolve, reject) => {
      const end = (state: Pause['state'], settle: () => void) => () => {
        if (pause.state === 'goes on') pause.state = state
        settle()
      }
      const pass = end('passed', () => resolve(value!))
      const pause: Pause = { ms, ref, state: 'goes on', pass }
      const breakOff = end('broken off', () => reject(signal?.reason))
      if (signal?.aborted) breakOff()
      else signal?.addEventListener('abort', breakOff)
      pauses.push(pause)
    })
  })
  vi.spyOn(Math, 'random').mockReturnValue(1)
  const log: { level: number; msg: string; reason?: string; contracts?: number }[] = []
  const logger = pino(
    { level: 'debug', base: null },
    { write: (line: string) => void log.push(JSON.parse(line) as never) },
  )
  const stateKeys = new StateKeys(generateKeyPair().secretKey, undefined)
  const { port } = principal.address() as AddressInfo
  const fetcher = new KeyFetcher(stateKeys, `http://127.0.0.1:${port}`, logger)
  /** The next request of the fetcher. */
  let requests = 0
  const next = async (): Promise<Asked> => {
    const number = requests++
    return vi.waitUntil(() => asked[number], { timeout: 60_000, interval: 1 })
  }
  /** The next pause that nobody has seen yet. */
  let seen = 0
  const pause = async (): Promise<Pause> => {
    const number = seen++
    return vi.waitUntil(() => pauses[number], { timeout: 60_000, interval: 1 })
  }
  return {
    ...{ contracts, asked, next, pause, pauses, log, stateKeys, fetcher },
    async [Symbol.asyncDispose]() {
      fetcher.close()
      principal.closeAllConnections()
      await new Promise((resolve) => principal.close(resolve))
    },
  }
}

/** The keys of contracts, whose principal nobody knows: no signature is looked at. */
function answerTo(request: string, addresses: string[]): string {
  const { id, publicKey } = decodePttRequest(hexToBytes(request))
  const mine = generateKeyPair()
  const keys = addresses.map((address) => ({ address: hexToBytes(address), key: randomBytes(32) }))
  const encrypted = encrypt(ecdh(mine.secretKey, publicKey), encodeStateKeys(keys))
  return bytesToHex(encodePttResponse({ id, publicKey: mine.publicKey, encrypted }))
}

/** Whether a promise has settled, in some turns of the event loop. */
async function settles(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  void promise.finally(() => {
    settled = true
  })
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  return settled
}

describe('stored contracts', () => {
  it('are asked for together, up to 1000 at once, and not again', async () => {
    await using world = await start(1001)
    const { fetcher, contracts, next, stateKeys } = world
    fetcher.want(contracts)
    const first = await next()
    expect(first.contracts).toEqual(Array.from({ length: 1000 }, (_, index) => index))
    first.give()
    const second = await next()
    expect(second.contracts).toEqual([1000])
    second.give()
    await vi.waitUntil(() => stateKeys.size === 1001, { timeout: 60_000 })
    fetcher.want(contracts.slice(0, 3))
    fetcher.want([randomBytes(32)])
    expect((await next()).contracts).toEqual([-1])
    expect([fetcher.lastError, world.log, world.pauses]).toEqual([undefined, [], []])
  })

  it('of a batch that is refused come last, in halves, so that one keeps no others waiting', async () => {
    await using world = await start(4)
    const { fetcher, contracts, next, pause } = world
    fetcher.want(contracts)
    const batches: number[][] = []
    const waits: number[] = []
    while (batches.length < 8) {
      const request = await next()
      batches.push(request.contracts)
      if (!request.contracts.includes(0)) {
        request.give()
        continue
      }
      request.refuse()
      let whole = 0
      for (let part = 0; part < 2; part++) {
        const { ms, ref, pass } = await pause()
        expect(ref).toBe(false)
        whole += ms
        pass()
      }
      waits.push(whole)
    }
    expect(batches).toEqual([[0, 1, 2, 3], [0, 1], [2], [3, 0], [1], [3, 0], [3], [0]])
    // Each success begins anew.
    expect(waits).toEqual([1000, 2000, 1000, 1000, 1000])
  })

  it('are asked for when the principal says, within a minute, and not all workers at once', async () => {
    await using world = await start(1)
    const { fetcher, contracts, next, pause } = world
    fetcher.want(contracts)
    const waits: number[] = []
    for (const [random, retryAfterMs] of [
      [1, 30_000],
      [1, 90_000],
      [0, 30_000],
      [0.5, 40_000],
    ] as const) {
      vi.mocked(Math.random).mockReturnValue(random)
      ;(await next()).refuse(retryAfterMs)
      const parts = [await pause()]
      parts[0]!.pass()
      parts.push(await pause())
      parts[1]!.pass()
      expect(parts[0]!.ms).toBe(500)
      waits.push(500 + parts[1]!.ms)
    }
    expect(waits).toEqual([30_000, 60_000, 15_000, 30_000])
  })

  it('take no second pause where the shortest is enough', async () => {
    await using world = await start(1)
    const { fetcher, contracts, next, pause, pauses } = world
    vi.mocked(Math.random).mockReturnValue(0)
    fetcher.want(contracts)
    ;(await next()).refuse()
    ;(await pause()).pass()
    await next()
    expect(pauses).toHaveLength(1)
  })

  it('are told of once for each reason, and when it is over', async () => {
    await using world = await start(1)
    const { fetcher, contracts, next, pause, log, stateKeys } = world
    fetcher.want(contracts)
    for (let time = 0; time < 2; time++) {
      ;(await next()).refuse()
      for (let part = 0; part < 2; part++) (await pause()).pass()
      expect(fetcher.lastError).toBe('it refuses: code -1')
    }
    const defect = vi.spyOn(stateKeys, 'request').mockImplementationOnce(() => {
      throw new Error('oops')
    })
    for (let part = 0; part < 2; part++) (await pause()).pass()
    expect(defect).toHaveBeenCalledOnce()
    ;(await next()).give()
    await vi.waitUntil(() => fetcher.lastError === undefined, { timeout: 60_000 })
    const failed = { reason: 'it refuses: code -1', contracts: 1, msg: 'state keys could not be fetched' }
    expect(log).toMatchObject([
      { level: 40, ...failed },
      { level: 20, ...failed },
      { level: 50, err: { message: 'oops' }, msg: 'state keys could not be fetched' },
      { level: 40, ...failed, reason: 'a defect of this program, see the log' },
      { level: 30, msg: 'the principal gives state keys again' },
    ])
  })
})

describe('a task', () => {
  it('has its key asked for at once, with others that wait, and goes on when it is there', async () => {
    await using world = await start(4)
    const { fetcher, contracts, next, pause, stateKeys } = world
    const first = fetcher.fetchNow(contracts[0]!)
    const request = await next()
    fetcher.want([contracts[3]!])
    const others = [1, 2, 1].map((index) => fetcher.fetchNow(contracts[index]!))
    request.give()
    await first
    expect(stateKeys.has(bytesToHex(contracts[0]!))).toBe(true)
    const second = await next()
    expect(second.contracts).toEqual([1, 2, 3])
    expect(await settles(Promise.race(others))).toBe(false)
    second.give()
    await Promise.all(others)
    expect(stateKeys.size).toBe(4)
    for (let wait = 0; wait < 4; wait++) expect(await pause()).toMatchObject({ ms: 10_000, state: 'broken off' })
  })

  it('goes on without a key when it was refused, or has not come in 10 seconds', async () => {
    await using world = await start(2)
    const { fetcher, contracts, next, pause, asked } = world
    const refused = fetcher.fetchNow(contracts[0]!)
    await pause()
    ;(await next()).refuse()
    await refused
    // It is not asked for again: who sends the task again will.
    ;(await pause()).pass()
    ;(await pause()).pass()
    const late = fetcher.fetchNow(contracts[1]!)
    const request = await next()
    const wait = await pause()
    expect([await settles(late), wait.ms]).toEqual([false, 10_000])
    wait.pass()
    await late
    request.give()
    expect(asked.map((each) => each.contracts)).toEqual([[0], [1]])
  })

  it('ends the long pause of stored contracts, alone, and not the shortest', async () => {
    await using world = await start(5)
    const { fetcher, contracts, next, pause, stateKeys } = world
    fetcher.want(contracts.slice(0, 4))
    ;(await next()).refuse()
    ;(await pause()).pass()
    const long = await pause()
    const task = fetcher.fetchNow(contracts[4]!)
    expect((await pause()).ms).toBe(10_000)
    const request = await next()
    expect([long.state, request.contracts]).toEqual(['broken off', [4]])
    request.refuse()
    await task
    const shortest = await pause()
    const again = fetcher.fetchNow(contracts[4]!)
    await pause()
    expect([shortest.ms, shortest.state, await settles(again)]).toEqual([500, 'goes on', false])
    shortest.pass()
    const last = await next()
    expect(last.contracts).toEqual([4])
    last.give()
    await again
    expect(stateKeys.size).toBe(1)
    expect((await next()).contracts).toEqual([0, 1])
  })

  it('whose key has come another way waits for nothing', async () => {
    await using world = await start(2)
    const { fetcher, contracts, next, stateKeys } = world
    const first = fetcher.fetchNow(contracts[0]!)
    const request = await next()
    fetcher.want([contracts[1]!])
    const other = fetcher.fetchNow(contracts[1]!)
    const { request: exchange } = stateKeys.request()
    stateKeys.install(hexToBytes(answerTo(bytesToHex(exchange), [bytesToHex(contracts[1]!)])), undefined)
    request.give()
    await Promise.all([first, other])
    fetcher.want([randomBytes(32)])
    expect((await next()).contracts).toEqual([-1])
  })
})

it('a fetcher that is closed breaks off what is under way, and asks for nothing more', async () => {
  await using world = await start(2)
  const { fetcher, contracts, next, log, asked, pauses } = world
  const task = fetcher.fetchNow(contracts[0]!)
  const request = await next()
  fetcher.close()
  await Promise.all([task, request.brokenOff])
  fetcher.want(contracts)
  await fetcher.fetchNow(contracts[1]!)
  expect([asked.length, log, pauses.filter(({ ms }) => ms !== 10_000)]).toEqual([1, [], []])
})

it('a fetcher that is closed in a pause asks for nothing more', async () => {
  await using world = await start(1)
  const { fetcher, contracts, next, pause, asked } = world
  fetcher.want(contracts)
  ;(await next()).refuse()
  const wait = await pause()
  fetcher.close()
  expect(await settles(fetcher.fetchNow(contracts[0]!))).toBe(true)
  expect([wait.state, asked.length]).toEqual(['broken off', 1])
})
