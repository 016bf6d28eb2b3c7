import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@bletchley/bytes'
import { CoreClient } from '@bletchley/client'
import { keccak256, randomBytes } from '@bletchley/crypto'
import { createCurveKeyFile } from '@bletchley/crypto/curve-key-file'
import { temporaryFolder } from '@bletchley/testkit'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Router } from 'zeromq'
import { type End, json, type RunOptions, run } from '../../test/run.ts'
import { withProperty } from '../../test/standardStreams.ts'
import { type DevNetwork, startDevNetwork } from '../network.ts'

// The commands of a user, on a core and a principal in this process.

const ledger = fileURLToPath(new URL('../../../../contracts/ledger/build/ledger.wasm', import.meta.url))
const account = (): string => bytesToHex(randomBytes(32))
const logger = pino({ enabled: false })

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let network: DevNetwork
let worker: string
/** A contract with an issuer that has 1000, and its code's hash. */
let issuer: string
let address: string
let deployed: Record<string, unknown> & End

beforeAll(async () => {
  folder = await temporaryFolder()
  network = await startDevNetwork(
    {
      ...{ endpoints: ['tcp://127.0.0.1:0'], dataFolder: join(folder.path, 'data'), dialect: 'document', threads: 1 },
      ...{ http: { host: '127.0.0.1', port: 0 }, runLimitMs: 300_000, logger },
    },
    { port: 0, logger },
  )
  worker = bytesToHex(network.core.signingAddress)
  ;[issuer, address] = [account(), account()]
  deployed = await here(['deploy', ledger, 'construct(bytes32,uint64)', issuer, '1000', '--address', address])
})

afterAll(async () => {
  await network.close()
  await folder[Symbol.asyncDispose]()
})

const here = (args: readonly string[], options?: RunOptions) =>
  json([...args, '--endpoint', network.core.endpoints[0]!], options)
const plain = (args: readonly string[], options?: RunOptions) =>
  run([...args, '--endpoint', network.core.endpoints[0]!], options)

const gas = expect.stringMatching(/^[1-9]\d+$/)
const answered = 'the encryption key is signed by the worker that answered'
const askedFor = 'the encryption key is signed by the worker that was asked for'
const signed = 'the result is signed by the same worker, for this task'

