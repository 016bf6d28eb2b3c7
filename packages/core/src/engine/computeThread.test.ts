import { on } from 'node:events'
import { getPriority, setPriority } from 'node:os'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { bytesToHex, utf8ToBytes } from '@bletchley/bytes'
import { decrypt, encrypt, generateKeyPair, keccak256, randomBytes } from '@bletchley/crypto'
import type { Prepared } from '@bletchley/sandbox'
import { sealDelta } from '@bletchley/state'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import createWabt from 'wabt'
import type { StoredDelta } from './contractStates.ts'
import type { JobKind, Jobs, MessageFromThread, MessageToThread } from './threadMessages.ts'

// The code of a thread, run in this one: what it posts comes through a channel, as from a thread of its own.
const thread = vi.hoisted(() => ({ port: null as MessagePort | null, wiped: 0, hasRoom: true }))
const worker = generateKeyPair()
const priority = getPriority()

vi.mock('node:worker_threads', async (actual) => ({
  ...(await actual<object>()),
  get parentPort() {
    return thread.port
  },
  get workerData() {
    return { signingKey: worker.secretKey.bytes, encryptEmptyOutput: true }
  },
}))
vi.mock('@bletchley/sandbox', async (actual) => {
  const sandbox = await actual<typeof import('@bletchley/sandbox')>()
  const wipeMemories = () => {
    thread.wiped += 1
    sandbox.wipeMemories()
  }
  return { ...sandbox, wipeMemories, reserveMemory: () => thread.hasRoom && sandbox.reserveMemory() }
})

const wabt = await createWabt()
const bytecode = wabt.parseWat('', '(module (func (export "call")))').toBinary({}).buffer
const codeHash = keccak256(bytecode)
const address = randomBytes(32)
const stateKey = randomBytes(32)
const sharedKey = randomBytes(32)
const first: StoredDelta = {
  key: 0,
  data: sealDelta(stateKey, { patch: [{ op: 'add', path: '/k', value: 1 }], previousHash: new Uint8Array(32) }),
}

const tip = { key: 0, hash: keccak256(first.data) }

let port: MessagePort
let messages: AsyncIterator<[MessageFromThread]>

/** Starts the thread; what it asks for is answered with the contract's records, or not at all. */
async function start(): Promise<void> {
  const channel = new MessageChannel()
  thread.port = channel.port2
  thread.wiped = 0
  port = channel.port1
  messages = on(port, 'message') as AsyncIterator<[MessageFromThread]>
  vi.resetModules()
  await import('./computeThread.ts')
}
beforeEach(async () => {
  await start()
  expect(await next()).toEqual({ kind: 'ready' })
})
afterEach(() => port.close())

async function next(): Promise<MessageFromThread> {
  return (await messages.next()).value[0]
}

const send = (message: MessageToThread) => port.postMessage(message)

/** Gives the thread a job; returns what it asked for meanwhile, and how it ended. */
async function perform<K extends JobKind>(
  kind: K,
  request: Jobs[K]['request'],
  { forget = false, module }: { forget?: boolean; module?: Prepared } = {},
) {
  send({ kind: 'job', job: { kind, request, forget, ...(module && { module }) } } as MessageToThread)
  const asked: string[] = []
  for (;;) {
    const message = await next()
    if (message.kind === 'records') {
      const { name, args } = message.call
      asked.push(name === 'deltas' ? `deltas from ${args[1]}` : name)
      send({ kind: 'records', value: { bytecode, snapshot: undefined, deltas: [first] }[name] })
    } else if (message.kind === 'compiled') asked.push(`compiled ${message.module.codeBytes}`)
    else return { asked, ...message }
  }
}

const rebuild = (options?: { forget?: boolean }) => perform('rebuild', { address, stateKey, tip }, options)
const compute = (module?: Prepared) =>
  perform(
    'compute',
    {
      ...{ address, stateKey, sharedKey, codeHash, tip, gasLimit: 100_000n },
      userKey: generateKeyPair().publicKey,
      encryptedFn: encrypt(sharedKey, utf8ToBytes('f()')),
      encryptedArgs: new Uint8Array(),
    },
    module && { module },
  )

it('runs as a thread or not at all', async () => {
  thread.port = null
  vi.resetModules()
  await expect(import('./computeThread.ts')).rejects.toThrow('computeThread runs as a worker thread')
})

it('compiles a contract once, shares it, and takes what was shared', async () => {
  const ran = await compute()
  const compiled = `compiled ${bytecode.length}`
  expect(ran).toMatchObject({ asked: ['snapshot', 'deltas from 0', 'bytecode', compiled], kind: 'done' })
  const { result } = ran as unknown as { result: { kind: string; output: Uint8Array } }
  // The empty output is encrypted, as the thread was told.
  expect([result.kind, decrypt(sharedKey, result.output)]).toEqual(['success', new Uint8Array()])
  const { prepareRuntime } = await import('@bletchley/sandbox')
  const module = prepareRuntime(bytecode)
  expect(await compute(module)).toMatchObject({ asked: [], kind: 'done', result: { kind: 'success' } })
  expect(await perform('prepare', { address, codeHash })).toMatchObject({ asked: ['bytecode', compiled], kind: 'done' })
  const prepared = await perform('prepare', { address, codeHash }, { module })
  expect(prepared).toMatchObject({ asked: [], kind: 'done', result: undefined })
})

