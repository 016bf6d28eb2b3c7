import { execFile } from 'node:child_process'
import { chmod, chown, cp, link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import {
  addressOf,
  decodePttResponse,
  decodeStateKeys,
  decrypt,
  ecdh,
  encodePttRequest,
  generateKeyPair,
  pttRequestItems,
  randomBytes,
  recoverAddress,
  signItems,
} from '@bletchley/crypto'
import { openSealingKey, readOrCreateSealed } from '@bletchley/crypto/key-file'
import { openFilesOf } from '@bletchley/testkit/files'
import { temporaryFolder } from '@bletchley/testkit/temporary-folder'
import { Turns } from '@bletchley/testkit/turns'
import { pino } from 'pino'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { verifyAudit } from './auditLog.ts'
import { type PrincipalOptions, startPrincipal } from './index.ts'
import { stateKeyPurpose } from './sealedFiles.ts'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const isRoot = process.getuid?.() === 0
const contract = (byte: number) => byte.toString(16).padStart(2, '0').repeat(32)

/** A principal in a folder of its own, or in a given one that outlives it. */
async function runPrincipal(options: Partial<PrincipalOptions> = {}) {
  const folder = options.dataFolder === undefined ? await temporaryFolder() : undefined
  const dataFolder = options.dataFolder ?? join(folder!.path, 'data')
  const principal = await startPrincipal({ ...options, dataFolder })
  return {
    ...principal,
    dataFolder,
    [Symbol.asyncDispose]: async () => {
      await principal.close()
      await folder?.[Symbol.asyncDispose]()
    },
  }
}

/** A worker that asks for state keys: its signing pair, and a pair and id for one request. */
function makeWorker({ prefix = true } = {}) {
  const signing = generateKeyPair()
  const { secretKey, publicKey } = generateKeyPair()
  const id = randomBytes(12)
  return {
    address: bytesToHex(addressOf(signing.publicKey)),
    data: bytesToHex(encodePttRequest({ id, publicKey, prefix })),
    sig: bytesToHex(signItems(signing.secretKey, pttRequestItems({ id, publicKey }))),
    open: (result: { data: string }) => {
      const response = decodePttResponse(hexToBytes(result.data))
      expect(response.id).toEqual(id)
      const stateKeys = decodeStateKeys(decrypt(ecdh(secretKey, response.publicKey), response.encrypted))
      return new Map(stateKeys.map(({ address, key }) => [bytesToHex(address), bytesToHex(key)]))
    },
  }
}

async function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })
}

async function call(url: string, method: string, params?: unknown) {
  const response = await post(url, { jsonrpc: '2.0', id: 1, method, params })
  expect(response.status).toBe(200)
  const reply = await response.json()
  expect(reply).toMatchObject({ jsonrpc: '2.0', id: 1 })
  return reply
}

async function keysOf(url: string, params: Record<string, unknown> = {}) {
  const worker = makeWorker()
  const { result } = await call(url, 'getStateKeys', { data: worker.data, sig: worker.sig, ...params })
  return worker.open(result)
}