describe('deploy', () => {
  it('tells what it deployed, and what was verified', async () => {
    const { stdout, ...told } = deployed
    expect(told).toEqual({
      ...{ code: 0, stderr: '', status: 'success', contract: address, usedGas: gas, verified: [answered, signed] },
      codeSize: expect.any(Number),
      codeHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect((stdout.match(/\n/g) ?? []).length).toBe(1)
    const { bytecode } = await contract(address)
    expect([told.codeSize, told.codeHash]).toEqual([bytecode.length, bytesToHex(keccak256(bytecode))])
  })

  it('takes an address of its own if none is given', async () => {
    const deploy = () => here(['deploy', ledger, 'construct(bytes32,uint64)', issuer, '1'])
    const [one, other] = [await deploy(), await deploy()]
    expect([one.status, other.status]).toEqual(['success', 'success'])
    expect(one.contract).not.toBe(other.contract)
  })

  it('that fails tells the gas, and has an exit code of its own', async () => {
    expect(await here(['deploy', ledger, 'construct(uint64)', '1', '--address', account()])).toMatchObject({
      ...{ code: 3, status: 'failed', usedGas: gas, verified: [answered, signed] },
      error: 'Error in execution of WASM code: unreachable',
    })
  })
})

describe('compute', () => {
  it('decodes what comes back, and tells of the delta', async () => {
    const balance = await here(['compute', address, 'balance_of(bytes32)(uint64)', issuer, '--worker', worker])
    expect(balance).toMatchObject({
      ...{ code: 0, status: 'success', contract: address, output: ['1000'], delta: null, usedGas: gas },
      ...{ raw: `0x${(1000).toString(16).padStart(64, '0')}`, verified: [askedFor, signed] },
    })
    expect(balance).not.toHaveProperty('ethereum')
    const minted = await here(['compute', `0x${address}`, 'mint(bytes32,uint64)', issuer, '5'])
    expect(minted).toMatchObject({ code: 0, raw: '0x', delta: 1 })
    expect(minted).not.toHaveProperty('output')
    await here(['compute', address, 'burn(bytes32,uint64)', issuer, '5'])
  })

  it('that fails tells the gas, and has an exit code of its own', async () => {
    const refused = await here(['compute', address, 'transfer(bytes32,bytes32,uint64)', issuer, account(), '5000'])
    const { stdout: _, ...told } = refused
    expect(told).toEqual({
      ...{ code: 3, stderr: '', status: 'failed', contract: address, usedGas: gas, verified: [answered, signed] },
      error: 'Error in execution of WASM code: unreachable',
    })
    const poor = await here(['compute', address, 'total_supply()', '--gas-limit', '3000'])
    expect(poor).toMatchObject({ code: 3, usedGas: '3000' })
  })

  it('has the exit code of what went wrong', async () => {
    const stranger = bytesToHex(randomBytes(20))
    const codes: [args: string[], code: number, told: RegExp][] = [
      [['compute', account(), 'f()'], 1, /^error: /],
      [['compute', address, 'f()', '--worker', stranger], 4, /^error: .*worker/],
      [['compute', address, 'total_supply()(string)'], 1, /^$/],
      [['compute', address, 'f(uint64)', 'ten'], 2, /^error: Argument 1 is no uint64/],
      [['compute', 'no address', 'f()'], 2, /It must be 32 bytes in hex/],
    ]
    for (const [args, code, told] of codes)
      expect(await here(args), args.join(' ')).toMatchObject({ code, stderr: expect.stringMatching(told) })
  })

  it('tells of a call to Ethereum that the contract made', async () => {
    const caller = await installed('000000000000000000000000000000000000abcd', 'hello')
    expect(await here(['compute', caller, 'f()'])).toMatchObject({
      code: 0,
      ethereum: { payload: bytesToHex(Buffer.from('hello')), address: '000000000000000000000000000000000000abcd' },
    })
  })
})

describe('call', () => {
  it('prints the reply as it is on the wire, and fails with it', async () => {
    const tips = await plain(['call', 'GetTips', '[]'])
    expect(tips).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^\{.*\}\n$/) })
    expect(JSON.parse(tips.stdout)).toMatchObject({ type: 'GetTips', result: { tips: [] } })
    const all = await plain(['call', 'GetAllTips'])
    expect(JSON.parse(all.stdout).result.tips.length).toBeGreaterThan(0)
    const none = await plain(['call', 'GetTip', `"${account()}"`])
    expect([none.code, JSON.parse(none.stdout)]).toMatchObject([1, { msg: expect.stringMatching(/./) }])
  })

  it('sends an object as the input and as members, and anything else as the input alone', async () => {
    // Of the members a task has, of the input GetTips.
    const task = { encryptedArgs: '', encryptedFn: '', userDHKey: '0d'.repeat(64), contractAddress: account() }
    const computed = await plain(['call', 'ComputeTask', ` ${JSON.stringify({ ...task, gasLimit: 1 })} `])
    expect(JSON.parse(computed.stdout).msg).toMatch(/^Error while trying to get_contract/)
    for (const input of ['{}', '7', 'null', '"a"', '[1]']) {
      const { msg } = JSON.parse((await plain(['call', 'GetTips', input])).stdout) as { msg: string }
      expect(msg, input).not.toMatch(/JSON|parse/i)
    }
    const addresses = await plain(['call', 'GetTips', '--input', '-'], { input: `["${address}"]` })
    expect(JSON.parse(addresses.stdout).result.tips).toHaveLength(1)
  })

  it('takes an input that is JSON, from one place', async () => {
    expect(await plain(['call', 'GetTips', '[']), '[').toEqual({
      ...{ code: 2, stdout: '', stderr: 'error: The input is not JSON.\n' },
    })
    expect(await plain(['call', 'GetTips', '[]', '--input', 'a'])).toEqual({
      ...{ code: 2, stdout: '', stderr: 'error: The input is typed, or in a file: not both.\n' },
    })
  })
})

