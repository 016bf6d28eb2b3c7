import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesToHex, equalBytes } from '@bletchley/bytes'
import { CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { decodeOutput } from '@bletchley/client/user'
import { randomBytes } from '@bletchley/crypto'
import { readCurveKeyFile } from '@bletchley/crypto/curve-key-file'
import { isWorkerError } from '@bletchley/protocol'
import { CommandProcess, lastingPort, runCommand, temporaryFolder } from '@bletchley/testkit'
import { expect, it } from 'vitest'

// One day of an operator, with nothing but the command and files: CURVE, a pinned principal with a list of workers, a
// locked folder, contracts, new locks and keys, a backup under load, a kill, a restore elsewhere, and the proof that
// nothing was lost.

const ledger = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
const gasLimit = 10_000_000n
const supply = 1000n
/** How long to wait for what a busy machine takes long for. */
const busy = { timeout: 200_000 }

/** Runs a command that must go well. */
async function done(...args: string[]): Promise<Record<string, unknown>> {
  const end = await runCommand([...args, '--json'])
  if (end.code !== 0) throw new Error(`bletchley ${args.join(' ')} ended with ${end.code}:\n${end.stdout}${end.stderr}`)
  return JSON.parse(end.stdout) as Record<string, unknown>
}

/** Writes as editors do: beside the file, and then in its place. */
async function write(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

interface Contract {
  address: Uint8Array
  issuer: string
}

async function deploy(client: CoreClient): Promise<Contract> {
  const contract = { address: randomBytes(32), issuer: `0x${bytesToHex(randomBytes(32))}` }
  const call = { contractAddress: contract.address, gasLimit, callable: 'construct(bytes32,uint64)' }
  const end = await deployContract(client, ledger, { ...call, args: [contract.issuer, supply] })
  if (end.kind === 'failed') throw new Error(end.message)
  return contract
}

/** Adds one to the issuer's balance, and with it one delta. Returns the delta's number. */
async function mint(client: CoreClient, { address, issuer }: Contract): Promise<number> {
  const call = { contractAddress: address, gasLimit, callable: 'mint(bytes32,uint64)', args: [issuer, 1n] }
  const end = await computeFunction(client, call)
  if (end.kind === 'failed' || end.delta === undefined) throw new Error('a mint must succeed')
  return end.delta.key
}

async function balance(client: CoreClient, { address, issuer }: Contract): Promise<bigint> {
  const call = { contractAddress: address, gasLimit, callable: 'balance_of(bytes32)', args: [issuer] }
  const end = await computeFunction(client, call)
  if (end.kind === 'failed') throw new Error(end.message)
  return decodeOutput(['uint64'], end.output)[0] as bigint
}

/** All deltas of a contract, as the core hands them to its peers. */
async function chain({ methods }: CoreClient, { address }: Contract): Promise<Uint8Array[]> {
  const { key } = await methods.getTip({ address })
  const { deltas } = await methods.getDeltas({ ranges: [{ address, from: 0, to: key + 1 }] })
  return deltas.map(({ data }) => data)
}

it('a day of an operator', { timeout: 600_000 }, async () => {
  await using temporary = await temporaryFolder()
  const path = (name: string): string => join(temporary.path, name)
  const worker = path('worker')
  const passphraseFile = path('passphrase')
  const lock = ['--passphrase-file', passphraseFile]

  // --- The keys, and who may come.
  await write(passphraseFile, 'not a real passphrase\n')
  await write(path('principal-passphrase'), 'not a real one either\n')
  await done('keys', 'curve', '--data', worker)
  const { publicKey: nodeKey } = await done('keys', 'curve', '--client', '--curve-key', path('node.key'))
  await write(path('clients'), `${nodeKey} the p2p node\n`)
  await write(path('workers'), '# nobody yet\n')

  const port = String(await lastingPort())
  const startPrincipal = async () => {
    const process = new CommandProcess([
      ...['principal', '--port', port, '--data', path('principal'), '--workers', path('workers')],
      ...['--passphrase-file', path('principal-passphrase')],
    ])
    const [, url, address] = (await process.readLine()).split(' ')
    return { process, url: url!, address: address! }
  }
  let principal = await startPrincipal()
  const pinned = ['--principal', principal.address, '--principal-url', principal.url]

  const startCore = async (data: string) => {
    const process = new CommandProcess([
      ...['core', '--bind', 'tcp://127.0.0.1:0', '--http', '127.0.0.1:0', '--data', data, '--threads', '2'],
      ...['--clients', path('clients'), ...lock, ...pinned],
    ])
    const [endpoint, url] = [(await process.readLine()).split(' ')[1]!, (await process.readLine()).split(' ')[1]!]
    const server = await readCurveKeyFile(join(data, 'curve.key'), 'server')
    const own = await readCurveKeyFile(path('node.key'), 'client')
    const curve = { serverKey: server.publicKey, publicKey: own.publicKey, secretKey: own.secretKey.bytes }
    return { process, url, endpoint, client: new CoreClient(endpoint, { curve }) }
  }
  let core = await startCore(worker)
  // However the day ends, nothing goes on running.
  const processes: CommandProcess[] = [core.process, principal.process]
  try {
    // --- A worker that the principal does not know gets no keys; one that it has been told of does.
    await expect(deploy(core.client)).rejects.toMatchObject({ message: 'Error inside the Enclave = (KeysError)' })
    const { signingKey } = await core.client.methods.getRegistrationParams(undefined)
    await write(path('workers'), `${bytesToHex(signingKey)}\n`)
    const contracts: Contract[] = []
    await expect.poll(async () => contracts.push(await deploy(core.client))).toBe(1)
    while (contracts.length < 3) contracts.push(await deploy(core.client))
    for (const contract of contracts) expect(await mint(core.client, contract)).toBe(1)
    expect((await fetch(`${core.url}/readyz`)).status).toBe(200)

    // --- New locks and new sealing keys, for both. The identities stay.
    const running = await runCommand(['keys', 'rotate', '--data', worker, ...lock])
    expect([running.code, running.stderr]).toEqual([1, expect.stringContaining(`${core.process.pid}`)])
    core.client.close()
    expect((await core.process.kill('SIGTERM')).code).toBe(0)
    expect((await principal.process.kill('SIGTERM')).code).toBe(0)
    await done('keys', 'rotate', '--data', worker, ...lock)
    await write(path('passphrase-2'), 'another one that is not real\n')
    await done('keys', 'relock', '--data', worker, ...lock, '--new-passphrase-file', path('passphrase-2'))
    expect((await runCommand(['core', '--data', worker, ...lock])).stderr).toMatch(/passphrase/)
    await rename(path('passphrase-2'), passphraseFile)
    await done('keys', 'rotate', '--data', path('principal'), '--passphrase-file', path('principal-passphrase'))
    const { address, url } = principal
    principal = await startPrincipal()
    processes.push(principal.process)
    expect(principal).toMatchObject({ address, url })
    core = await startCore(worker)
    processes.push(core.process)
    expect((await core.client.methods.getRegistrationParams(undefined)).signingKey).toEqual(signingKey)

    // --- A backup while tasks come without pause, and a kill in the middle of them.
    const acknowledged = contracts.map(() => 1)
    let killed = false
    const load = contracts.map(async (contract, index) => {
      try {
        for (;;) acknowledged[index] = await mint(core.client, contract)
      } catch (error) {
        if (!killed || !isWorkerError(error)) throw error
      }
    })
    await expect.poll(() => Math.min(...acknowledged), busy).toBeGreaterThanOrEqual(5)
    const before = [...acknowledged]
    await done('backup', path('backup'), '--data', worker)
    const after = [...acknowledged]
    await expect.poll(() => acknowledged.every((key, index) => key > after[index]!), busy).toBe(true)
    killed = true
    await core.process.kill('SIGKILL')
    core.client.close()
    await Promise.all(load)

    // --- The same worker elsewhere, from the backup. Its pair of CURVE is made anew: it was not in it.
    const elsewhere = path('elsewhere')
    await done('restore', path('backup'), '--data', elsewhere)
    expect(await done('verify', '--data', elsewhere, ...lock, ...pinned)).toMatchObject({
      contracts: 3,
      decrypted: 3,
      broken: 0,
      findings: [],
    })
    await done('keys', 'curve', '--data', elsewhere)
    core = await startCore(elsewhere)
    processes.push(core.process)
    expect((await core.client.methods.getRegistrationParams(undefined)).signingKey).toEqual(signingKey)
    const restored = await Promise.all(contracts.map((contract) => chain(core.client, contract)))
    for (const [index, deltas] of restored.entries()) {
      expect(deltas.length, 'what was acknowledged before the backup is in it').toBeGreaterThan(before[index]!)
      expect(await balance(core.client, contracts[index]!)).toBe(supply + BigInt(deltas.length - 1))
    }
    core.client.close()
    expect((await core.process.kill('SIGTERM')).code).toBe(0)

    // --- What was killed has all that it acknowledged, and what was restored is the beginning of it.
    expect(await done('verify', '--data', worker, ...lock, ...pinned)).toMatchObject({ decrypted: 3, broken: 0 })
    core = await startCore(worker)
    processes.push(core.process)
    const whole = await Promise.all(contracts.map((contract) => chain(core.client, contract)))
    for (const [index, deltas] of whole.entries()) {
      expect(deltas.length).toBeGreaterThan(acknowledged[index]!)
      expect(restored[index]!.every((delta, key) => equalBytes(delta, deltas[key]!))).toBe(true)
    }
    const balances = await Promise.all(contracts.map((contract) => balance(core.client, contract)))
    expect(balances).toEqual(whole.map((deltas) => supply + BigInt(deltas.length - 1)))
    core.client.close()
    expect((await core.process.kill('SIGTERM')).code).toBe(0)

    // --- The rest is brought over; then every tip and every result is the same.
    await done('export', path('contracts.export'), '--data', worker)
    await done('import', path('contracts.export'), '--data', elsewhere)
    core = await startCore(elsewhere)
    processes.push(core.process)
    for (const [index, contract] of contracts.entries()) {
      expect(await chain(core.client, contract)).toEqual(whole[index])
      expect(await balance(core.client, contract)).toBe(balances[index])
      expect(await mint(core.client, contract)).toBe(whole[index]!.length)
    }

    // --- The node is struck off the list, and gets nothing any more.
    await write(path('clients'), '# nobody\n')
    await core.process.untilLogged(/not_listed/)
    expect(await (await fetch(`${core.url}/metrics`)).text()).toMatch(
      /^bletchley_refused_clients_total\{reason="not_listed"\} [1-9]/m,
    )
    await expect(core.client.request('GetAllAddrs', undefined, { timeoutMs: 500 })).rejects.toThrow()
    core.client.close()
    await done('keys', 'audit', '--data', path('principal'))
  } finally {
    for (const each of processes) await each[Symbol.asyncDispose]()
  }
})