describe('getStateKeys', () => {
  it('gives a worker random keys, encrypted for it and signed by the principal', async () => {
    await using principal = await runPrincipal()
    const worker = makeWorker()
    const addresses = [contract(1), contract(2)]
    const { result } = await call(principal.url, 'getStateKeys', { data: worker.data, sig: worker.sig, addresses })
    expect(bytesToHex(recoverAddress(hexToBytes(result.data), hexToBytes(result.sig)))).toBe(principal.address)
    const keys = worker.open(result)
    expect([...keys.keys()]).toEqual(addresses)
    expect(keys.get(contract(1))).toMatch(/^[0-9a-f]{64}$/)
    expect(keys.get(contract(1))).not.toBe(keys.get(contract(2)))
    expect(Object.keys(result)).toEqual(['data', 'sig'])
  })

  it('gives no keys while its folder is gone, makes none, and has the same ones when it is back', async () => {
    await using folder = await temporaryFolder()
    const dataFolder = join(folder.path, 'data')
    await using principal = await runPrincipal({ dataFolder })
    const addresses = [contract(1)]
    const before = await keysOf(principal.url, { addresses })
    await rename(dataFolder, `${dataFolder}.old`)
    const worker = makeWorker()
    for (const wanted of [contract(1), contract(2)]) {
      const params = { data: worker.data, sig: worker.sig, addresses: [wanted] }
      expect(await call(principal.url, 'getStateKeys', params)).toMatchObject({ error: { code: -32603 } })
    }
    expect(await readdir(folder.path)).toEqual(['data.old'])
    await rename(`${dataFolder}.old`, dataFolder)
    expect(await keysOf(principal.url, { addresses })).toEqual(before)
  })

  it('says that others can look into its folder', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
    await using folder = await temporaryFolder()
    for (const mode of [0o755, 0o700]) {
      await chmod(folder.path, mode)
      await using _ = await runPrincipal({ dataFolder: folder.path, logger })
    }
    expect(lines.filter((line) => line.includes('is open to other users'))).toEqual([
      expect.stringContaining('"mode":"755"'),
    ])
  })

  it('gives every worker the same key, in a response of its own', async () => {
    await using principal = await runPrincipal()
    const addresses = [contract(1)]
    const worker = makeWorker({ prefix: false })
    const ask = () => call(principal.url, 'getStateKeys', { data: worker.data, sig: worker.sig, addresses })
    const [one, other] = [await ask(), await ask()]
    expect(one.result.data).not.toBe(other.result.data)
    expect(decodePttResponse(hexToBytes(one.result.data)).publicKey).not.toEqual(
      decodePttResponse(hexToBytes(other.result.data)).publicKey,
    )
    expect(worker.open(one.result)).toEqual(worker.open(other.result))
    expect(await keysOf(principal.url, { addresses })).toEqual(worker.open(one.result))
  })

  it('takes positional parameters, 0x, either letter case, and block numbers', async () => {
    await using principal = await runPrincipal()
    const expected = await keysOf(principal.url, { addresses: [contract(0xab)] })
    const address = `0X${contract(0xab).toUpperCase()}`
    for (const block of ['17', null, 17, 0]) {
      const worker = makeWorker()
      const params = [`0x${worker.data.toUpperCase()}`, `0x${worker.sig}`, block, [address]]
      const { result } = await call(principal.url, 'getStateKeys', params)
      expect(worker.open(result), `block ${block}`).toEqual(expected)
    }
    expect(await keysOf(principal.url, { addresses: [address], block_number: '0' })).toEqual(expected)
  })

  it('gives the keys of all contracts when no addresses are named', async () => {
    await using principal = await runPrincipal()
    expect((await keysOf(principal.url)).size).toBe(0)
    const some = await keysOf(principal.url, { addresses: [contract(9), contract(3), contract(9)] })
    expect(some.size).toBe(2)
    await writeFile(join(principal.dataFolder, 'state-keys', 'notes.txt'), 'not a key')
    const all = await keysOf(principal.url)
    expect([...all.keys()]).toEqual([contract(3), contract(9)])
    expect(all).toEqual(new Map([...some].sort()))
    expect((await keysOf(principal.url, { addresses: [] })).size).toBe(0)
  })

  it('gives the keys of thousands to several at once, and others their turn meanwhile', async () => {
    const none = Number.POSITIVE_INFINITY
    await using principal = await runPrincipal({ limits: { newKeys: none } })
    const named = Array.from({ length: 3000 }, (_, i) => i.toString(16).padStart(64, '0'))
    const keys = new Map<string, string>()
    for (let at = 0; at < named.length; at += 1000) {
      for (const [address, key] of await keysOf(principal.url, { addresses: named.slice(at, at + 1000) })) {
        keys.set(address, key)
      }
    }
    const turns = new Turns()
    const given = await Promise.all(Array.from({ length: 3 }, () => keysOf(principal.url)))
    turns.stop()
    for (const some of given) expect(some).toEqual(keys)
    // Each response has 460 KB, of which a piece has at most 64.
    expect(turns.count).toBeGreaterThan(3 * 3 * 5)
  })

  it('counts all contracts where none is named, also more than a request may name', async () => {
    vi.spyOn(performance, 'now').mockReturnValue(performance.now())
    await using principal = await runPrincipal({ limits: { newKeys: 2000, contracts: 2000 } })
    const addresses = Array.from({ length: 1001 }, (_, i) => i.toString(16).padStart(64, '0'))
    await keysOf(principal.url, { addresses: addresses.slice(0, 1000) })
    await keysOf(principal.url, { addresses: addresses.slice(1000) })
    const worker = makeWorker()
    const askAll = () => call(principal.url, 'getStateKeys', { data: worker.data, sig: worker.sig })
    expect(worker.open((await askAll()).result).size).toBe(1001)
    expect((await askAll()).error).toMatchObject({ code: -32005, data: { retryAfterMs: 3600 } })
  })

  it('makes one key, however many ask for it first', async () => {
    await using principal = await runPrincipal()
    const addresses = Array.from({ length: 40 }, (_, i) => contract(i))
    const answers = await Promise.all(Array.from({ length: 10 }, () => keysOf(principal.url, { addresses })))
    for (const [i, answer] of answers.entries()) expect(answer, `answer ${i}`).toEqual(answers[0])
    expect(new Set(answers[0]!.values()).size).toBe(addresses.length)
    expect(await readdir(join(principal.dataFolder, 'state-keys'))).toHaveLength(addresses.length)
  })

  it('keeps its keys and its address over a restart, and shows none of them on disk', async () => {
    await using folder = await temporaryFolder()
    const addresses = [contract(1), contract(2)]
    const run = async () => {
      await using principal = await runPrincipal({ dataFolder: folder.path })
      return { address: principal.address, keys: await keysOf(principal.url, { addresses }) }
    }
    const before = await run()
    expect(await run()).toEqual(before)
    const files = (await readdir(folder.path, { recursive: true })).filter((name) => name.endsWith('.sealed'))
    expect(files).toHaveLength(3)
    for (const file of files) {
      const content = (await readFile(join(folder.path, file))).toString('hex')
      for (const key of before.keys.values()) expect(content.includes(key), file).toBe(false)
    }
  })

  it('keeps to a key that it has given, also when its file is gone', async () => {
    await using principal = await runPrincipal()
    const addresses = [contract(1)]
    const before = await keysOf(principal.url, { addresses })
    await rm(join(principal.dataFolder, 'state-keys', `${contract(1)}.sealed`))
    expect(await keysOf(principal.url, { addresses })).toEqual(before)
  })

  it('takes no sealed key in the place of another, and goes on with the others', async () => {
    await using folder = await temporaryFolder()
    const file = (byte: number) => join(folder.path, 'state-keys', `${contract(byte)}.sealed`)
    {
      await using principal = await runPrincipal({ dataFolder: folder.path })
      await keysOf(principal.url, { addresses: [contract(1), contract(2)] })
    }
    const swapped = await readFile(file(2))
    await writeFile(file(1), swapped)
    await using principal = await runPrincipal({ dataFolder: folder.path })
    const worker = makeWorker()
    const params = { data: worker.data, sig: worker.sig, addresses: [contract(1)] }
    const { error } = await call(principal.url, 'getStateKeys', params)
    expect(error.code).toBe(-32603)
    expect(error.message).toMatch(/^Internal error [0-9a-f]{8}$/)
    expect(await readFile(file(1))).toEqual(swapped)
    expect((await keysOf(principal.url, { addresses: [contract(2)] })).size).toBe(1)
  })

  it('clears at its start what killed processes left of keys, and keeps the keys and all else', async () => {
    await using folder = await temporaryFolder()
    const addresses = [contract(1), contract(2)]
    const start = async () => {
      await using principal = await runPrincipal({ dataFolder: folder.path })
      return await keysOf(principal.url, { addresses })
    }
    const before = await start()
    const leftover = (name: string) => `.${name}.sealed.0123456789abcdef.tmp`
    const keys = join(folder.path, 'state-keys')
    await link(join(keys, `${contract(1)}.sealed`), join(keys, leftover(contract(1))))
    await writeFile(join(keys, leftover(contract(3))), 'cut o')
    await writeFile(join(keys, '.notes.tmp'), 'not a key')
    const signing = join(folder.path, 'signing-key.sealed')
    await link(signing, join(folder.path, leftover('signing-key')))
    // It may be the last copy of what is missing.
    await rename(signing, `${signing}.away`)
    await expect(start()).rejects.toThrow('but no signing-key.sealed')
    expect(await readdir(folder.path)).toContain(leftover('signing-key'))
    await rename(`${signing}.away`, signing)
    expect(await start()).toEqual(before)
    expect((await readdir(keys)).sort()).toEqual(['.notes.tmp', ...addresses.map((each) => `${each}.sealed`)])
    expect(await readdir(folder.path)).not.toContain(leftover('signing-key'))
  })

  it('hands out no state key of another length', async () => {
    await using principal = await runPrincipal()
    await keysOf(principal.url, { addresses: [contract(1)] })
    const sealingKey = await openSealingKey(principal.dataFolder)
    for (const [byte, length] of [31, 33, 0].entries()) {
      const path = join(principal.dataFolder, 'state-keys', `${contract(byte + 2)}.sealed`)
      await readOrCreateSealed(path, sealingKey, stateKeyPurpose(contract(byte + 2)), () => new Uint8Array(length))
      const { data, sig } = makeWorker()
      const { error } = await call(principal.url, 'getStateKeys', { data, sig, addresses: [contract(byte + 2)] })
      expect(error?.code, `${length} bytes`).toBe(-32603)
    }
    // Nothing of one that was refused is kept.
    const put = join(principal.dataFolder, 'state-keys', `${contract(2)}.sealed`)
    await rm(put)
    await readOrCreateSealed(put, sealingKey, stateKeyPurpose(contract(2)), () => new Uint8Array(32).fill(7))
    const keys = await keysOf(principal.url, { addresses: [contract(2)] })
    expect(keys.get(contract(2))).toBe('07'.repeat(32))
  })

  it('does not take keys that it cannot look for as none', async () => {
    await using principal = await runPrincipal()
    expect((await keysOf(principal.url)).size).toBe(0)
    await writeFile(join(principal.dataFolder, 'state-keys'), 'no folder')
    const { data, sig } = makeWorker()
    expect((await call(principal.url, 'getStateKeys', { data, sig })).error?.code).toBe(-32603)
  })

  it('opens no more files at once than its process may, and takes no more connections', async () => {
    await using folder = await temporaryFolder()
    const addresses = Array.from({ length: 500 }, (_, i) => i.toString(16).padStart(64, '0'))
    const worker = makeWorker()
    const program = `
      import { once } from 'node:events'
      import { connect } from 'node:net'
      import { startPrincipal } from '@bletchley/principal'
      import { pino } from 'pino'
      const [dataFolder, params] = process.argv.slice(1)
      const lines = []
      const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) })
      const principal = await startPrincipal({ dataFolder, authorize: () => true, logger })
      const call = async (method, params) => {
        const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
        return (await fetch(principal.url, { method: 'POST', body, headers: { connection: 'close' } })).json()
      }
      const answer = await call('getStateKeys', JSON.parse(params))
      const port = Number(new URL(principal.url).port)
      for (let i = 0; i < 105; i++) await once(connect(port, '127.0.0.1').on('error', () => {}), 'connect')
      // They come before it.
      await call('getHealthCheck')
      process.stdout.write(JSON.stringify({ answer, lines }))
      process.exit()`
    const params = JSON.stringify({ data: worker.data, sig: worker.sig, addresses })
    const command = ['ulimit -n 300; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', program]
    const { stdout } = await promisify(execFile)('sh', ['-c', ...command, folder.path, params], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
    })
    const { answer, lines } = JSON.parse(stdout)
    expect(worker.open(answer.result).size).toBe(500)
    if (process.platform !== 'linux') return
    const [{ connections, connectionsOfPeer }] = lines
    // A quarter of the files is kept free, and the principal has some open.
    expect(connections).toBeLessThan(225)
    expect(connectionsOfPeer).toBe(Math.ceil(connections / 2))
  })

  it('asks who may have keys', async () => {
    const asked: string[] = []
    const friend = makeWorker()
    const authorize = (worker: string) => asked.push(worker) > 0 && worker === friend.address
    await using principal = await runPrincipal({ authorize })
    const stranger = makeWorker()
    const addresses = [contract(1)]
    const refused = await call(principal.url, 'getStateKeys', { data: stranger.data, sig: stranger.sig, addresses })
    expect(refused.error.code).toBe(-32001)
    const stolen = await call(principal.url, 'getStateKeys', { data: stranger.data, sig: friend.sig, addresses })
    expect(stolen.error.code).toBe(-32001)
    const { result } = await call(principal.url, 'getStateKeys', { data: friend.data, sig: friend.sig, addresses })
    expect(friend.open(result).size).toBe(1)
    expect(asked[0]).toBe(stranger.address)
    expect(asked).toHaveLength(3)
  })

  it('makes no key for a worker that is refused', async () => {
    await using principal = await runPrincipal({ authorize: () => false })
    const worker = makeWorker()
    await call(principal.url, 'getStateKeys', { data: worker.data, sig: worker.sig, addresses: [contract(1)] })
    expect(await readdir(principal.dataFolder)).not.toContain('state-keys')
  })

  const { data, sig } = makeWorker()
  const withV = (v: number) => sig.slice(0, 128) + v.toString(16).padStart(2, '0')
  const offCurve = bytesToHex(encodePttRequest({ id: new Uint8Array(12), publicKey: new Uint8Array(64) }))
  const noRequest = 'data: is not a request for state keys'
  const noHex = 'must be hexadecimal, with an even number of digits'
  it.each<[string, unknown, string, code?: number]>([
    ['none', undefined, 'Invalid input: expected object, received undefined'],
    ['null', null, 'Invalid input: expected object, received undefined'],
    [
      'an empty list',
      [],
      'data: Invalid input: expected string, received undefined; sig: Invalid input: expected string, received undefined',
    ],
    ['no data', { sig }, 'data: Invalid input: expected string, received undefined'],
    ['no signature', { data }, 'sig: Invalid input: expected string, received undefined'],
    ['data that is a number', { data: 1, sig }, 'data: Invalid input: expected string, received number'],
    ['data that is not hexadecimal', { data: 'xy', sig }, `data: ${noHex}`],
    ['data of odd length', { data: data.slice(1), sig }, `data: ${noHex}`],
    ['empty data', { data: '', sig }, noRequest],
    ['data that is cut off', { data: data.slice(2), sig }, noRequest],
    ['data of 1024 bytes', { data: '00'.repeat(1024), sig }, noRequest],
    ['data of 1025 bytes', { data: '00'.repeat(1025), sig }, 'data: is too long for a request'],
    ['a key that is not on the curve', { data: offCurve, sig }, 'data: the public key is not on the curve'],
    ['a signature of 64 bytes', { data, sig: sig.slice(2) }, 'sig: must be 65 bytes in hexadecimal'],
    ['a signature of zeros', { data, sig: `${'00'.repeat(64)}1b` }, 'sig: leads to no worker', -32001],
    ['a signature with v = 0', { data, sig: withV(0) }, 'sig: leads to no worker', -32001],
    ['a signature with v = 26', { data, sig: withV(26) }, 'sig: leads to no worker', -32001],
    ['a signature with v = 31', { data, sig: withV(31) }, 'sig: leads to no worker', -32001],
    ['a block number that is none', { data, sig, block_number: '0x10' }, 'block_number: must be a decimal number'],
    [
      'addresses that are no list',
      { data, sig, addresses: contract(1) },
      'addresses: Invalid input: expected array, received string',
    ],
    [
      'an address of 31 bytes',
      { data, sig, addresses: ['00'.repeat(31)] },
      'addresses.0: must be 32 bytes in hexadecimal',
    ],
    [
      'an address that climbs out',
      { data, sig, addresses: ['../'.repeat(21).padEnd(64, 'a')] },
      `addresses.0: ${noHex}`,
    ],
    [
      '1001 addresses',
      { data, sig, addresses: Array(1001).fill(contract(1)) },
      'addresses: must be at most 1000 addresses',
    ],
  ])('refuses params with %s', async (_, params, message, code = -32602) => {
    await using principal = await runPrincipal()
    const { error } = await call(principal.url, 'getStateKeys', params)
    expect(error).toEqual({ code, message })
    expect(await call(principal.url, 'getHealthCheck')).toMatchObject({ result: true })
  })
})