describe('inspect', () => {
  it('shows a worker and all its contracts, also one whose delta is large', async () => {
    const [large, bare] = [account(), account()]
    using client = new CoreClient(network.core.endpoints[0]!)
    const addressOf = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
    await client.methods.updateNewContract({ address: addressOf(bare), bytecode: Uint8Array.of(1) })
    const deltas = [{ address: addressOf(large), key: 3, data: randomBytes(100) }]
    await client.methods.updateDeltas({ deltas })
    const shown = await here(['inspect'])
    expect(shown).toMatchObject({ code: 0, signingKey: worker, attestation: 'simulation' })
    expect(shown.contracts).toEqual(
      expect.arrayContaining([
        { address: bare, tip: null },
        { address: large, tip: 3 },
      ]),
    )
    expect(await here(['inspect', bare])).toMatchObject({ code: 0, codeSize: 1, tip: null })
    const { code, codeSize, codeHash, tip } = await here(['inspect', `0x${large}`])
    expect({ code, codeSize, codeHash, tip }).toEqual({
      ...{ code: 0, codeSize: 0, codeHash: null },
      tip: { key: 3, size: 100, hash: bytesToHex(keccak256(deltas[0]!.data)) },
    })
    await client.methods.removeContract({ address: addressOf(large) })
    await client.methods.removeContract({ address: addressOf(bare) })
  })

  it('asks for the tips that a core has left out, and for no others', async () => {
    const bare = account()
    using client = new CoreClient(network.core.endpoints[0]!)
    const addressOf = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
    await client.methods.updateNewContract({ address: addressOf(bare), bytecode: Uint8Array.of(1) })
    const inspect = async (edit: Edit) => {
      const asked: string[] = []
      const shown = await behind(
        (type, reply, request) => {
          if (type === 'GetTip') asked.push(String(request.input))
          return edit(type, reply, request)
        },
        (endpoint) => json(['inspect', '--endpoint', endpoint]),
      )
      return { asked, shown }
    }
    const usual = await inspect((_, reply) => reply)
    expect(usual.shown).toMatchObject({ code: 0, attestation: 'simulation' })
    expect(usual.asked).toContain(bare)
    expect(usual.asked).not.toContain(address)
    const without = await inspect((type, reply) => (type === 'GetAllTips' ? { ...reply, result: { tips: [] } } : reply))
    expect(without.asked).toEqual(expect.arrayContaining([bare, address]))
    expect(without.shown).toEqual(usual.shown)
    const failing = await inspect((type, { id }) => ({ id, type: 'Error', msg: `no ${type}` }))
    expect(failing.shown).toMatchObject({ code: 1, stdout: '', stderr: 'error: no GetRegistrationParams\n' })
    const broken = await inspect((type, reply) =>
      type === 'GetTip' ? { id: reply.id, type: 'Error', msg: 'no' } : reply,
    )
    expect(broken.shown).toMatchObject({ code: 1, stdout: '', stderr: 'error: no\n' })
    const hardware = await inspect((type, reply) =>
      type === 'GetRegistrationParams' ? { ...reply, result: { ...(reply.result as object), signature: 'ab' } } : reply,
    )
    expect(hardware.shown).toMatchObject({ code: 0, attestation: 'hardware' })
    await client.methods.removeContract({ address: addressOf(bare) })
  })

  it('shows a contract', async () => {
    const { code, ...shown } = await here(['inspect', address])
    expect([code, shown]).toMatchObject([
      0,
      { address, codeSize: deployed.codeSize, codeHash: deployed.codeHash, tip: { size: expect.any(Number) } },
    ])
  })

  it.each(['none', '00'.repeat(31), '00'.repeat(33), 'zz'.repeat(32)])('shows no %s', async (what) => {
    expect(await plain(['inspect', what])).toEqual({
      ...{ code: 2, stdout: '', stderr: 'error: It must be an address of 64 hex digits, or a .wasm file.\n' },
    })
  })

  it('shows a WebAssembly file', async () => {
    expect(await json(['inspect', ledger])).toMatchObject({ code: 0, file: ledger, compute: 'accepted' })
    const garbage = join(folder.path, 'garbage.wasm')
    await writeFile(garbage, 'garbage')
    expect(await json(['inspect', garbage])).toMatchObject({ code: 1, size: 7, error: expect.any(String) })
  })
})

describe('the connection', () => {
  it('has both keys of CURVE or none', async () => {
    const key = '0'.repeat(64)
    for (const given of [
      ['--curve-server-key', key],
      ['--curve-key', 'a.key'],
    ])
      expect(await plain(['call', 'GetAllTips', ...given]), given[0]).toEqual({
        ...{ code: 2, stdout: '', stderr: 'error: CURVE needs both --curve-server-key and --curve-key.\n' },
      })
  })

  it('is given up after the time-out', async () => {
    const file = join(folder.path, 'client.key')
    await createCurveKeyFile(file, 'client')
    // Nobody listens there, with CURVE or without.
    for (const curve of [[], ['--curve-server-key', '0'.repeat(64), '--curve-key', file]]) {
      const end = await run(['call', 'GetAllTips', '--endpoint', 'tcp://127.0.0.1:1', '--timeout', '20', ...curve])
      expect(end).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('20 ms') })
    }
  })
})

