import { readFile, rename, writeFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { type CoreClient, computeFunction, deployContract } from '@bletchley/client'
import {
  addressOf,
  decodePttRequest,
  ecdh,
  encodePttResponse,
  encodeStateKeys,
  encrypt,
  generateKeyPair,
  randomBytes,
  sign,
} from '@bletchley/crypto'
import {
  CommandProcess,
  lastingPort,
  type ProcessOptions,
  runCommand,
  startCoreProcess,
  temporaryFolder,
} from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'

// State keys between a core that fetches them by itself and a principal, as their operators run them.

const ledger = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
const gasLimit = 10_000_000n
const keysError = { message: 'Error inside the Enclave = (KeysError)' }

interface RunningPrincipal extends AsyncDisposable {
  url: string
  address: string
  process: CommandProcess
}

async function startPrincipal(
  data: string,
  args: readonly string[] = [],
  { port = '0', ...options }: ProcessOptions & { port?: string } = {},
): Promise<RunningPrincipal> {
  const process = new CommandProcess(['principal', '--port', port, '--data', data, ...args], options)
  const [, url, address] = (await process.readLine()).split(' ')
  return {
    url: url!,
    address: address!,
    process,
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  }
}

const startCore = (principal: { url: string; address: string }, dataFolder?: string) =>
  startCoreProcess({
    args: ['--threads', '1', '--principal-url', principal.url, '--principal', principal.address],
    ...(dataFolder !== undefined && { dataFolder }),
  })

async function deploy(client: CoreClient, contractAddress = randomBytes(32)): Promise<Uint8Array> {
  const args = [`0x${bytesToHex(randomBytes(32))}`, 1000n]
  const call = { contractAddress, gasLimit, callable: 'construct(bytes32,uint64)', args }
  const end = await deployContract(client, ledger, call)
  if (end.kind === 'failed') throw new Error(end.message)
  return contractAddress
}

const compute = (client: CoreClient, contractAddress: Uint8Array) =>
  computeFunction(client, { contractAddress, gasLimit, callable: 'total_supply()', args: [] })

interface AuditLine {
  worker: string
  outcome: string
  count: number
  contracts: string[]
}

async function auditOf(data: string): Promise<AuditLine[]> {
  const text = await readFile(join(data, 'audit.jsonl'), 'utf8').catch(() => '')
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  return whole.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as AuditLine]))
}

/** What the core's log says about a failure to get keys. */
async function reasonsOf(process: CommandProcess): Promise<string[]> {
  const { code, stderr } = await process.kill('SIGTERM')
  expect(code).toBe(0)
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; reason?: string })
  return lines.flatMap(({ msg, reason }) => (msg === 'state keys could not be fetched' && reason ? [reason] : []))
}

