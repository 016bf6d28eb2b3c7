import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import {
  addressOf,
  decodePttRequest,
  ecdh,
  encodePttResponse,
  encodeStateKeys,
  encrypt,
  generateKeyPair,
  keccak256,
  randomBytes,
  sign,
} from '@bletchley/crypto'
import { encodeRequest, type MessageType } from '@bletchley/protocol'
import { type ContractStore, KeyValueStore, openLmdb, openMemory } from '@bletchley/store'
import { temporaryFolder } from '@bletchley/testkit'
import { Turns } from '@bletchley/testkit/turns'
import { pino } from 'pino'
import { describe, expect, it, vi } from 'vitest'
import { readerNamed } from '../../test/readers.ts'
import { Dispatcher } from '../dispatch.ts'
import { StateKeys } from '../keys/stateKeys.ts'
import { MemoryUserKeys } from '../keys/userKeys.ts'
import { defaultRoomLimits, type ReplyRoom, ReplyRooms, type RoomLimits } from '../server/replyRoom.ts'
import type { WorkerContext } from './handler.ts'
import { HeldTasks } from './heldTasks.ts'
import { readingsOf } from './readings.ts'
import { TipOmissions } from './tipOmissions.ts'

const worker = generateKeyPair()
const principal = generateKeyPair()
const [address, other, unknown] = [randomBytes(32), randomBytes(32), randomBytes(32)]

/** The handlers over a store, in memory unless given; an engine that only notes what is brought to it. */
async function start(limits: Partial<RoomLimits> = {}, backend = openMemory()) {
  const store = await KeyValueStore.open(backend, { hash: keccak256 })
  const log: Record<string, unknown>[] = []
  const logger = pino({ base: null }, { write: (line: string) => void log.push(JSON.parse(line) as (typeof log)[0]) })
  const seen: string[] = []
  const broken: Uint8Array[] = []
  /** Whose requests the engine was brought. */
  const peers: string[] = []
  const name = (each: Uint8Array) => bytesToHex(each).slice(0, 8)
  let task: object = {}
  const engine = {
    write: async (addresses: Uint8Array[], job: () => Promise<unknown>, peer: string) => {
      seen.push(`write ${addresses.map(name)}`)
      peers.push(peer)
      return job()
    },
    putDeltas: (rows: Parameters<ContractStore['putDeltas']>[0], peer: string) => {
      peers.push(peer)
      return store.putDeltas(rows)
    },
    rebuild: async (addresses: Uint8Array[], peer: string) => {
      seen.push(`rebuild ${addresses.map(name)}`)
      peers.push(peer)
      return broken
    },
    deploy: async (_: unknown, peer: string) => {
      peers.push(peer)
      return task
    },
    compute: async (_: unknown, peer: string) => {
      peers.push(peer)
      return task
    },
  }
  const stateKeys = new StateKeys(worker.secretKey, addressOf(principal.publicKey))
  const keyFetcher = { want: (addresses: Uint8Array[]) => seen.push(`want ${addresses.map(name)}`) }
  const context = {
    ...{ store, engine, stateKeys, keyFetcher, logger, userKeys: new MemoryUserKeys(worker.secretKey) },
    ...{
      readings: readingsOf(store),
      omissions: new TipOmissions(logger),
      heldTasks: new HeldTasks(),
      registration: { signingKey: new Uint8Array(20), report: new Uint8Array() },
    },
  }
  const rooms = new ReplyRooms({ ...defaultRoomLimits, ...limits })
  const dispatcher = new Dispatcher(context as unknown as WorkerContext, 'document')
  const answer = <K extends MessageType>(
    type: K,
    input: Parameters<typeof encodeRequest<K>>[2],
    room = rooms.of(readerNamed('peer')),
  ) => dispatcher.answer(encodeRequest(type, 'x', input), room, true)
  /** A reply as its peer reads it. */
  const ask = async <K extends MessageType>(
    type: K,
    input: Parameters<typeof encodeRequest<K>>[2],
    room?: ReplyRoom,
  ) => {
    const reply = await answer(type, input, room)
    const { id, type: _, ...rest } = JSON.parse(new TextDecoder().decode(reply)) as Record<string, unknown>
    return rest
  }
  const give = (reply: object) => {
    task = reply
  }
  return { store, stateKeys, seen, peers, broken, log, rooms, answer, ask, give, name }
}