it('deploys and simulates', async () => {
  const preCode = wabt
    .parseWat('', '(module (import "env" "memory" (memory 1)) (func (export "deploy")) (func (export "call")))')
    .toBinary({}).buffer
  const task = { address, stateKey, sharedKey, gasLimit: 100_000n, userKey: generateKeyPair().publicKey }
  const inputs = { encryptedFn: encrypt(sharedKey, utf8ToBytes('construct()')), encryptedArgs: new Uint8Array() }
  const deployed = await perform('deploy', { ...task, ...inputs, preCode, preCodeHash: keccak256(preCode) })
  expect(deployed).toMatchObject({ asked: [], kind: 'done', result: { kind: 'success', delta: { key: 0 } } })
  const question = { address, stateKey, tip, callable: 'f()', args: new Uint8Array(), gasLimit: 100_000n }
  const simulated = await perform('simulate', question)
  expect(simulated).toMatchObject({
    asked: ['snapshot', 'deltas from 0', 'bytecode'],
    result: { kind: 'simulated', outcome: { kind: 'success' }, tip: { key: 0 } },
  })
})

it('keeps states until it is told to forget them, and says what they take', async () => {
  const fresh = ['snapshot', 'deltas from 0']
  const held = await rebuild()
  expect(held).toMatchObject({ asked: fresh, result: { whole: true }, states: { entries: 1 } })
  expect((held as unknown as { states: { bytes: number } }).states.bytes).toBeGreaterThan(2048)
  expect((await rebuild()).asked).toEqual([])
  expect((await rebuild({ forget: true })).asked).toEqual(fresh)
  send({ kind: 'forget', names: [bytesToHex(randomBytes(32)), bytesToHex(address)] })
  const prepared = await perform('prepare', { address, codeHash }, { module: { kind: 'refused', message: '' } })
  expect(prepared).toMatchObject({ states: { entries: 0, bytes: 0 } })
  expect((await rebuild()).asked).toEqual(fresh)
})

it('tells where a job failed, and nothing of what the failure says; it goes on', async () => {
  send({ kind: 'job', job: { kind: 'rebuild', request: { address, stateKey, tip }, forget: false } })
  expect(await next()).toMatchObject({ kind: 'records', call: { name: 'snapshot' } })
  send({ kind: 'noRecords', reason: 'secret\nsecret' })
  const failed = (await next()) as { kind: string; reason: string }
  expect(failed).toMatchObject({ kind: 'failed', states: { entries: 0 } })
  expect(failed.reason).toMatch(/^Error\n( {4}at .*\n)* {4}at [^\n]*computeThread\.ts/)
  expect(failed.reason).not.toContain('secret')
  const wrong = (await perform('prepare', undefined as never)) as unknown as { kind: string; reason: string }
  expect([wrong.kind, wrong.reason.split('\n')[0]]).toEqual(['failed', 'TypeError'])
  expect((await rebuild()).kind).toBe('done')
})

it('says before it is ready that there is no room for contracts, and of each job that finds none', async () => {
  port.close()
  thread.hasRoom = false
  await start()
  thread.hasRoom = true
  expect([await next(), await next()]).toEqual([{ kind: 'noRoom' }, { kind: 'ready' }])
  const { prepareRuntime } = await import('@bletchley/sandbox')
  const wat = '(module (import "env" "memory" (memory 3 4)) (func (export "call")))'
  const module = prepareRuntime(new Uint8Array(wabt.parseWat('', wat).toBinary({}).buffer))
  const full = vi.spyOn(WebAssembly, 'Memory').mockImplementation(() => {
    throw new RangeError('WebAssembly.Memory(): could not allocate memory')
  })
  const failed = await compute(module)
  full.mockRestore()
  expect(failed).toMatchObject({
    kind: 'failed',
    reason: expect.stringMatching(/^there is no address space left .* ulimit -v/),
  })
})

it('wipes the memories of a job behind its reply', async () => {
  for (const kind of ['done', 'failed']) {
    const ended = kind === 'done' ? await rebuild() : await perform('prepare', undefined as never)
    expect(ended.kind).toBe(kind)
  }
  await vi.waitUntil(() => thread.wiped === 2)
})

it('runs behind the rest of the process, and never in front of where that is', async () => {
  expect(getPriority()).toBe(Math.max(10, priority))
  setPriority(19)
  vi.resetModules()
  await import('./computeThread.ts')
  expect(getPriority()).toBe(19)
})