it('names the first address that is none, however many there are', async () => {
  await using principal = await runPrincipal()
  const { data, sig } = makeWorker()
  const addresses = [contract(1), 'xy', 5, 'z']
  const { error } = await call(principal.url, 'getStateKeys', { data, sig, addresses })
  expect(error).toEqual({ code: -32602, message: 'addresses.1: must be hexadecimal, with an even number of digits' })
})

describe('who may have keys', () => {
  const log = () => {
    const lines: Record<string, unknown>[] = []
    const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
    return { lines, logger }
  }
  const ask = (url: string, worker: ReturnType<typeof makeWorker>, byte = 1) =>
    call(url, 'getStateKeys', { data: worker.data, sig: worker.sig, addresses: [contract(byte)] })
  const auditLines = async (folder: string) =>
    (await readFile(join(folder, 'audit.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  it('stands in a file, and a change of it holds from the next request on', async () => {
    await using folder = await temporaryFolder()
    const workersFile = join(folder.path, 'workers')
    const [friend, other] = [makeWorker(), makeWorker()]
    await writeFile(workersFile, `# ours\n\n0x${friend.address.toUpperCase()} the first # since May\n`)
    const { lines, logger } = log()
    await using principal = await runPrincipal({ workersFile, logger })
    expect((await ask(principal.url, friend)).result).toBeDefined()
    expect((await ask(principal.url, other)).error).toMatchObject({ code: -32001 })

    await writeFile(workersFile, `${other.address}\n`)
    expect((await ask(principal.url, friend)).error).toMatchObject({ code: -32001 })
    expect((await ask(principal.url, other)).result).toBeDefined()

    const letsIn = async (change: () => Promise<void>) => {
      await writeFile(`${workersFile}~`, friend.address, { mode: 0o644 })
      await change()
      await rename(`${workersFile}~`, workersFile)
    }
    const changes = [
      () => writeFile(workersFile, 'nonsense'),
      () => letsIn(() => chmod(`${workersFile}~`, 0o666)),
      () => letsIn(() => chmod(`${workersFile}~`, 0o620)),
      ...(isRoot ? [() => letsIn(() => chown(`${workersFile}~`, 65_534, 65_534))] : []),
      () => rm(workersFile),
    ]
    for (const change of changes) {
      await change()
      expect((await ask(principal.url, other)).result).toBeDefined()
      expect((await ask(principal.url, friend)).error).toMatchObject({ code: -32001 })
    }
    expect(lines.filter(({ msg }) => msg === 'list of workers read anew')).toHaveLength(1)
    const complaints = lines.filter(({ msg }) => String(msg).includes('cannot be read'))
    expect(complaints.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('line 1: this is no address'),
      expect.stringContaining('can be written by other users'),
      expect.stringContaining('can be written by other users'),
      ...(isRoot ? [expect.stringContaining('belongs to another user')] : []),
      expect.stringContaining('ENOENT'),
    ])
    expect((await auditLines(principal.dataFolder)).map(({ worker, outcome }) => [worker, outcome])).toEqual([
      [friend.address, 'given'],
      [other.address, 'refused'],
      [friend.address, 'refused'],
      [other.address, 'given'],
      ...changes.flatMap(() => [
        [other.address, 'given'],
        [friend.address, 'refused'],
      ]),
    ])
  })

  it('is what the file says for all requests behind a change, however many come at once', async () => {
    await using folder = await temporaryFolder()
    const workersFile = join(folder.path, 'workers')
    const [friend, other] = [makeWorker(), makeWorker()]
    const list = async (...workers: (typeof friend)[]) => {
      await writeFile(`${workersFile}~`, workers.map(({ address }) => `${address}\n`).join(''))
      await rename(`${workersFile}~`, workersFile)
    }
    await list(friend, other)
    await using principal = await runPrincipal({ workersFile })
    for (let round = 0; round < 5; round++) {
      await list(friend, other)
      expect((await ask(principal.url, friend)).result).toBeDefined()
      await list(other)
      const answers = await Promise.all(Array.from({ length: 5 }, () => ask(principal.url, friend)))
      expect(answers.map(({ error }) => error?.code)).toEqual(Array(5).fill(-32001))
    }
  })

  it.skipIf(process.platform === 'win32')('is read again when it could not be for a moment', async () => {
    await using folder = await temporaryFolder()
    const [friend, other] = [makeWorker(), makeWorker()]
    const program = `
      import { closeSync, openSync, renameSync, writeFileSync } from 'node:fs'
      import { startPrincipal } from '@bletchley/principal'
      const [dataFolder, workersFile, params, before, after] = process.argv.slice(1)
      writeFileSync(workersFile, before)
      writeFileSync(workersFile + '~', after)
      const logger = { info() {}, warn() {}, error: ({ reason }) => console.error(reason) }
      const principal = await startPrincipal({ dataFolder, workersFile, logger })
      renameSync(workersFile + '~', workersFile)
      const opened = []
      try {
        for (;;) opened.push(openSync(workersFile))
      } catch {}
      await principal.reload()
      for (const fd of opened) closeSync(fd)
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'getStateKeys', params: JSON.parse(params) })
      process.stdout.write(await (await fetch(principal.url, { method: 'POST', body })).text())
      await principal.close()`
    const params = JSON.stringify({ data: friend.data, sig: friend.sig, addresses: [contract(1)] })
    const command = ['ulimit -n 300; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', program]
    const args = [join(folder.path, 'data'), join(folder.path, 'workers'), params, friend.address, other.address]
    const { stdout, stderr } = await promisify(execFile)('sh', ['-c', ...command, ...args], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
    })
    expect(stderr).toContain('EMFILE')
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: -32001 } })
  })

  it('must be said where other machines can ask', async () => {
    await using folder = await temporaryFolder()
    const dataFolder = join(folder.path, 'data')
    for (const host of ['0.0.0.0', '::', '[::]', '192.0.2.1', 'example.org', '127.0.0.1.example.org', '127.999.0.1']) {
      await expect(startPrincipal({ dataFolder, host }), host).rejects.toThrow('--workers')
    }
    expect(await readdir(folder.path)).toEqual([])
    const hasIpv6 = (networkInterfaces().lo ?? []).some(({ address }) => address === '::1')
    for (const host of ['127.0.0.1', 'localhost', 'LOCALHOST', ...(hasIpv6 ? ['::1', '[::1]'] : [])]) {
      await using principal = await runPrincipal({ host })
      expect(await call(principal.url, 'getHealthCheck')).toMatchObject({ result: true })
    }
    const workersFile = join(folder.path, 'workers')
    await writeFile(workersFile, '')
    for (const said of [{ workersFile }, { authorize: () => false }, { insecure: true }]) {
      await using principal = await runPrincipal({ host: '0.0.0.0', ...said })
      const { port } = new URL(principal.url)
      expect(await call(`http://127.0.0.1:${port}`, 'getHealthCheck')).toMatchObject({ result: true })
    }
  })

  it('is said at the start where it is everybody, and only there', async () => {
    await using folder = await temporaryFolder()
    const workersFile = join(folder.path, 'workers')
    await writeFile(workersFile, '')
    const logged = async (options: Partial<PrincipalOptions>) => {
      const lines: string[] = []
      const logger = pino({}, { write: (line) => void lines.push(line) })
      await using _ = await runPrincipal({ ...options, logger })
      return lines.join('')
    }
    expect(await logged({})).toContain('no worker is refused')
    expect(await logged({ workersFile })).not.toContain('no worker is refused')
    expect(await logged({ authorize: () => false })).not.toContain('no worker is refused')
  })

  it('must be a list from the start', async () => {
    await using folder = await temporaryFolder()
    const workersFile = join(folder.path, 'workers')
    await expect(runPrincipal({ workersFile })).rejects.toThrow(
      `The list of workers ${workersFile} cannot be read: ENOENT`,
    )
    await writeFile(workersFile, `${makeWorker().address}\n${makeWorker().address}ff\n`)
    await expect(runPrincipal({ workersFile })).rejects.toThrow('line 2: this is no address')
    await chmod(workersFile, 0o666)
    await expect(runPrincipal({ workersFile })).rejects.toThrow('can be written by other users')
    await chmod(workersFile, 0o600)
    await writeFile(workersFile, ' '.repeat((1 << 24) + 1))
    await expect(runPrincipal({ workersFile })).rejects.toThrow('is larger than 16777216 bytes')
    await writeFile(workersFile, '')
    await using principal = await runPrincipal({ workersFile })
    expect((await ask(principal.url, makeWorker())).error).toMatchObject({ code: -32001 })
  })

  it('is asked to wait beyond the limits, and the log counts what it does not write down', async () => {
    // The limits fill up again as time passes, by a request in 20 seconds: here none does.
    vi.spyOn(performance, 'now').mockReturnValue(performance.now())
    await using principal = await runPrincipal({ limits: { perWorker: 3, newKeys: 2 } })
    const [busy, other] = [makeWorker(), makeWorker()]
    expect((await ask(principal.url, busy, 1)).result).toBeDefined()
    expect((await ask(principal.url, busy, 2)).result).toBeDefined()
    const tooMany = await ask(principal.url, busy, 3)
    expect(tooMany.error).toMatchObject({ code: -32005, data: { retryAfterMs: expect.any(Number) } })
    expect((await ask(principal.url, busy, 1)).error).toMatchObject({ code: -32005 })
    expect(await readdir(join(principal.dataFolder, 'state-keys'))).toHaveLength(2)
    for (let i = 0; i < 2; i++) expect((await ask(principal.url, other, 1)).result).toBeDefined()
    const lines = await auditLines(principal.dataFolder)
    expect(lines.map(({ worker, omitted }) => [worker, omitted])).toEqual([
      [busy.address, undefined],
      [busy.address, undefined],
      [other.address, 2],
      [other.address, undefined],
    ])
  })

  it('is asked to wait when it has named more contracts than the log has room for, in one request or all of them', async () => {
    vi.spyOn(performance, 'now').mockReturnValue(performance.now())
    await using principal = await runPrincipal({ limits: { contracts: 5 } })
    const [busy, other] = [makeWorker(), makeWorker()]
    const askAll = ({ data, sig }: typeof busy) => call(principal.url, 'getStateKeys', { data, sig })
    expect((await ask(principal.url, busy, 1)).result).toBeDefined()
    expect((await ask(principal.url, busy, 2)).result).toBeDefined()
    expect((await askAll(busy)).result).toBeDefined()
    expect((await askAll(busy)).error).toMatchObject({ code: -32005, data: { retryAfterMs: expect.any(Number) } })
    expect((await ask(principal.url, busy, 3)).result).toBeDefined()
    expect((await ask(principal.url, busy, 1)).error).toMatchObject({ code: -32005 })
    expect((await askAll(other)).result).toBeDefined()
    const lines = await auditLines(principal.dataFolder)
    expect(lines.map(({ contracts }) => (contracts as string[]).length)).toEqual([1, 1, 2, 1, 3])
    expect(lines.map(({ omitted }) => omitted)).toEqual([undefined, undefined, undefined, 1, 1])
  })

  it('is written down for a stranger in a line that is short, whatever he names', async () => {
    await using principal = await runPrincipal({ authorize: () => false })
    const { data, sig, address } = makeWorker()
    const addresses = Array.from({ length: 1000 }, (_, i) => i.toString(16).padStart(64, '0'))
    for (const named of [addresses, addresses.slice(0, 10)]) {
      const { error } = await call(principal.url, 'getStateKeys', { data, sig, addresses: named })
      expect(error.code).toBe(-32001)
    }
    const refused = { worker: address, outcome: 'refused', contracts: addresses.slice(0, 10) }
    const lines = await auditLines(principal.dataFolder)
    expect(lines).toMatchObject([
      { ...refused, count: 1000 },
      { ...refused, count: 10 },
    ])
    expect(JSON.stringify(lines[0]).length).toBeLessThan(1100)
  })

  it('is not looked at beyond what all workers may ask of one address, before it is known whose it is', async () => {
    vi.spyOn(performance, 'now').mockReturnValue(performance.now())
    await using principal = await runPrincipal({ limits: { inAll: 3 } })
    const { data, sig } = makeWorker()
    const nobody = `${'00'.repeat(64)}1b`
    const askFrom = async (localAddress: string, sig: string) => {
      const body = { jsonrpc: '2.0', id: 1, method: 'getStateKeys', params: { data, sig, addresses: [] } }
      const text = await new Promise<string>((resolve, reject) => {
        const request = httpRequest(principal.url, { method: 'POST', localAddress, agent: false })
        request.on('response', async (response) => resolve(Buffer.concat(await response.toArray()).toString()))
        request.on('error', reject).end(JSON.stringify(body))
      })
      return JSON.parse(text).error?.code
    }
    for (let i = 0; i < 3; i++) expect(await askFrom('127.0.0.2', nobody)).toBe(-32001)
    for (const each of [nobody, sig]) expect(await askFrom('127.0.0.2', each)).toBe(-32005)
    expect(await askFrom('127.0.0.1', sig)).toBeUndefined()
    expect(await auditLines(principal.dataFolder)).toMatchObject([{ outcome: 'given', omitted: 2 }])
  })

  it('is written down for some strangers a minute, and counted for the others', async () => {
    vi.spyOn(performance, 'now').mockReturnValue(performance.now())
    let authorized = false
    await using principal = await runPrincipal({ authorize: () => authorized })
    const codes: number[] = []
    for (let i = 0; i < 70; i++) codes.push((await ask(principal.url, makeWorker())).error.code)
    expect(codes).toEqual([...Array(60).fill(-32001), ...Array(10).fill(-32005)])
    authorized = true
    expect((await ask(principal.url, makeWorker())).result).toBeDefined()
    authorized = false
    expect((await ask(principal.url, makeWorker())).error.code).toBe(-32005)
    authorized = true
    expect((await ask(principal.url, makeWorker())).result).toBeDefined()
    const lines = await auditLines(principal.dataFolder)
    expect(lines.map(({ outcome, omitted }) => [outcome, omitted])).toEqual([
      ...Array(60).fill(['refused', undefined]),
      ['given', 10],
      ['given', 1],
    ])
  })

  it('is written down with what was asked for, however it ends', async () => {
    let authorized = true
    await using principal = await runPrincipal({ authorize: () => authorized, limits: { newKeys: 2 } })
    const worker = makeWorker()
    const askFor = (...bytes: number[]) => {
      const addresses = bytes.length === 0 ? {} : { addresses: bytes.map(contract) }
      return call(principal.url, 'getStateKeys', { data: worker.data, sig: worker.sig, ...addresses })
    }
    expect((await askFor(2, 1)).result).toBeDefined()
    expect((await askFor()).result).toBeDefined()
    await writeFile(join(principal.dataFolder, 'state-keys', `${contract(3)}.sealed`), 'no key')
    expect((await askFor(3, 1)).error.code).toBe(-32603)
    expect((await askFor()).error.code).toBe(-32603)
    authorized = false
    expect((await askFor(1)).error.code).toBe(-32001)
    expect((await askFor()).error.code).toBe(-32001)
    const failed = { outcome: 'failed', reason: 'internal error' }
    const refused = { outcome: 'refused', reason: 'not authorised' }
    const lines = await auditLines(principal.dataFolder)
    expect(lines.map(({ n, at, previous, hash, ...rest }) => rest)).toEqual(
      [
        { outcome: 'given', count: 2, made: 2, contracts: [contract(2), contract(1)] },
        { outcome: 'given', count: 2, made: 0, contracts: [contract(1), contract(2)] },
        { ...failed, count: 2, contracts: [contract(3), contract(1)] },
        { ...failed, count: 0 },
        { ...refused, count: 1, contracts: [contract(1)] },
        { ...refused, count: 0 },
      ].map((line) => ({ worker: worker.address, ...line })),
    )
  })

  it('is written down by address for a thousand contracts, and by number for more', async () => {
    await using principal = await runPrincipal({ limits: { newKeys: Number.POSITIVE_INFINITY } })
    const addresses = Array.from({ length: 1001 }, (_, i) => i.toString(16).padStart(64, '0'))
    await keysOf(principal.url, { addresses: addresses.slice(0, 1000) })
    await keysOf(principal.url, { addresses: addresses.slice(1000) })
    expect((await keysOf(principal.url)).size).toBe(1001)
    const lines = await auditLines(principal.dataFolder)
    expect(lines.map(({ count, contracts }) => [count, contracts])).toEqual([
      [1000, addresses.slice(0, 1000)],
      [1, addresses.slice(1000)],
      [1001, undefined],
    ])
  })
})