const hex = bytesToHex
const missing = (command: string, of: Uint8Array) => ({
  msg: `Error while trying to ${command}, Because: The following Key doesn't exist: ${hex(of)}`,
})

describe('reads of large values', () => {
  const large = new Uint8Array(16 << 20)
  const ranges = [{ address, from: 0, to: 1 }]
  it.each<[MessageType, object]>([
    ['GetTip', { address }],
    ['GetDelta', { address, key: 0 }],
    ['GetContract', { address }],
    ['GetTips', { addresses: [address] }],
    ['GetDeltas', { ranges }],
  ])('that a peer asks for at once by %s have turns of their own', async (type, input) => {
    await using folder = await temporaryFolder()
    const backend = await openLmdb({ folder: folder.path })
    const { store, answer } = await start({}, backend)
    await store.putContract(address, large, { key: 0, data: large })
    const turns = new Turns()
    // What is made of what was read has turns of its own anyway.
    const read = new Set<number>()
    const [get, entries] = [backend.get.bind(backend), backend.entries.bind(backend)]
    vi.spyOn(backend, 'get').mockImplementation(async (...args) => {
      const value = await get(...args)
      if (value?.length === large.length) read.add(turns.count)
      return value
    })
    vi.spyOn(backend, 'entries').mockImplementation(async function* (...args) {
      for await (const chunk of entries(...args)) {
        read.add(turns.count)
        yield chunk
      }
    })
    await Promise.all(Array.from({ length: 8 }, () => answer(type, input as never)))
    turns.stop()
    await backend.close()
    // Two may be in one where they take less than three milliseconds.
    expect(read.size).toBeGreaterThan(3)
  })
})

describe('a read', () => {
  it('has what is stored, and names what is not', async () => {
    const { store, ask } = await start()
    await store.putContract(address, Uint8Array.of(1, 2), { key: 0, data: Uint8Array.of(3) })
    await store.putDeltas([
      { address, key: 1, data: Uint8Array.of(4, 5) },
      { address, key: 3, data: Uint8Array.of(6) },
      { address: other, key: 7, data: Uint8Array.of(8) },
    ])
    const [mine, its] = [hex(address), hex(other)]
    const tips = [
      { address: its, key: 7, data: [8] },
      { address: mine, key: 3, data: [6] },
    ]
    expect(await ask('GetTip', { address })).toEqual({ result: { key: 3, data: [6] } })
    expect(await ask('GetTip', { address: unknown })).toEqual(missing('get_tip', unknown))
    expect(await ask('GetTips', { addresses: [other, address] })).toEqual({ result: { tips } })
    expect(await ask('GetTips', { addresses: [other, unknown] })).toEqual(missing('get_tip', unknown))
    expect(await ask('GetAllTips', undefined)).toEqual({ result: { tips: tips.toReversed() } })
    expect(await ask('GetAllAddrs', undefined)).toEqual({ result: { addresses: [mine, its] } })
    expect(await ask('GetDelta', { address, key: 1 })).toEqual({ result: { delta: [4, 5] } })
    expect(await ask('GetDelta', { address, key: 2 })).toEqual(missing('get_delta', address))
    expect(await ask('GetContract', { address })).toEqual({ result: { address: mine, bytecode: [1, 2] } })
    expect(await ask('GetContract', { address: unknown })).toEqual({ result: { address: hex(unknown), bytecode: [] } })
    const ranges = [
      { address: other, from: 0, to: 9 },
      { address, from: 1, to: 3 },
    ]
    const deltas = [
      { address: its, key: 7, data: [8] },
      { address: mine, key: 1, data: [4, 5] },
    ]
    expect(await ask('GetDeltas', { ranges })).toEqual({ result: { deltas } })
    const more = [...ranges, { address: unknown, from: 0, to: 1 }]
    expect(await ask('GetDeltas', { ranges: more })).toEqual(missing('get_deltas', unknown))
  })

  it('takes room for all addresses before they are written', async () => {
    const { store, ask, rooms } = await start()
    for (let contract = 0; contract < 245; contract++) await store.putBytecode(randomBytes(32), Uint8Array.of(1))
    const room = rooms.of(readerNamed('peer'))
    await ask('GetAllAddrs', undefined, room)
    expect(room.bytes).toBe(245 * 67)
  })
})

