import { once } from 'node:events'
import { chmod, link, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@bletchley/bytes'
import { encodeZ85 } from '@bletchley/crypto'
import { createCurveKeyFile, generateCurveKeyPair } from '@bletchley/crypto/curve-key-file'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Dealer } from 'zeromq'
import { getTip, putContract, startCoreHere as start } from '../test/coreHere.ts'
import { defaultCoreLimits } from './core.ts'

const address = 'ab'.repeat(32)
const principal = new Uint8Array(20).fill(0xcc)
const insecure = 'INSECURE: whoever reaches this endpoint may read, change and remove all contracts'
const noPrincipal =
  'no principal is set: whoever reaches this socket may install state keys (set --principal <address>)'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('a core', () => {
  it('answers, stops, and leaves a folder that the next one opens', async () => {
    const dataFolder = join(folder, 'data')
    let signingAddress: Uint8Array
    {
      await using first = await start({ dataFolder, principal })
      signingAddress = first.core.signingAddress
      expect(signingAddress).toHaveLength(20)
      expect(first.core.endpoints).toEqual([expect.stringMatching(/^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/)])
      expect([first.core.httpUrl, first.core.reload]).toEqual([undefined, undefined])
      expect(await first.ask(putContract(address, [1, 2]))).toMatchObject([{ id: 'put', result: { status: 0 } }])
      await expect(start({ dataFolder })).rejects.toThrow(`${dataFolder} is in use by `)
      expect(first.warnings()).toEqual([])
    }
    await using second = await start({ dataFolder, principal })
    expect(second.core.signingAddress).toEqual(signingAddress)
    expect(await second.ask({ id: 'x', type: 'GetAllAddrs' })).toMatchObject([{ result: { addresses: [address] } }])
  })

  it('tells the log that it answers, where and by which key, and that it has stopped', async () => {
    const core = await start({ principal })
    const { endpoints, signingAddress } = core.core
    await core[Symbol.asyncDispose]()
    expect(core.lines).toMatchObject([
      { msg: 'core answers', endpoints, signingKey: bytesToHex(signingAddress), dialect: 'document' },
      { msg: 'core stopped' },
    ])
    expect(core.lines[0]).not.toHaveProperty('curve')
  })

  it.each([
    ['its endpoint', (endpoint: string, _port: number) => ({ endpoints: ['tcp://127.0.0.1:0', endpoint] })],
    ['its HTTP door', (_endpoint: string, port: number) => ({ http: { host: '127.0.0.1', port } })],
  ])('that finds %s taken lets go of all that it has opened', async (_, taken) => {
    await using other = await start({ http: { host: '127.0.0.1', port: 0 } })
    const dataFolder = join(folder, 'data')
    const port = Number(new URL(other.core.httpUrl!).port)
    const asked = taken(other.core.endpoints[0]!, port)
    await expect(start({ dataFolder, ...asked })).rejects.toThrow(/in use/i)
    await using again = await start({ dataFolder })
    expect(await again.ask(getTip(address))).toMatchObject([{ msg: expect.stringContaining('get_tip') }])
  })

  it('whose database cannot be opened lets go of its folder', async () => {
    const dataFolder = join(folder, 'data')
    await mkdir(join(dataFolder, 'store', 'data.mdb'), { recursive: true })
    await expect(start({ dataFolder })).rejects.toThrow('data.mdb cannot be read (EISDIR)')
    await rm(join(dataFolder, 'store'), { recursive: true })
    await using again = await start({ dataFolder })
    expect(again.core.endpoints).toHaveLength(1)
  })

  it('clears at its start what killed processes left of its keys, and nothing else', async () => {
    const dataFolder = join(folder, 'data')
    const leftover = (name: string) => join(dataFolder, `.${name}.0123456789abcdef.tmp`)
    await (await start({ dataFolder, principal }))[Symbol.asyncDispose]()
    for (const name of ['signing-key.sealed', 'sealing.key']) await link(join(dataFolder, name), leftover(name))
    await mkdir(join(dataFolder, 'old-signing-keys'))
    await writeFile(join(dataFolder, 'old-signing-keys', '.aa.sealed.0123456789abcdef.tmp'), '')
    await utimes(leftover('sealing.key'), 0, 0)
    // A command that runs beside the core may just be writing it.
    await writeFile(leftover('curve.key'), '')
    await writeFile(leftover('notes'), '')
    await using again = await start({ dataFolder, principal })
    const hidden = (await readdir(dataFolder, { recursive: true })).filter((name) => /(^|\/)\./.test(name))
    expect(hidden.sort()).toEqual(['.curve.key.0123456789abcdef.tmp', '.notes.0123456789abcdef.tmp'])
    expect(again.lines[0]).toMatchObject({ msg: 'temporary key files of a killed process were removed', leftovers: 3 })
  })

  it('watches its sealing key where the system finds it', async () => {
    const dataFolder = join(folder, 'data')
    await mkdir(join(dataFolder, 'deep'), { recursive: true })
    await symlink(join(dataFolder, 'deep'), join(folder, 'link'))
    await using here = await start({ dataFolder, sealing: { path: `${folder}/link/../sealing.key` } })
    expect(await readdir(dataFolder)).toContain('sealing.key')
    expect(here.core.endpoints).toHaveLength(1)
  })

  it('that cannot be reached as asked is not started, and its folder is not made', async () => {
    const dataFolder = join(folder, 'data')
    for (const [options, text] of [
      [{ endpoints: ['tcp://127.0.0.1'] }, 'tcp://127.0.0.1 has no port'],
      [{ endpoints: ['tcp://127.0.0.1:0', 'tcp://0.0.0.0:0'] }, 'tcp://0.0.0.0:0 can be reached by others'],
      [{ endpoints: ['tcp://0.0.0.0:0'], insecure: false }, 'tcp://0.0.0.0:0 can be reached by others'],
      [{ endpoints: ['ipc://@name'] }, '"ipc://@name" is no endpoint'],
      [{ http: { host: '0.0.0.0', port: 0 } }, '0.0.0.0 can be reached from other machines'],
    ] as const) {
      await expect(start({ dataFolder, ...options }), text).rejects.toThrow(text)
    }
    expect(await readdir(folder)).toEqual([])
  })

  it('serves whoever comes only where that was asked for, and says so', async () => {
    await using open = await start({ endpoints: ['tcp://0.0.0.0:0'], insecure: true, principal })
    expect(open.lines[0]).toMatchObject({ msg: insecure, endpoint: 'tcp://0.0.0.0:0' })
    expect(open.warnings()).toEqual([insecure])
    await using local = await start({ insecure: true, principal })
    expect(local.warnings()).toEqual([])
    const [reply] = await local.ask(getTip(address))
    expect(reply).toMatchObject({ id: 'tip' })
  })

  it('has no socket where others can replace it, unless whoever comes may', async () => {
    const open = join(folder, 'open')
    await mkdir(open)
    await chmod(open, 0o777)
    const endpoints = [`ipc://${join(open, 'socket')}`]
    const text = `other users can write to ${open}, and replace the socket (chmod go-w)`
    await expect(start({ endpoints })).rejects.toThrow(`${endpoints[0]} is not safe: ${text}`)
    {
      await using unsafe = await start({ endpoints, insecure: true, principal })
      expect(unsafe.lines[0]).toMatchObject({ msg: 'the folder of the socket is not safe', reason: text })
      expect(unsafe.warnings()).toEqual(['the folder of the socket is not safe'])
    }
    await chmod(open, 0o1777)
    // The file of a socket that was closed is there for a moment still.
    const another = [`ipc://${join(open, 'another')}`]
    await using shared = await start({ endpoints: another, principal })
    expect(shared.core.endpoints).toEqual(another)
    expect(shared.warnings()).toEqual(['the folder of the socket is not safe'])
  })

  it('says that its data folder is open to others', async () => {
    const dataFolder = join(folder, 'data')
    await mkdir(dataFolder, { mode: 0o700 })
    await chmod(dataFolder, 0o755)
    await using core = await start({ dataFolder, principal })
    expect(core.warnings()).toEqual(['the data folder is open to other users (chmod 700)'])
  })
})