describe('a data folder that is not what it was', () => {
  const sealedFile = (dataFolder: string, byte: number) => join(dataFolder, 'state-keys', `${contract(byte)}.sealed`)
  const codeOf = async (url: string, byte?: number) => {
    const { data, sig } = makeWorker()
    const addresses = byte === undefined ? {} : { addresses: [contract(byte)] }
    return (await call(url, 'getStateKeys', { data, sig, ...addresses })).error?.code
  }
  const keyOf = async (url: string, byte: number) =>
    (await keysOf(url, { addresses: [contract(byte)] })).get(contract(byte))

  it.each(['lock', 'sealing.key', 'signing-key.sealed', 'state-keys', 'audit.jsonl'])(
    'makes a running principal give no keys, and say so, while it lacks %s',
    async (name) => {
      const lines: Record<string, unknown>[] = []
      const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) })
      await using principal = await runPrincipal({ logger, authorize: () => true })
      const { dataFolder, url } = principal
      const before = await keyOf(url, 1)
      const names = await readdir(dataFolder)
      const path = join(dataFolder, name)
      await rename(path, `${path}.away`)
      expect([await codeOf(url, 1), await codeOf(url, 2), await codeOf(url)]).toEqual([-32603, -32603, -32603])
      expect((await readdir(dataFolder)).sort()).toEqual(
        names.map((each) => (each === name ? `${name}.away` : each)).sort(),
      )
      const reason = expect.stringContaining(`${path} was removed`)
      const said = { level: 50, dataFolder, reason, msg: expect.stringContaining('no keys are handed out') }
      const isSaid = (text: string) => lines.some(({ msg }) => String(msg).includes(text))
      await vi.waitUntil(() => isSaid('no keys are handed out'), { timeout: 60_000 })
      expect(lines).toContainEqual(expect.objectContaining(said))
      await rename(`${path}.away`, path)
      expect(await keyOf(url, 1)).toBe(before)
      expect(await keyOf(url, 2)).toBeDefined()
      await vi.waitUntil(() => isSaid('the data folder is as it was'), { timeout: 60_000 })
      expect((await verifyAudit(dataFolder)).n).toBe(3)
    },
  )

  it('keeps no other from being the one that gives keys, and all lines of both stay', async () => {
    await using folder = await temporaryFolder()
    await using one = await runPrincipal({ dataFolder: folder.path })
    const before = await keyOf(one.url, 1)
    await rm(join(folder.path, 'lock'))
    await using other = await runPrincipal({ dataFolder: folder.path })
    for (const byte of [1, 2, 3]) {
      expect(await codeOf(one.url, byte)).toBe(-32603)
      expect(await codeOf(other.url, byte)).toBeUndefined()
    }
    expect(await keyOf(other.url, 1)).toBe(before)
    expect((await verifyAudit(folder.path)).n).toBe(5)
  })

  it('has no new key made for a contract whose file is gone, and those of the others given', async () => {
    await using folder = await temporaryFolder()
    {
      await using principal = await runPrincipal({ dataFolder: folder.path })
      await keysOf(principal.url, { addresses: [contract(1), contract(2)] })
    }
    await using principal = await runPrincipal({ dataFolder: folder.path })
    const file = sealedFile(folder.path, 1)
    await rename(file, `${file}.away`)
    expect([await codeOf(principal.url, 1), await codeOf(principal.url)]).toEqual([-32603, -32603])
    expect([await codeOf(principal.url, 2), await codeOf(principal.url, 3)]).toEqual([undefined, undefined])
    expect(await readdir(join(folder.path, 'state-keys'))).not.toContain(`${contract(1)}.sealed`)
    await rename(`${file}.away`, file)
    expect((await keysOf(principal.url)).size).toBe(3)
  })

  it('may have another folder of keys, if that has them all', async () => {
    await using principal = await runPrincipal()
    const { dataFolder, url } = principal
    const before = await keysOf(url, { addresses: [contract(1), contract(2)] })
    const keys = join(dataFolder, 'state-keys')
    await rename(keys, `${keys}.away`)
    await mkdir(keys)
    expect([await codeOf(url, 1), await codeOf(url, 3)]).toEqual([-32603, -32603])
    expect(await readdir(keys)).toEqual([])
    await cp(`${keys}.away`, keys, { recursive: true })
    expect(await keysOf(url)).toEqual(before)
  })

  it.each<[string, (keys: string) => Promise<void>, number, (number | undefined)[]]>([
    ['has no keys', (keys) => rm(keys, { recursive: true }), 2, [-32603, -32603, -32603]],
    ['is empty', (keys) => rm(keys, { recursive: true }).then(() => mkdir(keys)), 2, [-32603, -32603, -32603]],
    ['lacks a key', (keys) => rm(join(keys, `${contract(1)}.sealed`)), 1, [-32603, undefined, undefined]],
  ])('is told of at the start if it %s that the log says were given: these are not made anew', async (...row) => {
    const [, lose, count, codes] = row
    await using folder = await temporaryFolder()
    const dataFolder = join(folder.path, 'data')
    const [keys, copy] = [join(dataFolder, 'state-keys'), join(folder.path, 'copy')]
    let before: Map<string, string>
    {
      await using principal = await runPrincipal({ dataFolder })
      before = await keysOf(principal.url, { addresses: [contract(1), contract(2)] })
    }
    await cp(keys, copy, { recursive: true })
    await lose(keys)
    {
      const lines: Record<string, unknown>[] = []
      const logger = pino({ level: 'error' }, { write: (line) => void lines.push(JSON.parse(line)) })
      await using principal = await runPrincipal({ dataFolder, logger })
      const reason = expect.stringMatching(`^${keys} lacks ${count} of the keys.*${contract(1)}.*Put back.*move audit`)
      expect(lines).toMatchObject([{ dataFolder, reason, msg: 'keys that were given are missing' }])
      const { url } = principal
      expect([await codeOf(url, 1), await codeOf(url, 2), await codeOf(url, 3)]).toEqual(codes)
      expect(await codeOf(url)).toBe(-32603)
      expect(await readdir(keys).catch(() => [])).not.toContain(`${contract(1)}.sealed`)
      await cp(copy, keys, { recursive: true })
      expect(await keysOf(url, { addresses: [contract(1), contract(2)] })).toEqual(before)
      expect(await codeOf(url, 3)).toBe(undefined)
    }
    // Whoever says that they are lost gets others.
    await rm(keys, { recursive: true })
    await rm(join(dataFolder, 'audit.jsonl'))
    await using principal = await runPrincipal({ dataFolder })
    expect(await keyOf(principal.url, 1)).not.toBe(before.get(contract(1)))
  })

  it('is refused at the start if it has keys and lacks the one that signs', async () => {
    await using folder = await temporaryFolder()
    {
      await using principal = await runPrincipal({ dataFolder: folder.path })
      await keyOf(principal.url, 1)
    }
    const path = join(folder.path, 'signing-key.sealed')
    await rename(path, `${path}.away`)
    await expect(startPrincipal({ dataFolder: folder.path })).rejects.toThrow('but no signing-key.sealed. Put it back')
    await rename(`${path}.away`, path)
    await using principal = await runPrincipal({ dataFolder: folder.path })
    expect(await codeOf(principal.url, 1)).toBeUndefined()
  })
})

