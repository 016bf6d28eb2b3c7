import { bytesToHex } from '@bletchley/bytes'
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
import { encodeRequest, type Input, type MessageType, WorkerError } from '@bletchley/protocol'
import { ContractStore, openMemory } from '@bletchley/store'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { Dispatcher } from '../dispatch.ts'
import { StateKeys } from '../keys/stateKeys.ts'
import { UserKeys } from '../keys/userKeys.ts'
import { defaultRoomLimits, ReplyRooms, type RoomLimits } from '../server/replyRoom.ts'
import type { WorkerContext } from './handler.ts'
import { TipOmissions } from './tipOmissions.ts'

const worker = generateKeyPair()
const principal = generateKeyPair()
const [address, other, unknown] = [randomBytes(32), randomBytes(32), randomBytes(32)]

/** The handlers over a store in memory; an engine that only notes what is brought to it. */
async function start(limits: Partial<RoomLimits> = {}) {
  const store = await ContractStore.open(openMemory(), { hashDelta: keccak256 })
  const log: { msg: string }[] = []
  const logger = pino({ base: null }, { write: (line: string) => void log.push(JSON.parse(line) as { msg: string }) })
  const seen: string[] = []
  const broken: Uint8Array[] = []
  const name = (each: Uint8Array) => bytesToHex(each).slice(0, 8)
  let task: object = {}
  const engine = {
    write: async (addresses: Uint8Array[], job: () => Promise<unknown>) => {
      seen.push(`write ${addresses.map(name)}`)
      return job()
    },
    putDeltas: (rows: Parameters<ContractStore['putDeltas']>[0]) => store.putDeltas(rows),
    rebuild: async (addresses: Uint8Array[]) => {
      seen.push(`rebuild ${addresses.map(name)}`)
      return broken
    },
    deploy: async () => task,
    compute: async () => task,
  }
  const stateKeys = new StateKeys(worker.secretKey, addressOf(principal.publicKey))
  const keyFetcher = { want: (addresses: Uint8Array[]) => seen.push(`want ${addresses.map(name)}`) }
  const context = {
    ...{ store, engine, stateKeys, keyFetcher, logger, userKeys: new UserKeys(worker.secretKey) },
    ...{
      omissions: new TipOmissions(logger),
      registration: { signingKey: new Uint8Array(20), report: new Uint8Array() },
    },
  }
  const rooms = new ReplyRooms({ ...defaultRoomLimits, ...limits })
  const dispatcher = new Dispatcher(context as unknown as WorkerContext, 'document')
  /** A reply as its peer reads it. */
  const ask = async <K extends MessageType>(type: K, input: Input<K>, room = rooms.of('peer')) => {
    const reply = await dispatcher.answer(encodeRequest(type, 'x', input), room)
    const { id, type: _, ...rest } = JSON.parse(new TextDecoder().decode(reply)) as Record<string, unknown>
    return rest
  }
  const give = (reply: object) => {
    task = reply
  }
  return { store, stateKeys, seen, broken, log, rooms, ask, give, name }
}

const hex = bytesToHex

describe('a read', () => {
  it('has what is stored, and names what is not', async () => {
    const { store, ask } = await start()
    await store.putContract(address, Uint8Array.of(1, 2), { key: 0, data: Uint8Array.of(3) })
    await store.putDeltas([
      { address, key: 1, data: Uint8Array.of(4, 5) },
      { address, key: 3, data: Uint8Array.of(6) },
      { address: other, key: 7, data: Uint8Array.of(8) },
    ])
    expect(await ask('GetTip', { address })).toEqual({ result: { key: 3, delta: [6] } })
    expect(await ask('GetTips', { addresses: [other, address] })).toEqual({
      result: {
        tips: [
          { address: hex(other), key: 7, delta: [8] },
          { address: hex(address), key: 3, delta: [6] },
        ],
      },
    })
    expect(await ask('GetAllAddrs', undefined)).toEqual({ result: { addresses: [hex(address), hex(other)] } })
    expect(await ask('GetDelta', { address, key: 1 })).toEqual({ address: hex(address), key: 1, delta: [4, 5] })
    const ranges = [
      { address: other, from: 0, to: 9 },
      { address, from: 1, to: 3 },
    ]
    expect(await ask('GetDeltas', { ranges })).toMatchObject({
      result: {
        deltas: [
          { address: hex(other), key: 7 },
          { address: hex(address), key: 1 },
        ],
      },
    })
    expect(await ask('GetContract', { address })).toEqual({ address: hex(address), bytecode: [1, 2] })
    expect(await ask('GetContract', { address: unknown })).toEqual({ address: hex(unknown), bytecode: [] })
  })
})
console.log(WorkerError, sign, encrypt, ecdh, encodePttResponse, encodeStateKeys, decodePttRequest)