describe('a core with CURVE', () => {
  const pair = generateCurveKeyPair()

  async function startWithCurve(keyPath?: string) {
    const dataFolder = join(folder, 'data')
    const clientsPath = join(folder, 'clients')
    await writeFile(clientsPath, encodeZ85(pair.publicKey))
    const serverKey = await createCurveKeyFile(keyPath ?? join(dataFolder, 'curve.key'), 'server')
    const curve = { clientsPath, ...(keyPath !== undefined && { keyPath }) }
    const here = await start({ dataFolder, principal, endpoints: ['tcp://0.0.0.0:0'], curve })
    return { here, serverKey, clientsPath }
  }

  it.each([undefined, 'elsewhere.key'])('takes its key where it lies (%s), and needs no loopback', async (name) => {
    const started = await startWithCurve(name && join(folder, name))
    await using here = started.here
    expect(here.lines.find(({ msg }) => msg === 'core answers')).toMatchObject({
      ...{ curve: encodeZ85(started.serverKey), clients: 1 },
    })
    expect(here.warnings()).toEqual([])
    const peer = new Dealer({
      ...{ linger: 0, curveServerKey: encodeZ85(started.serverKey) },
      ...{ curvePublicKey: encodeZ85(pair.publicKey), curveSecretKey: encodeZ85(pair.secretKey.bytes) },
    })
    peer.connect(here.core.endpoints[0]!.replace('0.0.0.0', '127.0.0.1'))
    await peer.send(JSON.stringify({ id: 'mine', type: 'GetAllAddrs' }))
    expect(JSON.parse(String(await peer.receive()))).toMatchObject({ id: 'mine', result: { addresses: [] } })
    peer.close()
    await writeFile(started.clientsPath, '')
    await here.core.reload!()
    expect(here.lines.map(({ msg }) => msg)).toContainEqual(expect.stringMatching(/removed|list of clients read/))
  })

  it('needs a key', async () => {
    await writeFile(join(folder, 'clients'), '')
    const dataFolder = join(folder, 'data')
    const started = start({ dataFolder, curve: { clientsPath: join(folder, 'clients') } })
    await expect(started).rejects.toThrow(join(dataFolder, 'curve.key'))
    await using again = await start({ dataFolder })
    expect(again.core.endpoints).toHaveLength(1)
  })
})