describe('a core with the endpoint of its principal', () => {
  it('starts and answers without it, and goes on by itself when it is there again', async () => {
    await using folder = await temporaryFolder()
    const [core, principal] = [join(folder.path, 'core'), join(folder.path, 'principal')]
    const port = String(await lastingPort())
    let running = await startPrincipal(principal, [], { port })
    let contract: Uint8Array
    {
      await using first = await startCore(running, core)
      contract = await deploy(first.client)
    }
    await running.process.kill('SIGTERM')

    await using second = await startCore(running, core)
    expect((await second.client.methods.getTip({ address: contract })).key).toBe(0)
    await expect(compute(second.client, contract)).rejects.toMatchObject(keysError)
    const before = (await auditOf(principal)).length
    running = await startPrincipal(principal, [], { port })
    await using _ = running
    // No task asks for it: the core does.
    await expect.poll(async () => (await auditOf(principal)).length).toBeGreaterThan(before)
    expect((await auditOf(principal)).at(-1)).toMatchObject({ outcome: 'given', contracts: [bytesToHex(contract)] })
    expect(await compute(second.client, contract)).toMatchObject({ kind: 'success' })
    expect(await reasonsOf(second.process)).toEqual(['ECONNREFUSED'])
  })

  it('asks for all stored contracts at once when it starts', async () => {
    await using folder = await temporaryFolder()
    const [core, data] = [join(folder.path, 'core'), join(folder.path, 'principal')]
    await using principal = await startPrincipal(data)
    const addresses = Array.from({ length: 1500 }, () => randomBytes(32))
    {
      await using first = await startCoreProcess({ dataFolder: core })
      await Promise.all(
        addresses.map((address) =>
          first.client.methods.updateNewContract({ address, bytecode: ledger.subarray(0, 8) }),
        ),
      )
    }
    await using other = await startCore(principal)
    await using second = await startCore(principal, core)
    const given = async () => (await auditOf(data)).reduce((sum, { count }) => sum + count, 0)
    await expect.poll(given, { timeout: 200_000 }).toBeGreaterThanOrEqual(1000)
    const asked = (await auditOf(data))[0]!.contracts
    expect(asked).toHaveLength(1000)
    // The other 500 are beyond the principal's limit of new keys an hour, and do not hold up a task whose key exists.
    const existing = await deploy(other.client)
    await expect.poll(() => deploy(second.client, existing)).toEqual(existing)
    // A busy machine takes longer for a thousand keys than the core waits; then it asks again, for the other 500 as well.
    await second.process.untilLogged(/code -32005/)
    const reasons = (await reasonsOf(second.process)).filter((reason) => reason !== 'TimeoutError')
    expect(new Set(reasons)).toEqual(new Set(['it refuses: code -32005']))
  })

  it('asks for a contract that it gets from a peer', async () => {
    await using folder = await temporaryFolder()
    await using principal = await startPrincipal(folder.path)
    await using core = await startCore(principal)
    const address = randomBytes(32)
    await core.client.methods.updateNewContract({ address, bytecode: ledger })
    await expect
      .poll(() => auditOf(folder.path))
      .toMatchObject([{ outcome: 'given', contracts: [bytesToHex(address)] }])
  })

  it('asks once for many tasks at a time', async () => {
    await using folder = await temporaryFolder()
    await using principal = await startPrincipal(folder.path)
    await using core = await startCore(principal)
    await Promise.all(Array.from({ length: 20 }, () => deploy(core.client)))
    const lines = await auditOf(folder.path)
    expect(lines.reduce((sum, { count }) => sum + count, 0)).toBe(20)
    expect(lines.length).toBeLessThan(20)
  })

  it('gets keys as soon as the list of workers has it, and none after it is taken off', async () => {
    await using folder = await temporaryFolder()
    const workers = join(folder.path, 'workers')
    const put = async (text: string) => {
      await writeFile(`${workers}~`, text)
      await rename(`${workers}~`, workers)
    }
    await put('# nobody yet\n')
    await using principal = await startPrincipal(join(folder.path, 'data'), ['--workers', workers])
    await using core = await startCore(principal)
    await expect(deploy(core.client)).rejects.toMatchObject(keysError)
    const { signingKey } = await core.client.methods.getRegistrationParams(undefined)
    await put(`0x${bytesToHex(signingKey)} our worker\n`)
    await deploy(core.client)
    principal.process.signal('SIGHUP')
    await deploy(core.client)
    await put('')
    await expect(deploy(core.client)).rejects.toMatchObject(keysError)
    expect(new Set(await reasonsOf(core.process))).toEqual(new Set(['it refuses: code -32001']))
    expect(await runCommand(['keys', 'audit', '--data', join(folder.path, 'data'), '--json'])).toMatchObject({
      code: 0,
    })
  })

  it('gets no key that the principal cannot write down', async () => {
    await using folder = await temporaryFolder()
    await using principal = await startPrincipal(folder.path, [], { fileSizeLimit: 1 })
    await using core = await startCore(principal)
    const outcomes = []
    for (let round = 0; round < 4; round++)
      outcomes.push(
        await deploy(core.client).then(
          () => 'deployed',
          () => 'refused',
        ),
      )
    expect(outcomes).toContain('deployed')
    expect(outcomes.at(-1)).toBe('refused')
    const deployed = outcomes.filter((each) => each === 'deployed').length
    const audit = await runCommand(['keys', 'audit', '--data', folder.path, '--json'])
    expect(JSON.parse(audit.stdout)).toMatchObject({ n: deployed })
    expect(await reasonsOf(core.process)).toEqual(['it refuses: code -32603'])
  })

  it('keeps the principal’s folder from being rotated meanwhile', async () => {
    await using folder = await temporaryFolder()
    await using principal = await startPrincipal(folder.path)
    for (const command of [['rotate'], ['new-identity', '--yes']]) {
      const end = await runCommand(['keys', ...command, '--data', folder.path])
      expect([end.code, end.stderr]).toEqual([1, expect.stringContaining(`${principal.process.pid}`)])
    }
  })
})