describe('a write', () => {
  it('is done in its turn, and has the keys of new contracts fetched', async () => {
    const { store, ask, seen, peers, name } = await start()
    const done = { result: { status: 0 } }
    expect(await ask('UpdateNewContract', { address, bytecode: Uint8Array.of(9) })).toMatchObject(done)
    expect(await store.getBytecode(address)).toEqual(Uint8Array.of(9))
    const delta = { key: 0, data: Uint8Array.of(1) }
    const deployed = { address: other, bytecode: Uint8Array.of(8), delta }
    expect(await ask('UpdateNewContractOnDeployment', deployed)).toMatchObject(done)
    expect([await store.getBytecode(other), await store.getTip(other)]).toEqual([Uint8Array.of(8), delta])
    const deltas = [
      { address: other, key: 1, data: Uint8Array.of(2) },
      { address, key: 0, data: Uint8Array.of(3) },
    ]
    const rows = [
      { address: hex(other), key: 1, status: 0 },
      { address: hex(address), key: 0, status: 0 },
    ]
    expect(await ask('UpdateDeltas', { deltas })).toEqual({ result: { status: 0, errors: rows } })
    expect((await store.getTip(other))?.key).toBe(1)
    const ranges = [{ address: other, from: 0, to: 1 }]
    expect(await ask('RemoveDeltas', { ranges })).toEqual({ result: { status: 0, errors: [] } })
    expect(await store.getDelta(other, 0)).toBeUndefined()
    expect(await ask('RemoveContract', { address })).toMatchObject(done)
    expect(await store.hasContract(address)).toBe(false)
    expect(await ask('RemoveContract', { address })).toMatchObject(done)
    expect(seen).toEqual([
      ...[`write ${name(address)}`, `want ${name(address)}`, `write ${name(other)}`, `want ${name(other)}`],
      ...[`write ${name(other)}`, `write ${name(address)}`, `write ${name(address)}`],
    ])
    expect(peers).toEqual(Array(6).fill('peer'))
  })
})