describe('JSON-RPC', () => {
  const health = { jsonrpc: '2.0', method: 'getHealthCheck' }

  it.each<[string, string, number]>([
    ['nothing', '', -32700],
    ['no JSON', 'hello', -32700],
    ['truncated JSON', '{"jsonrpc":"2.0"', -32700],
    ['a hundred thousand brackets', '['.repeat(100_000), -32700],
    ['an empty batch', '[]', -32600],
    ['a batch of 101', JSON.stringify(Array(101).fill({ ...health, id: 1 })), -32600],
    ['null', 'null', -32600],
    ['a number', '7', -32600],
    ['no version', '{"method":"getHealthCheck"}', -32600],
    ['another version', '{"jsonrpc":"1.0","method":"getHealthCheck"}', -32600],
    ['a number for a method', '{"jsonrpc":"2.0","method":1}', -32600],
    ['text for params', '{"jsonrpc":"2.0","method":"getHealthCheck","params":"x"}', -32600],
    ['an object for an id', '{"jsonrpc":"2.0","method":"getHealthCheck","id":{}}', -32600],
  ])('refuses %s', async (_, body, code) => {
    await using principal = await runPrincipal()
    const response = await post(principal.url, body)
    expect(await response.json()).toMatchObject({ jsonrpc: '2.0', id: null, error: { code } })
    expect(await call(principal.url, 'getHealthCheck')).toMatchObject({ result: true })
  })

  it.each(['nothing', 'toString', '__proto__', 'constructor', ''])('has no method %j', async (method) => {
    await using principal = await runPrincipal()
    expect((await call(principal.url, method)).error).toMatchObject({ code: -32601 })
  })

  it.each([0, '', 'a', null, -1, 1.5])('repeats the id %j', async (id) => {
    await using principal = await runPrincipal()
    const reply = await (await post(principal.url, { ...health, id })).json()
    expect(reply).toEqual({ jsonrpc: '2.0', result: true, id })
    const refused = await (await post(principal.url, { jsonrpc: '3.0', id })).json()
    expect(refused).toMatchObject({ id, error: { code: -32600 } })
  })

  it('answers no notification, and each other call of a batch', async () => {
    await using principal = await runPrincipal()
    for (const body of [health, { jsonrpc: '2.0', method: 'nothing' }, [health, health]]) {
      const response = await post(principal.url, body)
      expect([response.status, await response.text()]).toEqual([204, ''])
    }
    const batch = [{ ...health, id: 1 }, health, 5, { jsonrpc: '2.0', method: 'nothing', id: 'x' }]
    expect(await (await post(principal.url, batch)).json()).toMatchObject([
      { id: 1, result: true },
      { id: null, error: { code: -32600 } },
      { id: 'x', error: { code: -32601 } },
    ])
  })

  it('reads no body above 256 KiB, announced or not', async () => {
    await using principal = await runPrincipal()
    const announced = await post(principal.url, ' '.repeat((1 << 18) + 1))
    expect([announced.status, await announced.json()]).toMatchObject([413, { error: { code: -32600 } }])
    const chunk = new Uint8Array(1 << 16)
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(chunk)
      },
    })
    const init: RequestInit & { duplex: 'half' } = { method: 'POST', body, duplex: 'half' }
    const streamed = await fetch(principal.url, init).then(
      (response) => response.status,
      () => 'cut off',
    )
    expect([413, 'cut off']).toContain(streamed)
    expect(await call(principal.url, 'getHealthCheck')).toMatchObject({ result: true })
  })

  it('is not held up by half requests, many as they may be', async () => {
    const lines: Record<string, unknown>[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
    await using principal = await runPrincipal({ authorize: () => true, logger })
    const port = Number(new URL(principal.url).port)
    const sockets = Array.from({ length: 300 }, () => connect(port, '127.0.0.1').on('error', () => {}))
    const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
    for (const socket of sockets) socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{')
    const worker = makeWorker()
    const params = { data: worker.data, sig: worker.sig, addresses: [contract(1)] }
    const { result } = await call(principal.url, 'getStateKeys', params)
    expect(worker.open(result).size).toBe(1)
    for (const socket of sockets) socket.resume()
    await Promise.all(closed)
    expect(lines).toMatchObject([{ connections: 512, connectionsOfPeer: 256 }])
  })

  it('is not held up by strangers who have much to be refused on all connections', async () => {
    const friend = makeWorker()
    await using principal = await runPrincipal({ authorize: (worker) => worker === friend.address })
    const port = Number(new URL(principal.url).port)
    const { data, sig } = makeWorker()
    const body = JSON.stringify(
      Array.from({ length: 100 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'getStateKeys', params: { data, sig } })),
    )
    const flood = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    const sockets = Array.from({ length: 512 }, (_, i) =>
      connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (i % 2)}` }).on('error', () => {}),
    )
    let answered = 0
    for (const socket of sockets) socket.on('data', () => answered++)
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.write(flood, resolve))))
    for (let i = 0; i < 3; i++) {
      const params = { data: friend.data, sig: friend.sig, addresses: [contract(1)] }
      const { result } = await call(principal.url, 'getStateKeys', params)
      expect(friend.open(result).size).toBe(1)
    }
    expect(answered).toBeLessThan(100)
    for (const socket of sockets) socket.destroy()
  })

  it('is not for web pages', async () => {
    await using principal = await runPrincipal()
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(principal.url, { method: 'POST', headers: { origin: 'http://example.org' } })
      request.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject)
      request.end(JSON.stringify({ ...health, id: 1 }))
    })
    expect(status).toBe(403)
  })
})

describe('startPrincipal', () => {
  it('logs no secret', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) })
    await using principal = await runPrincipal({ logger })
    const worker = makeWorker()
    const params = { data: worker.data, sig: worker.sig, addresses: [contract(1)] }
    const { result } = await call(principal.url, 'getStateKeys', params)
    await call(principal.url, 'getStateKeys', { ...params, data: '00' })
    const log = lines.join('')
    expect(log).toContain(worker.address)
    expect(log).not.toContain(worker.open(result).get(contract(1)))
    expect(log).not.toContain(result.data.slice(0, 40))
    const sealingKey = await readFile(join(principal.dataFolder, 'sealing.key'), 'utf8')
    expect(log).not.toContain(sealingKey.slice(24, 60))
  })

  it('shows 60 lines of the log a minute of each kind that callers bring about', async () => {
    const lines: Record<string, unknown>[] = []
    const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
    await using folder = await temporaryFolder()
    const dataFolder = join(folder.path, 'data')
    await using principal = await runPrincipal({ dataFolder, logger })
    const { data, sig } = makeWorker()
    const batch = Array.from({ length: 100 }, (_, id) => [
      { jsonrpc: '2.0', method: 'getStateKeys', params: { data, sig, addresses: [contract(1)] }, id },
      { jsonrpc: '2.0', method: 'nothing', id },
    ])
    await post(principal.url, batch.flat().slice(0, 100))
    await post(principal.url, batch.flat().slice(100))
    await rename(dataFolder, `${dataFolder}.away`)
    await post(
      principal.url,
      batch.map(([call]) => call),
    )
    for (const text of ['state keys handed out', 'call refused', 'call failed']) {
      expect(
        lines.filter(({ msg }) => msg === text),
        text,
      ).toHaveLength(60)
    }
  })

  it('says so when the port is taken, and leaves its folder to others', async () => {
    await using principal = await runPrincipal()
    await using folder = await temporaryFolder()
    const port = Number(new URL(principal.url).port)
    await expect(startPrincipal({ dataFolder: folder.path, port })).rejects.toThrow('EADDRINUSE')
    expect(await openFilesOf(folder.path)).toEqual([])
    {
      await using _ = await runPrincipal({ dataFolder: folder.path })
    }
    expect(await openFilesOf(folder.path)).toEqual([])
  })

  it('does not start over a signing key that it cannot read', async () => {
    await using folder = await temporaryFolder()
    {
      await using _first = await runPrincipal({ dataFolder: folder.path })
    }
    const path = join(folder.path, 'signing-key.sealed')
    const damaged = (await readFile(path)).fill(0, 40)
    await writeFile(path, damaged)
    await expect(startPrincipal({ dataFolder: folder.path })).rejects.toThrow(
      expect.objectContaining({ code: 'undecryptable' }),
    )
    expect(await readFile(path)).toEqual(damaged)
  })

  it('answers the call under way before it closes', async () => {
    let closed: Promise<void> | undefined
    const authorize = () => {
      // The call has two seconds to end, which a slow disk may need: they do not pass.
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      closed = principal.close()
      return true
    }
    await using principal = await runPrincipal({ authorize })
    expect((await keysOf(principal.url, { addresses: [contract(1)] })).size).toBe(1)
    await closed
    await expect(fetch(principal.url, { method: 'POST' })).rejects.toThrow()
  })

  it('cuts off a call that does not end two seconds after it was to close', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    let asked = () => {}
    const underWay = new Promise<void>((resolve) => {
      asked = resolve
    })
    const authorize = () => {
      asked()
      return new Promise<boolean>(() => {})
    }
    await using principal = await runPrincipal({ authorize })
    const cutOff = expect(keysOf(principal.url)).rejects.toThrow('fetch failed')
    await underWay
    const began = Date.now()
    const closed = principal.close()
    vi.advanceTimersToNextTimer()
    await Promise.all([closed, cutOff])
    expect(Date.now() - began).toBe(2000)
  })

  it('closes although a peer keeps its connection, more than once', async () => {
    await using principal = await runPrincipal()
    const socket = connect(Number(new URL(principal.url).port), '127.0.0.1')
    await new Promise((resolve) => socket.once('connect', resolve))
    const ended = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {}).resume()
    await principal.close()
    await principal.close()
    await ended
    await expect(fetch(principal.url, { method: 'POST' })).rejects.toThrow()
  })
})