/** Answers as it is told; plays the principal with the given key. */
class FakePrincipal implements AsyncDisposable {
  readonly #server: Server
  readonly #signer = generateKeyPair()
  answer: (params: { data: string; addresses: string[] }, response: ServerResponse) => void = () => {}
  url = ''

  constructor() {
    this.#server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      request.on('end', () => this.answer((JSON.parse(body) as { params: never }).params, response))
    })
  }

  get address(): string {
    return bytesToHex(addressOf(this.#signer.publicKey))
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  /** A well-formed answer for these contracts. */
  keysFor(data: string, addresses: readonly string[], signer = this.#signer) {
    const { id, publicKey } = decodePttRequest(hexToBytes(data))
    const mine = generateKeyPair()
    const keys = addresses.map((address) => ({ address: hexToBytes(address), key: randomBytes(32) }))
    const encrypted = encrypt(ecdh(mine.secretKey, publicKey), encodeStateKeys(keys))
    const response = encodePttResponse({ id, publicKey: mine.publicKey, encrypted })
    return { data: bytesToHex(response), sig: bytesToHex(sign(signer.secretKey, response)) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

type Answer = (fake: FakePrincipal, params: { data: string; addresses: string[] }, response: ServerResponse) => void

describe('a core, when what answers as its principal is not what it should be', () => {
  const result = (response: ServerResponse, value: unknown) =>
    void response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: value }))
  const stranger = generateKeyPair()
  const good: Answer = (fake, { data, addresses }, response) => {
    const answer = fake.keysFor(data, addresses)
    earlier ??= answer
    result(response, answer)
  }
  let earlier: { data: string; sig: string } | undefined
  const bad: [string, Answer, RegExp][] = [
    ['breaks off', (_fake, _params, response) => void response.destroy(), /UND_ERR_SOCKET|ECONNRESET/],
    ['talks nonsense', (_fake, _params, response) => void response.end('secret nonsense'), /^its answer is not JSON$/],
    ['says null', (_fake, _params, response) => void response.end('null'), /no JSON-RPC/],
    ['never ends', (_fake, _params, response) => endless(response), /too large/],
    [
      'leads elsewhere',
      (_fake, _params, response) => void response.writeHead(307, { location: '/' }).end(),
      /^unexpected redirect$/,
    ],
    ['gives part of the keys', (fake, { data }, response) => result(response, fake.keysFor(data, [])), /lacks 1 of 1/],
    [
      'gives a key too many',
      (fake, { data, addresses }, response) => result(response, fake.keysFor(data, [...addresses, 'ab'.repeat(32)])),
      /not asked for/,
    ],
    [
      'signs with another key',
      (fake, { data, addresses }, response) => result(response, fake.keysFor(data, addresses, stranger)),
      new RegExp(`not signed by the principal.*${bytesToHex(addressOf(stranger.publicKey))}`),
    ],
    [
      'does not sign',
      (fake, { data, addresses }, response) => result(response, { ...fake.keysFor(data, addresses), sig: '' }),
      /its signature leads to nobody/,
    ],
    ['says the same again', (_fake, _params, response) => result(response, earlier), /accepted before \(replayed\)/],
  ]

  it('installs nothing, says why, and takes a good answer as soon as there is one', async () => {
    await using fake = await new FakePrincipal().start()
    await using core = await startCore(fake)
    let deployed = 0
    for (const [name, answer] of bad) {
      fake.answer = (params, response) => answer(fake, params, response)
      await expect(deploy(core.client), name).rejects.toMatchObject(keysError)
      expect((await core.client.methods.getAllAddrs(undefined)).addresses, name).toHaveLength(deployed)
      fake.answer = (params, response) => good(fake, params, response)
      await deploy(core.client)
      deployed++
    }
    const reasons = await reasonsOf(core.process)
    expect(reasons).toEqual(bad.map(([, , reason]) => expect.stringMatching(reason)))
  })
})

function endless(response: ServerResponse): void {
  const chunk = Buffer.alloc(1 << 20, 0x20)
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', more)
  more()
}