describe('console', () => {
  it('tells where the console of a core is', async () => {
    const { host } = new URL(network.core.httpUrl!)
    for (const http of [host, `http://${host}/`])
      expect(await run(['console', '--http', http])).toEqual({
        ...{ code: 0, stdout: `console http://${host}\n`, stderr: '' },
      })
  })

  it('writes an address of IPv6 as browsers want it', async () => {
    const { code, stderr } = await run(['console', '--http', '[::1]:1', '--timeout', '5000'])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: No core answers at http:\/\/\[::1\]:1\. /)])
  })

  it.each([
    ['linux', 'xdg-open'],
    ['darwin', 'open'],
    ['win32', 'cmd'],
  ])('is opened on %s with %s, if that is wanted', async (platform, program) => {
    await using programs = await temporaryFolder()
    const opened = join(programs.path, 'opened')
    for (const name of ['xdg-open', 'open', 'cmd'])
      await writeFile(join(programs.path, name), `#!/bin/sh\necho ${name} "$@" > '${opened}'\n`, { mode: 0o755 })
    const { host } = new URL(network.core.httpUrl!)
    const show = (...args: string[]) =>
      withProperty(process, 'platform', platform, () =>
        run(['console', '--http', host, ...args], { env: { PATH: `${programs.path}:${process.env.PATH}` } }),
      )
    expect(await show('--open')).toEqual({ code: 0, stdout: `console http://${host}\n`, stderr: '' })
    const text = platform === 'win32' ? `cmd /c start http://${host}\n` : `${program} http://${host}\n`
    await expect.poll(() => readFile(opened, 'utf8').catch(() => '')).toBe(text)
  })

  it.each(['null', '[]', '"signingAddress"', '{}', '7'])('is not where the answer is %s', async (answer) => {
    const server = createServer((_, response) => response.setHeader('connection', 'close').end(answer))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await run(['console', '--http', url])).toEqual({
      ...{ code: 1, stdout: '', stderr: `error: What answers at ${url} is no core.\n` },
    })
    await new Promise((resolve) => server.close(resolve))
  })
})

async function contract(name: string) {
  using client = new CoreClient(network.core.endpoints[0]!)
  return await client.methods.getContract({ address: Uint8Array.from(Buffer.from(name, 'hex')) })
}

/** A contract of stored code alone, which calls an Ethereum contract. */
async function installed(ethereum: string, payload: string): Promise<string> {
  const { default: createWabt } = await import('wabt')
  const wabt = await createWabt()
  const bytes = ethereum.replace(/../g, '\\$&')
  const { buffer } = wabt
    .parseWat(
      'contract.wat',
      `(module
        (import "env" "write_eth_bridge" (func $call (param i32 i32 i32)))
        (import "env" "memory" (memory 1 1))
        (data (i32.const 0) "${payload}")
        (data (i32.const 64) "${bytes}")
        (func (export "call") (call $call (i32.const 0) (i32.const ${payload.length}) (i32.const 64))))`,
    )
    .toBinary({})
  const name = account()
  using client = new CoreClient(network.core.endpoints[0]!)
  const address = Uint8Array.from(Buffer.from(name, 'hex'))
  await client.methods.updateNewContract({ address, bytecode: buffer })
  return name
}

type Edit = (type: string, reply: Record<string, unknown>, request: Record<string, unknown>) => object

/** Between a command and the core, where the replies become others. */
async function behind<T>(edit: Edit, work: (endpoint: string) => Promise<T>): Promise<T> {
  using client = new CoreClient(network.core.endpoints[0]!)
  const router = new Router({ linger: 0 })
  await router.bind('tcp://127.0.0.1:0')
  const answering = (async () => {
    for await (const frames of router) {
      const request = JSON.parse(String(frames.at(-1))) as Record<string, unknown> & { id: string; type: string }
      const reply = JSON.parse(String(Buffer.from(await client.exchange(request.id, frames.at(-1)!))))
      await router.send([...frames.slice(0, -1), JSON.stringify(edit(request.type, reply, request))])
    }
  })()
  try {
    return await work(router.lastEndpoint!)
  } finally {
    router.close()
    await answering.catch(() => {})
  }
}
