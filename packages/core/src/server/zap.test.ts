import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeZ85 } from '@bletchley/crypto'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Context, Request } from 'zeromq'
import { ClientList } from './clientList.ts'
import { Refusals } from './refusals.ts'
import { type Doorkeeper, guardConnections } from './zap.ts'

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

let folder: string
let clients: ClientList | undefined
let refusals: Refusals
let doorkeeper: Doorkeeper
let libzmq: Request

beforeEach(async () => {
  const context = new Context()
  const logger = pino({ enabled: false })
  folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
  await list(1, 2)
  clients = await ClientList.open(join(folder, 'clients'), logger)
  refusals = new Refusals(logger)
  doorkeeper = await guardConnections(context, clients, refusals)
  libzmq = new Request({ context, linger: 0 })
  libzmq.connect('inproc://zeromq.zap.01')
})

afterEach(async () => {
  libzmq.close()
  doorkeeper.close()
  clients?.close()
  clients = undefined
  await rm(folder, { recursive: true })
})

async function list(...keys: number[]): Promise<void> {
  await writeFile(join(folder, 'clients'), keys.map((byte) => encodeZ85(key(byte))).join('\n'))
  await clients?.reload()
}

/** Asks as libzmq does for a peer that has connected. */
async function ask(mechanism: string, credentials: Uint8Array[]): Promise<string[]> {
  await libzmq.send(['1.0', 'id', 'bletchley', '192.0.2.1', '', mechanism, ...credentials])
  return (await libzmq.receive()).map(String)
}

const welcome = ['1.0', 'id', '200', 'OK', '', '']
const refused = ['1.0', 'id', '400', 'not on the list', '', '']

it('lets in who is on the list, and nobody else', async () => {
  expect(await ask('CURVE', [key(1)])).toEqual(welcome)
  expect(refusals.counts.not_listed).toBe(0)
  expect(await ask('CURVE', [key(3)])).toEqual(refused)
  expect(refusals.counts.not_listed).toBe(1)
})

it.each([
  ['another mechanism', 'PLAIN', [key(1)]],
  ['no mechanism', 'NULL', []],
  ['no key', 'CURVE', []],
  ['a shorter key', 'CURVE', [key(1).subarray(1)]],
])('lets nobody in who shows %s', async (_, mechanism, credentials) => {
  expect(await ask(mechanism, credentials)).toEqual(refused)
  expect(doorkeeper.hasStranger()).toBe(false)
})

it('remembers whom it has let in, until all connections are gone', async () => {
  await ask('CURVE', [key(1)])
  await ask('CURVE', [key(3)])
  await list(1)
  expect(doorkeeper.hasStranger()).toBe(false)
  await list()
  expect(doorkeeper.hasStranger()).toBe(true)
  doorkeeper.forget()
  expect(doorkeeper.hasStranger()).toBe(false)
  expect(await ask('CURVE', [key(1)])).toEqual(refused)
  expect(doorkeeper.hasStranger()).toBe(false)
})