describe('the principal', () => {
  it('is asked for the keys of the contracts that are there, and trusted only if it is named', async () => {
    const asked: string[] = []
    const server = createServer((request, response) => {
      request.setEncoding('utf8').on('data', (text: string) => asked.push(text))
      request.on('end', () => response.writeHead(500).end())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const heard = once(server, 'request')
    const principalUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const dataFolder = join(folder, 'data')
    {
      await using without = await start({ dataFolder })
      await without.ask(putContract(address, [1]))
      expect(without.warnings()).toEqual([noPrincipal])
    }
    {
      await using fetching = await start({ dataFolder, principalUrl })
      await heard
      expect(fetching.warnings().slice(0, 2)).toEqual([
        noPrincipal,
        'keys are fetched from whoever answers at --principal-url: set --principal <address> as well',
      ])
    }
    server.close()
    server.closeAllConnections()
    await using named = await start({ dataFolder, principal, principalUrl: 'http://127.0.0.1:1' })
    expect(named.warnings()).not.toContain(noPrincipal)
  })
})

describe('limits', () => {
  it('that are not given are the default ones', async () => {
    expect(defaultCoreLimits).toMatchObject({ queue: 1000, inFlight: 4096, deafnessMs: 300_000 })
    await using core = await start({ limits: { inFlightPerPeer: 2 } })
    const tips = (count: number) => Array<object>(count).fill(getTip(address))
    const text = 'Busy: too many requests of this peer under way, at most 2'
    expect(await core.ask(...tips(3))).toMatchObject(Array(3).fill({ msg: text }))
    expect(core.core.traffic.refusedRequests).toBe(3)
    for (const { msg } of await core.ask(...tips(2))) expect(msg).not.toBe(text)
  })

  it('hold for the requests of one contract', async () => {
    await using core = await start({ limits: { queue: 2 } })
    const replies = await core.ask(...[1, 2, 3].map((byte) => putContract(address, [byte])))
    const text = 'Busy: too many requests waiting for this contract, at most 2'
    expect(replies.map(({ msg }) => msg === text)).toEqual([false, false, true])
  })
})

describe('each message', () => {
  it.each([
    ['info', false, 0, undefined],
    ['info', true, 0, 1],
    ['debug', false, 1, undefined],
    ['debug', true, 1, 1],
  ] as const)(
    'is logged at level debug, and counted for the HTTP door: %s %s',
    async (level, door, logged, counted) => {
      await using core = await start({ level, ...(door && { http: { host: '127.0.0.1', port: 0 } }) })
      await core.ask(getTip(address))
      const answered = core.lines.filter(({ msg }) => msg === 'message answered')
      expect(answered).toHaveLength(logged)
      if (logged > 0) expect(answered[0]).toMatchObject({ type: 'GetTip', id: 'tip', outcome: 'error', address })
      if (counted === undefined) return
      const metrics = await (await fetch(`${core.core.httpUrl}/metrics`)).text()
      expect(metrics).toContain(`bletchley_messages_total{type="GetTip",outcome="error"} ${counted}\n`)
    },
  )

  it('is answered in the dialect that was asked for', async () => {
    await using core = await start({ dialect: 'enigma-p2p' })
    expect(core.lines.find(({ msg }) => msg === 'core answers')).toMatchObject({ dialect: 'enigma-p2p' })
    const [reply] = await core.ask(getTip(address))
    expect(reply).toHaveProperty('error')
  })
})

it('a peer whose requests are refused again and again has 60 lines of the log a minute', async () => {
  await using here = await start()
  const replies = await here.ask(
    ...Array.from({ length: 1000 }, (_, id) => ({ id: `${id}`, type: 'PTTResponse', input: { response: '80' } })),
  )
  expect(replies).toHaveLength(1000)
  expect(here.lines.filter(({ msg }) => msg === 'state keys refused')).toHaveLength(60)
})