describe('keys', () => {
  const responseTo = (request: string, addresses: Uint8Array[]) => {
    const { id, publicKey } = decodePttRequest(hexToBytes(request))
    const keys = addresses.map((each) => ({ address: each, key: randomBytes(32) }))
    const encrypted = encrypt(ecdh(principal.secretKey, publicKey), encodeStateKeys(keys))
    const response = encodePttResponse({ id, publicKey: principal.publicKey, encrypted })
    return { response, sig: sign(principal.secretKey, response) }
  }

  it('of users are exchanged, and refused for a point that is none', async () => {
    const { ask } = await start()
    const { result } = (await ask('NewTaskEncryptionKey', { userPubKey: principal.publicKey })) as { result: object }
    expect(result).toEqual({
      workerEncryptionKey: expect.stringMatching(/^[0-9a-f]{128}$/),
      workerSig: expect.stringMatching(/^[0-9a-f]{130}$/),
    })
    expect(await ask('NewTaskEncryptionKey', { userPubKey: new Uint8Array(64) })).toEqual({
      ...{ msg: 'Error inside the Enclave = (KeysError)' },
    })
  })

  it('of states are installed, and the contracts that do not rebuild are told and logged', async () => {
    const { ask, seen, peers, broken, log, stateKeys, name } = await start()
    const { result } = (await ask('GetPTTRequest', undefined)) as { result: { request: string } }
    broken.push(other)
    expect(await ask('PTTResponse', responseTo(result.request, [address, other]))).toEqual({
      result: { errors: [{ address: hex(other), status: -1 }] },
    })
    expect([stateKeys.size, seen, peers]).toEqual([2, [`rebuild ${name(address)},${name(other)}`], ['peer']])
    const msg = 'contracts do not rebuild from their deltas'
    expect(log).toMatchObject([{ level: 40, contracts: 1, first: [hex(other)], msg }])
  })

  it('of states that do not rebuild are one line of the log, however many', async () => {
    const { ask, broken, log } = await start()
    const { result } = (await ask('GetPTTRequest', undefined)) as { result: { request: string } }
    const many = Array.from({ length: 11 }, () => randomBytes(32))
    broken.push(...many)
    await ask('PTTResponse', responseTo(result.request, many))
    expect(log).toMatchObject([{ contracts: 11, first: many.slice(0, 10).map(hex) }])
  })

  it('of states that are refused are logged with more than the peer gets', async () => {
    const { ask, log, seen } = await start()
    const { result } = (await ask('GetPTTRequest', undefined)) as { result: { request: string } }
    const { response } = responseTo(result.request, [address])
    const stranger = generateKeyPair()
    const msg = 'Error inside the Enclave = (KeyProvisionError)'
    expect(await ask('PTTResponse', { response, sig: sign(stranger.secretKey, response) })).toEqual({ msg })
    const large = new Uint8Array(4 * 1024 * 1024 + 1)
    const tooLarge = (await ask('PTTResponse', { response: large, sig: new Uint8Array(65) })) as { msg: string }
    expect(tooLarge.msg).toContain('bytes in a response')
    expect(log).toMatchObject([
      {
        ...{ level: 40, reason: msg, msg: 'state keys refused', signer: hex(addressOf(stranger.publicKey)) },
        because: 'it is not signed by the principal, or was changed',
      },
      { level: 40, reason: tooLarge.msg, msg: 'state keys refused' },
    ])
    expect('because' in log[1]!).toBe(false)
    expect(seen).toEqual([])
  })

  it('of states whose installation fails for a reason of ours are no refusal', async () => {
    const { ask, log, stateKeys } = await start()
    vi.spyOn(stateKeys, 'install').mockImplementation(() => {
      throw new Error('oops')
    })
    const { msg } = (await ask('PTTResponse', { response: Uint8Array.of(1) })) as { msg: string }
    expect(msg).toMatch(/^Internal error, incident /)
    expect(log.map((line) => line.msg)).toEqual(['request failed'])
  })
})

describe('a task', () => {
  const signature = new Uint8Array(65).fill(1)
  const output = new Uint8Array(10_000).fill(2)
  const inputs = {
    ...{ encryptedFn: new Uint8Array(1), encryptedArgs: new Uint8Array(1), userDHKey: principal.publicKey },
    ...{ gasLimit: 5n, contractAddress: address },
  }
  const ethereum = { ethereumPayload: new Uint8Array(3), ethereumAddress: new Uint8Array(20) }
  const tasks = {
    ComputeTask: inputs,
    DeploySecretContract: { ...inputs, preCode: new Uint8Array(1) },
  } as const

  it.each(['ComputeTask', 'DeploySecretContract'] as const)('%s is answered as the engine ends it', async (type) => {
    const { ask, give, rooms } = await start()
    const delta = { key: 4, data: Uint8Array.of(7) }
    const result = { output, delta, usedGas: 3n, ...ethereum, signature, preCodeHash: new Uint8Array(32) }
    give({ kind: type === 'ComputeTask' ? 'computed' : 'deployed', result })
    const room = rooms.of(readerNamed('peer'))
    expect(await ask(type, tasks[type], room)).toMatchObject({
      result: { output: hex(output), delta: { key: 4, data: [7] }, usedGas: 3, signature: hex(signature) },
    })
    // Twice its bytes, and those of the payload, and four times the delta's.
    expect(room.bytes).toBe(20_000 + 6 + 4)
    give({ kind: 'failed', result: { output, usedGas: 2n, signature } })
    const failed = await ask(type, tasks[type])
    expect(failed).toEqual({ result: { output: hex(output), usedGas: 2, signature: hex(signature) } })
  })
})
